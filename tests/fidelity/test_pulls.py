import numpy as np
import pytest

from n2n.fidelity.pulls import claims_of, held_against


def test_a_claim_that_is_too_high_has_a_positive_pull():
    gain = {"value": 10.0, "standard_error": 0.5, "pixels": 100}
    none = {"value": float("nan"), "standard_error": float("nan"), "pixels": 0}
    found = {"all": gain, "background": gain, "extended": none, "stars": gain, "exposures": 9}
    claims = {"all": {"value": 12.0, "standard_error": 0.5}, "background": {"value": 9.0, "standard_error": 0.5}}
    result = held_against(found, claims)
    assert result["all"]["pull"] == pytest.approx((1 / 10 - 1 / 12) / np.hypot(0.5 / 100, 0.5 / 144))
    assert result["background"]["pull"] < 0 and "pull" not in result["stars"] and result["exposures"] == 9


def test_claims_of_zones_are_brought_to_the_full_stack():
    gain = {"value": 8.0, "standard_error": 0.4}
    facts = {"exposure_gain": gain, "exposure_gain_measured": {"value": 10.0, "standard_error": 0.5}}
    facts["zones"] = {"stars": {"value": 5.0, "standard_error": 1.0}, "extended": {"value": None}}
    told = claims_of(facts)
    assert told["all"] == gain and told["stars"] == {"value": 4.0, "standard_error": 0.8} and "extended" not in told
    assert claims_of({"exposure_gain": gain | {"standard_error": 7.0}}) == {} == claims_of({})
