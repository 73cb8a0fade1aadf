"""Errors of stack and denoised image, measured on the held-out exposures of a group."""

from dataclasses import replace

import numpy as np

from n2n.fidelity.risk import difference_error, gain_of, product_error, unseen_error
from n2n.fidelity.zones import BRIGHTNESSES, ZONES, brightness_class
from n2n.group.group import Group
from n2n.group.split import parts_of
from n2n.group.weights import noise_for_its_weight
from n2n.sky.seeing import Matcher

# Light too fine for the low-pass of `product_error` is lost by D and not seen: on simulated nights 1 to 6 % of the
# error of a zone, 3 % in the mean (benchmarks/claim), which is known to 2 %.
BEYOND, BEYOND_ERROR = 0.03, 0.02
KNOWN = 0.02  # share of its variance to which the noise of a single exposure is known
BRIGHT = 5  # sigma of a single exposure; where others are brought to its seeing


def errors(ground, denoised, light, own, weight, zones, like):
    """Error of the stack and of the denoised image, pixel by pixel, times `weight`; only sums over many mean anything.

    Parameters
    ----------
    ground : n2n.fidelity.ground.Ground
        What an image of A and B is judged on.
    denoised, light : ndarray, shape (h, w)
        Denoised image, and one of all exposures with little noise, for `product_error`.
    own, weight : ndarray, shape (h, w)
        Variance of `ground.mean` from its scatter and inverse smooth variance, both 0 where not usable.
    zones : ndarray, shape (h, w)
        Of `light`.
    like : callable
        Brings a mean of exposures to the seeing, scale and place of `ground.mean` (`n2n.sky.seeing.Matcher`).

    Returns
    -------
    before, after : ndarray, shape (h, w)
    judge_mean : ndarray, shape (h, w)
        Mean of the held-out exposures, each in the air of `ground.mean`; NaN where there is none. Where some lack a
        pixel their seeing would else be another there than beside it.
    scatter : ndarray, shape (h, w)
        Variance of one standard exposure, from parts of the exposures of `ground.mean`, each in the air of all; NaN
        where unknown.
    chance : ndarray
        `_Parts.chance`.
    """
    usable = zones >= 0
    denoised, light, mean = (np.where(usable, image, 0) for image in (denoised, light, ground.mean))
    parts = (
        (*ground.group.mean(part)[:2], judging)
        for part, judging in parts_of(ground.group, ground.held_out, ground.rest)
    )
    parts = ((like(part), depth, judging) for part, depth, judging in parts)
    seen = _Parts(denoised, weight, brightness_class(denoised, ground.sky_sigma))
    faint = usable & (zones != ZONES.index("stars"))
    judged, stack = product_error([denoised, mean], light, weight, faint, seen.watch(parts), ground.group.facts.fwhm_px)
    judge_mean, scatter, chance = seen.held_out(), seen.scatter(), seen.chance()
    del seen
    before = weight * own
    after = difference_error(denoised, mean, np.where(usable, np.nan_to_num(judge_mean), 0), own, weight)
    fair = np.isfinite(judged)
    for index in range(len(ZONES)):
        zone = fair & (zones == index)
        after[zone] = (1 + BEYOND) * judged[zone] + unseen_error(before, stack, zone)
    return before, after, judge_mean, scatter, chance


