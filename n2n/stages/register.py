"""Stage `register`: bring a chunk of lights onto the reference's grid, scale and sky.

Every accepted exposure is calibrated in memory, matched by its stars (where they are few, by its pixels),
resampled once, divided by its transparency and freed of the difference of its sky to the reference's. The file
holds those pixels, their flags, and one entry for every exposure of the chunk, with the reason where it was left
out.
"""

import functools
from pathlib import Path

import cv2
import numpy as np

from n2n.config import add_settings
from n2n.errors import BadFrame
from n2n.formats.flags import DEFECT, NO_DATA, OUTLIER, SATURATED
from n2n.formats.pixels import header_texts
from n2n.formats.store import writing_registered
from n2n.formats.tables import number, read_csv, read_json
from n2n.group import calibrated as exposure
from n2n.log import Progress, logger
from n2n.sky.background import match_sky, subtract_plane
from n2n.sky.distortion import distort
from n2n.sky.match import NoMatch, match_stars
from n2n.sky.warp import noise_kept, warp
from n2n.stages.reference import reasons

BAD = NO_DATA | DEFECT | OUTLIER | SATURATED
FEW_STARS = 25  # with more of them in both exposures, stars that do not match are a reason, not a lack


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


def place(row, measured, entry, chosen, calibrations, target, target_flags, settings):
    """Put one exposure onto the reference grid; fill `entry` with what was found.

    Returns
    -------
    pixels : float32 ndarray, flags : uint8 ndarray

    Raises
    ------
    NoMatch, BadFrame
        When the exposure cannot or should not be used.
    """
    reference = chosen["reference"]
    itself = row["path"] == reference["path"]
    if itself:
        pixels, flags = target.copy(), target_flags.copy()
        entry |= {"matrix": [[1, 0, 0], [0, 1, 0]], "rms_px": 0.0, "n_matched": len(reference["stars"])}
        entry |= {"transparency": 1.0, "sky": [0.0, 0.0, 0.0], "overlap": 1.0, "noise_kept": 1.0, "noise_beside": 0.0}
        pixels[(flags & NO_DATA) > 0] = 0
        return pixels, flags
    pixels, flags = exposure.load_exposure(row, settings.raw, calibrations.of(row))
    try:
        match = match_stars(reference["stars"], measured["stars"])
        entry["aligned_by"] = "stars"
    except NoMatch as too_few:
        # Too few stars for a pattern: a nebula may still show where everything is.
        if min(len(reference["stars"]), len(measured["stars"])) > FEW_STARS and not chosen.get("no_stars"):
            raise
        from n2n.sky.correlate import match_images  # what most nights do without

        try:
            match = match_images(target, pixels, (target_flags & BAD) == 0, (flags & BAD) == 0)
        except NoMatch as error:
            raise NoMatch(f"{too_few}; {error}") from error
        entry["aligned_by"] = "pixels"
    entry |= {"matrix": match.matrix.tolist(), "rms_px": match.rms_px, "n_matched": match.n}
    if match.distortion is not None:
        entry["distortion"] = match.distortion.tolist()
    if match.rms_px > settings.max_rms_px:
        raise BadFrame(
            "registration", f"{entry['aligned_by']} match only to {match.rms_px:.2f} px, limit {settings.max_rms_px}"
        )
    # A ratio no better known than 10 % would add more error than it removes.
    transparency = match.flux_ratio if match.flux_ratio_error < 0.1 * match.flux_ratio else 1.0
    entry["transparency"] = transparency
    if transparency < settings.min_transparency:
        raise BadFrame("clouds", f"transparency {transparency:.2f} of the reference, limit {settings.min_transparency}")
    pixels, flags = warp(pixels, flags, match.matrix, target.shape, displacement(entry))
    entry["noise_kept"], entry["noise_beside"] = noise_kept(match.matrix, target.shape)
    overlap = float(((flags & NO_DATA) == 0).mean())
    entry["overlap"] = overlap
    if overlap < settings.min_overlap:
        raise BadFrame("overlap", f"covers {overlap:.0%} of the reference, limit {settings.min_overlap:.0%}")
    pixels /= np.float32(transparency)
    usable = ((flags | target_flags) & BAD) == 0
    sky = match_sky(pixels, target, usable)
    entry["sky"] = sky.tolist()
    subtract_plane(pixels, sky)
    pixels[(flags & NO_DATA) > 0] = 0
    return pixels, flags


def displacement(entry: dict):
    """The distortion of a registered exposure as `warp` wants it; None where there is none."""
    if "distortion" not in entry:
        return None
    return functools.partial(distort, distortion=np.array(entry["distortion"]))
