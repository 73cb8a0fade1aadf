"""What an image is worth by the word of other exposures of the same sky: a deep stack that had no part in it.

Parts p_i of the deep exposures are brought to the grid, scale, sky and seeing of the stack S. Their noise is
independent of each other and of S, so that

    error(X) = < (X - p_i) (X - p_j) >,    i and j different,

needs neither a truth nor a variance: it is <(X - p)^2> with their mean p, less the noise of p, which their scatter
tells. The gain of the denoised image D is error(S) / error(D). Held-out exposures were taken among those they judge and
share with them what changes slowly; a deep stack lies at other places of the detector and sees that, too.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from n2n.errors import UserError
from n2n.fidelity.ground import BRIGHT, UNLIKELY, sky_noise
from n2n.fidelity.risk import gain_of
from n2n.fidelity.zones import NEAR_SATURATED, ZONES, divide
from n2n.group.group import Group
from n2n.group.others import Parts, apart, moved, placed
from n2n.group.split import halves_of, parts_of
from n2n.sky.background import match_sky, subtract_plane
from n2n.sky.match import Match
from n2n.sky.scatter import noise_model
from n2n.sky.seeing import Matcher, filtered

SMOOTH = 32.0  # px, sigma: what is smoother the flats of either stack know no better than the other's
ROUNDS = 2  # in which scale and seeing are found
TOO_BRIGHT, GLARE = 30, 8  # sigma of the stack, px: light above, and so far around, is left out
LIKELY = 0.03  # share of a template by which two stacks differ in scale, seeing and place


@dataclass(frozen=True)
class Deep:
    """Deep exposures on the grid, scale, sky and seeing of a stack; arrays of shape (h, w), the sky subtracted.

    Attributes
    ----------
    light : ndarray
        Mean of all of them, finite.
    usable : ndarray of bool
        Pixels that count.
    error : callable
        ``error(image)``: the squared error of an image, pixel by pixel; only sums over many mean anything.
    match : Match
        How both grids were brought together.
    smooth : ndarray
        The smooth difference of both stacks, which was taken off.
    """

    light: np.ndarray
    usable: np.ndarray
    error: Callable[[np.ndarray], np.ndarray]
    match: Match
    smooth: np.ndarray


def told_by(deep: Group, group: Group, denoised, stack, depth, usable, zones=None) -> tuple[dict, np.ndarray]:
    """Gain of an image over its stack, told by exposures that had no part in either.

    Near bright stars the seeing, which is fitted, leaves more than noise: there nothing is told.

    Parameters
    ----------
    deep : Group
        The other exposures, of any grid and scale.
    group : Group
        The exposures that were stacked, and their grid.
    denoised, stack, depth : ndarray, shape (h, w)
        Images sky subtracted, on the scale of the group; how many standard exposures the stack is worth.
    usable : ndarray of bool, shape (h, w)
        Pixels that count, saturated ones and their surroundings left out.
    zones : int ndarray, shape (h, w), optional
        Those that a claim is of; by default they are divided by the deep stack.

    Returns
    -------
    dict
        ``all`` and every zone: value, standard_error, pixels. Beside them exposures (those of `deep`), area (share of
        the usable pixels of which they tell), placed_px (how well the stars of both fit), and smooth_sigma (root mean
        square of the smooth difference that was taken off, in units of the sky's noise in the stack).
    ndarray of bool, shape (h, w)
        The pixels of which they tell.

    Raises
    ------
    UserError
        When the deep stack shares exposures with the group, has too few, or shows another sky.
    """
    apart(group, deep)
    sigma = sky_noise(group, depth)
    found = brought(deep, group, stack, depth, usable)
    glare = ndimage.maximum_filter(np.where(found.usable, found.light, 0), 2 * GLARE + 1) > TOO_BRIGHT * sigma
    chosen = found.usable & ~glare
    if not chosen.any():
        raise UserError(f"{group.path}: bright stars are everywhere; what they leave of noise, no other stack can tell")
    weight = np.where(chosen, weight_of(group, depth, found.light, found.usable), 0)
    before, after = (weight * found.error(np.where(chosen, image, 0)) for image in (stack, denoised))
    zones = divide(found.light, sigma, chosen) if zones is None else np.where(chosen, zones, -1)
    parts = {"all": chosen} | {name: zones == index for index, name in enumerate(ZONES)}
    return {name: gain_of(before, after, part).as_dict() for name, part in parts.items()} | {
        "exposures": len(deep.exposures),
        "area": float(chosen.sum() / max(usable.sum(), 1)),
        "placed_px": found.match.rms_px,
        "smooth_sigma": float(np.sqrt(np.mean((found.smooth / sigma)[chosen] ** 2))),
    }, chosen


def brought(deep: Group, group: Group, stack, depth, usable) -> Deep:
    """Bring deep exposures to the grid, scale, sky and seeing of a stack.

    Parameters
    ----------
    deep, group : Group
        The deep exposures, and those that were stacked.
    stack, depth : ndarray, shape (h, w)
        The stack, sky subtracted, and how many standard exposures it is worth.
    usable : ndarray of bool, shape (h, w)
        Pixels that count.
    """
    match, sigma = placed(stack, group.saturated, deep), sky_noise(group, depth)

    def placed_part(mean, own_depth):
        part, lacking, full = moved(mean, own_depth, deep.saturated, match, group.shape)
        lacking |= ndimage.binary_dilation(full, iterations=NEAR_SATURATED)
        return part / np.float32(match.flux_ratio), lacking

    everything = np.arange(len(deep.exposures))
    halves, missing = zip(*(placed_part(*half) for half in halves_of(deep, everything)), strict=True)
    usable = usable & ~missing[0] & ~missing[1]
    if not usable.any():
        raise UserError(f"{deep.path} does not show what {group.path} shows, or not deeply enough to judge it")
    stack = np.where(usable, stack, 0)
    for half in halves:
        subtract_plane(half, match_sky(half, stack, usable))
    light = (halves[0] + halves[1]) / 2
    weight = np.where(usable, weight_of(group, depth, light, usable), 0)
    beside = usable & (divide(light, sigma, usable) != ZONES.index("stars"))
    air = []
    for _ in range(ROUNDS):
        smooth = smoothed(stack - light, beside)
        # Each half by the light of the other: noise in common with what is fitted would be taken for seeing.
        found = [
            Matcher(shown, stack - smooth, weight, usable & (shown > BRIGHT * sigma)).fit(half, LIKELY)
            for half, shown in (halves, halves[::-1])
        ]
        if all(one is not None for one in found):
            air.append((found[0] + found[1]) / 2)
            halves = tuple(filtered(half, air[-1]) for half in halves)
            light = (halves[0] + halves[1]) / 2
    parts = Parts(stack)
    for chosen, _ in parts_of(deep, everything, everything[:0]):
        mean, own_depth, _ = deep.mean(chosen)
        part, lacking = placed_part(mean, own_depth)
        # Not each to the seeing of the stack: what a filter leaves would be alike in all, and no noise.
        part = functools.reduce(filtered, air, part)
        subtract_plane(part, match_sky(part, light, usable & ~lacking))
        parts.add(part + smooth, np.where(lacking, 0, np.median(own_depth[own_depth > 0])))
    return Deep(light + smooth, usable & parts.enough(), parts.error, match, smooth)


def weight_of(group: Group, depth, light, usable) -> np.ndarray:
    """Inverse variance of a stack by its noise model, as for held-out exposures.

    Parameters
    ----------
    group : Group
        The exposures that were stacked.
    depth, light : ndarray, shape (h, w)
        How many standard exposures the stack is worth, and the deep stack, finite.
    usable : ndarray of bool, shape (h, w)
        Pixels that count.
    """
    # Where the noise of both halves is positive by chance they would else weigh less, and seem to agree less.
    light = ndimage.gaussian_filter(light, (group.facts.fwhm_px or 3.0) / 2.3548)
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = group.variance / depth
        model = noise_model(variance, light, sky_noise(group, depth), usable)
        return 1 / (variance if model is None else np.where(variance > UNLIKELY * model, variance, model))


def smoothed(image: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """What of an image is wider than `SMOOTH`, told by the pixels that count; shape (h, w)."""
    around = np.maximum(ndimage.gaussian_filter(counts.astype(np.float32), SMOOTH), 1e-3)
    return ndimage.gaussian_filter(np.where(counts, image, 0).astype(np.float32), SMOOTH) / around
