"""What the noise of the masters adds to a stack, where the scatter of its exposures does not show it.

A master's noise is at one place of the detector. Where the telescope was moved between exposures it falls on other
places of the sky each time, and their scatter shows it. Where it was not, every exposure has the same error at the
same place: neither their scatter nor a held-out exposure can tell it from the sky.
"""

import numpy as np

from n2n.group.group import Group

POINTS = 5  # a side of the grid on which exposures are compared: a turned field overlaps in its middle only


def hidden_share(group: Group) -> float:
    """Share of the masters' variance that is in the mean of all exposures and not in their scatter.

    ``sum w_i w_j o_ij / W^2`` over exposures of different pointings (those of one pointing count as one in the
    scatter), with o_ij the overlap of a pixel of one with the pixel of the other at the same place of the sky.
    """
    height, width = group.shape
    y, x = (side.ravel() for side in np.mgrid[: height : POINTS * 1j, : width : POINTS * 1j])
    places = np.array([e.placement.matrix @ [x, y, np.ones_like(x)] for e in group.exposures])
    shares = group.weights / group.weights.sum()
    total = 0.0
    for index, share in enumerate(shares):
        overlap = np.prod(np.clip(1 - np.abs(places - places[index]), 0, 1), axis=1).mean(axis=1)
        total += share * float(np.sum((shares * overlap)[group.pointings != group.pointings[index]]))
    return total


def hidden_variance(group: Group, light: np.ndarray) -> np.ndarray | None:
    """Variance that the masters' noise puts into the mean of all exposures, beside what their scatter shows.

    Parameters
    ----------
    group : Group
        Its facts tell the noise of the masters: ``kept (zero^2 + (flat (sky + light))^2)``.
    light : ndarray, shape (h, w)
        The stack, sky subtracted; NaN where there is none.

    Returns
    -------
    float32 ndarray, shape (h, w)
        None where there is nothing to add.
    """
    noise, share, pattern = group.facts.masters, hidden_share(group), group.facts.pattern
    if pattern.get("share"):
        share *= min(1.0, pattern["left"] / pattern["share"])  # `pairs` took the rest off
    if not noise or share < 1e-3:
        return None
    kept = np.average([e.placement.noise_kept for e in group.exposures], weights=group.weights)
    level = np.maximum(np.nan_to_num(light) + np.float32(group.facts.sky), 0)
    variance = noise.get("zero", 0.0) ** 2 + (np.float32(noise.get("flat", 0.0)) * level) ** 2
    return (share * kept * variance).astype(np.float32)


def hidden_of(group: Group, light: np.ndarray, variance: np.ndarray) -> float:
    """Share of a stack's variance, in its typical pixel, that is `hidden_variance`.

    Parameters
    ----------
    group : Group
        Its exposures and what is known of them.
    light, variance : ndarray, shape (h, w)
        The stack, sky subtracted, and its VAR, which holds the hidden part.
    """
    hidden = hidden_variance(group, light)
    if hidden is None:
        return 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.nanmedian(hidden / variance))