class _Parts:
    """What parts in the same air say together: the mean of those held out, and the scatter of the others.

    Parameters
    ----------
    about : ndarray, shape (h, w)
        What they all are like, so that squares stay small.
    weight : ndarray, shape (h, w)
        Inverse variance, up to a factor; 0 where not usable.
    classes : int ndarray, shape (h, w)
    """

    def __init__(self, about, weight, classes):
        self._about, self._weight, self._classes = about, weight, classes
        self._squares = {True: [], False: []}
        self._judging, self._judge_depth, self._depth, self._total, self._square = np.zeros(
            (5, *about.shape), np.float32
        )
        self._count = np.zeros(about.shape, np.uint8)

    def watch(self, parts):
        """Hand on `parts`, and remember them."""
        for mean, depth, held_out in parts:
            known = np.isfinite(mean) & (depth > 0)
            own = np.where(known, depth, 0).astype(np.float32)
            difference = np.where(known, mean - self._about, 0)
            self._squares[held_out].append(self._mean_squares(difference, own))
            if held_out:
                self._judge_depth += own
                own *= difference
                self._judging += own
            else:
                self._count += known
                self._depth += own
                own *= difference
                self._total += own
                own *= difference
                self._square += own
            yield mean, depth, held_out

    def _mean_squares(self, difference, depth):
        count, which = len(BRIGHTNESSES) + 1, self._classes.ravel()
        share = np.where(depth > 0, self._weight, 0)
        sums = (np.bincount(which, of.ravel(), count) for of in (share * depth * difference**2, share))
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.divide(*sums)

    def chance(self):
        """Relative standard error of mean squares of few exposures, by class: of those held out over the others'.

        Found from how parts differ, each relative to its own in the faintest class: weights tell noise only roughly.
        """
        result = np.zeros(len(BRIGHTNESSES) + 1)
        for found in map(np.array, self._squares.values()):
            if len(found) > 1:
                found = found / found[:, :1]
                result += np.var(found, axis=0, ddof=1) / np.mean(found, axis=0) ** 2 / len(found)
        return np.nan_to_num(np.sqrt(result))

    def held_out(self):
        """Mean of the held-out parts; NaN where there is none."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return self._about + np.where(self._judge_depth > 0, self._judging / self._judge_depth, np.nan)

    def scatter(self):
        """Variance of one standard exposure: ``sum d (x - mean)^2 / (n - 1)`` of n means x of depth d."""
        with np.errstate(divide="ignore", invalid="ignore"):
            scatter = (self._square - self._total**2 / self._depth) / (self._count - np.float32(1))
        return np.where(self._count > 1, scatter, np.nan)


def single_exposure(group: Group, single: int, held_out, denoised, judged, light, scatter, zones) -> dict:
    """Gain for one held-out exposure, judged by the other held-out ones.

    Parameters
    ----------
    group : Group
        The exposures and what is known of them.
    single : int
        The exposure, by its place in the group.
    held_out : int ndarray, shape (n,)
        Exposures of C, of which it is one.
    denoised : ndarray, shape (h, w)
        What was made of the exposure.
    judged : ndarray, shape (h, w)
        The denoised stack, which has none of the noise of the exposure.
    light : ndarray, shape (h, w)
        Image of all exposures with little noise, for `product_error`.
    scatter : ndarray, shape (h, w)
        Variance of one standard exposure, without what seeing does to stars.
    zones : ndarray, shape (h, w)
        Of `light`.
    """
    others = np.array([i for i in held_out if i != single])
    exposure, depth, _ = group.mean([single])
    judge_mean, _, _ = group.mean(others)
    usable = np.isfinite(exposure) & np.isfinite(judge_mean) & np.isfinite(scatter) & (zones >= 0)
    # Its weight is less than its noise says where its seeing was poor.
    rest = np.setdiff1d(np.arange(len(group.exposures)), held_out)
    noise = noise_for_its_weight(group, np.array([single]), rest)
    with np.errstate(divide="ignore", invalid="ignore"):
        own = np.where(usable, noise * scatter / depth, 0)
        weight = np.where(usable, depth / group.variance, 0)
    denoised, exposure, judge_mean = (np.where(usable, image, 0) for image in (denoised, exposure, judge_mean))
    judged, light = (np.where(usable, image, 0) for image in (judged, light))
    with np.errstate(divide="ignore"):
        like = Matcher(judged, exposure, np.where(own > 0, 1 / own, 0), usable & (judged > BRIGHT * np.sqrt(own)))
    before, after = weight * own, difference_error(denoised, exposure, like(judge_mean), own, weight)
    parts = ((*group.mean(part)[:2], judging) for part, judging in parts_of(group, others, np.array([single])))
    faint = usable & (zones != ZONES.index("stars"))
    # Little more is left of an exposure's noise than what is not known of it: no telling what products do not see.
    (found,) = product_error([denoised], light, weight, faint, parts, group.facts.fwhm_px)
    after = np.where(np.isfinite(found), (1 + BEYOND) * found, after)
    result = {"filename": group.exposures[single].path}
    for index, name in [(None, "all"), *enumerate(ZONES)]:
        chosen = usable if index is None else usable & (zones == index)
        gain = gain_of(before, after, chosen)
        share = before[chosen & ~np.isfinite(found)].sum() / max(before[chosen].sum(), 1e-12)
        known = np.hypot(BEYOND_ERROR * gain.value, share * KNOWN * gain.value**2)
        result[name] = replace(gain, error=float(np.hypot(gain.error, known))).as_dict()
    return result
