"""Copies of one exposure are known by their pixels, whatever was done to the file; two exposures are not copies."""

import cv2
import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from n2n.formats.pixels import read_pixels
from n2n.sky.twins import are_twins, noise_likeness, noise_twin, pixel_id, same_pixels, shifted_twin

SHAPE = (300, 400)


@pytest.fixture(scope="module")
def sensor():
    """Sky with stars, and a sensor with pattern and hot pixels: the same in all exposures, for nothing is dithered."""
    rng = np.random.default_rng(3)
    light = np.full(SHAPE, 150.0)
    light[rng.integers(0, SHAPE[0], 300), rng.integers(0, SHAPE[1], 300)] += 3000 * rng.pareto(1.2, 300)
    light = cv2.GaussianBlur(light, (0, 0), 1.1)
    y, x = np.mgrid[-1 : 1 : SHAPE[0] * 1j, -1 : 1 : SHAPE[1] * 1j]
    flat = (1 - 0.15 * (x * x + y * y)) * (1 + 0.01 * rng.standard_normal(SHAPE))
    dark = 5 + 4 * rng.random(SHAPE) + rng.exponential(800, SHAPE) * (rng.random(SHAPE) < 0.01)
    return light, flat, dark


def expose(sensor, seed):
    light, flat, dark = sensor
    rng = np.random.default_rng(seed)
    electrons = rng.poisson(light * flat + dark) + 3 * rng.standard_normal(SHAPE)
    return np.rint(electrons / 1.5 + 500).astype(np.uint16)


def calibrate(raw, sensor, frames=16):
    """As others do, with a master dark of few frames and its noise."""
    _, flat, dark = sensor
    noise = np.random.default_rng(99).standard_normal(SHAPE) * np.sqrt(dark + 9) / 1.5 / np.sqrt(frames)
    return ((raw - 500 - dark / 1.5 - noise) / flat).astype(np.float32)


def test_two_exposures_of_one_field_are_no_twins(sensor):
    frames = [expose(sensor, seed) for seed in range(4)]
    likeness = [noise_likeness(frames[0], other) for other in frames[1:]]
    assert max(likeness) < 0.3
    assert not are_twins(frames[0], frames[1]) and not are_twins(frames[0], calibrate(frames[1], sensor))
    assert len({pixel_id(frame) for frame in frames}) == 4


def test_what_was_done_to_a_copy_does_not_hide_it(sensor):
    raw = expose(sensor, 1)
    reduced = calibrate(raw, sensor)
    copies = {
        "calibrated": reduced,
        "with few darks": calibrate(raw, sensor, 4),
        "debiased": raw.astype(float) - 500,
        "rescaled": (reduced + 20) / 65535,
        "cosmics removed": np.where(reduced > 200, np.median(reduced), reduced),
        "margin empty": np.pad(reduced, 0) * (np.arange(SHAPE[1]) > 20),
    }
    for what, copy in copies.items():
        assert noise_likeness(raw, copy) > 0.8, what
        assert are_twins(raw, copy) and pixel_id(raw) != pixel_id(copy), what


@pytest.mark.parametrize(("turn", "name"), [((-1, 1), "rows"), ((1, -1), "columns"), ((-1, -1), "both")])
def test_a_turned_copy_is_found(sensor, turn, name):
    raw = expose(sensor, 1)
    likeness, how = noise_twin(raw, calibrate(raw, sensor)[:: turn[0], :: turn[1]])
    assert likeness > 0.8 and how == name


def test_a_cropped_copy_is_found(sensor):
    raw = expose(sensor, 1)
    likeness, shift = shifted_twin(raw, calibrate(raw, sensor)[17:-40, 31:-9])
    assert likeness > 0.8 and shift == (17, 31)
    assert shifted_twin(raw, expose(sensor, 2)[17:-40, 31:-9])[0] < 0.3


def test_flats_share_their_pattern_and_are_no_twins(sensor):
    _, flat, _ = sensor
    rng = np.random.default_rng(8)
    flats = [rng.poisson(40000 * flat).astype(np.float32) for _ in range(4)]
    assert noise_likeness(flats[0], flats[1]) > 0.6  # as much pattern as noise: they alone cannot tell
    assert abs(noise_likeness(flats[0], flats[1], flats[2:])) < 0.1
    assert noise_likeness(flats[0], flats[0] / flats[1].mean(), flats[2:]) > 0.9


def test_nothing_to_compare_is_no_twin():
    empty = np.zeros(SHAPE)
    assert noise_likeness(empty, empty) == 0 and noise_likeness(np.full(SHAPE, np.nan), empty) == 0
    assert noise_likeness(empty, empty[:-1]) == 0 and shifted_twin(empty, empty)[0] == 0


def test_one_exposure_in_many_files_has_one_identity(sensor, tmp_path):
    raw = expose(sensor, 1)
    fits.writeto(tmp_path / "plain.fits", raw)
    fits.writeto(tmp_path / "packed.fits.gz", raw)
    fits.writeto(tmp_path / "float.fits", raw.astype(np.float32))
    fits.writeto(tmp_path / "wide.fits", raw.astype(np.int32))
    for kind in ("RICE_1", "GZIP_1"):
        fits.CompImageHDU(raw, compression_type=kind).writeto(tmp_path / f"{kind}.fits")
    frames = [read_pixels(path, counts=counts)[0] for path in sorted(tmp_path.iterdir()) for counts in (True, False)]
    assert {pixel_id(frame) for frame in [*frames, raw]} == {pixel_id(raw)}
    assert all(same_pixels(raw, frame) for frame in frames)


@given(arrays(np.uint16, (9, 7)), st.sampled_from([np.uint16, np.int32, np.uint32, np.int64, np.float32, ">f8", ">u2"]))
def test_identity_is_that_of_the_numbers(numbers, kind):
    assert pixel_id(numbers) == pixel_id(numbers.astype(kind))
    assert same_pixels(numbers, numbers.astype(kind)[:, ::1].copy(order="F"))


@given(arrays(np.uint16, (9, 7)), st.integers(0, 8), st.integers(0, 6))
def test_one_other_pixel_is_another_exposure(numbers, y, x):
    other = numbers.copy()
    other[y, x] ^= 1
    assert pixel_id(numbers) != pixel_id(other) and not same_pixels(numbers, other)
    assert pixel_id(numbers) != pixel_id(numbers.reshape(7, 9))


def test_nan_and_minus_zero():
    payload = np.array([[np.nan, 0.0]], np.float32).view(np.uint32)
    payload[0, 0] |= 5
    other = payload.view(np.float32).copy()
    other[0, 1] = -0.0
    assert pixel_id(other) == pixel_id(np.array([[np.nan, 0.0]])) and same_pixels(other, np.array([[np.nan, 0.0]]))
