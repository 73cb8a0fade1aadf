"""Exposures brought to the seeing, scale and place of others, so that a comparison sees their noise alone.

Held-out exposures C were taken in other air than the stack S: other seeing, scale and place. In bright stars that
outweighs all noise, and it does not average out, because it is the same for every star. So it is fitted and taken off:

    C - S = s T + a dTT/dxx + b dTT/dxy + c dTT/dyy + sum w_i (T * g_i - T) + x dT/dx + y dT/dy + level,

by weighted least squares over bright pixels, with the denoised image for the light T. g_i are Gaussians of 1.5, 3 and
6 px, for the wings that second derivatives do not reach. All but the level is taken off, in and around bright pixels.
What that leaves above 30 sigma: benchmarks/claim.
"""

import numpy as np
from scipy import ndimage

FEWEST = 200  # bright pixels; with fewer there is little light to be compared, and little to fit
FINE = 0.7  # px; second derivatives are those of the light smoothed by this: less, and its noise would count
WINGS = 1.5, 3.0, 6.0  # px
REACH = 4  # px around bright pixels; farther away nothing changes by more than the noise


class Matcher:
    """Brings an exposure, or a mean of some, to the seeing, scale and place of `stack`.

    Called with a float ndarray of shape (h, w) it gives one like it; NaN stays. Without enough bright pixels it
    changes nothing.

    Parameters
    ----------
    light : ndarray, shape (h, w)
        The sky without much noise, sky subtracted, finite. Also where nothing is compared it must be as it is.
    stack, weight : ndarray, shape (h, w)
        What to be like, and the inverse of its variance.
    bright : ndarray of bool, shape (h, w)
        Where to fit.
    """

    def __init__(self, light: np.ndarray, stack: np.ndarray, weight: np.ndarray, bright: np.ndarray):
        bright = bright & np.isfinite(stack) & (weight > 0)
        # All that counts lies near bright pixels, which are few: no template is kept whole.
        self._near = np.flatnonzero(ndimage.binary_dilation(bright, iterations=REACH))
        self._stack, self._weight, self._bright = (array.ravel()[self._near] for array in (stack, weight, bright))
        self._templates = np.stack([template.ravel()[self._near] for template in _templates(light)])
        self._width = light.shape[1]

    def fit(self, image: np.ndarray, likely: float | None = None) -> np.ndarray | None:
        """How much of each template makes `image` differ from the stack; None with too few bright pixels.

        Stars alone hardly tell some templates from sums of others. That matters where faint light is to be filtered
        with them: then say how large a share is `likely`, and what the stars do not tell stays near nothing.
        """
        values = image.ravel()[self._near]
        fair = self._bright & np.isfinite(values)
        if fair.sum() < FEWEST:
            return None
        columns = np.stack([*self._templates[:, fair], np.ones(fair.sum())], axis=1).astype(float)
        root = np.sqrt(self._weight[fair].astype(float))
        columns, values = root[:, None] * columns, root * (values - self._stack)[fair]
        if likely is not None:
            columns = np.concatenate([columns, np.eye(columns.shape[1])[:-1] / likely])
            values = np.concatenate([values, np.zeros(columns.shape[1] - 1)])
        found, *_ = np.linalg.lstsq(columns, values, rcond=None)
        return found[:-1].astype(np.float32)

    def remove(self, found: np.ndarray | None, image: np.ndarray, top: int = 0) -> None:
        """Take what `fit` found off `image`, in place: rows from `top` of the whole, C-contiguous.

        Parameters
        ----------
        found : ndarray, shape (templates,), or None
            From `fit`; with None nothing is done.
        image : float ndarray, shape (rows, w)
            Changed in place; C-contiguous.
        top : int
            Row of the whole image that is the first of `image`.
        """
        if found is None:
            return
        first, last = np.searchsorted(self._near, [top * self._width, top * self._width + image.size])
        image.ravel()[self._near[first:last] - top * self._width] -= found @ self._templates[:, first:last]

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """`image` as it would be in the air of the stack."""
        found = self.fit(image)
        if found is None:
            return image
        result = np.ascontiguousarray(image).copy()
        self.remove(found, result)
        return result


def filtered(image: np.ndarray, found: np.ndarray) -> np.ndarray:
    """`image`, shape (h, w), finite, in the air of the stack: what `Matcher.fit` found is taken off it everywhere.

    Its own pixels are the light, so that faint light is changed as well as bright, and images whose noise was
    independent stay so.
    """
    return image - sum(share * template for share, template in zip(found, _templates(image), strict=True))


def _templates(light: np.ndarray):
    """All that seeing, scale and place change, one after another."""
    light = np.asarray(light, np.float32)
    yield light
    for order in ((2, 0), (1, 1), (0, 2)):
        yield ndimage.gaussian_filter(light, FINE, order)
    for width in WINGS:
        yield ndimage.gaussian_filter(light, width) - light
    for axis in (0, 1):
        yield ndimage.sobel(light, axis) / 8
