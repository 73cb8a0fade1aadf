"""Hot pixels of a camera whose warm pixels are many: a dark takes out what is warm, but not its noise."""

import numpy as np

from n2n.sky.calibrate import median5, robust_sigma

USUAL = 0.025  # of the pixels: so many of the brightest are defects on any camera
NOISIER = 4.0  # times the noise of a typical pixel: a warm pixel with less is of use once the dark is subtracted
UNSTABLE = 4.5  # sigma of what pixels as warm as it are like
BINS = 20


def noisy_hot_pixels(dark: np.ndarray, frames: np.ndarray, nsigma: float = 5.0, step: float = 0.0) -> np.ndarray:
    """Pixels of a master dark that stand out; where very many do, those whose noise stands out, too.

    The excess of a warm pixel comes with photon-like noise. How fast the noise grows with the excess is measured from
    the frames; no gain need be known.

    Parameters
    ----------
    dark : ndarray, shape (h, w)
        The mean of `frames`, ADU.
    frames : ndarray, shape (n, h, w)
        The dark frames themselves, ADU.
    nsigma : float
        In units of the scatter of the master's pixels.
    step : float
        Of the frames' numbers, ADU: the scatter of a mean of few coarse numbers may look like none.

    Returns
    -------
    ndarray of bool, shape (h, w)
    """
    residual = dark - median5(dark)
    scatter = max(robust_sigma(residual), 0.5 * step / np.sqrt(len(frames)), 1e-6)
    excess = np.abs(residual)
    found = excess > nsigma * scatter
    if found.mean() <= USUAL or len(frames) < 2:
        return found
    noise = _noise_of(frames)
    typical = max(robust_sigma(noise[~found]), 1e-6)
    height, jump = excess[found], noise[found]
    # Bins of like pixels: in each a few that jump tell nothing of the others.
    bins = [part for part in np.array_split(np.argsort(height), BINS) if part.size]
    slopes = [(robust_sigma(jump[part]) ** 2 - typical**2) / height[part].mean() for part in bins]
    growth = max(float(np.median(slopes)), 0.0)
    expected = np.sqrt(typical**2 + growth * height)
    strongest = height >= np.quantile(height, max(0.0, 1 - USUAL / found.mean()))
    found[found] = strongest | (expected > NOISIER * typical) | (np.abs(jump) > UNSTABLE * expected)
    return found


def _noise_of(frames: np.ndarray) -> np.ndarray:
    """Difference of the means of two halves: free of what stays; float32 ndarray, shape (h, w)."""
    half = len(frames) // 2
    return frames[:half].mean(axis=0, dtype=np.float32) - frames[half : 2 * half].mean(axis=0, dtype=np.float32)
