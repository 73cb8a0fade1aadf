import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from n2n.formats.flags import DEFECT, NO_DATA, SATURATED
from n2n.sky.calibrate import (
    Calibration,
    calibrate,
    fill_flagged,
    hot_pixels,
    robust_sigma,
    saturation_level,
    unstable_pixels,
)

SHAPE = (60, 70)
NONE = np.zeros(SHAPE, bool)


def rng(seed=0):
    return np.random.default_rng(seed)


def test_calibration_inverts_the_camera():
    light, dark = rng().uniform(10, 500, SHAPE), rng(1).uniform(480, 520, SHAPE)
    flat = rng(2).uniform(0.6, 1.2, SHAPE)
    raw = (light * flat / 0.25 + dark).astype(np.float32)
    pixels, flags = calibrate(raw, NONE, Calibration(dark, flat, None, 0.25, "electron"))
    assert pixels.dtype == np.float32 and flags.dtype == np.uint8 and not flags.any()
    np.testing.assert_allclose(pixels, light, rtol=1e-5, atol=1e-3)


def test_values_below_the_dark_stay_negative():
    pixels, _ = calibrate(np.full(SHAPE, 90.0), NONE, Calibration(zero=np.full(SHAPE, 100.0)))
    assert (pixels == -10).all()


def test_integer_counts_do_not_wrap_around_below_the_dark():
    raw = np.full(SHAPE, 90, np.uint16)
    pixels, _ = calibrate(raw, NONE, Calibration(zero=np.full(SHAPE, 100.0, np.float32)))
    assert (pixels == -10).all()


@pytest.mark.parametrize(("zero", "expected"), [(None, 170.0), (np.full(SHAPE, 150.0), 20.0)])
def test_the_pedestal_is_subtracted_always_since_masters_are_free_of_theirs(zero, expected):
    pixels, _ = calibrate(np.full(SHAPE, 200.0), NONE, Calibration(zero=zero), pedestal_adu=30.0)
    assert (pixels == expected).all()


def test_flags_say_missing_saturated_and_defective():
    raw, invalid, defects = np.full(SHAPE, 1000.0), NONE.copy(), NONE.copy()
    flat = np.ones(SHAPE)
    invalid[1, 1], raw[2, 2], defects[3, 3], flat[4, 4] = True, 65535, True, 0.01
    pixels, flags = calibrate(raw, invalid, Calibration(flat=flat, defects=defects))
    found = {tuple(map(int, place)): int(flags[tuple(place)]) for place in np.argwhere(flags)}
    assert found == {(1, 1): NO_DATA, (2, 2): SATURATED, (3, 3): DEFECT, (4, 4): DEFECT}
    assert np.isfinite(pixels).all() and abs(pixels).max() <= 65535


@pytest.mark.parametrize(
    ("top", "stated", "level"),
    [
        (65535, None, 0.995 * 65535),
        (4095, None, 0.995 * 4095),
        (16383, None, 0.995 * 16383),
        (65520, None, 0.995 * 65520),
        (65532, None, 0.995 * 65532),
        (30000, None, np.inf),
        (30000, 50000.0, 0.995 * 50000),
    ],
)
def test_saturation_is_stated_or_seen_at_a_converters_full_scale(top, stated, level):
    raw = np.full(SHAPE, 500.0)
    raw[0, 0] = top
    found = saturation_level(raw, stated)
    assert found == pytest.approx(level, rel=1e-3)
    assert (raw >= found).sum() == (0 if level > top else 1)


def test_hot_and_dead_pixels_of_a_master_are_found_and_noise_is_not():
    dark = rng().normal(500, 2, (200, 200))
    for row, column, value in ((10, 10, 30), (50, 60, -30), (199, 0, 25), (120, 121, 200), (120, 122, 200)):
        dark[row, column] += value
    found = hot_pixels(dark)
    for place in ((10, 10), (50, 60), (199, 0), (120, 121), (120, 122)):
        assert found[place]
    assert found.sum() <= 8


def test_a_master_without_noise_has_no_defects():
    assert not hot_pixels(np.full(SHAPE, 500.0)).any()


def darks(n, seed=0, shape=(200, 220), noise=4.0):
    return np.rint(rng(seed).normal(500, noise, (n, *shape))).astype(np.uint16)


@pytest.mark.parametrize("n", [8, 16])
def test_telegraph_pixels_are_found_and_cosmic_rays_and_noise_are_spared(n):
    frames, random = darks(n, n), rng(n + 1)
    places = random.permutation(frames[0].size)
    jumping, struck = places[:40], places[40:240]
    flat = frames.reshape(n, -1)
    for place in jumping:  # between two levels, for at least two frames at either
        upper = random.permutation(n)[: random.integers(2, n - 1)]
        flat[upper, place] += 60
    flat[random.integers(0, n, len(struck)), struck] += 5000
    found = unstable_pixels(frames).ravel()
    assert found[jumping].all()
    assert not found[struck].any()
    assert found.sum() - len(jumping) <= 2


def test_pixels_that_are_hot_in_every_frame_are_steady():
    frames = darks(8)
    frames[:, 50, 60] += 3000
    assert not unstable_pixels(frames)[50, 60]


def test_few_darks_and_darks_without_noise_show_no_telegraph_pixels():
    frames = darks(5)
    frames[:2, 50, 60] += 3000
    assert not unstable_pixels(frames).any()
    assert not unstable_pixels(np.full((8, 40, 50), 500, np.uint16)).any()


def test_noise_below_a_step_of_the_numbers_makes_no_pixel_unstable():
    frames = (16 * np.rint(rng(1).normal(31.3, 0.4, (8, 200, 220)))).astype(np.uint16)
    frames[:4, 50, 60] += 160
    found = unstable_pixels(frames, step=16)
    assert found[50, 60] and found.sum() == 1


def test_filling_takes_the_median_of_good_neighbours_and_touches_nothing_else():
    pixels = np.add.outer(np.arange(20.0), np.zeros(20)).astype(np.float32)
    flags = np.zeros((20, 20), np.uint8)
    flags[10, 10], flags[0, 0], flags[5, 5] = DEFECT, NO_DATA, SATURATED
    spoilt = pixels.copy()
    spoilt[10, 10], spoilt[0, 0], spoilt[5, 5] = 1e6, np.nan, 1e6
    filled = fill_flagged(spoilt, flags)
    assert filled[10, 10] == 10 and filled[0, 0] == pytest.approx(1, abs=1)
    assert filled[5, 5] == 1e6  # saturated pixels keep their value
    same = flags == 0
    np.testing.assert_array_equal(filled[same], pixels[same])


def test_filling_a_wide_hole_or_a_lost_frame_gives_finite_values():
    pixels, flags = np.full((20, 20), 7, np.float32), np.zeros((20, 20), np.uint8)
    pixels[:10], flags[:10] = np.nan, NO_DATA
    assert (fill_flagged(pixels, flags) == 7).all()
    flags[:] = NO_DATA
    assert np.isfinite(fill_flagged(np.full_like(pixels, np.nan), flags)).all()


@given(st.floats(0.1, 1e4), st.floats(-1e4, 1e4), st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_robust_sigma_is_the_gaussians_and_ignores_outliers(sigma, centre, seed):
    values = rng(seed).normal(centre, sigma, 20_000)
    values[:200] += 1e6
    assert robust_sigma(values) == pytest.approx(sigma, rel=0.06)


def test_robust_sigma_of_nothing_is_zero():
    assert robust_sigma(np.array([])) == 0.0
