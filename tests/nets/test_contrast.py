import numpy as np
import pytest
from scipy import ndimage

from n2n.nets.contrast import widen_contrast

SHAPE = (300, 260)
SKY, KNOWN = np.ones(SHAPE, np.float32), np.ones(SHAPE, bool)


def crowded(seed=0):
    """A sky full of stars too faint to be told apart, its most common level 0; and what a denoiser leaves of it."""
    rng = np.random.default_rng(seed)
    light, number = np.zeros(SHAPE), SHAPE[0] * SHAPE[1] // 15
    np.add.at(light, tuple(rng.integers(0, side, number) for side in SHAPE), 12 * rng.pareto(2.0, number).clip(max=4))
    truth = ndimage.gaussian_filter(light, 1.8)
    truth -= np.median(truth)
    faint = np.minimum(truth, 1.5)
    return truth, truth - 0.18 * (faint - ndimage.gaussian_filter(faint, 8))


def widened(result, known=KNOWN):
    return widen_contrast(result.astype(np.float32), known, SKY)


def test_gaps_between_faint_stars_come_out_as_dark_as_they_are():
    truth, result = crowded()
    dark = truth < np.quantile(truth, 0.2)

    def off(image):
        return np.mean((image - truth)[dark])

    assert off(result) > 0.04
    assert off(widened(result)) < 0.7 * off(result)
    assert np.std(widened(result) - truth) < 0.9 * np.std(result - truth)
    assert np.mean(widened(result)) == pytest.approx(result.mean(), abs=0.002)


def test_in_an_empty_sky_nothing_is_widened():
    left = ndimage.gaussian_filter(np.random.default_rng(1).normal(0, 1, SHAPE), 3.0)
    left *= 0.06 / left.std()
    assert np.std(widened(left) - left) < 0.02 * left.std()


def test_light_and_holes_that_stand_out_stay_as_they_are():
    _, result = crowded()
    result[100:110, 100:110], result[200:210, 50:60] = 40.0, -8.0
    other = widened(result)
    for stands_out in (result > 3, result < -3):
        np.testing.assert_array_equal(other[stands_out], result.astype(np.float32)[stands_out])
    assert np.abs(other - result).max() < 0.25


def test_what_nobody_saw_does_not_count():
    _, result = crowded()
    known = np.ones(SHAPE, bool)
    known[:, 200:] = False
    filled = np.where(known, result, 0.7)
    other = widened(filled, known)
    np.testing.assert_array_equal(other[:, 200:], filled.astype(np.float32)[:, 200:])
    np.testing.assert_allclose(other[:, :100], widened(result)[:, :100], atol=0.02)


def test_turned_images_are_treated_alike():
    _, result = crowded()
    turned = widen_contrast(
        result[::-1].T.astype(np.float32), np.ones(SHAPE[::-1], bool), np.ones(SHAPE[::-1], np.float32)
    )
    np.testing.assert_allclose(turned, widened(result)[::-1].T, atol=1e-5)
