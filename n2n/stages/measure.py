"""Stage `measure`: calibrate a chunk of lights in memory, find stars, grade every exposure.

Writes a JSON table: one entry a frame with sky, noise, seeing, roundness and star list.
"""

from dataclasses import replace
from pathlib import Path

import cv2

from n2n.config import add_settings
from n2n.errors import BadFrame
from n2n.formats.tables import read_csv, write_json
from n2n.group.calibrated import Calibrations, load_exposure
from n2n.group.exposure import Exposure
from n2n.group.quality import measure
from n2n.log import Progress
from n2n.stages.args import LIGHTS, add_calibration, calibrations_of


def add_arguments(parser) -> None:
    """Declare the command's arguments."""
    add_calibration(parser)
    parser.add_argument("-o", "--output", type=Path, required=True, help="JSON table to write")
    add_settings(parser, "measure")


def run(args) -> None:
    """Execute the stage."""
    cv2.setNumThreads(1)  # chunks run side by side, in jobs of their own
    exposures = [Exposure.from_row(row) for row in read_csv(args.frames, *LIGHTS, filled=True)]
    calibrations = calibrations_of(args)
    found = [measured(one, args.raw, calibrations, args.nsigma) for one in Progress(exposures, "measure")]
    content = {"unit": calibrations.unit, "gain": calibrations.gain or 1.0}
    write_json(args.output, content | {"frames": [one.to_json(stars=True) for one in found]})


def measured(exposure: Exposure, raw: Path, calibrations: Calibrations, nsigma: float) -> Exposure:
    """The exposure with what was measured on it, or with the reason why it cannot be used.

    Parameters
    ----------
    exposure : Exposure
        What its row says of it.
    raw : Path
        Folder of the raw nights.
    calibrations : Calibrations
        Masters of every exposure of the chunk.
    nsigma : float
        How far a star must stand out of the noise.
    """
    try:
        pixels, flags = load_exposure(exposure, raw, calibrations.of(exposure.row))
    except BadFrame as error:
        return exposure.left_out(f"{error.reason_code}: {error}")
    return replace(exposure, measured=measure(pixels, flags, nsigma))
