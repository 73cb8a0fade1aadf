import numpy as np
import pytest
from planted import BETA, EXPOSURE, FWHM, HALF_LIGHT, SHAPE, stars

from n2n.fidelity.injection import Seen, observe
from n2n.sky.psf import forced_error, forced_flux, moffat_beta, moffat_fwhm, star_model


def test_the_exponent_of_the_profile_is_found():
    for beta in (2.5, 4.0):
        light = observe(stars(200.0), Seen(np.eye(2, 3), None, 1.0, HALF_LIGHT, beta, False), SHAPE)
        image = light + np.random.default_rng(1).normal(0, 1, SHAPE)
        found = moffat_beta(image, np.ones(SHAPE), np.zeros(SHAPE, bool), 2 * HALF_LIGHT)
        assert found == pytest.approx(beta, rel=0.15)


def test_half_the_light_lies_within_the_radius():
    y, x = np.mgrid[-1000:1001, -1000:1001]
    profile = star_model(moffat_fwhm(20.0, BETA), BETA)(x, y)
    assert profile[np.hypot(x, y) < 20].sum() / profile.sum() == pytest.approx(0.5, abs=0.01)


def test_forced_flux_is_unbiased_and_its_error_is_true():
    objects = stars(30.0)
    light, model = observe(objects, EXPOSURE, SHAPE), star_model(FWHM, BETA)
    places = np.column_stack([objects.x, objects.y])
    rng = np.random.default_rng(3)
    flux = np.array([forced_flux(light + rng.normal(0, 1, SHAPE), places, model, FWHM) for _ in range(5)])
    assert flux.mean() == pytest.approx(objects.flux[0], rel=0.02)
    assert flux.std() == pytest.approx(forced_error(np.ones(SHAPE), places, model, FWHM).mean(), rel=0.1)


@pytest.mark.parametrize("place", [(30.3, 30.2), (30.3, 1.5), (0.5, 20.0), (57.0, 58.0), (0.0, 59.0)])
def test_a_star_at_the_edge_has_its_flux(place):
    model = star_model(FWHM, 3.0)
    star = model.copy()
    star.flux = 100.0
    y, x = np.mgrid[:60, :60]
    image = star(x - place[0], y - place[1]) + 7.0
    assert forced_flux(image, np.array([place]), model, FWHM) == pytest.approx(100)
