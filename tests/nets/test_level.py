import numpy as np
import pytest
from scipy import ndimage

from n2n.nets.level import SLACK, keep_level

SHAPE = (300, 260)


def stack(seed=0, level=0.0):
    rng = np.random.default_rng(seed)
    return (level + rng.normal(0, 1, SHAPE)).astype(np.float32)


def kept(result, image):
    return keep_level(result.astype(np.float32), image, np.ones(SHAPE, np.float32))


@pytest.mark.parametrize("off", [0.2, -0.2])
def test_a_level_that_is_off_comes_back_to_that_of_the_stack(off):
    image = stack()
    assert abs(kept(np.full(SHAPE, off), image).mean() - image.mean()) < 0.01


def test_a_gradient_that_was_lost_comes_back():
    image = stack(level=np.linspace(-0.5, 0.5, SHAPE[1], dtype=np.float32))
    result = kept(np.zeros(SHAPE), image)
    middle = result[:, 60:-60]
    assert np.abs(middle - np.linspace(-0.5, 0.5, SHAPE[1])[60:-60]).max() < 0.12


def test_what_hot_pixels_leave_in_a_stack_is_not_given_back():
    image = stack(level=0.8 * SLACK)
    result = np.zeros(SHAPE, np.float32)
    assert np.abs(kept(result, image)).max() < 0.01


def test_the_noise_of_pixels_does_not_come_back():
    image = stack()
    assert kept(np.full(SHAPE, 0.1), image).std() < 0.02


def test_stars_are_neither_asked_nor_changed():
    light = np.zeros(SHAPE)
    light[::20, ::20] = 5000
    light = ndimage.gaussian_filter(light, 1.3)
    image = stack() + light.astype(np.float32)
    wrong = 1.02 * light + 0.2
    result = kept(wrong, image)
    assert abs(np.median(result[light < 0.1])) < 0.03
    np.testing.assert_array_equal(result[light > 11], wrong.astype(np.float32)[light > 11])


def test_what_nobody_saw_does_not_count():
    image = stack(level=0.2)
    image[:, 200:] = np.nan
    result = kept(np.zeros(SHAPE), image)
    assert np.isfinite(result).all()
    assert result[:, :200].mean() == pytest.approx(0.2, abs=0.03)
    assert np.isfinite(kept(np.zeros(SHAPE), np.full(SHAPE, np.nan, np.float32))).all()


def test_turned_images_are_treated_alike():
    image, wrong = stack(level=0.3), stack(1) / 9
    turned = keep_level(wrong[::-1].T.copy(), image[::-1].T.copy(), np.ones(SHAPE[::-1], np.float32))
    np.testing.assert_allclose(turned, kept(wrong, image)[::-1].T, atol=1e-5)
