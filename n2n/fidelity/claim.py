"""What a denoised image is worth by the word of held-out exposures: over all, by zone and by brightness."""

from dataclasses import dataclass

import numpy as np

from n2n.fidelity.brightness import error_over_stack, gain_by_brightness, held_out_chi2, variance_scale
from n2n.fidelity.ground import Ground, WeightedErrors, sky_noise, weighted_errors
from n2n.fidelity.risk import Gain
from n2n.fidelity.smooth import gain_if_error, smooth_share
from n2n.fidelity.variance import Answer, answer_to_more
from n2n.fidelity.zones import BRIGHTNESSES, ZONES, brightness_class

# The gain falls with depth about as depth^-0.35 (-0.29 to -0.40, benchmarks/claim). It is measured on blocks A and B
# and brought to the full stack with that.
DEPTH_EXPONENT, DEPTH_EXPONENT_ERROR = -0.35, 0.1
# Of what the held-out exposures share with the stack (the detector's pattern, the masters' noise), s, the network keeps
# a share F. Its error is F^2 s, and (1 - F)^2 s is seen: too little by (2 F - 1) s. About half of the variance is kept
# (benchmarks/detector), and what was missing scattered by a tenth of s in H-alpha, by more in L (benchmarks/strange).
UNSEEN = 0.25


@dataclass(frozen=True)
class Claim:
    """The claim, as it was measured on blocks A and B.

    Attributes
    ----------
    measured : Gain
    exposures : int
        Of A and B.
    ratio : float
        Depth of the full stack over that of A and B.
    zones : dict
        Gain of every zone and its share of the pixels.
    by_class : list of Gain
        From the faintest class of brightness.
    scale : ndarray
        `variance_scale` of the classes.
    answer : Answer
        How the error is spread over places.
    chi2 : list of dict
        `held_out_chi2` of the classes.
    slope : float
        Regression of the held-out mean on the denoised image: above 1, faint light was lost.
    residual_chi2 : float
        Mean square of what was taken, over the stack's variance.
    unseen : float
        Share of the stack's variance that the held-out exposures have, too.
    smooth : float
        `n2n.fidelity.smooth.smooth_share`.
    """

    measured: Gain
    exposures: int
    ratio: float
    zones: dict
    by_class: list[Gain]
    scale: np.ndarray
    answer: Answer
    chi2: list[dict]
    slope: float
    residual_chi2: float
    unseen: float
    smooth: float

    @property
    def gain(self) -> dict:
        """Value and standard error, brought to the full stack; what cannot be seen is in the error."""
        found = to_full_depth(self.measured, self.ratio)
        error = np.hypot(found["standard_error"], UNSEEN * self.unseen * found["value"] ** 2)
        return found | {"standard_error": float(error)}

    @property
    def error_over_stack(self) -> np.ndarray:
        """Error of the product over that of the full stack, of every class."""
        return _error_over_stack(self.by_class, self.ratio, self.scale, self.answer)

    def variance_over_stack(self, classes: np.ndarray) -> np.ndarray:
        """VAR of the product over that of the stack; float32, shape (h, w), like the classes of its brightness."""
        return (self.scale * self.error_over_stack)[classes] * self.answer.place

    def as_dict(self) -> dict:
        """As assessment.json holds it."""
        edges = {"edges_sigma": list(BRIGHTNESSES)}
        return {
            "exposure_gain": self.gain,
            "exposure_gain_measured": self.measured.as_dict()
            | {"exposures": self.exposures, "brought_to_full_stack_with_exponent": DEPTH_EXPONENT},
            "zones": self.zones,
            "gain_by_brightness": edges | {"classes": [gain.as_dict() for gain in self.by_class]},
            "held_out_chi2": edges | {"classes": self.chi2},
            "slope": self.slope,
            "residual_chi2": self.residual_chi2,
            "unseen": self.unseen,
            "smooth": {"share": self.smooth, "gain_if_error": gain_if_error(self.gain["value"], self.smooth)},
        }


def claimed(
    ground: Ground, judged, full, stack_variance, full_depth, unseen: float = 0.0
) -> tuple[Claim, WeightedErrors]:
    """Measure what a denoised image is worth.

    Parameters
    ----------
    ground : Ground
        What an image of A and B is judged on.
    judged, full : ndarray, shape (h, w)
        What was made of A and B, and of all exposures.
    stack_variance, full_depth : ndarray, shape (h, w)
        Variance of the full stack, and how many standard exposures it is worth.
    unseen : float
        Share of that variance that the held-out exposures have, too.

    Returns
    -------
    Claim
    WeightedErrors
        What it was found from.
    """
    found = weighted_errors(ground, judged, full)
    by_class = gain_by_brightness(found, brightness_class(full, ground.sky_sigma), ground.usable)
    one_variance = stack_variance * full_depth
    classes = brightness_class(judged, ground.sky_sigma)
    scale = variance_scale(ground, found, classes, one_variance)
    one_variance *= scale[classes]
    ratio = float(np.median(full_depth[ground.usable] / ground.depth[ground.usable]))
    answer = answer_to_more(
        (ground.mean, ground.group.mean()[0]), (judged, full), (ground.depth, full_depth), stack_variance,
        brightness_class(full, sky_noise(ground.group, full_depth)), ground.usable, ground.group.facts.fwhm_px or 3.0,
    )  # fmt: skip
    error = (_error_over_stack(by_class, ratio, scale, answer) * ratio**DEPTH_EXPONENT)[classes] * answer.place
    return Claim(
        measured=found.gain(ground.usable),
        exposures=len(ground.rest),
        ratio=ratio,
        zones=found.by_zone(),
        by_class=by_class,
        scale=scale,
        answer=answer,
        chi2=held_out_chi2(ground, found, judged, classes, one_variance, error),
        slope=slope(judged, ground.judge_mean, ground.judge_depth / ground.group.variance, ground.usable),
        residual_chi2=float(np.mean((found.weight * (judged - ground.mean) ** 2)[ground.usable])),
        unseen=unseen,
        smooth=smooth_share(np.nan_to_num(full), ground.sky_sigma, found.zones == ZONES.index("background")),
    ), found


def _error_over_stack(by_class: list[Gain], ratio: float, scale: np.ndarray, answer: Answer) -> np.ndarray:
    """Error of the product over that of the full stack, of every class, from all that tells it."""
    return error_over_stack(by_class, ratio**DEPTH_EXPONENT, answer.share / scale, answer.error / scale)


def to_full_depth(measured: Gain, ratio: float) -> dict:
    """Bring a gain measured at some depth to `ratio` times that depth."""
    value = measured.value * ratio**DEPTH_EXPONENT
    relative = np.hypot(measured.error / measured.value, DEPTH_EXPONENT_ERROR * np.log(ratio))
    return {"value": float(value), "standard_error": float(value * relative)}


def slope(denoised, held_out, weight, usable) -> float:
    """Weighted regression of the held-out mean on the denoised image: above 1, faint light was lost.

    Parameters
    ----------
    denoised, held_out, weight : ndarray, shape (h, w)
        The image, the mean of the held-out exposures, and the weight of a pixel.
    usable : ndarray of bool, shape (h, w)
        Pixels that count.
    """
    x, y, w = (np.asarray(a[usable], np.float64) for a in (denoised, held_out, weight))
    x, y = x - np.average(x, weights=w), y - np.average(y, weights=w)
    return float((w * x * y).sum() / (w * x * x).sum())
