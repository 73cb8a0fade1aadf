"""How much better a denoised image is, found without truth from held-out exposures.

S is the stack of blocks A and B with variance v, D the denoised image of the same exposures, C the mean of exposures
neither has seen, T the truth. Two estimates of the error of D, both unbiased:

1. ``error(D) = v + < (D - C)^2 - (S - C)^2 >``, with v from the scatter of the exposures. C's own noise, and whatever
   else distinguishes C from S (seeing, transparency), cancels in the difference.
   For stars.
2. ``error(D) = < D^2 - 2 D C + T^2 >``, with T^2 from products of the means of different pointings, whose noise
   averages out: ``w C_i C_j + u C_i A_j + z A_i A_j``, with A_i of exposures of S, C_i of held-out ones and
   w + u + z = 1. No variance has to be known. Noise that T multiplies cancels if u + 2 z = 0, and so does whatever is
   linear in a difference of seeing, scale or sky between A and C. Where T is next to nothing that is no matter, and
   products of all exposures have an eighth of the variance of those of the few that were held out. The shares are the
   best for the light that is there. For sky and faint extended light, where form 1 has more noise.

   Zones are chosen by an image in which every exposure, held out or not, has its weight. Then the noise of A and of C
   is by the same chance high or low in a zone, and both cancel. A zone chosen by looking at D lacks the noise of A that
   D took for stars, and would make D look better than it is.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.signal import firwin

BOX = 48  # pixels; boxes for the jackknife, larger than any correlation of the noise
TAPS = 19  # of the low-pass H
OPTICS = 0.01  # of the power of a star: where less is left, there is only noise
AROUND = 6.0  # pixels; as far the light is averaged that shares are chosen for
CAUTION = 10.0  # times its power light counts: 5 since a fifth of the noise passes H, 2 since exposures differ in it
LEAST = np.float32(1e-3)  # depth below which there is none
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
        Pixels that count.
    box : int
        Side of a box for the jackknife, pixels.

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
    """Form 1 of the module's formula, pixel by pixel, times `weight`; arrays as for `held_out_gain`.

    Parameters
    ----------
    denoised, stack, held_out, stack_variance, weight : ndarray, shape (h, w)
        As for `held_out_gain`.
    """
    return weight * (stack_variance + (denoised - stack) * (denoised + stack - 2 * held_out))


def product_error(
    images: list, light: np.ndarray, weight: np.ndarray, faint: np.ndarray, parts, fwhm: float | None = None
) -> list[np.ndarray]:
    """Form 2 of the module's formula, pixel by pixel, times `weight`, for several images of the same exposures.

    Single pixels mean nothing, only sums over many do. NaN outside `faint` and where not two held-out parts overlap.

    Parameters
    ----------
    images : list of ndarray, shape (h, w)
        Finite on `faint`.
    light : ndarray, shape (h, w)
        T with little noise, finite on `faint`, from all exposures, each with its weight.
    weight : ndarray, shape (h, w)
        Inverse variance of the stack.
    faint : ndarray of bool, shape (h, w)
        Where to judge: no bright stars, whose light moves with the seeing. Chosen by such an image, too.
    parts : iterable of (mean, depth, held_out)
        Mean (NaN where none) and sum of weights of the exposures of some pointings, arrays of shape (h, w), and
        whether they were held out. At least two must be.
    fwhm : float, optional
        Of stars, pixels: light is not looked for at frequencies that the optics do not let through.

    Returns
    -------
    list of float32 ndarray, shape (h, w)
    """
    root = np.sqrt(np.where(faint, weight, 0)).astype(np.float32)
    share = np.maximum(ndimage.gaussian_filter(faint.astype(np.float32), WIDE), 1e-3)
    base = ndimage.gaussian_filter(np.where(faint, light, 0).astype(np.float32), WIDE) / share
    del share
    passed = _optics(fwhm)
    own = root * np.where(faint, light - base, 0).astype(np.float32)
    power = np.maximum(ndimage.gaussian_filter(own * passed(own), AROUND), 0)
    del own
    centred = [root * np.where(faint, image - base, 0).astype(np.float32) for image in images]
    judges, rest = _Products(faint.shape, passed), _Products(faint.shape, passed)
    for mean, depth, held_out in parts:
        known = np.isfinite(mean) & (depth > 0)
        # What a part lacks is lent, so that H does not smooth over a gap; its own weight is 0.
        part = np.where(known, root * (np.where(known, mean, 0) - base), centred[0]).astype(np.float32)
        (judges if held_out else rest).add(part, np.where(known, depth, 0).astype(np.float32))
    del root, base
    fair = faint & (judges.pairs > 0.01 * judges.depth**2)
    of_mixed, of_rest = _shares(judges, rest, power)
    squared, held_out = (1 - of_mixed - of_rest) * judges.of_pairs(), judges.mean()
    del judges, power
    squared += of_mixed * held_out * rest.passed() + of_rest * rest.of_pairs()
    del rest, of_mixed, of_rest
    result = []
    for image in centred:
        inside = passed(image)
        outside = (image - held_out) * (image - inside)
        result.append(np.where(fair, (image - 2 * held_out) * inside + squared + outside, np.nan))
    return result


def _shares(judges: "_Products", rest: "_Products", power: np.ndarray):
    """The u and z of the module's formula, of least variance; the rest of 1 is w.

    In units of the noise of one standard exposure the product of two parts of depths a and b has a variance of 1 / a b.
    The product of light with the noise of a part of depth a has P / (a r), with the power P of the light in units of
    the noise of the mean of `rest`, and r the depth of that.
    """
    depth, other = np.maximum(judges.depth, LEAST), np.maximum(rest.depth, LEAST)
    judging, mixed, own = 2 / np.maximum(judges.pairs, LEAST), 1 / (depth * other), 2 / np.maximum(rest.pairs, LEAST)
    light = CAUTION * power * (1 / depth + 1 / other) / other
    norm = judging * mixed + judging * own + mixed * own + light * (judging + 4 * mixed + own)
    return judging * (own + 2 * light) / norm, judging * (mixed - light) / norm


class _Products:
    """Products of different parts: what all parts give together, less the product of each with itself.

    Attributes
    ----------
    depth, pairs : float32 ndarray, shape (h, w)
        Sums of the parts' depths, and of the products of two different ones.
    """

    def __init__(self, shape, operator):
        self._operator = operator
        self.depth, self._depth_own, self._total, self._passed, self._own = np.zeros((5, *shape), np.float32)

    def add(self, part, depth):
        passed = self._operator(part)
        self.depth += depth
        self._depth_own += depth**2
        self._total += depth * part
        self._passed += depth * passed
        self._own += depth**2 * part * passed

    @property
    def pairs(self):
        return self.depth**2 - self._depth_own

    def mean(self):
        """Mean of the parts."""
        return _per(self._total, self.depth)

    def passed(self):
        """Mean of the parts behind the operator."""
        return _per(self._passed, self.depth)

    def of_pairs(self):
        """Mean product of a part with the operator of another."""
        return _per(self._total * self._passed - self._own, self.pairs)


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
        Pixels that count.
    box : int
        Side of a box for the standard error, pixels.
    """
    sums, counts = box_sums(np.where(chosen, scatter - seen, 0), box), box_sums(chosen.astype(float), box)
    filled = counts > 0
    if filled.sum() < 4:
        return 0.0
    mean = sums.sum() / counts.sum()
    error = np.sqrt(filled.sum() * np.var((sums - mean * counts)[filled], ddof=1)) / counts.sum()
    return float(max(0.0, mean - 2 * error))


