import pytest
from observed import SETTINGS

from n2n.fidelity.gates.depth import depth_verdict
from n2n.fidelity.gates.gate import FAIL, INFO, PASS


@pytest.mark.parametrize(("value", "verdict"), [(0.1, PASS), (-0.04, PASS), (-0.2, FAIL)])
def test_a_little_depth_may_be_lost(value, verdict):
    found = depth_verdict({"delta_m90": {"value": value, "standard_error": 0.01}}, SETTINGS)
    assert found.verdict == verdict and found.limit == -0.05 and found.bound == "at least"


@pytest.mark.parametrize("depth", [None, {}, {"delta_m90": {"value": None}}])
def test_an_unknown_depth_is_not_judged(depth):
    assert depth_verdict(depth, SETTINGS).verdict == INFO
