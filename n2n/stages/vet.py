"""Stage `vet`: look at what a set of masters makes of a few exposures, and refuse the masters that do harm.

Reads the exposures that the plan chose for the set and writes a JSON table: which masters are accepted, which are
refused and why, in words. `measure` and `register` obey it.
"""

from pathlib import Path

import numpy as np

from n2n.errors import BadFrame
from n2n.formats.frametable import pedestal_of
from n2n.formats.rawframe import read_frame
from n2n.formats.tables import number, read_csv, write_json
from n2n.formats.treatment import set_of
from n2n.group.calibrated import Masters, zero_of
from n2n.log import logger
from n2n.sky import vetting

NO_ZERO = "without a zero it would divide the offset, too; take bias frames, or darks, of the lights' setting"


def add_arguments(parser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("frames", type=Path, help="CSV of a few exposures that use one set of masters")
    parser.add_argument("--raw", type=Path, default=Path("data/raw"), help="folder of the raw nights")
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of the results")
    parser.add_argument("-o", "--output", type=Path, required=True, help="JSON table to write")


def run(args) -> None:
    """Execute the stage."""
    rows = read_csv(args.frames)
    found = vet(rows, lights_of(rows, args.raw), Masters(args.results))
    for sentence in [*found["refused"], *found["notes"]]:
        logger.warning("%s", sentence)
    write_json(args.output, {"set": set_of(rows[0]), **found, "exposures": [row["path"] for row in rows]})


def lights_of(rows: list[dict], raw: Path) -> list[np.ndarray]:
    """Exposures free of their pedestal; those that cannot be read are judged elsewhere."""
    lights = []
    for row in rows:
        try:
            pixels, invalid = read_frame(row, raw)
        except BadFrame as error:
            logger.info("left out %s: %s", row["path"], error)
            continue
        pixels = pixels.astype(np.float32) - np.float32(pedestal_of(row))
        if invalid.any():
            pixels[invalid] = np.median(pixels[~invalid]) if not invalid.all() else 0
        lights.append(pixels)
    return lights


def vet(rows: list[dict], lights: list[np.ndarray], masters: Masters) -> dict:
    """Decide which masters of a set may be used.

    Parameters
    ----------
    rows : list of dict
        Exposures of one set, as the plan wrote them.
    lights : list of ndarray, shape (h, w)
        Their pixels in ADU, free of any pedestal; without any, only what the masters say themselves counts.

    Returns
    -------
    dict
        ``accepted`` (kind to bool), ``refused`` and ``notes`` (sentences), ``gain_of_flat`` (whether the gain that the
        flats tell is one of the lights' numbers).
    """
    row = rows[0]
    keys = {kind: row.get(kind) or "" for kind in ("dark", "bias", "flat")}
    refused, notes = {}, []
    for kind, key in keys.items():
        if key and (why := masters.void(key)):
            refused[kind] = why
        elif key and any(masters.image(key).shape != light.shape for light in lights):
            refused[kind] = f"{masters.image(key).shape} pixels, the lights have {lights[0].shape}"
    wanted = bool(keys["dark"] or keys["bias"])
    scale, zero, gain_of_flat = number(row.get("dark_scale"), 1.0), None, True
    for kind in ("dark", "bias"):
        if not keys[kind] or kind in refused or zero is not None:
            continue
        if kind == "dark" and scale != 1 and (not keys["bias"] or "bias" in refused):
            refused[kind] = "there is no bias to scale it with"
            continue
        image = zero_of(masters, keys["dark"] if kind == "dark" else None, keys["bias"] or None, scale)
        why, note, one_scale = look_at_zero(lights, image)
        gain_of_flat &= one_scale
        if kind == "dark" and lights and not why and keys["bias"] and "bias" not in refused:
            flat = masters.image(keys["flat"]) if keys["flat"] and "flat" not in refused else None
            why = vetting.light_in_dark(lights, image, masters.image(keys["bias"]), flat).refused
        if why:
            refused[kind] = why
        else:
            zero = image
            notes += [f"{kind}: {note}"] if note else []
    # Lights without an offset: theirs was subtracted before, or a card told it.
    free = bool(set(row.get("done", "")) & set("bd")) or pedestal_of(row) > 0
    if keys["flat"] and "flat" not in refused and lights:
        if zero is None and not free:
            refused["flat"] = NO_ZERO
        else:
            finding = vetting.flat_agrees([light if zero is None else light - zero for light in lights],
                                          masters.image(keys["flat"]))  # fmt: skip
            if finding.refused:
                refused["flat"] = finding.refused
            notes += [f"flat: {finding.note}"] if finding.note else []
    elif keys["flat"] and not free and all(kind in refused for kind in ("dark", "bias") if keys[kind]):
        refused.setdefault("flat", NO_ZERO)
    if zero is None and (wanted or ("flat" in refused and not free)):
        notes.append("sky: nothing is subtracted, its level holds the offset of the camera")
    return {
        "accepted": {kind: bool(key) and kind not in refused for kind, key in keys.items()},
        "refused": [f"{kind}: refused: {why} ({keys[kind]})" for kind, why in refused.items()],
        "notes": notes,
        "gain_of_flat": gain_of_flat,
    }


def look_at_zero(lights: list[np.ndarray], zero: np.ndarray) -> tuple[str, str, bool]:
    """Why a zero must not be subtracted, what to remark, and whether it is of the lights' scale."""
    if not lights:
        return "", "", True
    finding = vetting.scale_of_numbers(lights, zero)
    if finding.refused:
        return finding.refused, "", False
    below = vetting.sky_below_zero(lights, zero)
    hot = vetting.hot_pixels_agree(lights, zero)
    return below.refused or hot.refused, below.note, True
