"""Bring an exposure onto the reference's grid, scale and sky."""

import functools

import numpy as np

from n2n.errors import BadFrame
from n2n.formats.flags import DEFECT, NO_DATA, OUTLIER, SATURATED
from n2n.group import calibrated as exposure
from n2n.sky.background import match_sky, subtract_plane
from n2n.sky.distortion import distort
from n2n.sky.match import NoMatch, match_stars
from n2n.sky.warp import noise_kept, warp

BAD = NO_DATA | DEFECT | OUTLIER | SATURATED
FEW_STARS = 25  # with more of them in both exposures, stars that do not match are a reason, not a lack


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
