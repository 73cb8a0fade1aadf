"""Combine exposures: rejection across the stack, weights, mean, variance."""

import cv2
import numpy as np

from n2n.sky.order import median_and_scatter, middle, sort_samples

# What makes the median absolute deviation of few samples unbiased (Croux & Rousseeuw 1992).
FEW = {3: 1.495, 4: 1.363, 5: 1.206, 6: 1.200, 7: 1.140, 8: 1.129, 9: 1.107}


def clipped_mean(frames: np.ndarray, zero=None, scales=None, nsigma: float = 4.0, rows: int = 16) -> np.ndarray:
    """Mean over exposures without outliers, for calibration frames.

    Outliers are judged against the median and the scatter of the whole block of rows, so
    that even three frames can reject one.

    Parameters
    ----------
    frames : ndarray, shape (n, h, w)
        Of any kind of number; only `rows` rows at a time become floats.
    zero : ndarray, shape (h, w), optional
        Subtracted from every frame.
    scales : ndarray, shape (n,), optional
        Every frame is divided by its own.

    Returns
    -------
    float32 ndarray, shape (h, w)
    """
    n, height, _ = frames.shape
    factors = np.ones(n, np.float32) if scales is None else (1 / np.asarray(scales)).astype(np.float32)
    result = np.empty(frames.shape[1:], np.float32)
    for top in range(0, height, rows):
        block = frames[:, top : top + rows].astype(np.float32)
        if zero is not None:
            block -= zero[top : top + rows]
        block *= factors[:, None, None]
        if n < 3:
            result[top : top + rows] = block.mean(axis=0)
            continue
        centre = middle(sort_samples(block))
        deviation = np.abs(block - centre)
        own = FEW.get(n, n / (n - 0.8)) * 1.4826 * middle(sort_samples(deviation))
        limit = nsigma * np.maximum(own, np.median(own)) + 1e-6
        keep = deviation <= limit
        block *= keep
        result[top : top + rows] = block.sum(axis=0) / np.maximum(keep.sum(axis=0), 1)
    return result


def outliers(
    values: np.ndarray,
    valid: np.ndarray,
    judges: np.ndarray,
    background_sigma: np.ndarray,
    nsigma: float = 5.0,
    slope: float = 0.7,
    signal_variance: float = 0.0,
    level: float | None = None,
) -> np.ndarray:
    """Mark samples that the other exposures contradict: cosmic rays, trails, aircraft.

    A sample is rejected when it is farther from the median than
    ``nsigma * sigma + slope * gradient``: the gradient term, after driz_cr (Fruchter & Hook
    2002), forgives what seeing and sub-pixel misregistration do to the flanks of stars. sigma
    is the larger of the noise model and the scatter between exposures at that place. Neighbours
    of a rejected sample go with it when they exceed half the limit on the same side, and what resampling
    spreads around a strong one goes with it in any case.

    Parameters
    ----------
    values : float32 ndarray, shape (n, h, w)
        Registered exposures on one scale and sky level.
    valid : ndarray of bool, shape (n, h, w)
    judges : ndarray of bool, shape (n,)
        Exposures that define median and scatter (the held-out ones never do).
    background_sigma : ndarray, shape (n,)
        Noise of each exposure where there is only sky.
    signal_variance : float
        Variance added for each unit of signal above the sky (1 for electrons at full scale).
    level : float, optional
        The sky; by default the median of the image.

    Returns
    -------
    ndarray of bool, shape (n, h, w)
    """
    chosen = slice(None) if judges.all() else judges
    centre, scatter = median_and_scatter(values[chosen], valid[chosen])
    known = np.isfinite(centre)
    centre = np.where(known, centre, 0).astype(np.float32)
    forgiven = slope * _gradient(centre)
    scale = background_sigma.astype(np.float32)
    if level is None:
        level = np.median(centre[known]) if known.any() else 0.0
    floor = np.maximum(centre - np.float32(level), 0) * np.float32(signal_variance)
    count = valid[chosen].sum(axis=0, dtype=np.int32)
    widen = np.ones_like(centre)
    if judges.sum() >= 6:
        # Scatter of a few samples is itself uncertain: smooth it, and let it only widen the limit.
        relative = np.where(count >= 4, np.nan_to_num(scatter), 0).astype(np.float32) / np.median(scale[judges])
        widen = np.maximum(cv2.blur(relative, (3, 3), borderType=cv2.BORDER_REFLECT), 1) ** 2
    rejected = np.zeros(values.shape, bool)
    for index in range(len(values)):
        # Fewer than two other exposures cannot contradict anything.
        judged = known & valid[index] & (count >= 3 if judges[index] else count >= 2)
        limit = nsigma * np.sqrt(scale[index] ** 2 * widen + floor)
        limit += forgiven
        deviation = values[index] - centre
        core = (np.abs(deviation) > limit) & judged
        if core.any():
            rejected[index] = (core | _beside(core, deviation, limit)) & valid[index]
    return rejected


def _beside(core: np.ndarray, deviation: np.ndarray, limit: np.ndarray) -> np.ndarray:
    """What belongs to rejected samples: neighbours half as far off, and the rings of resampling around strong ones."""
    found = np.zeros(core.shape, bool)
    for sign in (1, -1):
        same = (core & (sign * deviation > 0)).view(np.uint8)
        found |= (cv2.dilate(same, np.ones((3, 3), np.uint8)) > 0) & (sign * deviation > 0.5 * limit)
    # Lanczos leaves a tenth of a peak two pixels away and a hundredth four pixels away.
    for strength, reach in ((10, 2), (100, 4)):
        strong = (core & (np.abs(deviation) > strength * limit)).view(np.uint8)
        if strong.any():
            found |= cv2.dilate(strong, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)) > 0
    return found


