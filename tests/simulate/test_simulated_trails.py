import numpy as np
import pytest

from n2n.simulate.trails import KINDS, Trail, draw_trail, trail_light

SHAPE = (200, 300)


def test_a_bright_trail_is_narrow_and_crosses_the_field():
    light = trail_light(draw_trail("trail", SHAPE, np.random.default_rng(1), 100.0, 2.0), SHAPE)
    assert light.max() == pytest.approx(100, rel=0.01)
    bright = light > 50
    edges = [bright[0].any(), bright[-1].any(), bright[:, 0].any(), bright[:, -1].any()]
    assert sum(edges) == 2
    assert bright.mean() < 0.03


@pytest.mark.parametrize("seed", range(5))
def test_a_faint_trail_stays_within_the_noise(seed):
    trail = draw_trail("faint_trail", SHAPE, np.random.default_rng(seed), 100.0, 2.0)
    assert 4 <= trail.peak <= 8
    assert 1 <= trail.sigma <= 2


def test_an_aircraft_is_two_blinking_lines():
    trail = Trail("aircraft", 150.0, 100.0, 0.0, 3.0, 50.0, separation=20.0, period=60.0, duty=0.4, phase=7.0)
    light, path = trail_light(trail, SHAPE), trail_light(trail, SHAPE, steady=True)
    assert light[90].max() == pytest.approx(50, rel=0.01)
    assert light[110].max() == pytest.approx(50, rel=0.01)
    assert light[100].max() < 1
    assert (light[90] > 25).mean() == pytest.approx(0.4, abs=0.02)
    assert (path[90] > 25).all()
    np.testing.assert_array_equal(light[light > 0], path[light > 0])


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_generator_draws_the_same_trail(kind):
    first, second = (draw_trail(kind, SHAPE, np.random.default_rng(4), 100.0, 2.0) for _ in range(2))
    assert first == second
    assert first.kind == kind
