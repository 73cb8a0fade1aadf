"""Images after a filter of the stars' width: in which stars and other small details are looked for."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from n2n.fidelity.evidence import Evidence

LOST = (
    4.0  # sigma of the stack after the filter: what counts as a source in it; held-out exposures decide whether it was
)
SEEING = 0.1  # share of the light around by which C may differ


@dataclass(frozen=True)
class Filtered:
    """Images after a filter of the stars' width, in units of the stack's noise after it; arrays of shape (h, w).

    Attributes
    ----------
    denoised, stack, held_out : ndarray
        A star's value is its signal-to-noise ratio in the stack: forced photometry weighted with the star's shape.
    noise : ndarray
        Standard deviation of `held_out`.
    allowed : ndarray
        How far `held_out` may be off by its seeing.
    inside : ndarray of bool
        Pixels whose surroundings are usable.
    """

    denoised: np.ndarray
    stack: np.ndarray
    held_out: np.ndarray
    noise: np.ndarray
    allowed: np.ndarray
    inside: np.ndarray


def filtered(images: Evidence, fwhm: float) -> Filtered:
    """Apply a filter of the stars' width that ignores the level around: a Gaussian less one three times as wide."""
    width = fwhm / 2.3548

    def matched(image):
        return ndimage.gaussian_filter(image, width) - ndimage.gaussian_filter(image, 3 * width)

    noise = matched(images.noise)
    inside = ndimage.uniform_filter(images.usable.astype(np.float32), 2 * int(np.ceil(3 * width)) + 1, mode="constant")
    inside = inside > 0.999
    if not inside.any():
        return Filtered(*np.zeros((5, *inside.shape), np.float32), inside)
    unit = 1.4826 * float(np.median(np.abs(noise[inside])))
    denoised, stack, held_out = (matched(image) / unit for image in (images.denoised, images.stack, images.held_out))
    allowed = SEEING * ndimage.maximum_filter(np.abs(stack), 2 * int(np.ceil(1.5 * fwhm)) + 1)
    return Filtered(denoised, stack, held_out, np.sqrt(images.ratio), allowed, inside)


def peaks(image: np.ndarray, threshold: float, inside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of local maxima above a threshold.

    Parameters
    ----------
    image : ndarray, shape (h, w)
        In which they are looked for.
    threshold : float
        In the image's unit.
    inside : ndarray of bool, shape (h, w)
        Where maxima count.
    """
    top = (image == ndimage.maximum_filter(image, 5)) & (image > threshold) & inside
    return np.nonzero(top)
