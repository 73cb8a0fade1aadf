"""The images a denoised one is judged by, all in units of the stack's noise a pixel."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Evidence:
    """What the gates compare; float32 arrays of shape (h, w), sky subtracted, 0 where not usable.

    In units of the stack's noise every pixel counts alike and limits have the same meaning in any night. All
    images are divided by the same noise, so that what is equal stays equal and linear comparisons stay linear.

    Attributes
    ----------
    denoised, stack : ndarray
        D, and S, of which D was made.
    held_out : ndarray
        C, mean of exposures that neither D nor the network has seen. Its sky, seeing and transparency may differ.
    halves : tuple of two ndarray
        Means of two disjoint parts of C.
    noise : ndarray
        Their difference over its standard deviation: noise without signal, correlated between pixels as S's is.
    ratio : ndarray
        Variance of C over that of S; 0 where not usable.
    usable : ndarray of bool
    """

    denoised: np.ndarray
    stack: np.ndarray
    held_out: np.ndarray
    halves: tuple[np.ndarray, np.ndarray]
    noise: np.ndarray
    ratio: np.ndarray
    usable: np.ndarray


def evidence(denoised, stack, depth, parts, variance, usable) -> Evidence:
    """Put images into units of the stack's noise.

    Parameters
    ----------
    denoised, stack, depth : ndarray, shape (h, w)
        Sky subtracted, and how many standard exposures the stack is worth.
    parts : two pairs of ndarray, shape (h, w)
        Mean and depth of two disjoint parts of the held-out exposures.
    variance : ndarray, shape (h, w)
        Smooth variance of one standard exposure.
    usable : ndarray of bool, shape (h, w)
        Pixels that count; those that a part does not cover are left out besides.
    """
    (one, its_depth), (other, others_depth) = parts
    usable = usable & np.isfinite(one) & np.isfinite(other) & (its_depth > 0) & (others_depth > 0)
    usable &= np.isfinite(denoised) & np.isfinite(stack) & (depth > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        root = np.sqrt(depth / variance)
        both = its_depth + others_depth
        held_out = (one * its_depth + other * others_depth) / both
        ratio = np.where(usable, depth / both, 0)
        spread = np.sqrt(depth * both / (its_depth * others_depth))  # of the difference of the parts

    def scaled(image):
        return np.where(usable, image * root, 0).astype(np.float32)

    halves = scaled(one), scaled(other)
    noise = np.where(usable, (halves[0] - halves[1]) / np.where(usable, spread, 1), 0).astype(np.float32)
    images = scaled(denoised), scaled(stack), scaled(held_out)
    return Evidence(*images, halves, noise, ratio.astype(np.float32), usable)
