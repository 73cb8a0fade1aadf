"""Combine exposures: rejection across the stack, weights, mean."""

import cv2
import numpy as np

from n2n.sky.order import median_and_scatter, middle, sort_samples

TYPICAL = 10_000  # samples that say what is typical of a block
# What makes the median absolute deviation of few samples unbiased (Croux & Rousseeuw 1992).
FEW = {3: 1.495, 4: 1.363, 5: 1.206, 6: 1.200, 7: 1.140, 8: 1.129, 9: 1.107}

CURVED = 4.0  # sigma of an exposure: half the median image's Laplacian, where seeing counts; its noise is below 1


def clipped_mean(frames, zero=None, scales=None, nsigma: float = 4.0, rows: int = 16, step: float = 0.0) -> np.ndarray:
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
    nsigma : float
        Farther than this from the median, in units of the scatter, a sample is an outlier.
    rows : int
        Rows that are judged together.
    step : float
        Of the frames' numbers: their scatter is not taken for less than half of it, since of noise below it most
        samples are equal and the rest no outliers.

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
        least = max(np.median(own[:, :: max(1, own.size // TYPICAL)]), np.float32(0.5 * step) * factors.max())
        limit = nsigma * np.maximum(own, least) + 1e-6
        keep = deviation <= limit
        block *= keep
        result[top : top + rows] = block.sum(axis=0) / np.maximum(keep.sum(axis=0), 1)
    return result


def outliers(
    values: np.ndarray,
    valid: np.ndarray,
    judges: np.ndarray,
    sky_sigma: np.ndarray,
    nsigma: float = 4.5,
    slope: float = 0.7,
    signal_variance: float = 0.0,
    level: float | None = None,
    noise_kept: np.ndarray | None = None,
    blur: np.ndarray | None = None,
) -> np.ndarray:
    """Mark samples that the other exposures contradict: cosmic rays, trails, aircraft.

    A sample is rejected when it is farther from the median than
    ``nsigma * sigma + slope * gradient``: the gradient term, after driz_cr (Fruchter & Hook
    2002), forgives what seeing and sub-pixel misregistration do to the flanks of stars. sigma
    is the larger of the noise model and the scatter between exposures at that place. What an exposure's own seeing
    does to a star is expected: blurring by a variance b adds b / 2 times the Laplacian. A sample beyond half the
    limit is rejected, too, when the mean of four pixels with it is beyond theirs: resampling shares the charge of
    a hit between them. Neighbours of a rejected sample go with it when they exceed half the limit on the same
    side, and so do theirs; what resampling spreads around a strong one goes with it in any case.

    Parameters
    ----------
    values : float32 ndarray, shape (n, h, w)
        Registered exposures on one scale and sky level.
    valid : ndarray of bool, shape (n, h, w)
        Samples that count.
    judges : ndarray of bool, shape (n,)
        Exposures that define median and scatter (the held-out ones never do).
    sky_sigma : ndarray, shape (n,)
        Noise of each exposure where there is only sky.
    nsigma : float
        Limit in units of sigma.
    slope : float
        Share of the gradient that is added to the limit.
    signal_variance : float
        Variance added for each unit of signal above the sky (1 for electrons at full scale).
    level : float, optional
        The sky; by default the median of the image.
    noise_kept : ndarray, shape (n,), optional
        Share of the variance that resampling left in a pixel, as in `warp.noise_kept`; 1 by default.
    blur : ndarray, shape (n,), optional
        Variance of each exposure's star images, less that of the median exposure's [px^2]; 0 by default.

    Returns
    -------
    ndarray of bool, shape (n, h, w)
    """
    chosen = slice(None) if judges.all() else judges
    centre, scatter = median_and_scatter(values, valid, chosen)
    known = np.isfinite(centre)
    centre = np.where(known, centre, 0).astype(np.float32)
    forgiven = np.float32(slope / 2) * _gradient(centre)  # here and below: half of the limits
    scale = sky_sigma.astype(np.float32)
    if level is None:
        level = np.median(centre[known]) if known.any() else 0.0
    floor = np.maximum(centre - np.float32(level), 0) * np.float32(signal_variance)
    floor *= np.float32((nsigma / 2) ** 2)
    count = np.einsum("i,i...->...", judges.astype(np.uint16), valid)
    widen = np.ones_like(centre)
    if judges.sum() >= 6:
        # Scatter of a few samples is itself uncertain: smooth it, and let it only widen the limit.
        relative = np.where(count >= 4, np.nan_to_num(scatter), 0).astype(np.float32) / np.median(scale[judges])
        near, around = (cv2.blur(relative, (side, side), borderType=cv2.BORDER_REFLECT) for side in (3, 7))
        # Where only a few pixels scatter, it is chance; stars and their misregistration are wider.
        widen = np.maximum(np.minimum(near, around), 1) ** 2
    # Fewer than two other exposures cannot contradict anything.
    enough = {True: known & (count >= 3), False: known & (count >= 2)}
    # The mean of four pixels has half the noise that one had before it was resampled.
    of_four = 0.5 / np.sqrt(np.ones(len(values)) if noise_kept is None else noise_kept).astype(np.float32)
    curved, stars = _curved(centre, CURVED * np.median(scale))
    rejected = np.zeros(values.shape, bool)
    deviation, size, half = np.empty((3, *centre.shape), np.float32)
    for index in range(len(values)):
        np.multiply(widen, (nsigma / 2 * scale[index]) ** 2, out=half)
        half += floor
        np.sqrt(half, out=half)
        half += forgiven
        np.subtract(values[index], centre, out=deviation)
        if blur is not None:
            deviation.ravel()[stars] -= np.float32(blur[index]) * curved
        deviation *= valid[index]
        suspects = np.flatnonzero(np.abs(deviation, out=size) > half)
        suspects = suspects[enough[bool(judges[index])].ravel()[suspects]]
        places = suspects[_is_hit(suspects, deviation, half, forgiven, of_four[index])]
        if len(places):
            found = rejected[index]
            found.ravel()[places] = True
            places = _mark_beside(found, places, deviation, half)
            _mark_beside(found, places, deviation, half)
            found &= valid[index]
    return rejected


def _is_hit(suspects, deviation: np.ndarray, half: np.ndarray, forgiven: np.ndarray, of_four: float) -> np.ndarray:
    """Which suspects deviate too much, themselves or with three neighbours; ndarray of bool."""
    # Beyond a border the image goes on at the opposite one, whose noise is as good as any.
    steps = np.add.outer(deviation.shape[1] * np.arange(-1, 2), np.arange(-1, 2))
    near = deviation.take(suspects + steps[..., None], mode="wrap")
    two = near[:2] + near[1:]
    most = np.abs(two[:, :2] + two[:, 1:]).max(axis=(0, 1)) / 4
    half, forgiven = half.ravel()[suspects], forgiven.ravel()[suspects]
    return (np.abs(near[1, 1]) > 2 * half) | (most > 2 * (of_four * (half - forgiven) + forgiven))


def _mark_beside(found: np.ndarray, places: np.ndarray, deviation: np.ndarray, half: np.ndarray) -> np.ndarray:
    """Mark neighbours half as far off, and the rings of resampling around strong hits; places of new neighbours."""
    rows, columns = np.divmod(places, found.shape[1])
    peak = deviation[rows, columns]
    strength = np.abs(peak) / (2 * half[rows, columns])
    y, x = _around(rows, columns, 1, found.shape)
    near = (np.sign(peak) * deviation[y, x] > half[y, x]) & ~found[y, x]
    y, x = y[near], x[near]
    found[y, x] = True
    # Lanczos leaves a tenth of a peak two pixels away and a hundredth four pixels away. Beside a strong hit its rings
    # also hide weaker parts of the same track.
    for least, reach in ((2, 1), (10, 2), (100, 4)):
        strong = strength > least
        found[_around(rows[strong], columns[strong], reach, found.shape)] = True
    return np.unique(y * found.shape[1] + x)


def _around(rows, columns, reach: int, shape) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of all pixels within `reach` of some; int ndarrays, shape (side^2, n)."""
    steps = np.mgrid[-reach : reach + 1, -reach : reach + 1].reshape(2, -1, 1)
    return np.clip(rows + steps[0], 0, shape[0] - 1), np.clip(columns + steps[1], 0, shape[1] - 1)


def _curved(image: np.ndarray, least: float) -> tuple[np.ndarray, np.ndarray]:
    """Half of the Laplacian where it is larger than `least`, and where that is; ndarrays, shape (n,)."""
    half = cv2.Laplacian(image, cv2.CV_32F, scale=0.5, borderType=cv2.BORDER_REFLECT).ravel()
    places = np.flatnonzero(np.abs(half) > least)
    return half[places], places


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
    values : ndarray, shape (n, h, w)
        Exposures on one scale and sky level.
    valid : ndarray of bool, shape (n, h, w)
        Samples that count.
    weights : ndarray, shape (n,)
        Inverse variance relative to a standard exposure.

    Returns
    -------
    mean : float32 ndarray, shape (h, w)
        NaN where nothing is valid.
    weight : float32 ndarray, shape (h, w)
        Sum of weights: how many standard exposures the pixel is worth.
    """
    (weight,), (total,) = weighted_sums(values, valid, weights[None])
    return over(total, weight), weight


def weighted_sums(values: np.ndarray, valid: np.ndarray, weights: np.ndarray):
    """Sums over exposures of the weights, and of weight times value, where samples are valid.

    Parameters
    ----------
    values : ndarray, shape (n, h, w)
        Exposures on one scale and sky level.
    valid : ndarray of bool, shape (n, h, w)
        Samples that count.
    weights : ndarray, shape (k, n)
        Several sets of weights cost little more than one.

    Returns
    -------
    share, total : float32 ndarray, shape (k, h, w)
    """
    weights = weights.astype(np.float32)
    good = valid.astype(np.float32)
    share = np.einsum("ki,i...->k...", weights, good)
    good *= values
    return share, np.einsum("ki,i...->k...", weights, good)


def over(total: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Ratio of `total` to `share`; NaN where the share is 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(share > 0, total / share, np.nan).astype(np.float32)
