"""Bring an exposure onto the reference's grid, scale and sky."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from n2n.errors import BadFrame
from n2n.formats.flags import DEFECT, NO_DATA, SATURATED
from n2n.group.exposure import Exposure, Placement
from n2n.sky.background import match_sky, subtract_plane
from n2n.sky.distortion import distort
from n2n.sky.match import Match, NoMatch, match_stars
from n2n.sky.warp import noise_kept, warp

BAD = NO_DATA | DEFECT | SATURATED
FEW_STARS = 25  # with more of them in both exposures, stars that do not match are a reason, not a lack


@dataclass(frozen=True, eq=False)
class Reference:
    """The exposure that the others of its group are brought to.

    Attributes
    ----------
    exposure : Exposure
        With its stars.
    pixels : float32 ndarray, shape (h, w)
    flags : uint8 ndarray, shape (h, w)
        Calibrated, in the grid of its own file.
    no_stars : bool
        Whether the exposures of the group show no stars in common.
    """

    exposure: Exposure
    pixels: np.ndarray
    flags: np.ndarray
    no_stars: bool = False


def placed_on(reference: Reference, exposure: Exposure, load: Callable, limits):
    """Put one exposure onto the reference's grid, scale and sky.

    Parameters
    ----------
    reference : Reference
        The exposure whose grid, scale and sky the others get.
    exposure : Exposure
        Measured, with its stars.
    load : callable
        ``load(exposure)`` gives its calibrated pixels and their flags; it is not called for the reference itself.
    limits : object
        Settings of the section `register`.

    Returns
    -------
    exposure : Exposure
        Placed; or left out, with its reason and what had been found until then.
    images : (float32 ndarray, uint8 ndarray), shape (h, w), or None
        Pixels and flags on the reference's grid; None of an exposure that is left out.
    """
    if exposure.path == reference.exposure.path:
        pixels, flags = reference.pixels.copy(), reference.flags.copy()
        pixels[(flags & NO_DATA) > 0] = 0
        stars = len(reference.exposure.measured.stars)
        return replace(exposure, rejected=(), placement=Placement.of_reference(stars)), (pixels, flags)
    placement = None
    try:
        pixels, flags = load(exposure)
        placement, match = aligned(reference, exposure, pixels, flags)
        if match.rms_px > limits.max_rms_px:
            raise BadFrame(
                "registration",
                f"{placement.aligned_by} match only to {match.rms_px:.2f} px, limit {limits.max_rms_px}",
            )
        # A ratio no better known than 10 % would add more error than it removes.
        transparency = match.flux_ratio if match.flux_ratio_error < 0.1 * match.flux_ratio else 1.0
        placement = replace(placement, transparency=transparency)
        if transparency < limits.min_transparency:
            raise BadFrame(
                "clouds", f"transparency {transparency:.2f} of the reference, limit {limits.min_transparency}"
            )
        shape = reference.pixels.shape
        pixels, flags = warp(pixels, flags, match.matrix, shape, displacement(placement))
        kept, beside = noise_kept(match.matrix, shape)
        overlap = float(((flags & NO_DATA) == 0).mean())
        placement = replace(placement, noise_kept=kept, noise_beside=beside, overlap=overlap)
        if overlap < limits.min_overlap:
            raise BadFrame("overlap", f"covers {overlap:.0%} of the reference, limit {limits.min_overlap:.0%}")
    except NoMatch as error:
        return exposure.left_out(f"no match with the reference: {error}"), None
    except BadFrame as error:
        return replace(exposure.left_out(str(error)), placement=placement), None
    pixels /= np.float32(transparency)
    sky = match_sky(pixels, reference.pixels, ((flags | reference.flags) & BAD) == 0)
    subtract_plane(pixels, sky)
    pixels[(flags & NO_DATA) > 0] = 0
    return replace(exposure, rejected=(), placement=replace(placement, sky=sky)), (pixels, flags)


def aligned(reference: Reference, exposure: Exposure, pixels, flags) -> tuple[Placement, Match]:
    """Find the exposure's place, by its stars or, where they are too few for a pattern, by its pixels.

    Parameters
    ----------
    reference : Reference
        The exposure to be aligned with.
    exposure : Exposure
        As measured.
    pixels, flags : ndarray, shape (h, w)
        As calibrated.

    Raises
    ------
    NoMatch
    """
    by, stars = "stars", (reference.exposure.measured.stars, exposure.measured.stars)
    try:
        match = match_stars(*stars)
    except NoMatch as too_few:
        # A nebula may still show where everything is.
        if min(map(len, stars)) > FEW_STARS and not reference.no_stars:
            raise
        from n2n.sky.correlate import match_images  # what most nights do without

        by = "pixels"
        try:
            match = match_images(reference.pixels, pixels, (reference.flags & BAD) == 0, (flags & BAD) == 0)
        except NoMatch as error:
            raise NoMatch(f"{too_few}; {error}") from error
    return Placement(match.matrix, match.rms_px, match.n, by, match.distortion), match


def displacement(placement: Placement):
    """The distortion of a placed exposure as `warp` wants it; None where there is none."""
    if placement.distortion is None:
        return None
    return functools.partial(distort, distortion=placement.distortion)
