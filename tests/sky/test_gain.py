import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from n2n.formats.pixels import read_pixels
from n2n.sky.gain import Measured, agrees, gain_from_flats, gain_from_lights, read_noise_from_differences, settle

BIAS, READ_NOISE = 500.0, 3.0


def expose(rng, electrons, gain):
    """Counts of a camera: photons, read noise, gain, bias, whole numbers."""
    noisy = rng.poisson(electrons) + READ_NOISE * rng.standard_normal(electrons.shape)
    return np.clip(np.round(noisy / gain + BIAS), 0, 65535).astype(np.float32)


def vignette(shape, depth):
    y, x = np.indices(shape) - (np.array(shape) / 2)[:, None, None]
    return 1 - depth * (y**2 + x**2) / (shape[0] ** 2 + shape[1] ** 2) * 4


def flats(gain, level, seed=0, number=6, shape=(224, 256)):
    rng = np.random.default_rng(seed)
    sensor = vignette(shape, 0.4) * (1 + 0.01 * rng.standard_normal(shape))
    sensor[:, 100] *= 0.2  # a dead column
    return np.array([expose(rng, level * gain * (1 - 0.06 * i) * sensor, gain) for i in range(number)])


def lights(gain, sky, seed=0, number=10, shape=(384, 416), swing=0.6, depth=0.4, stars=90):
    """Raw lights under a brightening, sloping sky, with stars that move and change their width, and hot pixels."""
    rng = np.random.default_rng(seed)
    height, width = shape
    x0, y0, flux = rng.uniform(0, width, stars), rng.uniform(0, height, stars), 10 ** rng.uniform(2, 5, stars)
    hot = np.where(rng.random(shape) < 0.001, rng.exponential(300, shape), 0)
    sensor, slope = vignette(shape, depth), 1 + 0.1 * np.linspace(0, 1, width)
    frames = []
    for index in range(number):
        sigma, (dx, dy) = 1.3 + 0.15 * rng.standard_normal(), rng.uniform(-8, 8, 2)
        scene = sky * (1 + swing * index / (number - 1)) * np.ones(shape) * slope
        for x, y, light in zip(x0 + dx, y0 + dy, flux, strict=True):
            window = (slice(max(0, int(y) - 11), int(y) + 13), slice(max(0, int(x) - 11), int(x) + 13))
            rows, columns = np.ogrid[window]
            distance = (rows[: height - window[0].start] - y) ** 2 + (columns[:, : width - window[1].start] - x) ** 2
            scene[window] += (light / (2 * np.pi * sigma**2) * np.exp(-distance / (2 * sigma**2)))[
                : scene[window].shape[0], : scene[window].shape[1]
            ]
        frames.append(expose(rng, scene * sensor + hot, gain))
    return np.array(frames)


@pytest.mark.parametrize(("gain", "level"), [(0.25, 30_000), (0.8, 30_000), (4.0, 8_000)])
def test_flats_tell_the_gain_and_how_well(gain, level):
    found = [gain_from_flats(flats(gain, level, seed), BIAS) for seed in range(4)]
    pulls = [(one.value - gain) / one.error for one in found]
    assert all(one.value == pytest.approx(gain, rel=0.015) for one in found)
    assert all(0.001 < one.error / gain < 0.01 for one in found)
    assert np.sqrt(np.mean(np.square(pulls))) < 2.5


def test_the_read_noise_is_taken_off_where_flats_are_faint():
    frames = flats(0.25, 400)
    rough, exact = gain_from_flats(frames, BIAS), gain_from_flats(frames, BIAS, READ_NOISE / 0.25)
    assert rough.value < 0.24 and exact.value == pytest.approx(0.25, rel=0.02)


def test_a_burnt_out_middle_of_the_flats_does_not_spoil_the_gain():
    frames = flats(0.8, 30_000)
    frames[:, 90:130, 100:150] = 65535
    assert gain_from_flats(frames, BIAS).value == pytest.approx(0.8, rel=0.02)


@pytest.mark.parametrize("number", [2, 6])
def test_stars_that_move_between_sky_flats_are_no_noise(number):
    frames = lights(0.25, 6000, number=max(number, 3), swing=0.1, depth=0.3, stars=700)[:number]
    found = gain_from_flats(frames, BIAS)
    assert found.value == pytest.approx(0.25, rel=0.03) and found.error < 0.03 * 0.25


def test_flats_that_contradict_each_other_widen_the_error():
    steady = flats(0.8, 30_000)
    steady[1] += np.random.default_rng(3).normal(0, 250, steady[1].shape)
    assert gain_from_flats(steady, BIAS).error > 0.05 * 0.8


@pytest.mark.parametrize(
    "frames", [np.full((1, 64, 64), 900.0), np.full((2, 64, 64), 400.0), np.full((4, 64, 64), 900.0)]
)
def test_without_a_pair_without_light_or_without_noise_flats_tell_nothing(frames):
    assert gain_from_flats(frames, BIAS) is None


