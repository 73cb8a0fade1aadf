import numpy as np
import pytest
from observed import SHAPE, Sky
from scipy import ndimage

from n2n.fidelity.spectra import left_out, rings


@pytest.fixture(scope="module")
def empty():
    return Sky(0, np.zeros(SHAPE), off=False)


def total(part):
    return part.sum(axis=0)


def test_noise_has_the_power_it_has(empty):
    found = rings(empty.images(empty.good(0.3)))
    np.testing.assert_allclose(total(found.dd) / total(found.ss), 0.09, rtol=1e-3)
    np.testing.assert_allclose(total(found.cc) / total(found.ss), 3, rtol=0.25)
    np.testing.assert_allclose(total(found.noise) / total(found.ss), 1, rtol=0.25)
    correlation = total(found.sc) / np.sqrt(total(found.ss) * total(found.cc))
    assert np.abs(correlation).max() < 0.1
    # Less power where noise is shared between neighbours: at small details.
    assert total(found.ss)[-1] / total(found.ss)[2] < total(np.ones_like(found.ss))[0]


def test_a_wave_is_found_in_its_ring():
    wave = np.tile(2 * np.sin(2 * np.pi * np.arange(SHAPE[1]) / 5), (SHAPE[0], 1))
    sky = Sky(3, wave, off=False)
    found = rings(sky.images(sky.truth))
    assert found.scale[np.argmax(total(found.dd))] == pytest.approx(5, rel=0.15)
    assert (np.diff(found.scale) < 0).all()


def test_the_overshoot_is_residual_power_less_noise_and_error():
    """|S - D|^2 - (N - R), all of it known here."""
    sky = Sky(4, np.zeros(SHAPE), off=False)
    for left in (0.0, 0.5, 1.0):
        found = rings(sky.images(sky.good(left)))
        expected = (1 - left) ** 2 - (1 - left**2)
        np.testing.assert_allclose(total(found.overshoot) / total(found.ss), expected, atol=0.3)


def test_bright_light_is_left_out():
    sky = Sky(5, np.zeros(SHAPE), off=False)
    star = np.zeros(SHAPE)
    star[100, 100] = 1e5
    star = ndimage.gaussian_filter(star, 1.3)
    before = rings(sky.images(sky.good()))
    sky.stack = sky.stack + star
    after = rings(sky.images(sky.good() + star))
    assert (total(after.ss) < 1.5 * total(before.ss)).all()


def test_the_jackknife_error_is_the_scatter():
    values, errors = [], []
    for seed in range(12):
        sky = Sky(seed, np.zeros(SHAPE), off=False)
        found = rings(sky.images(sky.good()))
        value, error, regions = left_out(lambda excess, noise: excess / noise, found.overshoot, found.ss)
        assert regions == 36
        values.append(value)
        errors.append(error)
    ratio = np.sqrt(np.mean(np.square(errors), axis=0)) / np.std(values, axis=0, ddof=1)
    assert 0.75 < np.median(ratio) < 1.35


def test_few_regions_tell_nothing():
    value, error, regions = left_out(lambda a: a, np.ones((5, 3)))
    assert np.isnan(value).all() and np.isnan(error).all() and regions == 5
