"""Gain and read noise of a camera, measured from its own frames (photon transfer; Janesick 2001).

A pixel that collected N electrons holds N/g + z counts (ADU), with g the gain in e-/ADU and z the zero level, and its
variance is

    V = R^2 + N/g^2 = R^2 + (level - z)/g        [ADU^2],

R being the read noise in ADU, rounding included. The difference of two frames is free of everything that stays: hot
pixels, dust, the pattern of the sensor. Its variance is the sum of both frames'. Everything is measured in small
tiles, so that a gradient over the frame is no noise.
"""

import math
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from n2n.sky.tiles import TILE, mad, moments, thinned, tiles_of, white_variance

MOVING = 0.05  # of the variance: from there on what moves between flats counts
MAX_LIGHT_ERROR = 0.10  # relative; with a larger error lights tell nothing worth dividing by
_CLIP = 3.5  # sigma, of the differences of neighbours; what stars and cosmic rays leave lies beyond
# Variance of a normal distribution that is cut at _CLIP sigma, as a share of the whole one's.
_INSIDE = 1 - np.sqrt(2 / np.pi) * _CLIP * np.exp(-(_CLIP**2) / 2) / math.erf(_CLIP / np.sqrt(2))


class Measured(NamedTuple):
    """A number with its standard error, both in the same unit."""

    value: float
    error: float


