"""Defects from lights alone: hot pixels have dark neighbours, stars' cores have lit ones."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from n2n.sky.defects import persistent_defects

SHAPE = (180, 190)


def rng(seed=0):
    return np.random.default_rng(seed)


def series(seed, fwhm, stars=150, n=5, dither=0.0, stretch=1.0, top=60_000, wings=False):
    """Frames [ADU], excess of hot pixels, and the stars' places (y, x) on the detector (of undithered ones)."""
    random, (height, width) = rng(seed), SHAPE
    places = np.column_stack([random.uniform(-2, width + 2, stars), random.uniform(-2, height + 2, stars)])
    peaks = np.minimum(30 * (random.pareto(1.0, stars) + 1), 30_000)
    hot = np.zeros(SHAPE)
    hot.flat[random.choice(hot.size, 90, replace=False)] = np.exp(random.uniform(np.log(150), np.log(3000), 90))
    hot[20, 30:32] = hot[60:62, 50] = 800  # pairs
    hot[:, 100] += 300  # a bad column
    y, x = np.mgrid[:height, :width].astype(float)
    frames = []
    for _ in range(n):
        dx, dy = random.uniform(-dither, dither, 2) if dither else random.normal(0, 0.1, 2)
        light = np.full(SHAPE, 300.0)
        for (px, py), peak in zip(places, peaks, strict=True):
            near = np.s_[max(int(py) - 20, 0) : max(int(py) + 21, 0), max(int(px) - 20, 0) : max(int(px) + 21, 0)]
            u, v = x[near] - px - dx, y[near] - py - dy
            radius2 = ((u + v) / stretch) ** 2 / 2 + (u - v) ** 2 / 2
            profile = (1 + radius2 / (fwhm**2 / 4 / 0.26)) ** -3 if wings else np.exp(-2.773 * radius2 / fwhm**2)
            light[near] += peak * profile
        adu = random.poisson(light + hot) + random.normal(0, 6, SHAPE) + 500
        frames.append(np.clip(np.rint(adu), 0, top).astype(np.uint16))
    return np.stack(frames), hot, places[:, ::-1]


def cores_flagged(found, hot, places):
    """Stars of which a pixel of the core is flagged that is not hot itself, nor beside a hot one."""
    count = 0
    for y, x in np.rint(places).astype(int):
        if not (0 <= y < SHAPE[0] and 0 <= x < SHAPE[1]):
            continue
        near = np.s_[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]
        count += found[near].any() and not hot[max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3].any()
    return count


@given(
    seed=st.integers(0, 10_000),
    fwhm=st.floats(1.3, 5.0),
    stars=st.sampled_from([40, 150, 600]),
    n=st.sampled_from([3, 5, 9]),
    stretch=st.sampled_from([1.0, 1.0, 2.5]),
    top=st.sampled_from([60_000, 4095]),
    wings=st.booleans(),
)
@settings(max_examples=25, deadline=None, derandomize=True)
def test_no_core_of_a_star_is_a_defect_where_nothing_moves(seed, fwhm, stars, n, stretch, top, wings):
    frames, hot, places = series(seed, fwhm, stars, n, stretch=stretch, top=top, wings=wings)
    found, _ = persistent_defects(frames)
    assert cores_flagged(found, hot, places) <= 1 + stars // 500  # noise of five sigma at FWHM 1.3
    strong = hot > 500
    assert found[strong].mean() > 0.9


def test_pairs_and_columns_are_defects_where_nothing_moves():
    found, _ = persistent_defects(series(1, 2.5)[0])
    assert found[20, 30:32].all() and found[60:62, 50].all() and found[:, 100].mean() > 0.97


@pytest.mark.parametrize("fwhm", [1.4, 3.0])
def test_dithered_series_lose_no_hot_pixel(fwhm):
    frames, hot, _ = series(5, fwhm, n=9, dither=10.0)
    found, doubtful = persistent_defects(frames)
    assert found[hot > 0].mean() > 0.99 and doubtful == 0
    assert (found & (hot == 0)).sum() <= 10


def test_what_cannot_be_told_apart_is_counted_and_left_alone():
    frames, hot, places = series(2, 1.3)
    found, doubtful = persistent_defects(frames)
    assert doubtful > 10 and cores_flagged(found, hot, places) == 0


def test_a_hot_pixel_beside_a_star_is_found_and_the_star_spared():
    y, x = np.mgrid[:120, :140]
    sky, hot = np.full((120, 140), 300.0), np.zeros((120, 140))
    for row in range(10, 115, 12):
        for column in range(10, 135, 12):
            sky += 2000 * np.exp(-((x - column) ** 2 + (y - row) ** 2) / (2 * 1.1**2))
            hot[row + 2, column + 1] = 3000
    frames = np.stack([rng(i).poisson(sky + hot) + 500 for i in range(5)]).astype(np.float32)
    found, _ = persistent_defects(frames)
    assert found[hot > 0].all()
    assert not found[10:115:12, 10:135:12].any()


def test_broken_pixels_are_found_among_stars_that_stay():
    frames, _, _ = series(3, 3.0, stars=400)
    frames = frames.astype(np.float32)
    frames[:, 90, 40] = frames[:, 91, 150] = 500  # no light at all
    found, _ = persistent_defects(frames)
    assert found[90, 40] and found[91, 150]


def test_defects_are_told_from_moving_stars_in_lights_alone():
    frames = rng().normal(300, 5, (9, 100, 110)).astype(np.float32)
    for index, frame in enumerate(frames):
        frame[20 + 6 * index : 23 + 6 * index, 50:53] += 400  # a star that moves with the dither
        frame[70, 30] += 100
        frame[71, 80] -= 100
    found, _ = persistent_defects(frames)
    assert found[70, 30] and found[71, 80] and found.sum() <= 4


def test_a_shaded_border_is_a_defect_and_a_vignette_is_not():
    frames = rng(1).normal(300, 17, (5, 240, 256))
    y, x = np.indices((240, 256)) - np.array([120, 128])[:, None, None]
    frames *= 1 - 0.25 * (y**2 + x**2) / (120**2 + 128**2)
    assert persistent_defects(frames)[0].mean() < 0.001
    frames[:, :3] -= 150
    found, _ = persistent_defects(frames)
    assert found[:3].all() and found[3:].mean() < 0.001


def test_defects_from_undithered_lights_spare_the_stars():
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:120, :140]
    sky = np.full((120, 140), 100.0)
    for _ in range(40):
        cx, cy = rng.uniform(5, 135), rng.uniform(5, 115)
        sky += 300 * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * 1.0**2))
    hot = rng.integers(0, sky.size, 15)
    sky.reshape(-1)[hot] += 200
    frames = np.stack([sky + rng.normal(0, 5, sky.shape) for _ in range(3)]).astype(np.float32)
    found, _ = persistent_defects(frames)
    assert found.reshape(-1)[hot].mean() >= 0.7
    others = found.copy()
    others.reshape(-1)[hot] = False
    assert others.sum() <= 5
