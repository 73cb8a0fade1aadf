import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from n2n.sky.background import match_sky, plane, sky_level, subtract_plane

SHAPE = (192, 224)
ALL = np.ones(SHAPE, bool)


def scene(seed, nebula=True):
    rng = np.random.default_rng(seed)
    y, x = np.indices(SHAPE)
    image = 300 * np.exp(-((x - 80) ** 2 + (y - 90) ** 2) / 2 / 40**2) if nebula else np.zeros(SHAPE)
    for _ in range(30):
        cx, cy, flux = rng.uniform(0, 220), rng.uniform(0, 190), rng.uniform(50, 5000)
        image = image + flux * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / 4)
    return image


@given(
    level=st.floats(-100, 100),
    slopes=st.tuples(st.floats(-0.3, 0.3), st.floats(-0.3, 0.3)),
    seed=st.integers(0, 1000),
)
@settings(max_examples=15, deadline=None)
def test_a_plane_is_recovered_and_a_nebula_common_to_both_is_not_taken_for_sky(level, slopes, seed):
    rng = np.random.default_rng(seed)
    sky, there = scene(seed), np.array([level, *slopes])
    reference = (sky + rng.normal(0, 3, SHAPE)).astype(np.float32)
    pixels = (sky + plane(there, SHAPE) + rng.normal(0, 3, SHAPE)).astype(np.float32)
    found = match_sky(pixels, reference, ALL)
    # The residual over the whole field, the corners included, stays far below a pixel's noise.
    assert np.abs(plane(found, SHAPE) - plane(there, SHAPE)).max() < 0.7


def test_without_noise_the_plane_is_exact():
    there = np.array([12.0, 0.05, -0.02])
    sky = scene(1).astype(np.float32)
    np.testing.assert_allclose(match_sky(sky + plane(there, SHAPE), sky, ALL), there, atol=2e-3)


def test_blocks_with_a_trail_or_cloud_edge_are_left_out():
    pixels = np.random.default_rng(0).normal(0, 1, SHAPE).astype(np.float32)
    pixels[:, 96:128] += 500
    level, *slopes = match_sky(pixels, np.zeros(SHAPE, np.float32), ALL)
    assert abs(level) < 0.1 and np.abs(slopes).max() < 0.003


def test_unusable_pixels_do_not_count():
    pixels = np.full(SHAPE, 7, np.float32)
    usable = ALL.copy()
    usable[:100], pixels[:100] = False, np.nan
    assert match_sky(pixels, np.zeros(SHAPE, np.float32), usable) == pytest.approx([7, 0, 0], abs=1e-4)
    assert (match_sky(pixels, pixels, ~ALL) == 0).all()


def test_few_blocks_give_a_level_without_slopes():
    usable = ~ALL
    usable[:64, :64] = True
    pixels = np.full(SHAPE, 5, np.float32) + np.arange(SHAPE[1], dtype=np.float32)
    level, *slopes = match_sky(pixels, np.zeros(SHAPE, np.float32), usable)
    assert slopes == [0, 0] and level == pytest.approx(5 + 31.5, abs=1)


def test_a_plane_is_its_level_at_the_centre():
    image = plane(np.array([10.0, 0.5, -0.25]), (5, 7))
    assert image.dtype == np.float32 and image.shape == (5, 7)
    assert image[2, 3] == 10 and image[2, 4] == 10.5 and image[3, 3] == 9.75


@pytest.mark.parametrize("background", [-3.0, 0.0, 1000.0])
def test_the_sky_level_ignores_stars(background):
    rng = np.random.default_rng(2)
    pixels = (scene(3, nebula=False) + background + rng.normal(0, 5, SHAPE)).astype(np.float32)
    assert sky_level(pixels, ALL) == pytest.approx(background, abs=0.5)


def test_the_sky_level_uses_usable_pixels_only():
    pixels = np.where(np.indices(SHAPE)[0] < 90, 1e6, 4.0).astype(np.float32)
    assert sky_level(pixels, pixels < 1e5) == pytest.approx(4)
    assert sky_level(pixels, ~ALL) == 0.0


def test_a_plane_is_subtracted_in_place():
    pixels = np.random.default_rng(3).normal(100, 5, (150, 70)).astype(np.float32)
    there = np.array([7.0, 0.01, -0.02])
    expected = pixels - plane(there, pixels.shape)
    subtract_plane(pixels, there)
    np.testing.assert_allclose(pixels, expected, atol=1e-4)