def _gradient(image: np.ndarray) -> np.ndarray:
    """Largest absolute difference to the four neighbours."""
    result = np.zeros_like(image)
    for axis in (0, 1):
        step = np.abs(np.diff(image, axis=axis))
        front, back = [slice(None)] * 2, [slice(None)] * 2
        front[axis], back[axis] = slice(1, None), slice(None, -1)
        result[tuple(front)] = np.maximum(result[tuple(front)], step)
        result[tuple(back)] = np.maximum(result[tuple(back)], step)
    return result


def weighted_mean(values: np.ndarray, valid: np.ndarray, weights: np.ndarray):
    """Weighted mean over exposures.

    Parameters
    ----------
    values, valid : ndarray, shape (n, h, w)
    weights : ndarray, shape (n,)
        Inverse variance relative to a standard exposure.

    Returns
    -------
    mean : float32 ndarray, shape (h, w)
        NaN where nothing is valid.
    weight : float32 ndarray, shape (h, w)
        Sum of weights: how many standard exposures the pixel is worth.
    """
    total, weight = np.zeros((2, *values.shape[1:]), np.float32)
    for sample, usable, own in zip(values, valid, weights.astype(np.float32), strict=True):
        share = usable * own
        weight += share
        share *= sample
        total += share
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(weight > 0, total / weight, np.nan).astype(np.float32), weight


def sample_variance(values, valid, weights, mean, units=None) -> np.ndarray:
    """Unbiased variance of one standard exposure (weight 1), pixel by pixel.

    ``sum w^2 (x - mean)^2 / (1 - w / W) / W`` with W the sum of weights, which is ``sum w (x - mean)^2 / (n - 1)`` for
    equal weights. Divided by W it is the variance of the mean whatever the exposures' own variances are (the
    estimator HC2 of MacKinnon & White 1985). NaN with fewer than two samples.

    Parameters
    ----------
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
    weight = sum(usable * own for usable, own in zip(valid, weights, strict=True))
    several = np.zeros(centre.shape, np.uint16)
    total = np.zeros(centre.shape, np.float32)
    safe = np.where(weight > 0, weight, 1)
    for unit in np.unique(units):
        share, moment = np.zeros((2, *centre.shape), np.float32)
        for index in np.flatnonzero(units == unit):
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


def smooth_variance(sample: np.ndarray, usable: np.ndarray, exposures: int) -> tuple[np.ndarray, float]:
    """Turn the noisy sample variance into a map fit for weights (reference: experiments, section 5).

    The background value is used wherever the local excess is not significant.

    Parameters
    ----------
    sample : ndarray, shape (h, w)
        Variance of one standard exposure; NaN where unknown.
    usable : ndarray of bool, shape (h, w)
    exposures : int
        Samples each value rests on.

    Returns
    -------
    variance : float32 ndarray, shape (h, w)
    background : float
        Variance where there is only sky.
    """
    known = usable & np.isfinite(sample) & (sample > 0)
    if not known.any() or exposures < 2:
        return np.ones_like(sample, dtype=np.float32), 1.0
    degrees = exposures - 1
    thin = np.s_[:: max(1, sample.shape[0] // 1500), :: max(1, sample.shape[1] // 1500)]
    some = sample[thin][known[thin]]
    # Median of chi-square over its mean, Wilson-Hilferty.
    background = float(np.median(some if some.size else sample[known])) / (1 - 2 / (9 * degrees)) ** 3
    smooth = np.where(known, sample, np.float32(background)).astype(np.float32)
    smooth = cv2.GaussianBlur(smooth, (9, 9), 1.0, borderType=cv2.BORDER_REFLECT)
    np.maximum(smooth, 0.5 * background, out=smooth)
    excess = smooth - np.float32(background)
    blend = np.clip(excess / np.float32(2.4 * background * np.sqrt(2 / exposures)), 0, 1)
    return np.float32(background) + blend * excess, background


def mean_variance(mean, weight, photon, sample, background: float, block: int = 64) -> np.ndarray:
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
    background : float
        About B; says which light is faint.

    Returns
    -------
    float32 ndarray, shape (h, w)
        NaN where `weight` is 0.
    """
    covered = weight > 0
    signal = np.where(covered, mean, 0).astype(np.float32)
    faint = 10 * np.sqrt(background / np.where(covered, weight, np.inf)).astype(np.float32)
    # Bright pixels must not spill into their faint neighbours.
    near = cv2.GaussianBlur(np.minimum(signal, faint), (7, 7), 1.5)
    dark = covered & (near**2 < background)
    sky = _surface(np.where(dark, sample - photon * near, np.nan), block)
    if sky is None:  # nothing but sources
        sky = np.full(mean.shape, background, np.float32)
    field = sky / np.median(sky[::8, ::8])
    with np.errstate(invalid="ignore", divide="ignore"):
        # Faint light is averaged over its neighbours, so that the noise of a pixel does not choose its own variance.
        signal = np.maximum(np.where(signal > faint, signal, near), 0)
        return np.where(covered, (sky + field * photon * signal) / weight, np.nan).astype(np.float32)


def _surface(sample: np.ndarray, block: int) -> np.ndarray | None:
    """Quadratic surface through the means of blocks; float32 ndarray, or None with too few of them.

    Vignettes need no more, and no block's own scatter shows. Means, because samples of a variance are skewed.
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
    y, x = ((np.arange(side, dtype=np.float32) + 0.5) / side - 0.5 for side in (height, width))
    y = y[:, None]
    a, b, c, d, e, f = fit.astype(np.float32)
    level = np.median(values[known])
    return np.clip(a + b * x + c * y + d * x * x + e * x * y + f * y * y, 0.3 * level, 5 * level).astype(np.float32)
