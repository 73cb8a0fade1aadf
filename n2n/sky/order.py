"""Sort the samples of every pixel over the exposures: medians and quartiles."""

import functools
from statistics import NormalDist

import numpy as np

CACHE = 1 << 20  # bytes worked on at once, so that they stay in the processor's cache


@functools.cache
def _network(n: int) -> tuple[tuple[int, int], ...]:
    """Pairs to compare so that `n` values end up in order: Batcher's merge exchange (Knuth 5.2.2, algorithm M)."""
    pairs = []
    step = 1
    while step < n:
        reach = step
        while reach >= 1:
            for start in range(reach % step, n - reach, 2 * reach):
                for i in range(min(reach, n - start - reach)):
                    if (i + start) // (2 * step) == (i + start + reach) // (2 * step):
                        pairs.append((i + start, i + start + reach))
            reach //= 2
        step *= 2
    return tuple(pairs)


def sort_samples(values: np.ndarray) -> list[np.ndarray]:
    """Sort over the first axis: the smallest of every pixel, the second smallest, and so on.

    A sorting network compares whole images, which is several times faster than sorting pixel by pixel.

    Parameters
    ----------
    values : float ndarray, shape (n, ...)
        Without NaN; not changed. Best a few hundred kB at a time, which fit the cache.

    Returns
    -------
    list of n ndarrays, shape (...)
    """
    ranks = list(values.copy())
    spare = np.empty_like(ranks[0])
    for low, high in _network(len(ranks)):
        np.minimum(ranks[low], ranks[high], out=spare)
        np.maximum(ranks[low], ranks[high], out=ranks[high])
        ranks[low], spare = spare, ranks[low]
    return ranks


def middle(ranks: list[np.ndarray]) -> np.ndarray:
    """Median of what `sort_samples` gives; ndarray, shape (...)."""
    half = (len(ranks) - 1) // 2
    return ranks[half] if len(ranks) % 2 else 0.5 * (ranks[half] + ranks[half + 1])


def masked_median(values: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Median over the first axis of the valid samples; NaN where there is none.

    Parameters
    ----------
    values : ndarray, shape (n, ...)
        Samples, exposures first.
    valid : ndarray of bool, shape (n, ...)
        Samples that count.
    """
    return median_and_scatter(values, valid)[0]


def median_and_scatter(values: np.ndarray, valid: np.ndarray, chosen=slice(None)) -> tuple[np.ndarray, np.ndarray]:
    """Median, and the standard deviation of a Gaussian with the same quartiles, of the valid samples of every pixel.

    Parameters
    ----------
    values : float ndarray, shape (n, ...)
        Samples, exposures first.
    valid : ndarray of bool, shape (n, ...)
        Samples that count.
    chosen : slice, mask or indices, optional
        Of the first axis; the others are left out.

    Returns
    -------
    median, scatter : ndarray, shape (...)
        NaN without a valid sample.
    """
    n, shape = len(np.arange(len(values))[chosen]), values.shape[1:]
    flat, good = (samples.reshape(len(samples), -1) for samples in (values, valid))
    median, scatter = np.empty((2, flat.shape[1]), values.dtype)
    piece = max(1024, CACHE // (4 * n))
    for start in range(0, flat.shape[1], piece):
        part = slice(start, start + piece)
        usable = good[:, part][chosen]
        count = usable.sum(axis=0, dtype=np.int32)
        ranks = sort_samples(np.where(usable, flat[:, part][chosen], np.inf))
        with np.errstate(invalid="ignore"):
            median[part] = middle(ranks)
            width = ranks[n - 1 - (n - 1) // 4] - ranks[(n - 1) // 4]
        fewer = np.flatnonzero(count < n)
        if len(fewer):
            ordered, count = np.stack([rank[fewer] for rank in ranks]), count[fewer]
            low, high = (_rank(ordered, place) for place in ((count - 1) // 2, count // 2))
            quarter = np.maximum(count - 1, 0) // 4
            with np.errstate(invalid="ignore"):
                median[part][fewer] = np.where(count > 0, 0.5 * (low + high), np.nan)
                width[fewer] = np.where(
                    count > 0, _rank(ordered, count - 1 - quarter) - _rank(ordered, quarter), np.nan
                )
        scatter[part] = width * _quartile_factor(n)
    return median.reshape(shape), scatter.reshape(shape)


def _rank(ordered, place):
    return np.take_along_axis(ordered, np.clip(place, 0, len(ordered) - 1)[None], axis=0)[0]


@functools.cache
def _quartile_factor(n: int) -> float:
    """Standard deviation over the distance of the samples nearest the quartiles (Blom's normal scores)."""
    rank = n - (n - 1) // 4
    return float(1 / (2 * max(NormalDist().inv_cdf((rank - 0.375) / (n + 0.25)), 0.1)))
