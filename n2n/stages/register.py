"""Stage `register`: bring a chunk of lights onto the reference's grid, scale and sky.

Every accepted exposure is calibrated in memory, matched by its stars (where they are few, by its pixels),
resampled once, divided by its transparency and freed of the difference of its sky to the reference's. The file
holds those pixels, their flags, and one entry for every exposure of the chunk, with the reason where it was left
out.
"""

from pathlib import Path

import cv2

from n2n.config import add_settings, settings_of
from n2n.errors import BadFrame
from n2n.formats.pixels import header_texts
from n2n.formats.sealed import damaged
from n2n.formats.store import writing_registered
from n2n.formats.tables import read_csv, read_json
from n2n.group.calibrated import load_exposure
from n2n.group.exposure import Exposure
from n2n.group.facts import Facts
from n2n.group.placing import Reference, placed_on
from n2n.group.quality import reasons
from n2n.log import Progress, logger
from n2n.stages.args import LIGHTS, MEASURED, add_calibration, calibrations_of


def add_arguments(parser) -> None:
    """Declare the command's arguments."""
    add_calibration(parser)
    parser.add_argument("--measured", type=Path, required=True, help="table of `n2n measure` of this chunk")
    parser.add_argument("--reference", type=Path, required=True, help="reference.json of the group")
    parser.add_argument("-o", "--output", type=Path, required=True, help="registered HDF5 file to write")
    add_settings(parser, "register")


def run(args) -> None:
    """Execute the stage."""
    cv2.setNumThreads(1)  # chunks run side by side, in jobs of their own
    rows = read_csv(args.frames, *LIGHTS, filled=True)
    measured = {content.get("path"): content for content in read_json(args.measured, *MEASURED)["frames"]}
    if lacking := [row["path"] for row in rows if row["path"] not in measured]:
        raise damaged(args.measured, f"{lacking[0]} is not in it")
    exposures = [Exposure.from_json(measured[row["path"]]) for row in rows]
    if other := [one.path for one, row in zip(exposures, rows, strict=True) if one.row != row]:
        raise damaged(args.measured, f"{other[0]} was measured when {args.frames} said something else of it")
    chosen = read_json(args.reference, "reference", "limits", "unit", "gain")
    first, itself = exposures[0], Exposure.from_json(chosen["reference"])
    if itself.of_group != first.of_group:
        raise damaged(args.reference, f"it is of another group: {itself.path}")
    calibrations = calibrations_of(args)

    def load(exposure: Exposure):
        return load_exposure(exposure, args.raw, calibrations.of(exposure.row))

    try:
        reference = Reference(itself, *load(itself), chosen.get("no_stars", False))
        header = header_texts(args.raw / itself.path)
    except BadFrame as error:
        raise BadFrame(error.reason_code, f"the reference exposure cannot be read: {error}") from error
    settings, placed = settings_of(args, "register"), []
    with writing_registered(args.output, reference.pixels.shape) as store:
        for exposure in Progress(exposures, "register"):
            images, found = None, exposure.left_out(*reasons(exposure, chosen["limits"]))
            if not found.rejected or exposure.path == itself.path:
                found, images = placed_on(reference, exposure, load, settings)
            if images:
                store.append(*images)
            else:
                logger.info("left out %s: %s", exposure.name, "; ".join(found.rejected))
            del images  # not kept in memory beside the next exposure
            placed.append(found)
        facts = Facts.of_chunk(first, itself, header, calibrations, chosen["limits"])
        store.describe([exposure.to_json() for exposure in placed], facts.to_json())
    logger.info("%d of %d exposures registered", store.count, len(exposures))
