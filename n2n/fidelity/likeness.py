"""Exposures brought to the seeing, scale and place of others, so that a comparison sees their noise alone.

Held-out exposures C were taken in other air than the stack S. In bright stars that outweighs all noise, and although it
is linear in what is compared, it does not average out: it is one number, the same for every star. It is fitted,

    C - S = s T + a dTT/dxx + b dTT/dxy + c dTT/dyy + sum w_i (T * g_i - T) + x dT/dx + y dT/dy + level,

g_i Gaussians of 1.5, 3 and 6 px, for the wings that second derivatives do not reach, over bright pixels by weighted
least squares, with the denoised image for the light T, and taken off in and around them (all but the level). What that
leaves above 30 sigma: benchmarks/claim.
"""

from collections.abc import Callable

import numpy as np
from scipy import ndimage

FEWEST = 200  # bright pixels; with fewer there is little light to be compared, and little to fit
FINE = 1.0  # px; second derivatives are those of the light smoothed by this, or its noise would count
WINGS = 1.5, 3.0, 6.0  # px
REACH = 4  # px around bright pixels; farther away nothing changes by more than the noise


def matcher(light: np.ndarray, stack: np.ndarray, weight: np.ndarray, bright: np.ndarray) -> Callable:
    """A function that brings a mean of exposures to the seeing, scale and place of `stack`.

    Parameters
    ----------
    light : ndarray, shape (h, w)
        The sky without much noise, sky subtracted, finite. Also where nothing is compared it must be as it is.
    stack, weight : ndarray, shape (h, w)
        What to be like, and the inverse of its variance.
    bright : ndarray of bool, shape (h, w)
        Where to fit.

    Returns
    -------
    callable
        Takes and returns a float ndarray of shape (h, w); NaN stays. Without enough bright pixels it changes nothing.
    """
    light = np.asarray(light, np.float32)
    templates = [light, *(ndimage.gaussian_filter(light, FINE, order) for order in ((2, 0), (1, 1), (0, 2)))]
    templates += [ndimage.gaussian_filter(light, width) - light for width in WINGS]
    templates += [ndimage.sobel(light, axis) / 8 for axis in (0, 1)]
    bright = bright & np.isfinite(stack) & (weight > 0)
    near = np.flatnonzero(ndimage.binary_dilation(bright, iterations=REACH))
    # All that counts from here on lies near bright pixels, which are few.
    *templates, stack, weight, bright = (array.ravel()[near] for array in (*templates, stack, weight, bright))
    templates = np.stack(templates)

    def matched(image: np.ndarray) -> np.ndarray:
        values = image.ravel()[near]
        fair = bright & np.isfinite(values)
        if fair.sum() < FEWEST:
            return image
        columns = np.stack([*templates[:, fair], np.ones(fair.sum())], axis=1).astype(float)
        root = np.sqrt(weight[fair].astype(float))
        found, *_ = np.linalg.lstsq(root[:, None] * columns, root * (values - stack)[fair], rcond=None)
        result = image.copy()
        result.ravel()[near] -= found[:-1].astype(np.float32) @ templates
        return result

    return matched
