from types import SimpleNamespace

import numpy as np
import pytest

from n2n.fidelity.brightness import error_over_stack
from n2n.fidelity.errors import _Parts
from n2n.fidelity.risk import Gain
from n2n.group.weights import noise_for_its_weight


@pytest.mark.parametrize("lost", [False, True])
def test_the_scatter_of_parts_is_the_variance_of_one_exposure(lost):
    """Parts of unequal depth, one of which lacks half the frame; held-out ones do not count."""
    rng = np.random.default_rng(3)
    about, depths = np.full((200, 200), 7.0), rng.uniform(1, 5, 6)
    seen = _Parts(about, np.ones(about.shape), np.zeros(about.shape, int))
    parts = []
    for index, depth in enumerate(depths):
        mean = rng.normal(7, 3 / np.sqrt(depth), about.shape)
        if lost and index == 2:
            mean[:100] = np.nan
        parts.append((mean, np.full(about.shape, depth), False))
    parts.append((np.full(about.shape, 1e6), np.ones(about.shape), True))
    parts.append((np.full(about.shape, 3e6), np.full(about.shape, 3.0), True))
    assert len(list(seen.watch(iter(parts)))) == 8
    assert (seen.held_out() == 2.5e6).all()
    assert np.mean(seen.scatter()[:100]) == pytest.approx(9, rel=0.02)
    assert np.mean(seen.scatter()[100:]) == pytest.approx(9, rel=0.02)


def test_few_exposures_that_differ_in_light_make_its_mean_square_uncertain():
    """All of equal noise in the sky; in light every second one is off by as much again."""
    rng = np.random.default_rng(5)
    about, classes = np.zeros((300, 300)), np.zeros((300, 300), int)
    classes[:, 200:] = 2
    seen = _Parts(about, np.ones(about.shape), classes)
    parts = []
    for number in range(8):
        mean = rng.normal(0, 1, about.shape)
        mean[:, 200:] += number % 2
        parts.append((mean, np.ones(about.shape), number < 4))
    list(seen.watch(iter(parts)))
    # Mean squares of 1 and 2: a standard deviation of 0.58 about 1.5, of four held out and four others.
    assert seen.chance()[2] == pytest.approx(np.hypot(0.577, 0.577) / 1.5 / 2, rel=0.05)
    assert seen.chance()[0] == 0 and (seen.chance()[[1, 3, 4]] == 0).all()


def test_exposures_whose_seeing_took_weight_are_less_noisy_than_their_weight_says():
    rng = np.random.default_rng(0)
    noise, seeing = rng.uniform(0.8, 1.3, 20), rng.uniform(0.5, 1.0, 20)
    weights, held_out = seeing / noise**2, np.arange(0, 20, 4)
    group = SimpleNamespace(weights=weights, sky_sigma=noise)
    pixels = rng.normal(0, noise[:, None], (20, 200_000))

    def variance_times_weight(chosen):
        return np.average(pixels[chosen], axis=0, weights=weights[chosen]).var() * weights[chosen].sum()

    expected = variance_times_weight(held_out) / variance_times_weight(slice(None))
    assert noise_for_its_weight(group, held_out) == pytest.approx(expected, rel=0.02)
    rest = np.setdiff1d(np.arange(20), held_out)
    assert noise_for_its_weight(group, held_out, rest) == pytest.approx(
        variance_times_weight(held_out) / variance_times_weight(rest), rel=0.02
    )


def test_errors_from_two_sides_count_by_their_own_errors():
    gains = [Gain(20.0, 2.0, 9000), Gain(10.0, 1.0, 9000), Gain(np.nan, np.nan, 0), Gain(10.0, 1.0, 9000)]
    told = np.array([0.04, 1.0, 0.3, np.nan])
    found = error_over_stack(gains, 1.0, told, np.array([1e-4, 10.0, 0.01, np.nan]))
    # 0.05 +- 0.005 and 0.04 +- 30 %
    assert found[0] == pytest.approx((0.05 / 0.005**2 + 0.04 / 0.012**2) / (1 / 0.005**2 + 1 / 0.012**2), rel=1e-3)
    assert found[1:] == pytest.approx([0.1, 0.3, 0.1], rel=1e-3)
    assert error_over_stack(gains) == pytest.approx([0.05, 0.1, 1.0, 0.1])
    assert error_over_stack(gains[:1], 0.8) == pytest.approx([1 / 16])
