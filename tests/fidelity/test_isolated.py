import numpy as np
import pytest
from observed import FWHM, SHAPE, Sky, flux_of, light_of, scattered

from n2n.fidelity.isolated import isolated_stars

STARS = light_of(scattered(60, 5, margin=24), flux_of(np.geomspace(80, 600, 60)))
GOOD, ONE = np.zeros(SHAPE, bool), np.ones(SHAPE)


def found(seed, share=0.0, variance=ONE):
    sky = Sky(seed, STARS)
    return isolated_stars(sky.stack, ONE, GOOD, (sky.stack, variance, sky.good() + share * STARS), FWHM)


def test_stars_are_known_as_well_as_their_photons_say():
    stars = found(1)
    assert len(stars.points) > 40 and 20 < stars.ratio.min() < 50 < stars.ratio.max()
    np.testing.assert_allclose(found(1, variance=4 * ONE).ratio, stars.ratio / 2, rtol=1e-6)
    np.testing.assert_array_equal(stars.bright, stars.ratio > 50)


@pytest.mark.parametrize("share", [-0.1, 0.1])
def test_a_change_of_all_stars_is_that_of_each(share):
    assert np.median(found(2, share).change) == pytest.approx(share, abs=0.01)
