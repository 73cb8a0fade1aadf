"""Colour mosaics are seen in the pixels; amplifiers, channels, stars and nebulae are not taken for them."""

import cv2
import numpy as np
import pytest

from n2n.sky.mosaic import pattern_in

SHAPE = (480, 600)
XTRANS = np.array([list(row) for row in ["GBGGRG", "RGRBGB", "GBGGRG", "GRGGBG", "BGBRGR", "GRGGBG"]])


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def field(light, corner=0.75):
    y, x = np.mgrid[-1 : 1 : SHAPE[0] * 1j, -1 : 1 : SHAPE[1] * 1j]
    return light * (1 - (1 - corner) * (x * x + y * y) / 2)


def behind(light, red=0.5, green=1.0, blue=0.4, place=(0, 0)):
    """Light behind a mosaic whose red pixel is at `place` of each cell."""
    cell = np.full((2, 2), green)
    cell[place], cell[1 - place[0], 1 - place[1]] = red, blue
    return light * np.tile(cell, (SHAPE[0] // 2, SHAPE[1] // 2))


def camera(electrons, rng, step=1, hot=0.003):
    electrons = electrons * (1 + 0.01 * rng.standard_normal(electrons.shape))
    electrons = electrons + rng.exponential(500, electrons.shape) * (rng.random(electrons.shape) < hot)
    adu = (rng.poisson(electrons) + 3 * rng.standard_normal(electrons.shape)) / 1.5 + 500
    return np.clip(np.rint(adu / step) * step, 0, 65535).astype(np.uint16)


def stars(rng, number=800, sigma=1.0):
    image = np.zeros(SHAPE)
    image[rng.integers(0, SHAPE[0], number), rng.integers(0, SHAPE[1], number)] = 2000 * rng.pareto(1.2, number)
    return cv2.GaussianBlur(image, (0, 0), sigma)


@pytest.mark.parametrize("light", [15, 200, 30000])
@pytest.mark.parametrize(("place", "name"), [((0, 0), "RGGB/BGGR"), ((0, 1), "GRBG/GBRG"), ((1, 1), "RGGB/BGGR")])
def test_the_place_of_the_greens_is_named(light, place, name, rng):
    assert pattern_in(camera(behind(field(light), place=place), rng)) == name


def test_mosaics_that_are_hard_to_see(rng):
    cases = {
        "red as blue": (behind(field(30000), 0.6, 1, 0.6), "2x2"),
        "grey within one percent": (behind(field(30000), 1.01, 1, 0.995), "RGGB/BGGR"),
        "green the mean of red and blue": (behind(field(3000), 1.2, 1, 0.8), "RGGB/BGGR"),
        "H-alpha: red alone is lit": (behind(field(50), 1, 0.02, 0.01), "RGGB/BGGR"),
        "stars": (behind(field(60) + stars(rng)), "RGGB/BGGR"),
    }
    for what, (light, name) in cases.items():
        assert pattern_in(camera(light, rng)) == name, what
    light = behind(field(60) + stars(rng))
    assert pattern_in(camera(light, rng, step=16)) == "RGGB/BGGR"
    assert pattern_in(camera(light, rng).astype(np.float32) / 65535) == "RGGB/BGGR"
    assert pattern_in(camera(light, rng).astype(np.float64) - 600) == "RGGB/BGGR"


def test_xtrans(rng):
    share = np.vectorize({"R": 0.6, "G": 1, "B": 0.5}.get)(XTRANS)
    for dy, dx in ((0, 0), (2, 1), (5, 3)):
        tiles = np.tile(np.roll(share, (dy, dx), (0, 1)), (SHAPE[0] // 6, SHAPE[1] // 6))
        assert pattern_in(camera(field(300) * tiles, rng)) == "X-Trans"


def test_amplifiers_are_no_colours(rng):
    for _ in range(10):
        columns, rows, both = (camera(field(200), rng).astype(int) for _ in range(3))
        columns[:, 1::2] += rng.integers(1, 60)
        rows[1::2] += rng.integers(1, 60)
        both[1::2] += rng.integers(1, 30)
        both[:, 1::2] -= rng.integers(31, 60)
        assert [pattern_in(image) for image in (columns, rows, both)] == ["", "", ""]


def test_channels_that_all_differ_are_no_colours(rng):
    image = camera(field(200), rng).astype(float)
    assert pattern_in(image + np.tile([[0, 9], [17, 40]], (240, 300))) == ""
    flat = camera(field(30000) * np.tile([[1, 1.013], [0.991, 1.006]], (240, 300)), rng)
    assert pattern_in(flat) == ""


def test_an_offset_does_not_follow_the_light(rng):
    """Two channels agree by chance, as greens do; but the others are as much brighter in the dark corners."""
    image = camera(field(30000, corner=0.3), rng).astype(float)
    assert pattern_in(image + np.tile([[300, 0], [0, 450]], (240, 300))) == ""


@pytest.mark.parametrize(
    "make",
    [
        lambda rng: camera(field(30000), rng),
        lambda rng: camera(field(200) + stars(rng, 3000), rng),
        lambda rng: camera(field(200) + stars(rng, 3000, 0.5), rng),
        lambda rng: camera(field(30), rng, step=16),
        lambda rng: camera(field(0), rng, hot=0.1),
        lambda rng: camera(field(50) + 3000 * cv2.GaussianBlur(rng.random(SHAPE), (0, 0), 9), rng),
        lambda rng: np.full(SHAPE, 65535, np.uint16),
        lambda rng: np.full(SHAPE, np.nan, np.float32),
        lambda rng: camera(field(200), rng)[:20, :20],
        lambda rng: cv2.warpAffine(
            camera(field(200), rng).astype(np.float32), cv2.getRotationMatrix2D((300, 240), 1.3, 1), SHAPE[::-1]
        ),
    ],
    ids="flat stars undersampled coarse dark nebula white empty tiny registered".split(),  # noqa: SIM905
)
def test_a_mono_frame_has_no_pattern(make, rng):
    assert pattern_in(make(rng)) == ""
