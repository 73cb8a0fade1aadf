import numpy as np
import pytest
from observed import ALL, SHAPE, TRUTH, noise

from n2n.fidelity.risk import true_gain
from n2n.fidelity.truth import Known, on_one_scale
from n2n.fidelity.zones import divide


@pytest.mark.parametrize("gradient", [0.0, 1.0])
def test_smooth_errors_of_the_stack_are_told_apart(gradient):
    """A flat of another colour leaves a gradient in stack and denoised image; a claim is about the rest."""
    rng = np.random.default_rng(3)
    own, scale = noise(rng, SHAPE), 1.2
    slope = gradient * (np.arange(SHAPE[1]) / SHAPE[1] - 0.5) * np.ones(SHAPE)
    stack, product = scale * TRUTH + own + slope, scale * TRUTH + 0.25 * own + slope
    sigma = np.ones(SHAPE)
    plain, fine = on_one_scale(Known(TRUTH, stack, np.ones(SHAPE), ALL, sigma, divide(TRUTH, sigma, ALL)))
    gains = [true_gain(product, stack, known.truth, known.weight, ALL).value for known in (plain, fine)]
    assert gains[1] == pytest.approx(16, rel=0.03)
    assert gains[0] == pytest.approx(16, rel=0.05) if gradient == 0 else gains[0] < 9
