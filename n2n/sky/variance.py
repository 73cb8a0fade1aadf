"""Variance of exposures and of their mean: from their scatter, smoothed for weights, and from photon noise."""

import cv2
import numpy as np

ROWS = 128  # rows worked on at once


def sample_variance(values, valid, weights, mean, units=None) -> np.ndarray:
    """Unbiased variance of one standard exposure (weight 1), pixel by pixel.

    ``sum w^2 (x - mean)^2 / (1 - w / W) / W`` with W the sum of weights, which is ``sum w (x - mean)^2 / (n - 1)`` for
    equal weights. Divided by W it is the variance of the mean whatever the exposures' own variances are (the
    estimator HC2 of MacKinnon & White 1985). NaN with fewer than two samples.

    Parameters
    ----------
    values : ndarray, shape (n, h, w)
        Exposures on one scale and sky level.
    valid : ndarray of bool, shape (n, h, w)
        Samples that count.
    weights : ndarray, shape (n,)
        Exposures of weight 0 are left out.
    mean : ndarray, shape (h, w)
        Their weighted mean; NaN where there is none.
    units : int ndarray, shape (n,), optional
        Exposures of one unit (dither position) share noise, so that their scatter says too little: the scatter
        of the units' means is taken instead.

    Returns
    -------
    float32 ndarray, shape (h, w)
    """
    units = np.arange(len(values)) if units is None else np.asarray(units)
    weights = weights.astype(np.float32)
    centre = np.nan_to_num(mean)
    weight = np.einsum("i,i...->...", weights, valid)
    several = np.zeros(centre.shape, np.uint16)
    total = np.zeros(centre.shape, np.float32)
    safe = np.where(weight > 0, weight, 1)
    for unit in np.unique(units[weights > 0]):
        share, moment = np.zeros((2, *centre.shape), np.float32)
        for index in np.flatnonzero((units == unit) & (weights > 0)):
            own = valid[index] * weights[index]
            share += own
            own *= values[index] - centre
            moment += own
        several += share > 0
        # moment = w (x - mean) of the unit
        moment *= moment
        moment /= np.maximum(1 - share / safe, 1e-6)
        total += moment
    return np.where(several > 1, total / safe, np.nan).astype(np.float32)


def standard_variance(weights: np.ndarray, sigma: np.ndarray) -> float:
    """Sky variance of one standard exposure, from the weights and the noise of the exposures of a mean.

    ``sum w^2 sigma^2 / sum w``. Divided by the sum of weights it is the variance of the mean. A weight is the inverse
    variance, less where seeing was poor: such exposures have less noise than their weight says.
    """
    return float(np.sum((weights * sigma) ** 2) / np.sum(weights))


