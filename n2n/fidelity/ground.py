"""What an image of blocks A and B is judged on, and how far it and the stack are off: for `assess` and `compare`."""

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from n2n.fidelity.errors import BEYOND_ERROR, errors
from n2n.fidelity.risk import Gain, gain_of
from n2n.fidelity.zones import NEAR_SATURATED, ZONES, divide
from n2n.group.group import Group
from n2n.sky.scatter import noise_model
from n2n.sky.seeing import Matcher

BRIGHT = 10  # sigma of the sky; where the seeing of held-out exposures is compared with that of the others
UNLIKELY = 2.0  # times the noise that is expected: pixels that scatter so much are no chance


@dataclass(frozen=True)
class Ground:
    """Stack of A and B, held-out exposures, and where both can be compared; arrays of shape (h, w), sky subtracted.

    Attributes
    ----------
    group : Group
    held_out, rest : int ndarray
        Exposures of C, and the others.
    mean, depth : ndarray
        Of the others, and how many standard exposures it is worth.
    judge_mean, judge_depth : ndarray
        The same of C.
    scatter : ndarray
        Unsmoothed variance of one standard exposure.
    sky_sigma : ndarray
        Noise of the sky in `mean`.
    usable : ndarray of bool
    """

    group: Group
    held_out: np.ndarray
    rest: np.ndarray
    mean: np.ndarray
    depth: np.ndarray
    judge_mean: np.ndarray
    judge_depth: np.ndarray
    scatter: np.ndarray
    sky_sigma: np.ndarray
    usable: np.ndarray


@dataclass(frozen=True)
class WeightedErrors:
    """Errors of stack and denoised image, weighted, pixel by pixel; arrays of shape (h, w).

    `zones` are for gains: chosen by an image of all exposures (`fidelity.risk`), and so not for what is to be compared
    with the held-out ones alone.  `judge_mean` is the mean of the held-out exposures, and `scatter` the variance of one
    standard exposure, when all have the seeing, scale and place of the mean of those that were denoised. `chance` is
    the relative error that a mean square of exposures has because they are few, for every class of brightness.
    """

    before: np.ndarray
    after: np.ndarray
    weight: np.ndarray
    zones: np.ndarray
    judge_mean: np.ndarray
    scatter: np.ndarray
    chance: np.ndarray

    def gain(self, chosen: np.ndarray) -> Gain:
        """Gain over the chosen pixels; the standard error is that of chance and of `BEYOND`."""
        gain = gain_of(self.before, self.after, chosen)
        return replace(gain, error=float(np.hypot(gain.error, BEYOND_ERROR * gain.value)))

    def one_variance(self, depth: np.ndarray) -> np.ndarray:
        """Variance of one standard exposure, unsmoothed, for a stack of that depth; NaN where not usable."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.before / self.weight * depth

    def by_zone(self) -> dict[str, dict]:
        """Gain of every zone and its share of the pixels."""
        usable = max((self.zones >= 0).sum(), 1)
        chosen = {name: self.zones == index for index, name in enumerate(ZONES)}
        return {
            name: self.gain(zone).as_dict() | {"share": float(zone.sum() / usable)} for name, zone in chosen.items()
        }


def ground_of(group: Group, held_out: np.ndarray) -> Ground:
    """Put together what `held_out` judges."""
    rest = np.setdiff1d(np.arange(len(group.exposures)), held_out)
    mean, depth, _ = group.mean(rest)
    judge_mean, judge_depth, _ = group.mean(held_out)
    scatter = group.scatter(rest, mean)
    usable = np.isfinite(mean) & np.isfinite(judge_mean) & np.isfinite(scatter) & (depth > 0)
    usable &= ~ndimage.binary_dilation(group.saturated, iterations=NEAR_SATURATED)
    sky_sigma = sky_noise(group, depth)
    return Ground(group, held_out, rest, mean, depth, judge_mean, judge_depth, scatter, sky_sigma, usable)


def sky_noise(group: Group, depth: np.ndarray) -> np.ndarray:
    """Noise of the sky in a mean of that depth; shape (h, w)."""
    return np.sqrt(group.facts.sky_variance / np.maximum(depth, 1e-6))


def light_of_all(group: Group) -> np.ndarray:
    """Mean of all exposures, smoothed by their stars; shape (h, w)."""
    mean, depth, _ = group.mean()
    known, sigma = np.isfinite(mean) & (depth > 0), (group.facts.fwhm_px or 3.0) / 2.3548
    near = ndimage.gaussian_filter(known.astype(np.float32), sigma)
    return ndimage.gaussian_filter(np.where(known, mean, 0), sigma) / np.maximum(near, 0.01)


def weighted_errors(ground: Ground, denoised: np.ndarray, light: np.ndarray) -> WeightedErrors:
    """Errors of `denoised` and of the stack of A and B.

    Parameters
    ----------
    ground : Ground
        What the image is judged on.
    denoised, light : ndarray, shape (h, w)
        The image that is judged, and one with little noise to which every exposure gave its weight, held out or not:
        what the network makes of all, or `light_of_all`.
    """
    light = np.nan_to_num(light)
    zones = divide(light, ground.sky_sigma, ground.usable)
    own_light = np.nan_to_num(denoised)
    with np.errstate(divide="ignore", invalid="ignore"):
        smooth, own = ground.group.variance / ground.depth, ground.scatter / ground.depth
    model = noise_model(own, denoised, ground.sky_sigma, ground.usable)
    # To the scatter of stars their seeing, which is to be found, adds more than noise does.
    noise = np.where(ground.usable, 1 / (smooth if model is None else model), 0)
    bright = ground.usable & (denoised > BRIGHT * ground.sky_sigma)
    # Saturated stars are light, too: without them their halos would end in a cliff.
    like = Matcher(own_light, ground.mean, noise, bright)
    if model is not None:
        # A weight from the scatter that it is to weigh would be large where the scatter is small by chance.
        smooth = np.where(smooth > UNLIKELY * model, smooth, model)
        own = np.where((zones == ZONES.index("stars")) & (denoised > 10 * ground.sky_sigma), model, own)
    weight, own = np.where(ground.usable, 1 / smooth, 0), np.where(ground.usable, own, 0)
    del own_light, smooth, model, noise, bright
    before, after, *seen = errors(ground, denoised, light, own, weight, zones, like)
    return WeightedErrors(before, after, weight, zones, *seen)
