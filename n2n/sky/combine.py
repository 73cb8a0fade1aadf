"""Combine exposures: rejection across the stack, weights, mean, variance."""

import numpy as np
from scipy import ndimage

# What makes the median absolute deviation of few samples unbiased (Croux & Rousseeuw 1992).
FEW = {3: 1.495, 4: 1.363, 5: 1.206, 6: 1.200, 7: 1.140, 8: 1.129, 9: 1.107}


def clipped_mean(frames: np.ndarray, nsigma: float = 4.0, rows: int = 16) -> np.ndarray:
    """Mean over exposures without outliers, for calibration frames.

    Outliers are judged against the median and the scatter of the whole block of rows, so
    that even three frames can reject one.

    Parameters
    ----------
    frames : ndarray, shape (n, h, w)

    Returns
    -------
    float32 ndarray, shape (h, w)
    """
    n, height, _ = frames.shape
    result = np.empty(frames.shape[1:], np.float32)
    for top in range(0, height, rows):
        block = frames[:, top : top + rows].astype(np.float32)
        if n < 3:
            result[top : top + rows] = block.mean(axis=0)
            continue
        centre = np.median(block, axis=0)
        deviation = np.abs(block - centre)
        own = FEW.get(n, n / (n - 0.8)) * 1.4826 * np.median(deviation, axis=0)
        typical = np.median(own)
        limit = nsigma * np.maximum(own, typical) + 1e-6
        keep = deviation <= limit
        result[top : top + rows] = (block * keep).sum(axis=0) / np.maximum(keep.sum(axis=0), 1)
    return result


def masked_median(values: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Median over the first axis of the valid samples; NaN where there is none.

    Parameters
    ----------
    values : ndarray, shape (n, ...)
    valid : ndarray of bool, shape (n, ...)
    """
    count = valid.sum(axis=0)
    ordered = np.sort(np.where(valid, values, np.inf), axis=0)
    low = np.take_along_axis(ordered, np.maximum((count - 1) // 2, 0)[None], axis=0)[0]
    high = np.take_along_axis(ordered, np.minimum(count // 2, len(values) - 1)[None], axis=0)[0]
    with np.errstate(invalid="ignore"):
        return np.where(count > 0, 0.5 * (low + high), np.nan)


def outliers(
    values: np.ndarray,
    valid: np.ndarray,
    judges: np.ndarray,
    background_sigma: np.ndarray,
    nsigma: float = 5.0,
    slope: float = 0.7,
    signal_variance: float = 0.0,
) -> np.ndarray:
    """Mark samples that the other exposures contradict: cosmic rays, trails, aircraft.

    A sample is rejected when it is farther from the median than
    ``nsigma * sigma + slope * gradient``: the gradient term, after driz_cr (Fruchter & Hook
    2002), forgives what seeing and sub-pixel misregistration do to the flanks of stars. sigma
    is the larger of the noise model and the scatter between exposures at that place. Neighbours
    of a rejected sample go with it when they exceed half the limit on the same side.

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

    Returns
    -------
    ndarray of bool, shape (n, h, w)
    """
    centre = masked_median(values[judges], valid[judges])
    known = np.isfinite(centre)
    centre = np.where(known, centre, 0).astype(np.float32)
    gradient = _gradient(centre)
    scale = background_sigma.astype(np.float32)[:, None, None]
    floor = np.maximum(centre - np.median(centre[known]) if known.any() else centre, 0) * signal_variance
    count = valid[judges].sum(axis=0)
    if judges.sum() >= 6:
        normalised = np.abs(values[judges] - centre) / scale[judges]
        scatter = 1.4826 * masked_median(normalised, valid[judges])
        # Scatter of a few samples is itself uncertain: smooth it, and let it only widen the limit.
        scatter = ndimage.uniform_filter(np.where(count >= 4, np.nan_to_num(scatter), 1.0), 3)
        widen = np.maximum(scatter, 1.0).astype(np.float32)
    else:
        widen = np.ones_like(centre)
    deviation = values - centre
    rejected = np.zeros(values.shape, bool)
    for index in range(len(values)):
        # Fewer than two other exposures cannot contradict anything.
        judged = known & (count - (valid[index] & judges[index]) >= 2)
        sigma = np.sqrt((scale[index] * widen) ** 2 + floor)
        limit = nsigma * sigma + slope * gradient
        for sign in (1, -1):
            signed = sign * deviation[index]
            core = (signed > limit) & valid[index] & judged
            if core.any():
                near = ndimage.binary_dilation(core, iterations=1)
                rejected[index] |= core | (near & (signed > 0.5 * limit) & valid[index])
    return rejected


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
    shares = np.where(valid, weights.astype(np.float32)[:, None, None], np.float32(0))
    weight = shares.sum(axis=0)
    total = np.einsum("nhw,nhw->hw", shares, values)
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
    shares = np.where(valid, weights.astype(np.float32)[:, None, None], np.float32(0))
    if units is not None and len(set(units)) < len(units):
        membership = (np.unique(units)[:, None] == np.asarray(units)[None]).astype(np.float32)
        total = np.einsum("un,nhw->uhw", membership, shares * values)
        shares = np.einsum("un,nhw->uhw", membership, shares)
        values = total / np.maximum(shares, 1e-9)
    weight = shares.sum(axis=0)
    several = (shares > 0).sum(axis=0) > 1
    weight = np.where(several, weight, 1)
    leverage = np.where(several, 1 - shares / weight, 1)
    total = (shares**2 * (values - np.nan_to_num(mean)) ** 2 / leverage).sum(axis=0)
    return np.where(several, total / weight, np.nan).astype(np.float32)


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
    # Median of chi-square over its mean, Wilson-Hilferty.
    background = float(np.median(sample[known])) / (1 - 2 / (9 * degrees)) ** 3
    filled = np.where(known, sample, background)
    smooth = np.maximum(ndimage.gaussian_filter(filled, 1.0), 0.5 * background)
    excess = (smooth - background) / (2.4 * background * np.sqrt(2 / exposures))
    blend = np.clip(excess, 0, 1)
    return ((1 - blend) * background + blend * smooth).astype(np.float32), background
