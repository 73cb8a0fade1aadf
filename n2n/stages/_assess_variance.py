"""The error of the denoised image by brightness: what VAR of the product is made with, and whether it is right."""

import numpy as np

from n2n.fidelity.risk import gain_of
from n2n.stages._assess_ground import Ground, Measured

# Edges, in sigma of the stack, of the brightness classes for which the error is measured by itself.
CLASSES = (1.0, 3.0, 10.0, 30.0)
FEWEST = 500  # pixels of a class that tell an error
SEEING = 3.0  # sigma; above, the light of stars changes with the seeing by more than a few percent of the noise


def brightness_class(signal: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Index of the brightness class of every pixel; NaN counts as the faintest."""
    return np.digitize(np.nan_to_num(signal / sigma), CLASSES)


def gain_by_brightness(found: Measured, classes: np.ndarray, usable: np.ndarray) -> list:
    """Gain of every class, from the faintest."""
    return [found.gain(usable & (classes == index)) for index in range(len(CLASSES) + 1)]


def error_over_stack(gains: list, to_full: float = 1.0) -> np.ndarray:
    """Error of the denoised image over that of the stack, of every class; float32, shape (n,).

    Parameters
    ----------
    gains : list of Gain
    to_full : float
        Gain at full depth over that where it was measured.
    """
    known = [gain.pixels > FEWEST and np.isfinite(gain.value) for gain in gains]
    found = [1 / (gain.value * to_full) if sure else 1.0 for gain, sure in zip(gains, known, strict=True)]
    return np.clip(found, 0.01, 1.0).astype(np.float32)


def held_out_chi2(on: Ground, denoised, classes, one_variance, error: np.ndarray) -> list[dict]:
    """Mean of ``(C - D)^2 / (VAR of D + VAR of C)`` in every class: 1 where both variances are right.

    Most of the denominator is C's. In stars C differs from D by its seeing as well: there what the exposures scatter
    beyond their noise is added, as it is in C's mean and in the mean that D was made from.

    Parameters
    ----------
    on : Ground
    denoised : ndarray, shape (h, w)
    classes : int ndarray, shape (h, w)
    one_variance : ndarray, shape (h, w)
        Of one standard exposure, from VAR of the stack.
    error : ndarray
        `error_over_stack` of the classes at the depth of `denoised`.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = one_variance * (error[classes] / on.depth + 1 / on.judge_depth)
        seeing = (on.scatter - one_variance) * (1 / on.depth + 1 / on.judge_depth)
        found, allowed = (on.judge_mean - denoised) ** 2 / expected, 1 + seeing / expected
    allowed = np.where(classes >= np.digitize(SEEING, CLASSES), allowed, 1.0)
    fair = on.usable & np.isfinite(found) & np.isfinite(allowed)
    result = []
    for index in range(len(CLASSES) + 1):
        one = gain_of(found, allowed, fair & (classes == index))
        result.append(one.as_dict() if one.pixels > FEWEST else {"value": None, "standard_error": None})
    return result
