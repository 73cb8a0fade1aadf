import numpy as np
import pytest
from observed import FWHM, SETTINGS, Sky, flux_of, light_of, scattered

from n2n.fidelity.gates.gate import FAIL, INFO, PASS
from n2n.fidelity.gates.scatter import scatter_verdict

PLACES = scattered(40, 3)
RATIO = np.geomspace(50, 500, 40)
STARS = light_of(PLACES, flux_of(RATIO))


def verdict(seed, harm=lambda image: image, number=40):
    sky = Sky(seed, STARS)
    images = harm(sky.good()), sky.stack, (sky.parts[0][0] + sky.parts[1][0]) / 2
    return scatter_verdict(images, PLACES[:number], 1 / RATIO[:number] ** 2, FWHM, SETTINGS)


@pytest.mark.parametrize("seed", range(5))
def test_stars_that_stay_pass(seed):
    found = verdict(seed)
    assert found.verdict == PASS and found.value < 3 * found.uncertainty


def test_stars_thrown_about_are_measured():
    rng = np.random.default_rng(0)
    moved = light_of(PLACES + rng.normal(0, 0.06, PLACES.shape), flux_of(RATIO))
    found = verdict(2, lambda image: image - STARS + moved)
    assert found.verdict == FAIL and found.value == pytest.approx(0.06, rel=0.25)


def test_few_stars_tell_little():
    assert verdict(3, number=2).verdict == INFO
    for seed in range(5):
        found = verdict(seed, number=3)
        assert found.verdict == PASS or (found.verdict == INFO and found.uncertainty >= found.limit)
