import numpy as np
import pytest
from observed import FWHM, SETTINGS, Sky, flux_of, light_of, scattered
from scipy import ndimage

from n2n.fidelity.astrometry import centroids
from n2n.fidelity.gates.gate import FAIL, INFO, PASS
from n2n.fidelity.gates.places import place_verdict

PLACES = scattered(40, 3)
RATIO = np.geomspace(50, 500, 40)
STARS = light_of(PLACES, flux_of(RATIO))
EXPECTED = 1 / RATIO**2


def verdict(seed, harm=lambda image: image, number=40):
    sky = Sky(seed, STARS)
    return place_verdict((harm(sky.good()), sky.stack), PLACES[:number], EXPECTED[:number], FWHM, SETTINGS)


def test_centroids_are_where_the_stars_are():
    found = centroids(STARS, PLACES + 0.3, FWHM)
    np.testing.assert_allclose(found, PLACES, atol=0.01)


@pytest.mark.parametrize("seed", range(5))
def test_stars_that_stay_pass(seed):
    assert verdict(seed).verdict == PASS


@pytest.mark.parametrize("axis", [0, 1])
def test_a_shift_is_measured(axis):
    shift = np.where(np.arange(2) == axis, 0.05, 0)
    found = verdict(1, lambda image: ndimage.shift(image, shift, order=5, mode="nearest"))
    assert found.verdict == FAIL and found.value == pytest.approx(0.05, abs=0.005)


def test_few_stars_tell_little():
    assert verdict(3, number=2).verdict == INFO
    for seed in range(5):
        # Where three are not enough to see a shift as large as the limit, that is said.
        found = verdict(seed, number=3)
        assert found.verdict == PASS or (found.verdict == INFO and found.uncertainty >= found.limit)
