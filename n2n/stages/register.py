"""Stage `register`: bring a chunk of lights onto the reference's grid, scale and sky.

Every accepted exposure is calibrated in memory, matched by its stars (where they are few, by its pixels),
resampled once, divided by its transparency and freed of the difference of its sky to the reference's. The file
holds those pixels, their flags, and one entry for every exposure of the chunk, with the reason where it was left
out.
"""

from pathlib import Path

import cv2

from n2n.config import add_settings
from n2n.errors import BadFrame
from n2n.formats.pixels import header_texts
from n2n.formats.store import writing_registered
from n2n.formats.tables import number, read_csv, read_json
from n2n.group import calibrated as exposure
from n2n.group.placing import place
from n2n.group.quality import reasons
from n2n.log import Progress, logger
from n2n.sky.match import NoMatch


def add_arguments(parser) -> None:
    """Declare the command's arguments."""
    exposure.add_arguments(parser)
    parser.add_argument("--measured", type=Path, required=True, help="table of `n2n measure` of this chunk")
    parser.add_argument("--reference", type=Path, required=True, help="reference.json of the group")
    parser.add_argument("-o", "--output", type=Path, required=True, help="registered HDF5 file to write")
    add_settings(parser, "register")


def run(args) -> None:
    """Execute the stage."""
    cv2.setNumThreads(1)  # chunks run side by side, in jobs of their own
    rows = read_csv(args.frames)
    measured = {frame["path"]: frame for frame in read_json(args.measured)["frames"]}
    chosen = read_json(args.reference)
    calibrations = exposure.Calibrations.load(args)
    try:
        itself = calibrations.of(chosen["reference"])
        target, target_flags = exposure.load_exposure(chosen["reference"], args.raw, itself)
        header = header_texts(args.raw / chosen["reference"]["path"])
    except BadFrame as error:
        raise BadFrame(error.reason_code, f"the reference exposure cannot be read: {error}") from error
    entries = []
    with writing_registered(args.output, target.shape) as store:
        for row in Progress(rows, "register"):
            entry = {key: value for key, value in measured[row["path"]].items() if key != "stars"}
            entry["rejected"] = reasons(measured[row["path"]], chosen["limits"])
            if not entry["rejected"] or row["path"] == chosen["reference"]["path"]:
                entry["rejected"] = []
                try:
                    # No name for what it returns: it would be kept in memory beside the next exposure.
                    store.append(
                        *place(row, measured[row["path"]], entry, chosen, calibrations, target, target_flags, args)
                    )
                except NoMatch as error:
                    entry["rejected"] = [f"no match with the reference: {error}"]
                except BadFrame as error:
                    entry["rejected"] = [str(error)]
            if entry["rejected"]:
                logger.info("left out %s: %s", Path(row["path"]).name, "; ".join(entry["rejected"]))
            entries.append(entry)
        meta = {
            "reference": chosen["reference"]["path"],
            "header": header,
            "unit": calibrations.unit,
            "gain": calibrations.gain or None,
            "e_per_adu": calibrations.gain or None,
            "read_noise_e": calibrations.read_noise_e or number(rows[0]["read_noise_e"]),
            "notes": list(calibrations.notes),
            "fwhm_px": chosen["reference"]["fwhm_px"],
            "row": rows[0],
            "limits": chosen["limits"],
        }
        store.describe(entries, meta)
    logger.info("%d of %d exposures registered", store.count, len(rows))
