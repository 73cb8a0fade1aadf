import numpy as np
import pytest
from scipy import ndimage

from n2n.fidelity.changed import Changed, changed_sources
from n2n.fidelity.evidence import evidence
from n2n.fidelity.filtered import filtered
from n2n.sky.psf import moffat_fwhm, star_model

SHAPE, HALF_LIGHT, STEP = (300, 300), 2.0, 30


@pytest.fixture(scope="module")
def night():
    """Stars of S/N 30, but for a faint one that the stack alone shows (it is noise) and one the denoiser erased."""
    rng = np.random.default_rng(1)
    y, x = (index.ravel() for index in np.mgrid[30 : SHAPE[0] - 29 : STEP, 30 : SHAPE[1] - 29 : STEP])
    model = star_model(moffat_fwhm(HALF_LIGHT, 3.0), 3.0)
    v, u = np.mgrid[: SHAPE[0], : SHAPE[1]]

    def star(index, flux):
        model.x_0, model.y_0, model.flux = x[index], y[index], flux
        return model(u, v)

    sky = sum(star(index, 400.0) for index in range(len(x)) if index not in (20, 33))
    noise = [rng.normal(size=SHAPE) for _ in range(3)]
    real, chance = star(20, 160.0), star(33, 90.0)
    stack = sky + real + chance + 0.5 * noise[0]
    halves = [(sky + real + image, np.ones(SHAPE)) for image in noise[1:]]
    held_out = sum(image for image, _ in halves) / 2
    denoised = sky + 0.2 * (stack - sky - real - chance)
    usable = np.ones(SHAPE, bool)
    images = evidence(denoised, stack, np.full(SHAPE, 4.0), halves, np.ones(SHAPE), usable)
    variances = np.full(SHAPE, 0.25), np.full(SHAPE, 0.5)
    light = filtered(images, 2 * HALF_LIGHT)
    found = changed_sources(light, (stack, denoised, held_out), variances, HALF_LIGHT, ~usable)
    return found, np.column_stack([x, y])


def test_only_changed_sources_are_listed_where_they_are(night):
    found, stars = night
    assert len(found.places) == 2
    np.testing.assert_allclose(found.places, stars[[20, 33]], atol=0.5)
    assert (np.abs(found.change) > 3).all() and (np.diff(np.abs(found.change)) <= 0).all()


def test_flux_is_that_of_the_star(night):
    found, _ = night
    np.testing.assert_allclose(found.stack, [160, 90], atol=4 * found.error[0])
    np.testing.assert_allclose(found.denoised, [0, 0], atol=4 * found.error[0])
    np.testing.assert_allclose(found.held_out, [160, 0], atol=4 * found.held_out_error[0])
    assert found.held_out_error[0] == pytest.approx(np.sqrt(2) * found.error[0], rel=0.02)


def test_the_held_out_exposures_say_who_is_right(night):
    assert night[0].verdicts() == ["stack", "denoised"]


def test_what_noise_leaves_open_is_undecided():
    one = np.ones(1)
    found = Changed(np.zeros((1, 2)), 10 * one, 5 * one, one, 7.4 * one, 3 * one)
    assert found.verdicts() == ["undecided"]


def test_an_empty_sky_has_no_changed_sources():
    rng = np.random.default_rng(2)
    noise = [ndimage.gaussian_filter(rng.normal(size=SHAPE), 0.3) for _ in range(3)]
    usable = np.ones(SHAPE, bool)
    halves = [(image, np.ones(SHAPE)) for image in noise[1:]]
    images = evidence(0 * noise[0], noise[0], np.ones(SHAPE), halves, np.ones(SHAPE), usable)
    ones = np.ones(SHAPE)
    found = changed_sources(filtered(images, 4.0), (noise[0], 0 * noise[0], noise[1]), (ones, ones), 2.0, ~usable)
    assert all(np.abs(found.stack / found.error) > 3) and len(found.places) < 5
