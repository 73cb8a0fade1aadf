"""How much better a denoised image is, found without truth from held-out exposures.

S is the stack of blocks A and B with variance v, D the denoised image of the same exposures, C the mean of exposures
neither has seen, T the truth. Two estimates of the error of D, both unbiased:

1. ``error(D) = v + < (D - C)^2 - (S - C)^2 >``, with v from the scatter of the exposures. C's own noise, and whatever
   else distinguishes C from S (seeing, transparency), cancels in the difference (reference: noise2noise, section 9).
   For stars.
2. ``< (D - C_i) (D - C_j) >`` with C_i and C_j the means of different held-out pointings, whose noise averages out of
   the product; no variance has to be known. The error is split with a smoothing G into its smooth part, ``G(D - C_i)
   G(D - C_j)``, where most of the noise is gone, and the rest, with L = 1 - G^2:
   ``D L D - 2 C L D + T L T``. There T L T, the same for any pointings of the group, comes from the products of all
   of them. For sky and faint extended light, where form 1 has about twice the noise.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

BOX = 48  # pixels; boxes for the jackknife, larger than any correlation of the noise
SMOOTH = 1.0  # pixels; G of the module's formula. Wider: less noise, but differences of seeing begin to count
WIDE = 6.0  # pixels; what is smoother than this is taken off before products at the border of a zone are formed


@dataclass(frozen=True)
class Gain:
    """Variance of the stack over the mean squared error of the denoised image, with its standard error."""

    value: float
    error: float
    pixels: int

    def as_dict(self) -> dict:
        """Plain numbers for JSON."""
        return {"value": self.value, "standard_error": self.error, "pixels": self.pixels}


def held_out_gain(denoised, stack, held_out, stack_variance, weight, chosen, box: int = BOX) -> Gain:
    """Estimate ``sum w v / sum w error(D)`` over the chosen pixels.

    Parameters
    ----------
    denoised, stack, held_out : ndarray, shape (h, w)
        D, S and C of the module's formula.
    stack_variance : ndarray, shape (h, w)
        Unbiased (unsmoothed) variance of `stack`, from the scatter of its exposures.
    weight : ndarray, shape (h, w)
        Inverse of the smooth variance of `stack`.
    chosen : ndarray of bool, shape (h, w)

    Returns
    -------
    Gain
        Standard error from a jackknife over boxes; NaN with fewer than four boxes.
    """
    return gain_of(
        weight * stack_variance,
        difference_error(denoised, stack, held_out, stack_variance, weight),
        chosen,
        box,
    )


def difference_error(denoised, stack, held_out, stack_variance, weight) -> np.ndarray:
    """Form 1 of the module's formula, pixel by pixel, times `weight`; arrays as for `held_out_gain`."""
    return weight * (stack_variance + (denoised - stack) * (denoised + stack - 2 * held_out))


def product_error(images: list, weight: np.ndarray, faint: np.ndarray, parts) -> list[np.ndarray]:
    """Form 2 of the module's formula, pixel by pixel, times `weight`, for several images of the same exposures.

    Single pixels mean nothing, only sums over many do. NaN outside `faint` and where not two held-out parts overlap.

    Parameters
    ----------
    images : list of ndarray, shape (h, w)
        Finite on `faint`; the first should be the smoothest.
    weight : ndarray, shape (h, w)
    faint : ndarray of bool, shape (h, w)
        Where to judge: no bright stars, whose light moves with the seeing.
    parts : iterable of (mean, depth, held_out)
        Mean (NaN where none) and sum of weights of the exposures of some pointings, arrays of shape (h, w), and
        whether they were held out. At least two must be.

    Returns
    -------
    list of float32 ndarray, shape (h, w)
    """
    shape = faint.shape
    root = np.sqrt(np.where(faint, weight, 0)).astype(np.float32)
    share = np.maximum(ndimage.gaussian_filter(faint.astype(np.float32), WIDE), 1e-3)
    base = ndimage.gaussian_filter(np.where(faint, images[0], 0).astype(np.float32), WIDE) / share
    centred = [root * np.where(faint, image - base, 0).astype(np.float32) for image in images]
    # Sums over parts, and of the products of a part with itself, to be taken off.
    smooth, smooth_own = np.zeros((2, len(images), *shape), np.float32)
    reach, reach_own, total, total_own, depths, depths_own, judge, judge_depth = np.zeros((8, *shape), np.float32)
    for mean, depth, held_out in parts:
        known = faint & np.isfinite(mean) & (depth > 0)
        depth = np.where(np.isfinite(mean), depth, 0).astype(np.float32)
        part = np.where(known, depth * root * (np.where(known, mean, 0) - base), 0)
        total += part
        total_own += part * _rough(part)
        depths += depth
        depths_own += depth**2
        if held_out:
            judge += part
            judge_depth += depth
            near = ndimage.gaussian_filter(depth, SMOOTH)
            reach += near
            reach_own += near**2
            for index, image in enumerate(centred):
                error = ndimage.gaussian_filter(np.where(known, depth * image, 0) - part, SMOOTH)
                smooth[index] += error
                smooth_own[index] += error**2
    pairs = reach**2 - reach_own
    fair = faint & (pairs > 0.01 * reach**2)
    scene = _per(total * _rough(total) - total_own, depths**2 - depths_own)
    judge = _per(judge, judge_depth)
    result = []
    for index, image in enumerate(centred):
        rough = _rough(image)
        low = _per(smooth[index] ** 2 - smooth_own[index], pairs)
        result.append(np.where(fair, low + image * rough - 2 * judge * rough + scene, np.nan))
    return result


