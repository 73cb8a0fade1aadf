import numpy as np
import pytest
from observed import ALL, SHAPE, TRUTH, noise

from n2n.fidelity.risk import true_gain
from n2n.fidelity.smooth import gain_if_error, smooth_share

EMPTY = TRUTH < 0.3
ROWS, COLUMNS = np.indices(SHAPE)


@pytest.mark.parametrize("size", [0.0, 0.1, 0.5])
def test_a_gradient_in_the_empty_sky_is_measured(size):
    rng, sigma = np.random.default_rng(0), 2.0
    gradient = size * np.sin(COLUMNS / SHAPE[1] * 2 * np.pi) * np.sqrt(2)
    image = sigma * (np.where(EMPTY, 0, TRUTH) + gradient + 0.2 * noise(rng, SHAPE))
    # A Gaussian of 32 px leaves 0.82 of a wave of 320 px.
    assert smooth_share(image, np.full(SHAPE, sigma), EMPTY) == pytest.approx((0.82 * size) ** 2, rel=0.1, abs=5e-4)


def test_the_gain_if_all_of_it_were_an_error_is_the_true_one_then():
    rng = np.random.default_rng(1)
    own, error = noise(rng, SHAPE), 0.2 * np.sin(COLUMNS / SHAPE[1] * 2 * np.pi)
    stack, product = own + error, 0.15 * own + error
    gain = true_gain(product, stack, np.zeros(SHAPE), np.ones(SHAPE), ALL).value
    claimed = 1 / 0.15**2
    assert gain_if_error(claimed, smooth_share(product, np.ones(SHAPE), ALL)) == pytest.approx(gain, rel=0.15)


def test_without_empty_sky_nothing_is_told():
    assert np.isnan(smooth_share(TRUTH, np.ones(SHAPE), np.zeros(SHAPE, bool)))
