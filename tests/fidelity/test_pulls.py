import numpy as np
import pytest

from n2n.fidelity.ground import WeightedErrors
from n2n.fidelity.pulls import claims_on, held_against


def test_a_claim_that_is_too_high_has_a_positive_pull():
    gain = {"value": 10.0, "standard_error": 0.5, "pixels": 100}
    none = {"value": float("nan"), "standard_error": float("nan"), "pixels": 0}
    found = {"all": gain, "background": gain, "extended": none, "stars": gain, "exposures": 9}
    claims = {"all": {"value": 12.0, "standard_error": 0.5}, "background": {"value": 9.0, "standard_error": 0.5}}
    result = held_against(found, claims)
    assert result["all"]["pull"] == pytest.approx((1 / 10 - 1 / 12) / np.hypot(0.5 / 100, 0.5 / 144))
    assert result["background"]["pull"] < 0 and "pull" not in result["stars"] and result["exposures"] == 9


def test_claims_on_some_pixels_are_brought_to_the_full_stack():
    rng = np.random.default_rng(0)
    shape = (240, 240)
    after = np.where(np.indices(shape)[1] < 120, 0.1, 0.5) * rng.chisquare(1, shape)
    zones = np.zeros(shape, int)
    none = np.zeros(0)
    claim = WeightedErrors(rng.chisquare(1, shape), after, np.ones(shape), zones, none, none, none)
    chosen = np.indices(shape)[1] < 120
    told = claims_on(claim, chosen, 1.5)
    assert told["all"]["value"] == pytest.approx(10 * 1.5**-0.35, rel=0.05) and told["background"] == told["all"]
    assert "stars" not in told
