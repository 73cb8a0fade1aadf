import numpy as np
import pytest
from scipy import ndimage

from n2n.sky.seeing import Matcher, filtered

SIZE, SIGMA = 256, 1.4


def field(seed=0, stars=60):
    rng = np.random.default_rng(seed)
    impulses = np.zeros((SIZE, SIZE))
    impulses[tuple(rng.integers(12, SIZE - 12, (2, stars)))] = rng.uniform(2e3, 2e4, stars)
    light = ndimage.gaussian_filter(impulses, SIGMA)
    return light, light + rng.normal(0, 1, light.shape), rng


def matched(image, light, stack):
    return Matcher(light, stack, 1 / (1 + light / 10), light > 10)(image)


CHANGES = {
    "wider": lambda light: ndimage.gaussian_filter(light, 0.35),
    "fainter": lambda light: 0.97 * light,
    "moved": lambda light: ndimage.shift(light, (0.06, -0.04), order=5),
    "trailed": lambda light: ndimage.gaussian_filter(light, (0.35, 0)),
    "trailed askew": lambda light: sum(ndimage.shift(light, (d, -d), order=5) for d in (-0.25, 0.25)) / 2,
}


@pytest.mark.parametrize("name", CHANGES)
def test_seeing_scale_and_place_become_those_of_the_stack(name):
    light, stack, rng = field()
    noise = rng.normal(0, 2, light.shape)
    image = CHANGES[name](light) + noise
    before, after = (((one - light - noise)[light > 10] ** 2).mean() for one in (image, matched(image, light, stack)))
    assert after < 0.2 * before


def test_noise_and_the_level_of_the_sky_are_left_as_they_are():
    light, stack, rng = field()
    noise = rng.normal(0, 2, light.shape)
    result = matched(light + noise + 5, light, stack)
    assert np.abs((result - light - noise)[light < 1] - 5).max() < 0.16 * noise.std()
    assert (result - light - 5)[light > 10].std() == pytest.approx(2, rel=0.03)


def test_missing_pixels_stay_missing_and_do_not_count():
    light, stack, _ = field()
    image = 0.97 * light
    image[:40] = np.nan
    result = matched(image, light, stack)
    assert np.isnan(result[:40]).all() and np.isfinite(result[40:]).all()
    assert np.abs(result - light)[40:].max() < 0.01 * light.max()


def test_a_field_without_bright_stars_is_left_alone():
    light, stack, _ = field(stars=1)
    image = 0.5 * light
    assert Matcher(light, stack, np.ones(light.shape), light > 1e4)(image) is image


def test_wings_that_a_laplacian_does_not_reach_are_matched():
    light, stack, rng = field()
    noise = rng.normal(0, 2, light.shape)
    image = 0.9 * light + 0.1 * ndimage.gaussian_filter(light, 2.5) + noise
    result = matched(image, light, stack)
    assert ((result - light - noise)[light > 10] ** 2).mean() < 0.02 * ((image - light - noise)[light > 10] ** 2).mean()


def test_stars_that_are_not_compared_are_light_all_the_same():
    """Saturated cores are left out of the comparison; what they give to the pixels beside them is not."""
    light, stack, _ = field()
    cores = ndimage.binary_dilation(light > 0.3 * light.max(), iterations=3)
    image = ndimage.gaussian_filter(light, 0.35)
    near = (light > 10) & ~cores & ndimage.binary_dilation(cores, iterations=4)

    def left(known):
        result = Matcher(known, stack, 1 / (1 + light / 10), (light > 10) & ~cores)(image)
        return ((result - light)[near] ** 2).mean()

    assert left(light) < 0.2 * ((image - light)[near] ** 2).mean()
    assert left(light) < 0.2 * left(np.where(cores, 0, light))


def test_a_filter_brings_faint_light_to_the_seeing_too_and_keeps_noise_apart():
    rng = np.random.default_rng(3)
    places = rng.uniform(15, 145, (60, 2))
    fluxes = rng.uniform(300, 3000, 60)
    rows, columns = np.indices((160, 160))

    def sky(width, scale=1.0):
        stars = ((columns - x) ** 2 + (rows - y) ** 2 for x, y in places)
        return scale * sum(
            flux / (2 * np.pi * width**2) * np.exp(-star / (2 * width**2))
            for flux, star in zip(fluxes, stars, strict=True)
        )

    stack, other = sky(1.4), sky(1.45, 1.03)
    matcher = Matcher(stack, stack, np.ones(stack.shape), stack > 10)
    found = matcher.fit(other, likely=0.1)
    like = filtered(other, found)
    faint = (stack < 5) & (stack > 0.5)
    assert np.abs(like - stack)[faint].std() < 0.25 * np.abs(other - stack)[faint].std()
    noise = rng.normal(size=stack.shape)
    np.testing.assert_allclose(filtered(other + noise, found) - like, filtered(noise, found), atol=1e-3)


def test_what_no_star_tells_stays_near_nothing():
    rng = np.random.default_rng(4)
    image = np.zeros((80, 80))
    image[20:60, 20:60] = 12.0 + rng.normal(size=(40, 40)) * 0.01
    matcher = Matcher(image, image, np.ones(image.shape), image > 10)
    noisy = image + rng.normal(size=image.shape)
    assert np.abs(matcher.fit(noisy)).max() > 5 * np.abs(matcher.fit(noisy, likely=0.03)).max()
