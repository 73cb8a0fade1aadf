"""Errors of stack and denoised image, measured on the held-out exposures of a group."""

import numpy as np

from n2n.fidelity.risk import difference_error, held_out_gain, product_error, unseen_error
from n2n.fidelity.zones import ZONES
from n2n.stages.pairs import Pairs

# Light too fine for the low-pass of `product_error` is lost by D and not seen: on simulated nights 1 to 6 % of the
# error of a zone, 3 % in the mean (benchmarks/claim).
BEYOND = 0.03


def errors(on, denoised, own, weight, zones, like):
    """Error of the stack and of the denoised image, pixel by pixel, times `weight`; only sums over many mean anything.

    Parameters
    ----------
    on : _assess_ground.Ground
    denoised, own, weight : ndarray, shape (h, w)
        Denoised image, variance of `on.mean` from its scatter and inverse smooth variance, both 0 where not usable.
    zones : ndarray, shape (h, w)
    like : callable
        Brings a mean of exposures to the seeing, scale and place of `on.mean` (`likeness.matcher`).

    Returns
    -------
    before, after : ndarray, shape (h, w)
    """
    usable = zones >= 0
    denoised, mean = (np.where(usable, image, 0) for image in (denoised, on.mean))
    judge_mean = np.where(usable, like(on.judge_mean), 0)
    before, after = weight * own, difference_error(denoised, mean, judge_mean, own, weight)
    del judge_mean
    parts = ((*on.pairs.mean(part)[:2], judging) for part, judging in parts_of(on.pairs, on.held_out, on.rest))
    parts = ((like(part), depth, judging) for part, depth, judging in parts)
    faint = usable & (zones != ZONES.index("stars"))
    judged, stack = product_error([denoised, mean], weight, faint, parts, on.pairs.meta["fwhm_px"])
    fair = np.isfinite(judged)
    for index in range(len(ZONES)):
        zone = fair & (zones == index)
        after[zone] = (1 + BEYOND) * judged[zone] + unseen_error(before, stack, zone)
    return before, after


def parts_of(pairs: Pairs, held_out: np.ndarray, rest: np.ndarray, most: int = 8):
    """Divide the held-out exposures and the others into at most `most` parts each.

    Exposures of one pointing share noise and stay together.

    Yields
    ------
    part : int ndarray
    judging : bool
    """
    for chosen, judging in ((held_out, True), (rest, False)):
        pointing = [pairs.frames[index]["pointing"] for index in chosen]
        rank = {unit: number % most for number, unit in enumerate(dict.fromkeys(pointing))}
        label = np.array([rank[unit] for unit in pointing])
        for number in range(min(len(rank), most)):
            yield chosen[label == number], judging


def single_exposure(pairs: Pairs, denoised, attributes, scatter, zones) -> dict:
    """Gain for one held-out exposure, judged by the other held-out ones."""
    single = int(attributes["single"])
    others = np.array([i for i in attributes["held_out"] if i != single])
    exposure, depth, _ = pairs.mean([single])
    judge_mean, _, _ = pairs.mean(others)
    usable = np.isfinite(exposure) & np.isfinite(judge_mean) & (zones >= 0)
    own = np.where(usable, scatter / np.maximum(depth, 1e-6), 0)
    weight = depth / pairs.variance
    result = {"filename": pairs.frames[single]["path"]}
    for index, name in [(None, "all"), *enumerate(ZONES)]:
        chosen = usable if index is None else usable & (zones == index)
        result[name] = held_out_gain(denoised, exposure, judge_mean, own, weight, chosen).as_dict()
    return result
