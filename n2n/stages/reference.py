"""Stage `reference`: choose the group's reference exposure and its limits of quality.

Both rest on the exposures that arrived first and are then frozen: a late frame is judged by
the same limits and changes no earlier result.
"""

from pathlib import Path

import numpy as np

from n2n.config import add_settings
from n2n.errors import UserError
from n2n.formats.tables import read_json, write_json
from n2n.sky.match import NoMatch, match_stars

MAX_MATCHED = 12
FEW_STARS = 5  # fewer come and go with the noise and tell nothing of clouds


def add_arguments(parser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("measured", type=Path, nargs="+", help="tables of `n2n measure`")
    parser.add_argument("-o", "--output", type=Path, required=True, help="reference.json to write")
    add_settings(parser, "reference")


def run(args) -> None:
    """Execute the stage."""
    tables = [read_json(path) for path in args.measured]
    frames = [frame for table in tables for frame in table["frames"]]
    limits = quality_limits([f for f in frames if not f["rejected"]], vars(args))
    good = [frame for frame in frames if not reasons(frame, limits)]
    readable = [frame for frame in frames if not frame["rejected"]]
    if not readable:
        raise UserError(f"none of the {len(frames)} exposures can be read: {frames[0]['rejected'][0]}")
    chosen = choose(good or readable)
    print(f"reference {chosen['path']}; {len(good)} of {len(frames)} exposures within the limits")
    write_json(
        args.output,
        {"reference": chosen, "limits": limits, "unit": tables[0]["unit"], "gain": tables[0]["gain"]},
    )


def quality_limits(frames: list[dict], settings: dict) -> dict:
    """Robust limits relative to the night: median plus `nsigma` of the spread, but never petty.

    A good night has so little spread that an ordinary frame would fail; a limit is therefore at
    least a stated factor away from the median.
    """

    def column(key):
        return np.array([f[key] for f in frames if f.get(key) is not None], float)

    def upper(key, factor, extra=0.0):
        values = column(key)
        if values.size < 3:
            return None
        centre = np.median(values)
        spread = 1.4826 * np.median(np.abs(values - centre))
        return float(max(centre + settings["nsigma"] * spread, centre * factor + extra))

    stars = column("n_stars")
    return {
        "fwhm_px": upper("fwhm_px", settings["fwhm_factor"]),
        "ellipticity": upper("ellipticity", 1.0, settings["ellipticity_margin"]),
        "background_rms": upper("background_rms", settings["noise_factor"]),
        "n_stars": float(np.median(stars) * settings["stars_factor"])
        if stars.size >= 3 and np.median(stars) >= FEW_STARS
        else None,
    }


def reasons(frame: dict, limits: dict) -> list[str]:
    """Why a measured exposure is left out, in words; empty when it is not."""
    found = list(frame["rejected"])
    if found:
        return found
    words = {
        "fwhm_px": "blurred: FWHM {:.2f} px, limit {:.2f}",
        "ellipticity": "trailed: ellipticity {:.2f}, limit {:.2f}",
        "background_rms": "noisy or bright sky: noise {:.2f}, limit {:.2f}",
    }
    for key, text in words.items():
        if limits.get(key) is not None and frame.get(key) is not None and frame[key] > limits[key]:
            found.append(text.format(frame[key], limits[key]))
    if limits.get("n_stars") is not None and frame["n_stars"] < limits["n_stars"]:
        found.append(f"few stars (clouds, dew): {frame['n_stars']}, limit {limits['n_stars']:.1f}")
    return found


def choose(frames: list[dict]) -> dict:
    """Choose a sharp exposure near the middle of the group's pointings.

    Quality is stars / (FWHM^2 noise); pointing is found by matching against the best frame. The
    winner has the best quality among the half nearest the median pointing.
    """

    def quality(frame):
        fwhm = frame["fwhm_px"] or np.inf
        return (frame["n_stars"] + 1) / (fwhm**2 * max(frame["background_rms"], 1e-9))

    ranked = sorted(frames, key=lambda f: (-quality(f), f["path"]))
    best = ranked[0]
    step = -(-len(frames) // MAX_MATCHED)
    centre = np.median(np.array(best["stars"])[:, :2], axis=0) if len(best["stars"]) else np.zeros(2)
    offsets = []
    for frame in ranked[::step]:
        try:
            match = match_stars(best["stars"], frame["stars"])
        except NoMatch:
            continue
        offsets.append((frame, match.matrix[:, :2] @ centre + match.matrix[:, 2] - centre))
    if len(offsets) < 3:
        return best
    shifts = np.array([shift for _, shift in offsets])
    distance = np.hypot(*(shifts - np.median(shifts, axis=0)).T)
    near = [frame for (frame, _), d in zip(offsets, distance, strict=True) if d <= max(np.median(distance), 3.0)]
    return near[0] if near else best