def _optics(fwhm: float | None):
    """The operator H, a low-pass for what optics that give stars of such width let through.

    Products of parts are formed of that alone. Beyond, where noise has most of its frequencies, T is next to nothing
    and all that D has there is its error.
    """
    cutoff = np.sqrt(-np.log(OPTICS)) * 2.3548 / fwhm / np.pi if fwhm else 1.0  # as a share of the Nyquist frequency
    if cutoff >= 0.95:
        return lambda image: image
    kernel = firwin(TAPS, cutoff).astype(np.float32)

    def passed(image):
        along = ndimage.convolve1d(image, kernel, axis=0, mode="constant")
        return ndimage.convolve1d(along, kernel, axis=1, mode="constant")

    return passed


def _per(total: np.ndarray, norm: np.ndarray) -> np.ndarray:
    return np.where(norm > 0, total / np.where(norm > 0, norm, 1), 0)


def true_gain(denoised, stack, truth, weight, chosen, box: int = BOX) -> Gain:
    """The same against a known truth: ``sum w (S - T)^2 / sum w (D - T)^2``.

    Parameters
    ----------
    denoised, stack, truth, weight : ndarray, shape (h, w)
        D, S, T and the weight of a pixel.
    chosen : ndarray of bool, shape (h, w)
        Pixels that count.
    box : int
        Side of a box for the jackknife, pixels.
    """
    return gain_of(weight * (stack - truth) ** 2, weight * (denoised - truth) ** 2, chosen, box)


def box_sums(values: np.ndarray, box: int) -> np.ndarray:
    """Sums over square boxes; partial boxes at the border included.  Returns a flat float64 array."""
    rows, columns = (np.arange(0, side, box) for side in values.shape)
    return np.add.reduceat(np.add.reduceat(values, rows, axis=0, dtype=np.float64), columns, axis=1).ravel()


def gain_of(before: np.ndarray, after: np.ndarray, chosen: np.ndarray, box: int = BOX) -> Gain:
    """Sum of `before` over sum of `after` on the chosen pixels; jackknife error over boxes, taken on the inverse.

    Parameters
    ----------
    before, after : ndarray, shape (h, w)
        Weighted error of the stack and of the denoised image.
    chosen : ndarray of bool, shape (h, w)
        Pixels that count.
    box : int
        Side of a box for the jackknife, pixels.
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
