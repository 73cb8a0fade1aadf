"""Stage `vet`: look at what a set of masters makes of a few exposures, and refuse the masters that do harm.

Reads the exposures that the plan chose for the set and writes a JSON table: which masters are accepted, which are
refused and why, in words. `measure` and `register` obey it.
"""

from pathlib import Path

import numpy as np

from n2n.errors import BadFrame
from n2n.formats.frametable import pedestal_of
from n2n.formats.rawframe import read_frame
from n2n.formats.tables import read_csv, write_json
from n2n.formats.treatment import set_of
from n2n.group.accepting import vet
from n2n.group.calibrated import Masters
from n2n.group.exposure import Exposure
from n2n.log import logger
from n2n.stages.args import LIGHTS


def add_arguments(parser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("frames", type=Path, help="CSV of a few exposures that use one set of masters")
    parser.add_argument("--raw", type=Path, default=Path("data/raw"), help="folder of the raw nights")
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of the results")
    parser.add_argument("-o", "--output", type=Path, required=True, help="JSON table to write")


def run(args) -> None:
    """Execute the stage."""
    rows = read_csv(args.frames, *LIGHTS, filled=True)
    found = vet(rows, lights_of(rows, args.raw), Masters(args.results))
    for sentence in [*found["refused"], *found["notes"]]:
        logger.warning("%s", sentence)
    about = {"set": set_of(rows[0]), "group": Exposure.from_row(rows[0]).of_group}
    write_json(args.output, {**about, **found, "exposures": [row["path"] for row in rows]})


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
