import numpy as np
import pytest

from n2n.fidelity.zones import ZONES, divide

BACKGROUND, EXTENDED, STARS = range(3)
SHAPE = (200, 260)
SIGMA = np.full(SHAPE, 2.0)


def noise(seed=0, sigma=0.6):
    """What a denoiser leaves of a noise of 2."""
    return np.random.default_rng(seed).normal(0, sigma, SHAPE)


def star(x, y, peak, width=1.6):
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return peak * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * width**2))


def nebula(x=70, y=100, peak=10.0):
    return star(x, y, peak, width=30)


def test_the_zones_have_names():
    assert ZONES == ("background", "extended", "stars")


@pytest.mark.parametrize("seed", range(3))
def test_empty_sky_is_background(seed):
    zones = divide(noise(seed), SIGMA, np.ones(SHAPE, bool))
    assert zones.dtype == np.int8
    assert (zones == BACKGROUND).mean() > 0.995


@pytest.mark.parametrize("peak", [10, 40, 4000])
def test_stars_are_stars(peak):
    places = [(60, 50), (180.4, 120.7), (30, 150)]
    image = noise() + sum(star(x, y, peak) for x, y in places)
    zones = divide(image, SIGMA, np.ones(SHAPE, bool))
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    for x, y in places:
        distance = np.hypot(columns - x, rows - y)
        assert (zones[distance < 1.6] == STARS).all()
    far = np.min([np.hypot(columns - x, rows - y) for x, y in places], axis=0) > 20
    assert (zones[far] == BACKGROUND).mean() > 0.99


def test_a_nebula_is_extended_light_and_its_stars_are_stars():
    image = noise() + nebula() + star(80, 110, 60)
    zones = divide(image, SIGMA, np.ones(SHAPE, bool))
    bright = nebula() > 4
    near = star(80, 110, 1, width=6) > 0.1
    assert (zones[bright & ~near] == EXTENDED).mean() > 0.95
    assert zones[110, 80] == STARS
    assert (zones[nebula() < 0.5] == BACKGROUND).mean() > 0.98


def test_a_faint_nebula_below_the_noise_of_a_pixel_is_background():
    zones = divide(noise() + nebula(peak=0.8), SIGMA, np.ones(SHAPE, bool))
    assert (zones == BACKGROUND).mean() > 0.99


def test_unusable_pixels_have_no_zone():
    usable = np.ones(SHAPE, bool)
    usable[20:60, 40:90] = False
    image = noise() + nebula()
    image[~usable] = np.nan
    zones = divide(image, SIGMA, usable)
    assert (zones[~usable] == -1).all() and (zones[usable] >= 0).all()
    assert (divide(image, SIGMA, np.zeros(SHAPE, bool)) == -1).all()


def test_the_unit_does_not_matter():
    image = noise() + nebula() + star(200, 40, 30)
    usable = np.ones(SHAPE, bool)
    zones = divide(image, SIGMA, usable)
    assert (divide(image / 1000, SIGMA / 1000, usable) != zones).mean() < 1e-3
    assert set(np.unique(zones)) == {0, 1, 2}
