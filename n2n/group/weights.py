"""What an exposure counts in a mean, and the noise that belongs to its weight."""

import numpy as np

from n2n.formats.store import TILE
from n2n.group.exposure import Exposure
from n2n.group.samples import usable
from n2n.sky.background import sky_level
from n2n.sky.calibrate import robust_sigma
from n2n.sky.order import masked_median
from n2n.sky.variance import standard_variance


def photon_noise(exposures: list[Exposure]) -> np.ndarray:
    """Variance that an electron of signal adds to a pixel of every exposure; ndarray, shape (n,).

    A unit of signal in a dimmed exposure stands for fewer electrons; resampling averages some noise away.
    """
    return np.array([one.placement.noise_kept / one.placement.transparency for one in exposures])


def noise_for_its_weight(group, chosen: np.ndarray, others=slice(None)) -> float:
    """Variance of one standard exposure of some exposures over that of others.

    Below 1 where seeing took more off the weight of the first: they then have less noise than their weight says.

    Parameters
    ----------
    group : Group
        Tells weights and noise.
    chosen, others : slice, or int or bool array, shape (k,)
        The exposures, by their place in the group.
    """
    variance = (standard_variance(group.weights[part], group.sky_sigma[part]) for part in (chosen, others))
    return next(variance) / next(variance)


def seeing_factor(fwhm: np.ndarray, training: np.ndarray) -> np.ndarray:
    """What poor seeing takes off a weight: (median / FWHM)^2, at most 1.

    That is how the signal-to-noise ratio of a faint star falls with its width. Exposures sharper than most gain
    nothing: nebulae do not profit, and weights would leave the inverse variance needlessly.
    """
    known = fwhm[training & np.isfinite(fwhm)]
    if known.size == 0:
        return np.ones(fwhm.shape)
    return np.where(np.isfinite(fwhm), np.minimum(1, (np.median(known) / fwhm) ** 2), 1.0)


def blur(fwhm: np.ndarray, typical: np.ndarray) -> np.ndarray:
    """Variance of star images, less that of the typical ones' median [px^2]; 0 where it is unknown.

    Scaled by (median / FWHM)^2, which makes `outliers`' first order exact at the peak of a Gaussian star.
    """
    known = fwhm[typical & np.isfinite(fwhm)]
    median = np.median(known) if known.size else np.nan
    return np.nan_to_num((median / 2.3548) ** 2 * (1 - (median / fwhm) ** 2))


def frame_noise(pixels, flags, training: np.ndarray, sample: int = 262_144):
    """Noise of every exposure where there is only sky, against the median of the training exposures.

    Parameters
    ----------
    pixels, flags : n2n.formats.store.Samples, shape (n, h, w)
        Registered exposures.
    training : ndarray of bool, shape (n,)
        Exposures of blocks A and B.
    sample : int
        Pixels that are looked at.

    Returns
    -------
    sigma : ndarray, shape (n,)
    sky : float
        Level of the group's sky.
    """
    n, height, width = pixels.shape
    # Whole tiles of rows, spread over the height: single rows would read the same tiles as often.
    tiles = np.unique(np.linspace(0, max(height // TILE - 1, 0), max(4, sample // width // TILE)).astype(int)) * TILE
    rows = [slice(top, min(top + TILE, height)) for top in tiles]
    values = np.concatenate([pixels[:, part] for part in rows], axis=1)
    mask = np.concatenate([flags[:, part] for part in rows], axis=1)
    valid = usable(mask, keep_saturated=False)
    centre = masked_median(values[training], valid[training])
    known = np.isfinite(centre)
    sky = sky_level(np.nan_to_num(centre).astype(np.float32), known)
    spread = robust_sigma(centre[known])
    # Only places near the sky level: stars would add their own noise.
    dark = known & (np.nan_to_num(centre) < sky + 3 * max(spread, 1e-9))
    sigma = np.empty(n)
    if n == 1:
        sigma[0] = robust_sigma(np.diff(values[0], axis=1)) / np.sqrt(2)
        return np.maximum(sigma, 1e-9), sky
    count = int(training.sum())
    for index in range(n):
        chosen = dark & valid[index]
        residual = values[index][chosen] - centre[chosen]
        # Variance of the difference to a median (its own is 1.57 / count) the exposure is part of, or not.
        shrink = 1 - 0.43 / count if training[index] else 1 + 1.57 / count
        sigma[index] = clipped_std(residual) / np.sqrt(max(shrink, 0.25)) if residual.size > 50 else np.nan
    sigma[~np.isfinite(sigma) | (sigma <= 0)] = np.nanmedian(sigma) if np.isfinite(sigma).any() else 1.0
    return np.maximum(sigma, 1e-9), sky


def clipped_std(residual: np.ndarray, nsigma: float = 4.5) -> float:
    """Standard deviation without outliers.

    The median absolute deviation would come out too small here, by 11 % with ten exposures: every tenth sample *is*
    the median.
    """
    residual = residual - np.median(residual)
    limit = nsigma * max(robust_sigma(residual), 1e-9)
    for _ in range(3):
        sigma = float(np.std(residual[np.abs(residual) <= limit]))
        limit = nsigma * sigma
    return sigma
