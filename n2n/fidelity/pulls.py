"""What is claimed, held against what other exposures of the same sky tell."""

import numpy as np

from n2n.fidelity.proof import is_measured
from n2n.fidelity.zones import ZONES


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


def claims_of(facts: dict) -> dict:
    """What an assessment claims for the full stack, in all and by zone; empty where it claims nothing."""
    claim, measured = (facts.get(key) or {} for key in ("exposure_gain", "exposure_gain_measured"))
    if not is_measured(claim):
        return {}
    # Zones are told for A and B, as they were measured.
    deeper = claim["value"] / measured["value"] if measured else 1.0
    zones = {
        name: {key: zone[key] * deeper for key in ("value", "standard_error")}
        for name, zone in (facts.get("zones") or {}).items()
        if is_measured(zone)
    }
    return {"all": claim} | zones
