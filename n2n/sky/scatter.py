"""Variance of exposures from their scatter alone, by brightness, where no gain is known."""

import numpy as np
from scipy import ndimage
from scipy.special import digamma, polygamma

STEPS = 12  # of brightness, for each of which the scatter is told
FEWEST = 50  # pixels of a step that tell it
LIGHT = 10.0  # sigma of the sky; above it every star has a scatter of its own
PRIOR = 5  # exposures that what is known of its neighbours is worth to a pixel in light


def variance_by_light(sample: np.ndarray, level: np.ndarray, usable: np.ndarray, exposures: int) -> np.ndarray:
    """Variance of one standard exposure from its scatter alone, for groups whose gain is unknown.

    The variance of a pixel is the mean scatter of all pixels as bright, times a factor: how much more or less the
    pixels around it scatter than others of their brightness. The factor is a mean of logarithms over so many
    neighbours that chance changes it by 7 %, which takes more of them where there are fewer exposures. Simply smoothed,
    the variance would carry the scatter of a star's core into its wings. Where there is light, a pixel's own scatter
    counts as well.

    Parameters
    ----------
    sample : ndarray, shape (h, w)
        `sample_variance`, without what seeing does; NaN where unknown.
    level : ndarray, shape (h, w)
        Signal in sigma of the sky, finite.
    usable : ndarray of bool, shape (h, w)
        Pixels that count.
    exposures : int
        Samples each value rests on; at least 2.

    Returns
    -------
    float32 ndarray, shape (h, w)
    """
    known = usable & (sample > 0)
    if not known.any():
        return np.ones(sample.shape, np.float32)
    brightness = np.arcsinh(level).astype(np.float32)
    edges = np.append(-np.inf, np.linspace(np.arcsinh(1.0), max(brightness[known].max(), 1.0), STEPS))
    index = np.digitize(brightness[known], edges) - 1
    count = np.bincount(index)
    sums = (np.bincount(index, weights=of) for of in (brightness[known], sample[known]))
    enough = count >= FEWEST
    if not enough.any():
        enough = count > 0
    centre, typical = (of[enough] / count[enough] for of in sums)
    typical = np.exp(np.interp(brightness, centre, np.log(typical))).astype(np.float32)
    # The mean and the variance of the logarithm of a chi-square over its degrees of freedom (Wilks 1962).
    half = (exposures - 1) / 2
    below, chance = digamma(half) - np.log(half), polygamma(1, half)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(known, np.log(sample / typical) - below, 0).astype(np.float32)
    width = np.sqrt(chance / (4 * np.pi * 0.07**2))
    result = typical * np.exp(ndimage.gaussian_filter(ratio, width))
    own = known & (level > LIGHT)
    result[own] += (sample[own] - result[own]) * np.float32(exposures / (exposures + PRIOR))
    return result.astype(np.float32)


def noise_model(variance: np.ndarray, signal: np.ndarray, sigma: np.ndarray, usable: np.ndarray) -> np.ndarray | None:
    """Noise of sky and photons, ``sigma^2 (1 + k signal)``, with k from the scatter of exposures.

    k is found from 3 to 10 sigma: above that, in the cores of stars, the scatter between exposures is the change of
    seeing, many times the noise.

    Parameters
    ----------
    variance, signal, sigma : ndarray, shape (h, w)
        Variance of the mean from its scatter, sky-subtracted image with little noise, noise of the sky.
    usable : ndarray of bool, shape (h, w)
        Pixels that count.

    Returns
    -------
    ndarray, shape (h, w), or None
        None where there are too few pixels to find k.
    """
    level = signal / sigma
    faint = usable & (level > 3) & (level <= 10)
    if faint.sum() < 200:
        return None
    k = max(0.0, float((variance[faint] / sigma[faint] ** 2 - 1).sum() / signal[faint].sum()))
    return sigma**2 * (1 + k * np.maximum(signal, 0))
