import numpy as np
import pytest

from n2n.sky.scatter import variance_by_light

SHAPE = (192, 224)


@pytest.mark.parametrize("n", [3, 6, 24, 100])
def test_variance_by_light_is_unbiased_where_noise_depends_on_light_alone(n):
    rng = np.random.default_rng(n)
    level = np.broadcast_to(np.geomspace(0.1, 300, 400), (256, 400)).astype(np.float32)
    true = 4 + 0.5 * level
    sample = true * rng.chisquare(n - 1, level.shape) / (n - 1)
    found = variance_by_light(sample, level, np.ones(level.shape, bool), n)
    faint = level < 10
    assert np.mean((true / found)[faint]) == pytest.approx(1, abs=0.03)
    assert np.mean(found[~faint] / true[~faint]) == pytest.approx(1, abs=0.05)


def test_variance_by_light_where_nothing_is_known():
    nothing = np.full(SHAPE, np.nan, np.float32)
    assert (variance_by_light(nothing, np.zeros(SHAPE), np.ones(SHAPE, bool), 5) == 1).all()
    little = np.where(np.indices(SHAPE)[0] < 5, 2.0, np.nan)
    assert variance_by_light(little, np.zeros(SHAPE), np.ones(SHAPE, bool), 9) == pytest.approx(2.0, rel=0.2)
