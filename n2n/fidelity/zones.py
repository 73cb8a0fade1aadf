"""Divide an image into background, extended light and stars, for judging each by itself."""

import numpy as np
from scipy import ndimage

ZONES = ("background", "extended", "stars")
STAR_SIGMA = 5.0  # detection of stars in the image smoothed to their width
EXTENDED_SIGMA = 1.0  # diffuse light above this many sigma of the stack


def divide(stack: np.ndarray, sigma: np.ndarray, usable: np.ndarray) -> np.ndarray:
    """Assign every pixel to a zone, from an image that contains no held-out exposure.

    Parameters
    ----------
    stack : ndarray, shape (h, w)
        Sky subtracted.
    sigma : ndarray, shape (h, w)
        Noise of the sky in `stack` a pixel (without the sources' own).
    usable : ndarray of bool, shape (h, w)

    Returns
    -------
    int8 ndarray, shape (h, w)
        Index into `ZONES`; -1 where not usable.
    """
    clean = np.where(usable, stack, 0).astype(np.float32)
    level = float(np.median(sigma[usable])) if usable.any() else 1.0
    # Diffuse light: what a wide median sees, so that stars do not count.
    diffuse = _wide_median(clean, 11)
    compact = ndimage.gaussian_filter(clean - diffuse, 1.0)
    noise = 1.4826 * np.median(np.abs(compact[usable])) if usable.any() else 1.0
    # The floor keeps a crowded field, where sources set the spread, from hiding its stars.
    star = compact > STAR_SIGMA * min(noise, 0.45 * level)
    star = ndimage.binary_dilation(ndimage.binary_opening(star, np.ones((2, 2))), iterations=1)
    zones = np.zeros(stack.shape, np.int8)
    zones[ndimage.gaussian_filter(diffuse, 2.0) > EXTENDED_SIGMA * level] = 1
    zones[star] = 2
    zones[~usable] = -1
    return zones


def _wide_median(image: np.ndarray, size: int) -> np.ndarray:
    """Median over about `size` pixels, on a grid of half that step: quick and smooth enough."""
    step = max(2, size // 3)
    small = ndimage.median_filter(image[::step, ::step], 5, mode="nearest")
    zoom = ndimage.zoom(small, step, order=1, grid_mode=False)
    rows = np.minimum(np.arange(image.shape[0]), zoom.shape[0] - 1)
    columns = np.minimum(np.arange(image.shape[1]), zoom.shape[1] - 1)
    return zoom[np.ix_(rows, columns)]
