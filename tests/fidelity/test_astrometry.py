import numpy as np
import pytest
from observed import FWHM, Sky, flux_of, light_of, scattered
from scipy import ndimage

from n2n.fidelity.astrometry import centroids, place_gates
from n2n.fidelity.gates.gate import FAIL, INFO, PASS

PLACES = scattered(40, 3)
RATIO = np.geomspace(50, 500, 40)
STARS = light_of(PLACES, flux_of(RATIO))
EXPECTED = 1 / RATIO**2


def gates(seed, harm=lambda image: image, number=40):
    sky = Sky(seed, STARS)
    held_out = (sky.parts[0][0] + sky.parts[1][0]) / 2
    return place_gates(harm(sky.good()), sky.stack, held_out, PLACES[:number], EXPECTED[:number], FWHM, 0.01)


def test_centroids_are_where_the_stars_are():
    found = centroids(STARS, PLACES + 0.3, FWHM)
    np.testing.assert_allclose(found, PLACES, atol=0.01)


@pytest.mark.parametrize("seed", range(5))
def test_stars_that_stay_pass(seed):
    place, scatter = gates(seed)
    assert (place.verdict, scatter.verdict) == (PASS, PASS)
    assert scatter.value < 3 * scatter.uncertainty


@pytest.mark.parametrize("axis", [0, 1])
def test_a_shift_is_measured(axis):
    shift = np.where(np.arange(2) == axis, 0.05, 0)
    place, _ = gates(1, lambda image: ndimage.shift(image, shift, order=5, mode="nearest"))
    assert place.verdict == FAIL and place.value == pytest.approx(0.05, abs=0.005)


def test_stars_thrown_about_are_measured():
    rng = np.random.default_rng(0)
    moved = light_of(PLACES + rng.normal(0, 0.06, PLACES.shape), flux_of(RATIO))
    _, scatter = gates(2, lambda image: image - STARS + moved)
    assert scatter.verdict == FAIL and scatter.value == pytest.approx(0.06, rel=0.25)


def test_few_stars_tell_little():
    assert [gate.verdict for gate in gates(3, number=2)] == [INFO, INFO]
    for seed in range(5):
        # Where three are not enough to see a shift as large as the limit, that is said.
        for gate in gates(seed, number=3):
            assert gate.verdict == PASS or (gate.verdict == INFO and gate.uncertainty >= gate.limit)