def gain_from_flats(frames: np.ndarray, zero: np.ndarray | float = 0.0, read_noise: float = 0.0) -> Measured | None:
    """Gain from pairs of flats.

    With r the ratio of brightness, the difference of two flats a - r b has the variance
    (1 + r) a / g + (1 + r^2) R^2 in every tile; the light need not be steady.

    Parameters
    ----------
    frames : ndarray, shape (n, h, w)
        Flats in ADU; frames 0 and 1, 2 and 3, ... are compared. Saturated ones must be left out before.
    zero : ndarray of shape (h, w) or float
        Their bias or dark, ADU: without it the gain comes out too large by zero / level.
    read_noise : float
        R in ADU, if known; small against the light of a flat.

    Returns
    -------
    Measured or None
        e-/ADU; None without a usable pair.
    """
    inverse, errors = [], []
    zero = thinned(np.broadcast_to(np.float32(zero), np.shape(frames)[1:]))
    for a, b in zip(thinned(frames)[::2], thinned(frames)[1::2], strict=False):
        size = tuple(min(TILE, side) for side in np.shape(a))
        a, b = tiles_of(np.asarray(a, np.float32) - zero), tiles_of(np.asarray(b, np.float32) - zero)
        level, other = np.median(a, axis=1), np.median(b, axis=1)
        ratio = np.maximum(level, 0) / np.where(other > 0, other, np.inf)
        steps = a - ratio[:, None] * b
        steps -= np.median(steps, axis=1, keepdims=True)
        # Dead, hot and struck pixels; 5 sigma cut 6e-7 of the noise itself.
        sound = np.abs(a - level[:, None]) < np.maximum(0.3 * level, 5 * mad(a))[:, None]
        sound &= np.abs(steps) < 5 * np.maximum(mad(steps), 1.0)[:, None]
        full = (sound.sum(axis=1) > a.shape[1] // 2) & (ratio > 0)
        if full.sum() < 4:
            continue
        (mean, _), (_, variance) = moments(a[full], sound[full]), moments(steps[full], sound[full])
        ratio = ratio[full]
        found = _per_level(variance - (1 + ratio**2) * read_noise**2, (1 + ratio) * mean)
        if (white := white_variance(steps[full], sound[full], size)) is not None:
            alone = _per_level(white - (1 + ratio**2) * read_noise**2, (1 + ratio) * mean)
            # Stars that move between the flats of a twilight are wider than a pixel; noise is not.
            if found.value - alone.value > max(MOVING * alone.value, 3 * math.hypot(found.error, alone.error)):
                found = alone
        inverse.append(found.value)
        errors.append(found.error)
    slope = float(np.mean(inverse)) if inverse else 0.0
    if slope <= 0:
        return None
    # Pairs that contradict each other (a cloud, a flickering panel) say so in the error.
    inside = np.sqrt(np.sum(np.square(errors))) / len(errors)
    between = np.std(inverse, ddof=1) / np.sqrt(len(inverse)) if len(inverse) > 1 else 0.0
    return Measured(1 / slope, float(max(inside, between)) / slope**2)


def read_noise_from_differences(frames: np.ndarray, step: float = 1.0) -> Measured | None:
    """Noise of one bias frame: the spread of the difference of two, over root two. Of darks: that of the current, too.

    Parameters
    ----------
    frames : ndarray, shape (n, h, w)
        ADU.
    step : float
        Of their numbers, ADU: most differences are none where the noise is below it.

    Returns
    -------
    Measured or None
        ADU; None with fewer than two frames.
    """
    values = []
    for a, b in pairwise(thinned(frames)):
        steps = tiles_of(np.asarray(b, np.float32) - a, 2 * TILE)
        steps -= np.median(steps, axis=1, keepdims=True)
        sound = np.abs(steps) < 5 * np.maximum(mad(steps), max(1.0, 0.7 * step))[:, None]
        values.append(np.sqrt(moments(steps, sound)[1] / 2))
    if not values:
        return None
    tiles = np.median(values, axis=0)  # over pairs: of each tile
    spread = mad(tiles[None])[0] if tiles.size > 3 else 0.0
    return Measured(float(np.median(tiles)), float(1.2533 * spread / np.sqrt(tiles.size)))


def gain_from_lights(frames: np.ndarray) -> Measured | None:
    """Gain from raw lights alone, by how their noise grows with their level.

    In every tile of two consecutive lights the variance of the difference is held against the mean level: the sky
    changes over the night, and over the frame with the vignette. The zero level z is unknown without a bias, so that
    only the slope of V against the level is used, 1/g; the read noise cannot be had. Stars, which move and twinkle,
    are masked where the *sum* of both frames stands out, as the sum knows nothing of the noise of the difference;
    differences of neighbouring pixels take away what is smooth in the rest. The error is the jackknife's, over tiles
    and over pairs, whichever is larger. A level that moves without light, as a drifting bias does, shows where slopes
    over time and over the frame contradict each other: then no gain is given.

    Parameters
    ----------
    frames : ndarray, shape (n, h, w)
        Raw lights in ADU, as they came; nothing subtracted, not registered.

    Returns
    -------
    Measured or None
        e-/ADU; None where the level changes too little to tell the gain to `MAX_LIGHT_ERROR`.
    """
    pairs = [pair for a, b in pairwise(thinned(frames)) if (pair := _transfer(a, b)) is not None]
    if not pairs:
        return None
    level, variance = (np.array(values) for values in zip(*pairs, strict=True))  # (pairs, tiles)
    weight = np.where(np.isfinite(variance), 1.0, 0.0)
    level, variance = np.nan_to_num(level), np.nan_to_num(variance)
    for _ in range(6):
        if np.count_nonzero(weight) < 20:
            return None
        slope, offset = _line(_sums(level, variance, weight))
        expected = np.maximum(offset + slope * level, 0.1 * np.median(variance[weight > 0]))
        residual = variance / expected - 1
        used = weight > 0
        centre = np.median(residual[used])
        spread = 1.4826 * np.median(np.abs(residual[used] - centre))
        weight = np.where(used & (np.abs(residual - centre) <= 3.5 * spread + 1e-12), expected**-2, 0.0)
    error = _jackknife(level, variance, weight)
    if not slope > 0 or not error <= MAX_LIGHT_ERROR * slope or not _consistent(level, variance, weight, slope):
        return None
    return Measured(float(1 / slope), float(error / slope**2))


def agrees(stated: float, measured: float, error: float, tolerance: float = 0.15) -> bool:
    """Whether a stated gain (e-/ADU) is compatible with a measured one: within `tolerance` of it, or 5 errors.

    Parameters
    ----------
    stated, measured : float
        Gains, e-/ADU.
    error : float
        Standard error of `measured`, e-/ADU.
    tolerance : float
        Share of `measured` that the two may differ by in any case.
    """
    return abs(stated - measured) <= max(tolerance * measured, 5 * error)


def settle(stated: float | None, flats: Measured | None, lights: Measured | None = None, binding: bool | str = False):
    """Decide which gain counts.

    The header's does, unless flats contradict it by more than 15 % and 5 standard errors and are sure of themselves
    to 3 %: capture programs write a missing, rounded or foreign number more often than photons break Poisson's law.
    Flats without an error (0 is none) only give a warning, and lights never overrule a header.

    Parameters
    ----------
    stated : float or None
        The header's, e-/ADU.
    flats, lights : Measured or None
        From `gain_from_flats` and `gain_from_lights`.
    binding : bool or str
        The user stated it, or what it names did: it is used whatever the flats say.

    Returns
    -------
    gain : float or None
        e-/ADU; None where nobody knows.
    note : str
        What to tell the user; empty where there is nothing to say.
    """
    if not stated:
        for found, source in ((flats, "flats"), (lights, "lights")):
            if found:
                sure = f" +- {found.error:.2g}" if found.error else ""
                return (
                    found.value,
                    f"gain {found.value:.3g}{sure} e-/ADU measured from the {source}: the header has none",
                )
        return None, ""
    if not flats or agrees(stated, flats.value, flats.error):
        return stated, ""
    source = binding if isinstance(binding, str) else "configuration" if binding else "header"
    both = f"the {source} says {stated:.3g} e-/ADU, the flats {flats.value:.3g} +- {flats.error:.2g}"
    if binding:
        return stated, f"gain: {both}; the {source}'s is used"
    if 0 < flats.error <= 0.03 * flats.value:
        return flats.value, f"gain: {both}; the flats' is used (overrides: e_per_adu states another)"
    return stated, f"gain: {both}, with too little certainty; the header's is used"


def _transfer(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Level and variance (ADU, ADU^2) of one frame in every tile of two; nan where stars leave too few pixels."""
    a, b = np.asarray(a, np.float32), np.asarray(b, np.float32)
    total, steps = a + b, a - b
    if min(a.shape) < 2 * TILE:
        return None
    from scipy import ndimage  # only nights without flats should pay for it

    smooth = ndimage.uniform_filter(total, 3, mode="nearest")
    tiles = tiles_of(smooth)
    limit = np.median(tiles, axis=1) + 4 * np.maximum(mad(tiles), 0.3)
    bright = tiles > limit[:, None]
    bright |= tiles_of(total) > (limit + 4 * mad(tiles_of(total)))[:, None]
    # Dilated within its tile: what a star spills over the tile's edge is rejected as an outlier.
    bright = ndimage.binary_dilation(bright.reshape(-1, TILE, TILE), np.ones((1, 3, 3), bool), iterations=2)
    dark = ~bright.reshape(tiles.shape)
    # Pairs of neighbours that share no pixel: their noise is independent.
    steps, both = tiles_of(steps), dark[:, ::2] & dark[:, 1::2]
    steps = (steps[:, 1::2] - steps[:, ::2]) / 2  # variance: that of one frame
    count = both.sum(axis=1)
    level = np.sum(tiles_of(total) * dark, axis=1, dtype=float) / np.maximum(2 * dark.sum(axis=1), 1)
    power = np.where(both, steps**2, np.nan)
    few = count < steps.shape[1] // 3
    power[few] = 0.0
    variance = np.nanmedian(power, axis=1) / 0.4549 + 0.1
    for _ in range(6):
        inside = power <= (_CLIP**2 * variance)[:, None]
        variance = np.sum(power, axis=1, where=inside, dtype=float) / np.maximum(inside.sum(axis=1), 1) / _INSIDE
    variance[few | (variance <= 0)] = np.nan
    return level, variance


def _per_level(variance: np.ndarray, level: np.ndarray) -> Measured:
    """Mean of their ratio over tiles, without outliers."""
    values = variance / level
    values = values[np.abs(values - np.median(values)) <= 4 * mad(values[None])[0] + 1e-12]
    return Measured(float(values.mean()), float(values.std(ddof=1) / np.sqrt(values.size)))


def _sums(x: np.ndarray, y: np.ndarray, weight: np.ndarray, axis: int | None = None) -> np.ndarray:
    """Sums a straight line needs, shape (5,) or (5, n) along the axis that stays."""
    return np.array(
        [np.sum(term, axis=axis) for term in (weight, weight * x, weight * y, weight * x * x, weight * x * y)]
    )


def _line(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slope and offset of the weighted least-squares line."""
    w, x, y, xx, xy = sums
    scale = w * xx - x * x
    slope = (w * xy - x * y) / np.where(scale > 0, scale, np.inf)
    return slope, (y - slope * x) / np.where(w > 0, w, np.inf)


def _jackknife(x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> float:
    """Standard error of the slope, by leaving out pairs (rows) or tiles (columns) in turn: the larger."""
    errors = [0.0]
    for axis in (0, 1):
        parts = _sums(x, y, weight, axis=axis)
        parts = parts[:, parts[0] > 0]
        n = parts.shape[1]
        if n > 3:  # fewer tell too little; the other axis decides
            slopes, _ = _line(parts.sum(axis=1, keepdims=True) - parts)
            errors.append(np.sqrt((n - 1) / n * np.sum((slopes - slopes.mean()) ** 2)))
    return float(max(errors))


def _consistent(x: np.ndarray, y: np.ndarray, weight: np.ndarray, slope: float) -> bool:
    """Whether the slopes over time (every tile about its mean) and over the frame (every pair) agree."""
    found = []
    for axis in (0, 1):
        total = np.maximum(weight.sum(axis=axis, keepdims=True), 1e-300)
        dx, dy = (values - np.sum(weight * values, axis=axis, keepdims=True) / total for values in (x, y))
        found.append((_line(_sums(dx, dy, weight))[0], _jackknife(dx, dy, weight)))
    (over_time, its_error), (over_frame, other_error) = found
    return abs(over_time - over_frame) <= max(3 * np.hypot(its_error, other_error), 0.25 * slope)
