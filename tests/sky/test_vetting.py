"""Wrong masters are found out; right ones never are, whatever is on the sky."""

import numpy as np
import pytest
from scipy import ndimage

from n2n.simulate.scene import gaussian_field, nebula
from n2n.sky.vetting import flat_agrees, hot_pixels_agree, light_in_dark, scale_of_numbers, sky_below_zero

SHAPE = (192, 224)
GAIN, READ_NOISE = 0.25, 1.5  # e-/ADU, e-


class Camera:
    """A detector, its optics, and exposures of any sky in ADU."""

    def __init__(self, seed, vignetting=0.4, dust=4, depth=0.25, level=500.0):
        self.rng = rng = np.random.default_rng(seed)
        y, x = np.indices(SHAPE)
        self.flat = 1 - vignetting * ((x - SHAPE[1] / 2) ** 2 + (y - SHAPE[0] / 2) ** 2) / (SHAPE[1] ** 2 / 2)
        for _ in range(dust):
            place = rng.uniform(0.1, 0.9, 2) * SHAPE
            self.flat = self.flat * (1 - depth * np.exp(-((y - place[0]) ** 2 + (x - place[1]) ** 2) / 128))
        self.zero = (level + rng.normal(0, 1.5, SHAPE)).astype(np.float32)
        self.zero.flat[rng.integers(0, self.zero.size, 80)] += rng.uniform(200, 3000, 80)

    def master_flat(self):
        flat = self.flat * (1 + self.rng.normal(0, 0.003, SHAPE))
        return (flat / np.median(flat)).astype(np.float32)

    def light(self, sky, flat=None):
        stars = np.zeros(SHAPE)
        np.add.at(
            stars, tuple(self.rng.integers(0, side, 150) for side in SHAPE), 400 * (1 + self.rng.pareto(1.1, 150))
        )
        light = (sky + ndimage.gaussian_filter(stars, 1.4)) * (self.flat if flat is None else flat)
        electrons = self.rng.poisson(light) + self.rng.normal(0, READ_NOISE, SHAPE)
        return (electrons / GAIN + self.zero).astype(np.float32)

    def lights(self, sky, flat=None):
        return [self.light(sky, flat) for _ in range(3)]


