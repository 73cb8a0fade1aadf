"""Variance of a stack whose gain nobody knows: from the scatter of its exposures, less what the air did to stars.

With the gain, photon noise follows from the light (`mean_variance`). Without it there is only the scatter, which holds
the seeing of every exposure and is many times the noise in stars. So every exposure is brought to the seeing, scale
and place of the stack first, as the held-out exposures are before they judge (`n2n.sky.seeing`).
"""

import numpy as np

from n2n.group.group import Group
from n2n.group.samples import strips
from n2n.group.weights import noise_for_its_weight
from n2n.sky.scatter import noise_model, variance_by_light
from n2n.sky.seeing import Matcher
from n2n.sky.variance import sample_variance

FEWEST = 5  # pointings; of fewer the scatter says too little about a pixel, and `pairs` has told what there is
BRIGHT = 10  # sigma of the sky; where the seeing of exposures is compared


def variance_from_scatter(group: Group) -> np.ndarray | None:
    """Variance of the stack; float32, shape (h, w), NaN uncovered. None with too few exposures.

    It rests on blocks A and B alone, so that C can judge it.
    """
    chosen = np.flatnonzero(group.blocks != "C")
    units = group.pointings[chosen]
    if len(set(units)) < FEWEST:
        return None
    mean, depth, _ = group.mean(chosen)
    with np.errstate(divide="ignore"):
        sigma = np.sqrt(np.float32(group.facts.sky_variance) / depth)
    usable = np.isfinite(mean) & ~group.saturated
    scatter = _matched_scatter(group, chosen, units, mean, depth, sigma, usable)
    one = variance_by_light(scatter, np.nan_to_num(mean / sigma), usable, len(set(units)))
    full_depth = group.depth() / noise_for_its_weight(group, slice(None), chosen)
    with np.errstate(divide="ignore"):
        return np.where(full_depth > 0, one / full_depth, np.nan).astype(np.float32)


def _matched_scatter(group: Group, chosen, units, mean, depth, sigma, usable) -> np.ndarray:
    """`sample_variance` of exposures `chosen`, each brought to the air of their mean."""
    light = np.nan_to_num(mean)
    with np.errstate(divide="ignore", invalid="ignore"):
        plain = group.variance / depth
        model = noise_model(plain, light, sigma, usable)
        # Weighed by their scatter, the cores of stars would tell nothing about the seeing.
        weight = np.where(usable, 1 / (plain if model is None else model), 0)
    like = Matcher(light, mean, weight, usable & (light > BRIGHT * sigma))
    found = []
    for index in chosen:
        values, valid = group.load([index])
        found.append(like.fit(np.where(valid[0], values[0], np.nan)))
    result = np.full(group.shape, np.nan, np.float32)
    for rows, _, _ in strips(*group.shape, len(chosen)):
        values, valid = group.load(chosen, (rows, slice(None)))
        for value, what in zip(values, found, strict=True):
            like.remove(what, value, rows.start)
        result[rows] = sample_variance(values, valid, group.weights[chosen], mean[rows], units)
    return result
