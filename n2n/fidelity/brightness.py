"""The error of the denoised image by brightness: what VAR of the product is made with, and whether it is right."""

import numpy as np

from n2n.fidelity.ground import Ground, WeightedErrors
from n2n.fidelity.risk import gain_of
from n2n.fidelity.zones import BRIGHTNESSES
from n2n.group.weights import noise_for_its_weight

FEWEST = 500  # pixels of a class that tell an error
VAGUE = 0.05  # standard error of a scale that is not worth having
TRUSTED = 0.3  # relative error of what the denoised image's answer to more exposures tells: `fidelity.variance`


def gain_by_brightness(found: WeightedErrors, classes: np.ndarray, usable: np.ndarray) -> list:
    """Gain of every class, from the faintest.

    Parameters
    ----------
    found : WeightedErrors
        Errors of stack and denoised image.
    classes : int ndarray, shape (h, w)
        Class of brightness of every pixel.
    usable : ndarray of bool, shape (h, w)
        Pixels that count.
    """
    return [found.gain(usable & (classes == index)) for index in range(len(BRIGHTNESSES) + 1)]


def error_over_stack(gains: list, to_full: float = 1.0, told=None, told_error=None) -> np.ndarray:
    """Error of the denoised image over that of the stack, of every class; float32, shape (n,).

    The mean of what held-out exposures measured and what the answer of the denoised image tells, each with the weight
    of its error.

    Parameters
    ----------
    gains : list of Gain
        Of the classes, from the faintest.
    to_full : float
        Gain at full depth over that where it was measured.
    told, told_error : ndarray, shape (n,), optional
        The same from `n2n.fidelity.variance`, at full depth, with its standard error; NaN where unknown.
    """
    known = np.array([gain.pixels > FEWEST and np.isfinite(gain.value) for gain in gains])
    value, error = np.array([(gain.value, gain.error) for gain in gains], float).T
    with np.errstate(divide="ignore", invalid="ignore"):
        found, found_error = np.where(known, [1 / value, error / value**2], np.nan) / to_full
        values = np.array([found, np.full(len(gains), np.nan) if told is None else told])
        errors = np.array([found_error, values[1] if told is None else np.hypot(told_error, TRUSTED * told)])
        weights = np.where(np.isfinite(values) & (errors > 0), 1 / errors**2, 0)
        both = np.sum(weights * np.nan_to_num(values), axis=0) / np.sum(weights, axis=0)
    result = np.where(np.isfinite(both), both, np.where(known, found, 1.0))
    return np.clip(result, 0.002, 2.0).astype(np.float32)


def variance_scale(ground: Ground, found: WeightedErrors, classes, one_variance) -> np.ndarray:
    """Scatter of the exposures over the variance they should have, of every class; float32, shape (n,).

    In bright light exposures differ by more than their noise: where a star lies between pixels, seeing over the field,
    what is left of distortion. Measured on the exposures that were denoised; those held out judge it. A class that
    tells too little takes that of the next fainter.

    Parameters
    ----------
    ground : Ground
        What an image of A and B is judged on.
    found : WeightedErrors
        Errors of stack and denoised image.
    classes : int ndarray, shape (h, w)
        Class of brightness of every pixel.
    one_variance : ndarray, shape (h, w)
        Of one standard exposure, any of all, from VAR of the stack.
    """
    own = noise_for_its_weight(ground.group, ground.rest)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = found.scatter / (own * one_variance)
    result = [1.0]
    for one in _means(ratio, ground.usable, classes):
        told = one.pixels > FEWEST and one.error < VAGUE
        result.append(float(np.clip(one.value, 0.5, 2.0)) if told else result[-1])
    return np.array(result[1:], np.float32)


def held_out_chi2(
    ground: Ground, found: WeightedErrors, denoised, classes, one_variance, error: np.ndarray
) -> list[dict]:
    """Mean of ``(C - D)^2 / (VAR of D + VAR of C)`` in every class: 1 where both variances are right.

    Most of the denominator is C's. C is brought to the seeing, scale and place of what was denoised before. The
    standard error is that of many pixels and of few exposures: sharp ones differ by more in the cores of stars.

    Parameters
    ----------
    ground : Ground
        What an image of A and B is judged on.
    found : WeightedErrors
        Errors of stack and denoised image.
    denoised : ndarray, shape (h, w)
        What was made of A and B.
    classes : int ndarray, shape (h, w)
        Class of brightness of every pixel.
    one_variance : ndarray, shape (h, w)
        Of one standard exposure, from VAR of the stack and its scale.
    error : ndarray, shape (h, w)
        Error of `denoised` over that of the stack of the same depth.
    """
    own, its = (noise_for_its_weight(ground.group, chosen) for chosen in (ground.rest, ground.held_out))
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = one_variance * (own * error / ground.depth + its / ground.judge_depth)
        chi2 = (found.judge_mean - denoised) ** 2 / expected
    result = []
    for one, chance in zip(_means(chi2, ground.usable, classes), found.chance, strict=True):
        told = one.as_dict() if one.pixels > FEWEST else {"value": None, "standard_error": None}
        if told["value"] is not None:
            told["standard_error"] = float(np.hypot(one.error, one.value * chance))
        result.append(told)
    return result


def _means(values: np.ndarray, usable: np.ndarray, classes: np.ndarray) -> list:
    """Mean of every class with its standard error, where finite."""
    fair = usable & np.isfinite(values)
    return [gain_of(values, np.ones(values.shape), fair & (classes == index)) for index in range(len(BRIGHTNESSES) + 1)]
