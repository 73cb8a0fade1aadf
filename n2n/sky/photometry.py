"""Flux and width of stars, measured alike in two images."""

import numpy as np
import sep
from photutils.aperture import ApertureStats, CircularAnnulus, CircularAperture
from scipy.spatial import KDTree


def find_stars(image: np.ndarray, sigma: np.ndarray, bad: np.ndarray, isolation: float = 8.0) -> np.ndarray:
    """Positions of isolated stars, from an image that contains no held-out exposure.

    Parameters
    ----------
    image : ndarray, shape (h, w)
        Sky subtracted.
    sigma : ndarray, shape (h, w)
        Noise a pixel.
    bad : ndarray of bool, shape (h, w)
        Saturated or missing pixels; no star within 8 pixels of one is taken.
    isolation : float
        Smallest distance to another detection, pixels.

    Returns
    -------
    ndarray, shape (n, 2)
        x, y in pixels, 0-based.
    """
    data = np.ascontiguousarray(np.where(bad, 0, image), np.float32)
    side = max(min(32, min(data.shape) // 4), 8)
    data = data - sep.Background(data, mask=bad, bw=side, bh=side).back()
    sources = sep.extract(data, 5.0, err=np.ascontiguousarray(np.where(bad, 1e9, sigma), np.float32), minarea=5)
    if len(sources) == 0:
        return np.empty((0, 2))
    points = np.column_stack([sources["x"], sources["y"]])
    distance = KDTree(points).query(points, k=2)[0][:, 1] if len(points) > 1 else np.array([np.inf])
    height, width = image.shape
    margin = 12
    inside = (points > margin).all(axis=1) & (points[:, 0] < width - margin) & (points[:, 1] < height - margin)
    round_ = sources["b"] / np.maximum(sources["a"], 1e-6) > 0.6
    clean = np.ones(len(points), bool)
    if bad.any():
        rows, columns = np.nonzero(bad)
        clean = KDTree(np.column_stack([columns, rows])).query(points)[0] > 8
    return points[(distance > isolation) & inside & round_ & clean]


def aperture_flux(image: np.ndarray, points: np.ndarray, radius: float, ring: str = "median") -> np.ndarray:
    """Flux within `radius` pixels above a ring around it; ndarray, shape (n,).

    ``ring="median"`` ignores neighbours and suits one image. To compare two images, pass their *difference* with
    ``ring="mean"``: the median of a noisy ring over a skewed sky is higher than that of the same ring denoised,
    by several percent of a faint star in a crowded field, and would be taken for a change of flux.

    Parameters
    ----------
    image : ndarray, shape (h, w)
        Sky subtracted.
    points : ndarray, shape (n, 2)
        x, y in pixels, 0-based.
    radius : float
        Pixels.
    ring : {"median", "mean"}
        What of the ring is taken for the level beneath.
    """
    if len(points) == 0:
        return np.empty(0)
    inner = ApertureStats(image, CircularAperture(points, radius), sum_method="subpixel", subpixels=5)
    around = ApertureStats(image, CircularAnnulus(points, radius + 2, radius + 6))
    return np.asarray(inner.sum) - np.asarray(getattr(around, ring)) * np.pi * radius**2


def moment_width(image: np.ndarray, points: np.ndarray, radius: float) -> np.ndarray:
    """FWHM in pixels from second moments within `radius` under a Gaussian window; ndarray, shape (n,).

    Only for comparing two images of the same stars: the window makes the absolute value smaller.

    Parameters
    ----------
    image : ndarray, shape (h, w)
        Sky subtracted.
    points : ndarray, shape (n, 2)
        x, y in pixels, 0-based.
    radius : float
        Pixels.
    """
    half = int(np.ceil(radius)) + 1
    result = np.full(len(points), np.nan)
    for index, (x, y) in enumerate(points):
        column, row = round(x), round(y)
        cut = image[row - half : row + half + 1, column - half : column + half + 1]
        if cut.shape != (2 * half + 1, 2 * half + 1):
            continue
        dy, dx = np.mgrid[-half : half + 1, -half : half + 1]
        r2 = (dx - (x - column)) ** 2 + (dy - (y - row)) ** 2
        window = np.exp(-0.5 * r2 / (radius / 2) ** 2)
        light = window * (cut - np.median(cut[r2 > (half - 1) ** 2]))
        if light.sum() > 0:
            second = (light * r2).sum() / light.sum() / 2
            result[index] = 2.3548 * np.sqrt(second) if second > 0 else np.nan
    return result


BORROWED = 6  # values that an expected variance counts for beside those measured


def robust_mean(values: np.ndarray, expected: np.ndarray | None = None) -> tuple[float, float, int]:
    """Mean after 3-sigma clipping about the median, its standard error, and how many values count.

    Where the variance of each value is expected, its inverse is the weight, and the error of few values leans on it:
    the scatter of three tells next to nothing.
    """
    weights = np.ones(len(values)) if expected is None else 1 / expected
    known = np.isfinite(values) & np.isfinite(weights)
    values, weights = values[known], weights[known]
    if values.size < 3:
        return float("nan"), float("nan"), int(values.size)
    for _ in range(5):
        centre = np.median(values)
        beyond = np.abs(values - centre) * np.sqrt(weights)
        kept = beyond <= 3 * max(1.4826 * np.median(beyond), 1e-12)
        if kept.all() or kept.sum() < 3:
            break
        values, weights = values[kept], weights[kept]
    mean, n = np.average(values, weights=weights), values.size
    variance = n / (n - 1) * np.sum((weights * (values - mean)) ** 2) / weights.sum() ** 2
    if expected is not None:
        variance = ((n - 1) * variance + BORROWED / weights.sum()) / (n - 1 + BORROWED)
    return float(mean), float(np.sqrt(variance)), int(n)


def star_variance(ratio: np.ndarray) -> np.ndarray:
    """Variance of a relative measure of stars of signal-to-noise `ratio`; none counts for more than one of 200.

    The brightest are changed least by a denoiser, and would hide what happens to the others.
    """
    return 1 / np.clip(ratio, 1e-6, 200) ** 2