def sky_variance(sample: np.ndarray, usable: np.ndarray, exposures: int) -> float:
    """Variance of one standard exposure where there is only sky.

    Parameters
    ----------
    sample : ndarray, shape (h, w)
        Variance of one standard exposure, from `sample_variance`; NaN where unknown.
    usable : ndarray of bool, shape (h, w)
        Pixels that count.
    exposures : int
        Samples each value rests on.
    """
    thin = np.s_[:: max(1, sample.shape[0] // 1500), :: max(1, sample.shape[1] // 1500)]
    for image, mask in ((sample[thin], usable[thin]), (sample, usable)):
        some = image[mask & (image > 0)]
        if some.size and exposures > 1:
            # Median of chi-square over its mean, Wilson-Hilferty.
            return float(np.median(some)) / (1 - 2 / (9 * (exposures - 1))) ** 3
    return 1.0


def smooth_variance(sample: np.ndarray, usable: np.ndarray, exposures: int, sky_variance: float) -> np.ndarray:
    """Turn the noisy sample variance into a map fit for weights.

    Where the local excess over the sky's variance is not significant, the sky's variance is used.

    Parameters
    ----------
    sample : ndarray, shape (h, w)
        Variance of one standard exposure; NaN where unknown.
    usable : ndarray of bool, shape (h, w)
        Pixels that count.
    exposures : int
        Samples each value rests on.
    sky_variance : float
        `sky_variance`.

    Returns
    -------
    float32 ndarray, shape (h, w)
    """
    known = usable & (sample > 0)
    smooth = np.where(known, sample, np.float32(sky_variance)).astype(np.float32)
    smooth = cv2.GaussianBlur(smooth, (9, 9), 1.0, borderType=cv2.BORDER_REFLECT)
    np.maximum(smooth, 0.5 * sky_variance, out=smooth)
    excess = smooth - np.float32(sky_variance)
    blend = np.clip(excess / np.float32(2.4 * sky_variance * np.sqrt(2 / exposures)), 0, 1)
    return np.float32(sky_variance) + blend * excess


def without_seeing(scatter: np.ndarray, image: np.ndarray, sky_variance: float, photon: float) -> np.ndarray:
    """Variance of one standard exposure without what seeing adds: at most what sky and photons make.

    Parameters
    ----------
    scatter, image : ndarray, shape (h, w)
        `smooth_variance`, and the light: sky subtracted, NaN where unknown.
    sky_variance, photon : float
        Variance of the sky, and what a unit of light adds.

    Returns
    -------
    float32 ndarray, shape (h, w)
    """
    light = cv2.GaussianBlur(np.nan_to_num(image).astype(np.float32), (7, 7), 0.7, borderType=cv2.BORDER_REFLECT)
    return np.minimum(scatter, np.float32(sky_variance) + np.float32(photon) * np.maximum(light, 0))


def mean_variance(mean, weight, photon, sample, sky_variance: float, block: int = 64) -> np.ndarray:
    """Variance of a stack in electrons: what the sky's scatter shows, plus the photon noise of the sources.

    ``VAR = field (B + photon S) / weight``, with S the signal, B the variance of one standard exposure where there is
    only sky, and the field how noise varies with the vignette. The scatter between exposures itself would also hold
    what seeing does to stars.

    Parameters
    ----------
    mean, weight : ndarray, shape (h, w)
        Stack above the sky [e-], NaN uncovered; sum of weights.
    photon : ndarray, shape (h, w)
        Weighted mean of weight times the variance that an electron of signal adds to an exposure.
    sample : ndarray, shape (h, w)
        `sample_variance`.
    sky_variance : float
        About B; says which light is faint.
    block : int
        Side of the blocks by which the field is fitted, px.

    Returns
    -------
    float32 ndarray, shape (h, w)
        NaN where `weight` is 0.
    """
    covered = weight > 0
    signal = np.where(covered, mean, np.float32(0))
    with np.errstate(divide="ignore"):
        faint = np.sqrt(np.float32(100 * sky_variance) / weight)
    # Bright pixels must not spill into their faint neighbours.
    near = cv2.GaussianBlur(np.minimum(signal, np.where(covered, faint, 0)), (7, 7), 1.5)
    thin = max(1, min(mean.shape) // 1500)
    some = np.s_[::thin, ::thin]
    dark = covered[some] & (near[some] ** 2 < sky_variance)
    fit = _surface(np.where(dark, sample[some] - photon[some] * near[some], np.nan), max(8, block // thin))
    result = np.empty(mean.shape, np.float32)
    for top in range(0, len(mean), ROWS):
        rows = slice(top, top + ROWS)
        sky, field = (sky_variance, 1.0) if fit is None else _evaluate(fit, mean.shape, rows)
        # Faint light is averaged over its neighbours, so that the noise of a pixel does not choose its own variance.
        light = np.maximum(np.where(signal[rows] > faint[rows], signal[rows], near[rows]), 0)
        with np.errstate(invalid="ignore", divide="ignore"):
            result[rows] = (sky + field * photon[rows] * light) / weight[rows]
    result[~covered] = np.nan
    return result


def _surface(sample: np.ndarray, block: int) -> tuple[np.ndarray, float] | None:
    """Quadratic surface through the means of blocks, and their median; None with too few of them.

    A vignette needs no more terms, and the chance of a single block does not show. Means, no medians, because samples
    of a variance are skewed.
    """
    height, width = sample.shape
    block = max(8, min(block, height // 4, width // 4))
    rows, columns = height // block, width // block
    tiles = sample[: rows * block, : columns * block].reshape(rows, block, columns, block).swapaxes(1, 2)
    tiles = tiles.reshape(rows, columns, -1)
    count = np.isfinite(tiles).sum(axis=2)
    known = count > 0.2 * tiles.shape[2]
    if known.sum() < 9:
        return None
    values = np.nansum(tiles, axis=2) / np.maximum(count, 1)
    y, x = np.mgrid[:rows, :columns]
    y, x = (y + 0.5) * block / height - 0.5, (x + 0.5) * block / width - 0.5
    design = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1)
    keep = known
    for _ in range(4):
        fit = np.linalg.lstsq(design[keep], values[keep], rcond=None)[0]
        residual = np.abs(values - design @ fit)
        keep = known & (residual <= 4 * 1.4826 * np.median(residual[keep]) + 1e-12)
    return fit, float(np.median(values[known]))


def _evaluate(surface, shape: tuple[int, int], rows: slice) -> tuple[np.ndarray, np.ndarray]:
    """Some rows of a surface, as it is and relative to its median; float32, shape (rows, w)."""
    (a, b, c, d, e, f), level = surface
    y = ((np.arange(shape[0])[rows] + 0.5) / shape[0] - 0.5).astype(np.float32)[:, None]
    x = ((np.arange(shape[1]) + 0.5) / shape[1] - 0.5).astype(np.float32)
    values = np.clip(a + b * x + c * y + d * x * x + e * x * y + f * y * y, 0.3 * level, 5 * level).astype(np.float32)
    return values, values / np.float32(level)
