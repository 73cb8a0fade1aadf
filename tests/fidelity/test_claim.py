import numpy as np
import pytest

from n2n.fidelity.claim import DEPTH_EXPONENT, slope, to_full_depth
from n2n.fidelity.risk import Gain


def test_more_depth_gains_less_and_is_less_sure():
    measured = Gain(20.0, 1.0, 1000)
    assert to_full_depth(measured, 1.0) == {"value": 20.0, "standard_error": 1.0}
    full = to_full_depth(measured, 4 / 3)
    assert full["value"] == pytest.approx(20 * (4 / 3) ** DEPTH_EXPONENT)
    assert full["standard_error"] / full["value"] > 1 / 20


@pytest.mark.parametrize("kept", [1.0, 0.8])
def test_light_that_is_lost_makes_the_slope_steeper(kept):
    rng = np.random.default_rng(0)
    light = rng.exponential(10, (200, 200))
    held_out, usable = light + rng.normal(0, 3, light.shape), np.ones(light.shape, bool)
    assert slope(kept * light, held_out, np.ones(light.shape), usable) == pytest.approx(1 / kept, rel=0.02)
