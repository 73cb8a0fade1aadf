"""How much of an image changes so slowly that no exposure can tell whether it is light.

A gradient of the sky, a flat of another colour and glow are in every exposure alike, held out or not. The network
leaves what changes over a hundred pixels as it is (`n2n.nets.level`), so a claim is not about it. But its size can be
told, and with it what the gain would be if all of it were an error.
"""

import cv2
import numpy as np

WIDTH = 32.0  # px, sigma of the Gaussian; what is wider is the stack's own
THIN = 8  # px a side are one, for speed


def smooth_share(image, sky_sigma, empty: np.ndarray) -> float:
    """Variance of what is smooth in the empty sky, over the variance of the stack.

    Parameters
    ----------
    image : ndarray, shape (h, w)
        Denoised, sky subtracted; finite where `empty`.
    sky_sigma : ndarray, shape (h, w)
        Noise of the sky in the stack.
    empty : ndarray of bool, shape (h, w)
        Pixels without light.

    Returns
    -------
    float
        NaN where less than a hundredth of the image is empty.
    """
    if empty.mean() < 0.01:
        return float("nan")
    height, width = (max(1, side // THIN) for side in empty.shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        level = np.where(empty, image / sky_sigma, 0).astype(np.float32)
    thin, share = (
        cv2.resize(each, (width, height), interpolation=cv2.INTER_AREA) for each in (level, empty.astype(np.float32))
    )
    wide, around = (cv2.GaussianBlur(each, (0, 0), WIDTH / THIN) for each in (thin, share))
    smooth = wide / np.maximum(around, 1e-3)
    mean = np.average(smooth, weights=share)
    return float(np.average((smooth - mean) ** 2, weights=share))


def gain_if_error(gain: float, share: float) -> float:
    """The gain if that share of the stack's variance were an error of stack and denoised image that no claim knows."""
    return (1 + share) / (1 / gain + share)
