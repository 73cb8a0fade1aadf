"""Divide an image into background, extended light and stars, or by brightness, for judging each by itself."""

import numpy as np
from scipy import ndimage

ZONES = ("background", "extended", "stars")
STAR_SIGMA = 1.5  # compact light above this, after smoothing by 1 px: 5 sigma of what is left of the noise
NEAR_SATURATED = 6  # pixels around saturated ones are not judged: clipping spreads through the resampling
EXTENDED_SIGMA = 1.0  # diffuse light above this many sigma of the stack
BRIGHTNESSES = (1.0, 3.0, 10.0, 30.0)  # sigma of the stack's sky; edges of the classes of brightness


def divide(image: np.ndarray, sigma: np.ndarray, usable: np.ndarray) -> np.ndarray:
    """Assign every pixel to a zone.

    The image should not be the one that is judged: its noise would choose the zone, and a zone of pixels that
    happen to be low is no fair sample of the sky.

    Parameters
    ----------
    image : ndarray, shape (h, w)
        Sky subtracted.
    sigma : ndarray, shape (h, w)
        Noise of the sky in the stack a pixel (without the sources' own).
    usable : ndarray of bool, shape (h, w)
        Pixels that count.

    Returns
    -------
    int8 ndarray, shape (h, w)
        Index into `ZONES`; -1 where not usable.
    """
    clean = np.where(usable, image, 0).astype(np.float32)
    level = float(np.median(sigma[usable])) if usable.any() else 1.0
    # Diffuse light: what a wide median sees, so that stars do not count.
    diffuse = _wide_median(clean, 11)
    compact = ndimage.gaussian_filter(clean - diffuse, 1.0)
    star = compact > STAR_SIGMA * level
    star = ndimage.binary_dilation(ndimage.binary_opening(star, np.ones((2, 2))), iterations=1)
    zones = np.zeros(image.shape, np.int8)
    zones[ndimage.gaussian_filter(diffuse, 2.0) > EXTENDED_SIGMA * level] = 1
    zones[star] = 2
    zones[~usable] = -1
    return zones


def brightness_class(signal: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Class of brightness of every pixel, from 0; NaN counts as the faintest.

    Parameters
    ----------
    signal, sigma : ndarray, shape (h, w)
        Sky-subtracted image with little noise, and the noise of the sky in the stack.

    Returns
    -------
    int8 ndarray, shape (h, w)
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.digitize(np.nan_to_num(signal / sigma), BRIGHTNESSES).astype(np.int8)


def _wide_median(image: np.ndarray, size: int) -> np.ndarray:
    """Median over about `size` pixels, on a grid of half that step: quick and smooth enough."""
    step = max(2, size // 3)
    small = ndimage.median_filter(image[::step, ::step], 5, mode="nearest")
    zoom = ndimage.zoom(small, step, order=1, grid_mode=False)
    rows = np.minimum(np.arange(image.shape[0]), zoom.shape[0] - 1)
    columns = np.minimum(np.arange(image.shape[1]), zoom.shape[1] - 1)
    return zoom[np.ix_(rows, columns)]
