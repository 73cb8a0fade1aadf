"""Likeness to the clean photograph: PSNR and SSIM of one image."""

import math

import numpy as np
from skimage.metrics import structural_similarity


def psnr(clean, image, quantised: bool) -> float:
    """Peak signal-to-noise ratio in dB; infinite for equal images.

    Parameters
    ----------
    clean, image : float tensor or ndarray, shape (3, h, w)
        In [-0.5, 0.5]; `image` may go beyond.
    quantised : bool
        True: clipped and rounded to 8 bits, as the paper's figures are. False: as it is, with a peak of 1.

    Raises
    ------
    ValueError
        The shapes differ.
    """
    clean, image = _arrays(clean, image)
    if quantised:
        clean, image = (_eight_bits(values).astype(np.float64) / 255 for values in (clean, image))
    error = float(np.mean((image - clean) ** 2))
    return -10 * math.log10(error) if error > 0 else math.inf


def ssim(clean, image) -> float:
    """Structural similarity on 8 bits, mean of the channels, with the Gaussian weights of Wang et al. (2004).

    Parameters and errors as in `psnr`; sides of at least 11 pixels.
    """
    clean, image = (_eight_bits(values) for values in _arrays(clean, image))
    return float(
        structural_similarity(
            clean,
            image,
            channel_axis=0,
            data_range=255,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
    )


def _arrays(clean, image) -> tuple[np.ndarray, np.ndarray]:
    """Both as float64 ndarrays of one shape."""
    clean, image = (
        np.asarray(values.detach().cpu() if hasattr(values, "detach") else values, np.float64)
        for values in (clean, image)
    )
    if clean.shape != image.shape:
        raise ValueError(f"images of different shape: {clean.shape} and {image.shape}")
    return clean, image


def _eight_bits(values: np.ndarray) -> np.ndarray:
    return np.rint((np.clip(values, -0.5, 0.5) + 0.5) * 255).astype(np.uint8)
