"""Which calibration frames are members of their set, where numbers come in coarse steps."""

import numpy as np
import pytest

from n2n.sky.members import odd_ones, summary

SHAPE = (160, 192)


def coarse(level, noise, number=5, step=16, seed=1):
    """Frames of a 12-bit camera whose numbers were shifted up to 16 bits; noise in ADU."""
    rng = np.random.default_rng(seed)
    pattern = 2 * np.sin(np.arange(SHAPE[1]) / 3)
    values = level + pattern + rng.normal(0, noise, (number, *SHAPE))
    return (np.rint(values / step) * step).clip(0, 65535).astype(np.uint16)


@pytest.mark.parametrize("level", [320, 324, 328, 500])
@pytest.mark.parametrize("noise", [0.3, 0.4, 0.5, 0.74, 2.0])
def test_noise_below_a_step_of_the_numbers_is_noise(noise, level):
    seen = [summary(frame) for frame in coarse(level, 16 * noise)]
    assert odd_ones("bias", seen) == odd_ones("dark", seen) == {}
    assert seen[0].noise == pytest.approx(16 * np.sqrt(noise**2 + 1 / 12), rel=0.3)


def test_a_zero_that_drifts_by_less_than_a_step_loses_nothing():
    seen = [summary(coarse(320 + 3 * i, 7, 1, seed=i)[0]) for i in range(6)]
    assert odd_ones("bias", seen) == {}


def test_among_coarse_frames_the_odd_ones_are_still_left_out():
    frames = coarse(320, 8)
    frames[0] = 320
    frames[1] += 240
    assert set(odd_ones("dark", [summary(frame) for frame in frames])) == {0, 1}


def test_equal_pixels_are_no_frame_whatever_hot_pixels_there_are():
    frames = coarse(320, 8)
    frames[2] = 320
    frames[2, ::40, ::37] = np.random.default_rng(0).integers(400, 60000, frames[2, ::40, ::37].shape)
    assert set(odd_ones("bias", [summary(frame) for frame in frames])) == {2}


def flats(electrons, gain, offset, read_noise=6.0):
    rng = np.random.default_rng(4)
    return [np.rint(rng.poisson(electrons, SHAPE) / gain + offset + rng.normal(0, read_noise, SHAPE)) for _ in range(4)]


@pytest.mark.parametrize("offset", [50, 500, 2048])
@pytest.mark.parametrize("gain", [0.25, 0.8])
def test_flats_without_light_are_known_without_a_bias(gain, offset):
    seen = [summary(frame.astype(np.float32), gain=gain) for frame in flats(0, gain, offset)]
    assert len(odd_ones("flat", seen)) == (4 if 36 * gain < 0.05 * offset else 0)
    assert all("not lit" in why for why in odd_ones("flat", seen).values())


@pytest.mark.parametrize("stated", [0.025, 0.25, 2.5, None])
@pytest.mark.parametrize("electrons", [300, 6000])
def test_lit_flats_stay_even_where_the_stated_gain_is_wrong(electrons, stated):
    seen = [summary(frame.astype(np.float32), gain=stated) for frame in flats(electrons, 0.25, 500)]
    assert odd_ones("flat", seen) == {}
