import numpy as np
import pytest

from n2n.simulate import camera, recipe
from n2n.simulate.optics import render

SHAPE = (96, 112)


@pytest.mark.parametrize("target", [recipe.HA, recipe.LUM], ids=lambda target: target.group)
def test_many_exposures_average_to_the_truth(target):
    scene = recipe.make_scene(target, SHAPE, 1)
    light = render(scene, SHAPE, recipe.conditions(target, 1, "night", 1)).astype(float)
    detector = camera.make_detector(SHAPE, np.random.default_rng(2))
    flat = camera.flat_field(detector, np.random.default_rng(3))
    gain, number = target.gain, 60
    dark = detector.dark_rate(gain) * 60
    total = np.zeros(SHAPE)
    for i in range(number):
        adu = camera.expose(light, flat, 60.0, detector, gain, recipe.generator(4, i))
        total += (adu.astype(float) - camera.OFFSET_ADU - detector.columns) * gain.e_per_adu
    expected = light * flat + dark
    good = (expected < 0.9 * gain.saturation) & (flat > 0.5)
    variance = expected + gain.read_noise**2 + gain.e_per_adu**2 / 12
    deviation = (total / number - dark) / flat - light
    chi2 = deviation[good] ** 2 / (variance / flat**2 / number)[good]
    assert good.mean() > 0.9
    assert chi2.mean() == pytest.approx(1, abs=0.06)
    assert abs((deviation / np.sqrt(variance / flat**2 / number))[good].mean()) < 0.05


def test_bright_stars_saturate():
    detector = camera.make_detector(SHAPE, np.random.default_rng(2))
    light = np.full(SHAPE, 1.1 * recipe.HA.gain.saturation)
    adu = camera.expose(light, 1.0, 60.0, detector, recipe.HA.gain, np.random.default_rng(0))
    assert np.median(adu) == camera.SATURATION_ADU


def test_the_flat_field_falls_to_three_quarters():
    detector = camera.make_detector((300, 320), np.random.default_rng(2))
    flat = camera.flat_field(detector, np.random.default_rng(3))
    corners = [flat[:15, :15], flat[:15, -15:], flat[-15:, :15], flat[-15:, -15:]]
    assert np.mean([np.median(corner) for corner in corners]) == pytest.approx(0.77, abs=0.02)
    assert np.median(flat[140:160, 150:170]) == pytest.approx(1, abs=0.01)
    assert 0.008 < 1.4826 * np.median(np.abs(detector.response - 1)) < 0.012


def test_cosmic_rays_are_short_and_listed_once():
    tracks = [camera.cosmic_rays((500, 400), np.random.default_rng(i)) for i in range(40)]
    charges = np.array([charge.sum() for _, charge in tracks])
    assert 8 * 300 < charges.mean() < 8 * 5000
    for places, _ in tracks:
        assert len({tuple(p) for p in places.tolist()}) == len(places)
        if len(places):
            assert places.min() >= 0
            assert places[:, 0].max() < 400
            assert places[:, 1].max() < 500
    assert np.mean([len(places) for places, _ in tracks]) < 8 * 12


def test_telegraph_pixels_jump_far_above_the_read_noise():
    places, jump = camera.telegraph_pixels((500, 400), np.random.default_rng(1), 60.0)
    assert len({tuple(place) for place in places.tolist()}) == len(jump) == 12
    assert jump.min() >= 8
    assert jump.max() <= 30


def test_charge_that_hits_a_pixel_twice_adds_up():
    detector = camera.make_detector(SHAPE, np.random.default_rng(2))
    hits = np.array([[5, 6], [5, 6]]), np.array([1000.0, 3000.0])
    adu = camera.expose(0.0, 1.0, 0.0, detector, recipe.HA.gain, np.random.default_rng(0), hits)
    assert adu[6, 5] == pytest.approx(500 + 4000 / 0.25, rel=0.01)
