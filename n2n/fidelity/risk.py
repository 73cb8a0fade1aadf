"""How much better a denoised image is, found without truth from held-out exposures.

With S the stack of blocks A and B, D the denoised image of the same exposures, C the mean of exposures neither has
seen, and v the variance of S known from the scatter of its exposures:

    error(D) = v + < (D - C)^2 - (S - C)^2 >

C's own noise, and whatever else distinguishes C from S (seeing, transparency), cancels in the difference,
which the usual ``<(D - C)^2> - var(C)`` has to subtract as a large known number (reference: noise2noise, section 9).
"""

from dataclasses import dataclass

import numpy as np

BOX = 48  # pixels; boxes for the jackknife, larger than any correlation of the noise


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
    change = (denoised - stack) * (denoised + stack - 2 * held_out)
    before = box_sums(np.where(chosen, weight * stack_variance, 0), box)
    after = before + box_sums(np.where(chosen, weight * change, 0), box)
    return _ratio(before, after, int(chosen.sum()))


def true_gain(denoised, stack, truth, weight, chosen, box: int = BOX) -> Gain:
    """The same against a known truth: ``sum w (S - T)^2 / sum w (D - T)^2``."""
    before = box_sums(np.where(chosen, weight * (stack - truth) ** 2, 0), box)
    after = box_sums(np.where(chosen, weight * (denoised - truth) ** 2, 0), box)
    return _ratio(before, after, int(chosen.sum()))


def box_sums(values: np.ndarray, box: int) -> np.ndarray:
    """Sums over square boxes; partial boxes at the border included.  Returns a flat float64 array."""
    height, width = values.shape
    padded = np.pad(values.astype(np.float64), ((0, -height % box), (0, -width % box)))
    rows, columns = padded.shape[0] // box, padded.shape[1] // box
    return padded.reshape(rows, box, columns, box).sum(axis=(1, 3)).ravel()


def _ratio(before: np.ndarray, after: np.ndarray, pixels: int) -> Gain:
    """Ratio of sums; jackknife error, computed on the logarithm's scale-free inverse."""
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
