"""Which masters of a set may be used: what they make of a few exposures."""

import numpy as np

from n2n.formats.frametable import pedestal_of
from n2n.formats.tables import number
from n2n.group.calibrated import Masters, zero_of
from n2n.sky import vetting

NO_ZERO = "without a zero it would divide the offset, too; take bias frames, or darks, of the lights' setting"


def vet(rows: list[dict], lights: list[np.ndarray], masters: Masters) -> dict:
    """Decide which masters of a set may be used.

    Parameters
    ----------
    rows : list of dict
        Exposures of one set, as the plan wrote them.
    lights : list of ndarray, shape (h, w)
        Their pixels in ADU, free of any pedestal; without any, only what the masters say themselves counts.
    masters : Masters
        Gives their images and headers.

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
