"""The level of the sky, and all light that changes over a hundred pixels, are those of the stack.

The network sees some sixty pixels around each pixel. Over a larger area the mean of an image is known far better from
the image than from anything learned about skies: the noise of a Gaussian of 64 px is 0.5 % of a pixel's. What the
network added or took there is given back, but for 0.03 sigma. Hot pixels that no master knew leave so much light in a
stack, and the network is right to take it out.
"""

import numpy as np
from scipy import ndimage

SMOOTH = 129  # px, side of a box; three of them, one after the other, are nearly a Gaussian of sigma 64 px
FAINT, BRIGHT = 5.0, 10.0  # sigma of the sky: fully counted and corrected below, not at all above
SLACK = 0.03  # sigma of the sky; the gate G10 allows 0.05
FEW = 0.02  # share of faint pixels that counts for half: where there are fewer, nothing is known of the level


def keep_level(result: np.ndarray, image: np.ndarray, sky_sigma: np.ndarray) -> np.ndarray:
    """Give back what denoising changed smoothly.

    Parameters
    ----------
    result, image : ndarray, shape (h, w)
        Denoised and as it was, sky subtracted; NaN in `image` is unknown.
    sky_sigma : ndarray, shape (h, w)
        Noise of the sky in `image`.

    Returns
    -------
    float32 ndarray, shape (h, w)
    """
    known = np.isfinite(image)
    faint = np.clip((BRIGHT - result / sky_sigma) / (BRIGHT - FAINT), 0, 1)
    faint = np.where(known, faint, 0).astype(np.float32)
    change = np.where(known, result - image, 0).astype(np.float32) * faint
    change = smooth(change, SMOOTH) / (smooth(faint, SMOOTH) + np.float32(FEW))
    # The positive part of James and Stein's estimator: small changes stay, of large ones at most SLACK does.
    share = np.maximum(0, 1 - (SLACK * sky_sigma) ** 2 / np.maximum(change**2, np.float32(1e-30)))
    return result - (change * share * faint).astype(np.float32)


def smooth(image: np.ndarray, side: int, times: int = 3) -> np.ndarray:
    """Means over boxes, one after the other: nearly a Gaussian.

    Parameters
    ----------
    image : ndarray, shape (h, w)
        Mirrored at its edges.
    side : int
        Of a box, px.
    times : int
        How often.
    """
    for _ in range(times):
        image = ndimage.uniform_filter(image, side, mode="reflect")
    return image