def skies(seed):
    """Skies that could mislead: even, a gradient, nebulae that fill the field, H-alpha of 1 e- and of 0.2 e-."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[-1 : 1 : SHAPE[0] * 1j, -1 : 1 : SHAPE[1] * 1j]
    yield "even", np.full(SHAPE, 200.0)
    yield "gradient", 300 * (1 + 0.3 * x - 0.2 * y)
    yield "nebula", 60 + nebula(SHAPE, rng, ceiling=900, peak=1200)
    yield "cloud", 100 * np.exp(gaussian_field(SHAPE, rng, 4.0, 200, 8))
    yield "ring", 200 * (0.6 + 0.5 * (x**2 + y**2))  # as bright outside as vignetting is dark
    yield "H-alpha", np.full(SHAPE, 1.0)
    yield "darkest", np.full(SHAPE, 0.2)
    yield "nebula at night", 1 + nebula(SHAPE, rng, ceiling=7, peak=9)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    ("vignetting", "dust", "depth"), [(0.4, 4, 0.25), (0.0, 1, 0.3), (0.6, 0, 0.0), (0.3, 8, 0.05)]
)
def test_right_masters_are_never_refused(seed, vignetting, dust, depth):
    camera = Camera(seed, vignetting, dust, depth)
    flat = camera.master_flat()
    for name, sky in skies(seed):
        lights = camera.lights(sky)
        # A bias drifts by an ADU or two from evening to morning.
        for drift in (0.0, 1.5):
            for look in (scale_of_numbers, sky_below_zero, hot_pixels_agree):
                assert not look(lights, camera.zero + np.float32(drift)).refused, (name, look)
        assert not flat_agrees([light - camera.zero for light in lights], flat).refused, name


@pytest.mark.parametrize("seed", range(1, 5))
@pytest.mark.parametrize("sky", [60.0, 300.0])
def test_a_flat_whose_dust_lies_elsewhere_is_refused(seed, sky):
    camera, other = Camera(seed, dust=6), Camera(seed + 50, dust=6)
    lights = [light - camera.zero for light in camera.lights(np.full(SHAPE, sky))]
    for flat in (camera.master_flat()[::-1], camera.master_flat()[:, ::-1], other.master_flat()):
        assert "shadows" in flat_agrees(lights, np.ascontiguousarray(flat)).refused


@pytest.mark.parametrize("sky", [60.0, 1000.0])
def test_lights_that_were_divided_by_their_flat_before_are_not_divided_again(sky):
    camera = Camera(1, vignetting=0.5, dust=0)
    lights = [light - camera.zero for light in camera.lights(np.full(SHAPE, sky), flat=np.ones(SHAPE))]
    assert flat_agrees(lights, camera.master_flat()).refused


def currents():
    """Dark currents of real sensors, e-: even, a cooling gradient, amplifiers at a corner, a side, all corners."""
    y, x = np.indices(SHAPE)
    height, width = SHAPE
    yield np.full(SHAPE, 60.0)
    yield 100.0 * x / width
    yield 5 + 600 * np.exp(-np.hypot(x - width, y - height) / 25)
    yield 40 + 300 * np.exp((x - width) / 60) * (1 + 0.5 * np.sin(y / 9))
    yield 5 + 300 * sum(np.exp(-np.hypot(x - a, y - b) / 30) for a in (0, width) for b in (0, height))


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(("vignetting", "warmth"), [(0.4, 0.8), (0.6, 1.25), (0.0, 1.0)])
def test_dark_current_glow_and_warm_pixels_are_no_light(seed, vignetting, warmth):
    camera = Camera(seed, vignetting)
    for current in currents():
        current = current + (camera.rng.random(SHAPE) < 0.1) * camera.rng.exponential(150, SHAPE)
        bias = camera.zero + camera.rng.normal(0, 3, SHAPE).astype(np.float32)
        dark = (camera.zero + camera.rng.poisson(4 * current) / 4 / GAIN).astype(np.float32)
        for name, sky in skies(seed):
            lights = [camera.light(sky) + camera.rng.poisson(current * warmth) / GAIN for _ in range(2)]
            for flat in (camera.master_flat(), None):
                assert not light_in_dark(lights, dark, bias, flat).refused, name


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("leak", ["side", "spot", "through the optics"])
def test_light_on_the_darks_is_found(seed, leak):
    camera = Camera(seed)
    y, x = np.indices(SHAPE)
    spot = 80 * np.exp(-((x - 60) ** 2 + (y - 90) ** 2) / 3000)
    light = {"side": 25 + 100 * x / SHAPE[1], "spot": spot, "through the optics": 60 * camera.flat}[leak]
    dark = (camera.zero + camera.rng.poisson(4 * light) / 4 / GAIN).astype(np.float32)
    found = light_in_dark(camera.lights(np.full(SHAPE, 200.0)), dark, camera.zero, camera.master_flat())
    assert "light fell on the darks" in found.refused


def test_a_flat_of_too_little_light_is_refused_as_noise():
    camera = Camera(2)
    lights = [light - camera.zero for light in camera.lights(np.full(SHAPE, 3000.0))]
    noisy = camera.master_flat() * (1 + np.random.default_rng(0).normal(0, 0.06, SHAPE)).astype(np.float32)
    assert "as noisy" in flat_agrees(lights, noisy).refused


@pytest.mark.parametrize("sky", [1.0, 60.0])
def test_a_zero_of_another_offset_is_refused(sky):
    camera = Camera(3)
    found = sky_below_zero(camera.lights(np.full(SHAPE, sky)), camera.zero + 400)
    assert "below zero" in found.refused and "darker" in found.refused


def test_a_small_drift_is_a_remark():
    camera = Camera(3)
    found = sky_below_zero(camera.lights(np.zeros(SHAPE)), camera.zero + 3)
    assert not found.refused and "below zero" in found.note


@pytest.mark.parametrize(
    "wrong", [lambda zero: zero[::-1], lambda zero: (zero - 500) / 16 + 500, lambda zero: zero * 16]
)
def test_a_dark_turned_or_of_another_scale_is_refused_by_its_hot_pixels(wrong):
    camera = Camera(4)
    found = hot_pixels_agree(camera.lights(np.full(SHAPE, 20.0)), np.ascontiguousarray(wrong(camera.zero)))
    assert ("hot pixels" in found.refused) or wrong(camera.zero).max() < 700, "nothing hot to see"


def test_fractions_and_adu_do_not_fit():
    camera = Camera(5)
    lights = camera.lights(np.full(SHAPE, 60.0))
    assert "not of one scale" in scale_of_numbers([light / 65535 for light in lights], camera.zero).refused
    assert "not of one scale" in scale_of_numbers(lights, camera.zero / 65535).refused
    assert not scale_of_numbers(lights, camera.zero - 500).refused, "a bias free of its pedestal"
