import numpy as np
import pytest
from observed import SETTINGS

from n2n.fidelity.gates.level import level_verdict


@pytest.mark.parametrize(("lifted", "verdict"), [(0.0, "PASS"), (0.1, "FAIL")])
def test_the_level_of_the_sky_is_judged_in_a_field_full_of_faint_light(lifted, verdict):
    """It does not matter that held-out exposures are 1 % fainter and 0.1 sigma darker: the stack finds them so, too."""
    rng = np.random.default_rng(6)
    y, x = np.indices((480, 480))
    light = 14 * np.exp(-((x - 240) ** 2 + (y - 240) ** 2) / (2 * 130**2))
    zones = (light > 3).astype(int)
    held_out = 0.99 * light - 0.1 + rng.normal(0, 1.6, light.shape)
    stack = light + rng.normal(0, 1, light.shape)
    denoised = light + 0.1 * (stack - light) + np.where(zones == 0, lifted, 0)
    found = level_verdict(denoised - held_out, stack - held_out, denoised, zones, SETTINGS)
    assert found.value == pytest.approx(lifted, abs=0.02) and found.verdict == verdict
