"""Stage `measure`: calibrate a chunk of lights in memory, find stars, grade every exposure.

Writes a JSON table: one entry a frame with sky, noise, seeing, roundness and star list.
"""

from pathlib import Path

import cv2

from n2n.config import add_settings
from n2n.errors import BadFrame
from n2n.formats.flags import DEFECT, NO_DATA, SATURATED
from n2n.formats.tables import read_csv, write_json
from n2n.group import calibrated as exposure
from n2n.log import Progress
from n2n.sky.stars import measure_stars


def add_arguments(parser) -> None:
    """Declare the command's arguments."""
    exposure.add_arguments(parser)
    parser.add_argument("-o", "--output", type=Path, required=True, help="JSON table to write")
    add_settings(parser, "measure")


def run(args) -> None:
    """Execute the stage."""
    cv2.setNumThreads(1)  # chunks run side by side, in jobs of their own
    rows = read_csv(args.frames)
    calibrations = exposure.Calibrations.load(args)
    frames = [measured(row, args, calibrations) for row in Progress(rows, "measure")]
    write_json(args.output, {"unit": calibrations.unit, "gain": calibrations.gain or 1.0, "frames": frames})


def measured(row: dict, settings, calibrations) -> dict:
    """The row of an exposure with what was measured on it; with a reason in ``rejected`` where it cannot be used."""
    try:
        pixels, flags = exposure.load_exposure(row, settings.raw, calibrations.of(row))
    except BadFrame as error:
        return row | {"rejected": [f"{error.reason_code}: {error}"], "stars": []}
    quality = measure_stars(pixels, (flags & (NO_DATA | DEFECT)) > 0, (flags & SATURATED) > 0, settings.nsigma)
    return row | {
        "rejected": [],
        "n_stars": quality.n_stars,
        "fwhm_px": quality.fwhm_px,
        "ellipticity": quality.ellipticity,
        "background": quality.background,
        "background_rms": quality.background_rms,
        "stars": quality.stars.round(3).tolist(),
    }