def without_seeing(variance: np.ndarray, signal: np.ndarray, sigma: np.ndarray, stars: np.ndarray) -> np.ndarray:
    """Take what seeing does to bright stars out of a variance found from the scatter of exposures.

    In the core of a star the scatter between exposures is the change of seeing, many times the noise. Noise is
    ``sigma^2 (1 + k signal)``; k is found where light is too faint to twinkle visibly, from 3 to 10 sigma, and
    applied above.

    Parameters
    ----------
    variance, signal, sigma : ndarray, shape (h, w)
        Variance of the mean from its scatter, sky-subtracted image with little noise, noise of the sky.
    stars : ndarray of bool, shape (h, w)

    Returns
    -------
    ndarray, shape (h, w)
        Unchanged where there are too few pixels to find k.
    """
    level = np.where(stars, signal / sigma, 0)
    faint, bright = stars & (level > 3) & (level <= 10), stars & (level > 10)
    if faint.sum() < 200:
        return variance
    k = max(0.0, float((variance[faint] / sigma[faint] ** 2 - 1).sum() / signal[faint].sum()))
    result = variance.copy()
    result[bright] = sigma[bright] ** 2 * (1 + k * signal[bright])
    return result


def unseen_error(scatter: np.ndarray, seen: np.ndarray, chosen: np.ndarray, box: int = BOX) -> float:
    """Error a pixel that the scatter of the exposures shows in the stack, and held-out products do not.

    Neighbouring exposures share what changes slowly (seeing, the detector's pattern under a slow drift), and a
    product of exposures that share an error does not see it. What is missing in the stack must be assumed missing
    in the denoised image. Only what exceeds two standard errors counts.

    Parameters
    ----------
    scatter, seen : ndarray, shape (h, w)
        Weighted error of the stack from the scatter of its exposures, and from `product_error`.
    chosen : ndarray of bool, shape (h, w)
    """
    sums, counts = box_sums(np.where(chosen, scatter - seen, 0), box), box_sums(chosen.astype(float), box)
    filled = counts > 0
    if filled.sum() < 4:
        return 0.0
    mean = sums.sum() / counts.sum()
    error = np.sqrt(filled.sum() * np.var((sums - mean * counts)[filled], ddof=1)) / counts.sum()
    return float(max(0.0, mean - 2 * error))


def _rough(image: np.ndarray) -> np.ndarray:
    """The operator L = 1 - G^2; a Gaussian twice is one of sqrt(2) the width."""
    return image - ndimage.gaussian_filter(image, SMOOTH * 2**0.5)


def _per(total: np.ndarray, norm: np.ndarray) -> np.ndarray:
    return np.where(norm > 0, total / np.where(norm > 0, norm, 1), 0)


def true_gain(denoised, stack, truth, weight, chosen, box: int = BOX) -> Gain:
    """The same against a known truth: ``sum w (S - T)^2 / sum w (D - T)^2``."""
    return gain_of(weight * (stack - truth) ** 2, weight * (denoised - truth) ** 2, chosen, box)


def box_sums(values: np.ndarray, box: int) -> np.ndarray:
    """Sums over square boxes; partial boxes at the border included.  Returns a flat float64 array."""
    height, width = values.shape
    padded = np.pad(values.astype(np.float64), ((0, -height % box), (0, -width % box)))
    rows, columns = padded.shape[0] // box, padded.shape[1] // box
    return padded.reshape(rows, box, columns, box).sum(axis=(1, 3)).ravel()


def gain_of(before: np.ndarray, after: np.ndarray, chosen: np.ndarray, box: int = BOX) -> Gain:
    """Sum of `before` over sum of `after` on the chosen pixels; jackknife error over boxes, taken on the inverse.

    Parameters
    ----------
    before, after : ndarray, shape (h, w)
        Weighted error of the stack and of the denoised image.
    chosen : ndarray of bool, shape (h, w)
    """
    pixels = int(chosen.sum())
    before = box_sums(np.where(chosen, before, 0), box)
    after = box_sums(np.where(chosen, after, 0), box)
    total_before, total_after = before.sum(), after.sum()
    if pixels == 0 or total_before <= 0:
        return Gain(float("nan"), float("nan"), pixels)
    occupied = before > 0
    n = int(occupied.sum())
    inverse = total_after / total_before
    if n >= 4:
        left_out = (total_after - after[occupied]) / (total_before - before[occupied])
        error = float(np.sqrt((n - 1) / n * np.sum((left_out - left_out.mean()) ** 2)))
    else:
        error = float("nan")
    # An estimate at or below zero error means: too good to measure; quote what two sigma allow.
    floor = max(inverse, 0.5 * error if np.isfinite(error) else 0, 1e-6)
    return Gain(float(1 / floor), float(error / floor**2), pixels)