@given(gain=st.floats(0.1, 5), zero=st.floats(0, 1000), seed=st.integers(0, 99))
def test_the_gain_of_flats_scales_with_the_unit_of_the_counts(gain, zero, seed):
    electrons = np.random.default_rng(seed).poisson(20_000, (2, 96, 96)).astype(float)
    one, other = gain_from_flats(electrons, 0.0), gain_from_flats(electrons / gain + zero, zero)
    assert other.value == pytest.approx(gain * one.value, rel=1e-3)
    assert other.error == pytest.approx(gain * one.error, rel=1e-2)


def test_biases_tell_the_read_noise_with_rounding_and_without_cosmic_rays():
    rng = np.random.default_rng(0)
    pattern = rng.normal(BIAS, 20, (224, 256))
    frames = np.round(pattern + rng.normal(0, 3.75, (6, 224, 256)))
    frames[rng.random(frames.shape) < 1e-4] += 3000
    found = read_noise_from_differences(frames)
    assert found.value == pytest.approx(np.hypot(3.75, 12**-0.5), rel=0.01)
    assert found.error < 0.02 and abs(found.value - 3.761) < 4 * found.error
    assert read_noise_from_differences(frames[:1]) is None


@pytest.mark.parametrize("noise", [0.4, 0.5, 0.74, 3.0])
def test_the_read_noise_of_numbers_in_coarse_steps(noise):
    values = np.random.default_rng(2).normal(20 + np.linspace(0, 1, 192), noise, (4, 160, 192))
    found = read_noise_from_differences((16 * np.rint(values)).astype(np.float32), step=16)
    assert found.value == pytest.approx(16 * np.sqrt(noise**2 + 1 / 12), rel=0.06)


@pytest.mark.parametrize("gain", [0.25, 0.8])
@pytest.mark.parametrize("seed", [0, 1])
def test_lights_alone_tell_the_gain_under_a_changing_sky(gain, seed):
    found = gain_from_lights(lights(gain, 80, seed))
    assert found.value == pytest.approx(gain, rel=0.06) and found.error < 0.04 * gain
    assert abs(found.value - gain) < 4 * found.error


def test_the_zero_level_of_the_counts_does_not_matter():
    frames = lights(0.8, 80)
    one, other = gain_from_lights(frames), gain_from_lights(frames - 400)
    assert other.value == pytest.approx(one.value, rel=1e-3)


def test_a_vignette_alone_is_enough_where_the_sky_is_bright():
    assert gain_from_lights(lights(0.8, 400, swing=0.0)).value == pytest.approx(0.8, rel=0.1)


def test_lights_of_one_level_tell_nothing():
    rng = np.random.default_rng(0)
    assert gain_from_lights(np.array([expose(rng, np.full((256, 256), 50.0), 0.8) for _ in range(8)])) is None


def test_a_bias_that_drifts_over_the_night_is_not_taken_for_light():
    frames = lights(0.8, 400, swing=0.0)
    frames += 40 * np.arange(len(frames), dtype=np.float32)[:, None, None]
    assert gain_from_lights(frames) is None


@pytest.mark.parametrize("frames", [np.zeros((1, 128, 128)), np.zeros((5, 40, 40)), np.zeros((5, 128, 128))])
def test_too_few_too_small_or_empty_lights_tell_nothing(frames):
    assert gain_from_lights(frames) is None


@pytest.mark.real
def test_a_real_night_whose_noise_and_level_contradict_each_other_tells_nothing(real_data):
    paths = sorted((real_data / "nights" / "2017-12-20").glob("*.fits.gz"))[::5]
    assert gain_from_lights(np.array([read_pixels(path)[0] for path in paths])) is None


@pytest.mark.parametrize(
    ("stated", "measured", "error", "expected"),
    [
        (1.0, 1.0, 0.0, True),
        (1.0, 1.14, 0.01, True),
        (1.0, 1.3, 0.01, False),
        (1.0, 1.3, 0.07, True),
        (16, 1, 0.02, False),
    ],
)
def test_gains_agree_within_the_tolerance_or_five_errors(stated, measured, error, expected):
    assert agrees(stated, measured, error) is expected


@given(st.floats(0.01, 100), st.floats(0.01, 100), st.floats(0, 10), st.floats(0.01, 100))
def test_agreement_does_not_depend_on_the_unit(stated, measured, error, unit):
    margin = abs(abs(stated - measured) - max(0.15 * measured, 5 * error))
    if margin > 1e-9 * (stated + measured + error):
        assert agrees(stated, measured, error) == agrees(stated * unit, measured * unit, error * unit)


def test_a_note_names_both_numbers_and_where_a_gain_came_from():
    assert settle(0.8, Measured(0.81, 0.001)) == (0.8, "")
    gain, note = settle(3.2, Measured(0.8, 0.004))
    assert gain == 0.8 and "3.2" in note and "0.8 +- 0.004" in note
    gain, note = settle(None, None, Measured(0.3, 0.02))
    assert gain == 0.3 and "from the lights" in note
