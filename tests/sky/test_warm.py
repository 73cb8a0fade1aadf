"""Which of very many warm pixels are defects."""

import numpy as np
import pytest

from n2n.sky import calibrate
from n2n.sky.combine import clipped_mean
from n2n.sky.warm import USUAL, noisy_hot_pixels


def darks(share, number=4, shape=(200, 220), noisy=True):
    """Frames, and the electrons of their warm pixels (0.25 e-/ADU)."""
    rng = np.random.default_rng(7)
    warm = np.where(rng.random(shape) < share, rng.exponential(100, shape), 0)
    electrons = rng.poisson(5 + warm, (number, *shape)) if noisy else 5 + np.broadcast_to(warm, (number, *shape))
    return np.rint(electrons * 4 + 500 + rng.normal(0, 6, (number, *shape))).astype(np.uint16), warm


@pytest.mark.parametrize("share", [0.0, 0.002, 0.02])
def test_few_warm_pixels_are_all_defects(share):
    frames, _ = darks(share)
    master = clipped_mean(frames)
    assert np.array_equal(noisy_hot_pixels(master, frames), calibrate.hot_pixels(master))


@pytest.mark.parametrize("number", [2, 4, 5, 16])
def test_of_many_only_those_whose_noise_stands_out_are_defects(number):
    frames, warm = darks(0.10, number)
    found = noisy_hot_pixels(clipped_mean(frames), frames)
    noise = np.sqrt(2.25 + 5 + warm) / np.sqrt(2.25 + 5)
    assert USUAL <= found.mean() < 0.05
    assert found[noise > 6].all() and found[noise < 3].mean() < 2e-3


def test_pixels_that_jump_are_defects_among_many_that_do_not():
    frames, warm = darks(0.10)
    jumping = np.flatnonzero((warm > 20) & (warm < 40))[:30]
    frames.reshape(4, -1)[:2, jumping] += 400
    assert noisy_hot_pixels(clipped_mean(frames), frames).ravel()[jumping].all()


def test_warm_pixels_without_noise_of_their_own_are_no_defects_beyond_the_usual():
    frames, _ = darks(0.10, noisy=False)
    assert noisy_hot_pixels(clipped_mean(frames), frames).mean() == pytest.approx(USUAL, rel=0.05)


@pytest.mark.real
def test_a_real_camera_keeps_its_defects(real_data):
    from astropy.io import fits

    paths = sorted((real_data / "calibration" / "stl1001").glob("darks-expos1-*"))
    frames = np.stack([fits.getdata(path) for path in paths])
    master = clipped_mean(frames)
    assert np.array_equal(noisy_hot_pixels(master, frames), calibrate.hot_pixels(master))
