"""What is claimed, held against what other exposures of the same sky tell."""

import numpy as np

from n2n.fidelity.claim import to_full_depth
from n2n.fidelity.deep import told_by
from n2n.fidelity.ground import WeightedErrors, ground_of, weighted_errors
from n2n.fidelity.proof import is_measured
from n2n.fidelity.zones import ZONES
from n2n.group.group import Group


def product_against(deep: Group, group: Group, images: dict, held_out) -> dict:
    """What is claimed of a candidate, and what a deep stack tells of it, both on the same pixels and in the same zones.

    Parameters
    ----------
    deep, group : Group
        The other exposures, and those that were stacked.
    images : dict of ndarray, shape (h, w)
        ``judged`` and ``full`` of candidate.h5: what was made of A and B, and of all exposures.
    held_out : int ndarray, shape (n,)
        Exposures of C.

    Returns
    -------
    dict
        From `held_against`.
    """
    ground = ground_of(group, held_out)
    claim = weighted_errors(ground, images["judged"], images["full"])
    mean, depth, _ = group.mean()
    usable = ground.usable & np.isfinite(mean) & np.isfinite(images["full"])
    found, chosen = told_by(deep, group, images["full"], mean, depth, usable, claim.zones)
    ratio = float(np.median(depth[ground.usable] / ground.depth[ground.usable]))
    return held_against(found, claims_on(claim, chosen, ratio))


def claims_on(claim: WeightedErrors, chosen: np.ndarray, ratio: float = 1.0) -> dict:
    """Gains that held-out exposures tell on some pixels, in all and by zone.

    Parameters
    ----------
    claim : WeightedErrors
        What held-out exposures measured.
    chosen : ndarray of bool, shape (h, w)
        The pixels.
    ratio : float
        Depth of the full stack over that of the judged one.
    """
    parts = {"all": chosen} | {name: chosen & (claim.zones == index) for index, name in enumerate(ZONES)}
    return {name: to_full_depth(claim.gain(part), ratio) for name, part in parts.items() if part.any()}


def held_against(found: dict, claims: dict) -> dict:
    """The gains that a deep stack tells, each with what is claimed and the pull, where a claim was measured.

    The pull is how much too much is claimed, in standard errors of both; taken on the inverse gain, the error that was
    measured.

    Parameters
    ----------
    found : dict
        From `n2n.fidelity.deep.told_by`.
    claims : dict
        ``all`` and zones: value and standard_error.
    """
    result = dict(found)
    for name in ("all", *ZONES):
        truth, claim = found[name], claims.get(name)
        if is_measured(claim) and is_measured(truth):
            spread = np.hypot(*(one["standard_error"] / one["value"] ** 2 for one in (truth, claim)))
            pull = float((1 / truth["value"] - 1 / claim["value"]) / spread)
            told = {"claimed": claim["value"], "claimed_standard_error": claim["standard_error"], "pull": pull}
            result[name] = truth | told
    return result
