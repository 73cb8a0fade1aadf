"""Colours from several filters: aligned to a fraction of a pixel, neutral stars, every light in its own colour."""

import numpy as np
import pytest
from scipy import ndimage

from n2n.formats.flags import NO_DATA, SATURATED
from n2n.formats.palettes import PALETTES
from n2n.report.composite import Channel, align, common, compose
from n2n.report.images import UNKNOWN
from n2n.sky.match import NoMatch
from n2n.sky.stars import measure_stars

SHAPE = (300, 340)
# Where each filter's frame lies on the sky: shift in x and y [px], rotation [degrees].
PLACES = {"R": (0, 0, 0), "G": (6.4, -3.7, 0.4), "B": (-5.2, 4.9, -0.3), "L": (3.3, 8.6, 180), "Ha": (-2.6, -7.1, 0.2)}
PLACES |= {"OIII": (9.5, 1.3, -0.5), "SII": (-8.8, 2.2, 0.1)}
THROUGHPUT = {"R": 0.7, "G": 1.0, "B": 0.5, "L": 2.5, "Ha": 0.1, "OIII": 0.15, "SII": 0.08}
BLOBS = {"Ha": (80, 90), "OIII": (230, 90), "SII": (80, 220), "L": (230, 220)}  # light in one filter alone
RING = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], bool)
NEARER = {"Ha": "R", "OIII": "G", "SII": "R"}


def forward(name, x, y):
    """Place in a filter's frame of places on the sky."""
    dx, dy, degrees = PLACES[name]
    angle, centre = np.deg2rad(degrees), np.array([SHAPE[1] / 2, SHAPE[0] / 2])
    u, v = x - centre[0], y - centre[1]
    return (centre[0] + dx + u * np.cos(angle) - v * np.sin(angle),
            centre[1] + dy + u * np.sin(angle) + v * np.cos(angle))  # fmt: skip


def stars(random, number=150):
    x, y = random.uniform(5, SHAPE[1] - 5, number), random.uniform(5, SHAPE[0] - 5, number)
    return x, y, 2000 * random.pareto(1.2, number) + 1500


def draw(name, seed=1, number=150, noise=1.0):
    """Stars all of one colour, a blob of light in this filter alone, noise."""
    sky = stars(np.random.default_rng(seed), number)
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    image = np.random.default_rng(len(name) + ord(name[0])).normal(0, noise, SHAPE)
    for x, y, flux in zip(*forward(name, *sky[:2]), sky[2], strict=True):
        near = np.s_[max(int(y) - 12, 0) : max(int(y) + 13, 0), max(int(x) - 12, 0) : max(int(x) + 13, 0)]
        profile = np.exp(-((columns[near] - x) ** 2 + (rows[near] - y) ** 2) / 6.1)
        image[near] += THROUGHPUT[name] * flux / 19.2 * profile
    if name in BLOBS:
        x, y = forward(name, *map(float, BLOBS[name]))
        image += 60 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 800)
    return image.astype(np.float32)


def channel(name, **settings):
    image = draw(name, **settings)
    return Channel(image, image, np.zeros(SHAPE, np.uint8))


@pytest.fixture(scope="module")
def sky():
    """All filters, each on its own grid."""
    return {name: channel(name) for name in PLACES}


def picture(sky, name, **settings):
    chosen = {key: sky[key] for key in PALETTES[name].filters}
    aligned, reference = align(chosen)
    return compose(aligned, PALETTES[name], settings.get("ha_share", 0.5), settings.get("saturation", 1)), reference


def colour_at(image, reference, blob):
    """Mean colour around a place on the sky, which the picture shows on the reference's grid, cut at its edges."""
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    x, y = forward(reference, *map(float, BLOBS[blob]))
    top, left = ((full - side) / 2 for full, side in zip(SHAPE, image.shape[:2], strict=True))
    near = (columns + left - x) ** 2 + (rows + top - y) ** 2 < 8**2
    return np.median(image[near], axis=0)


def test_every_channel_comes_onto_the_grid_and_brightness_of_the_reference(sky):
    aligned, reference = align({name: sky[name] for name in ("R", "G", "B", "L")})
    x, y, flux = stars(np.random.default_rng(1))
    x, y = forward(reference, x, y)
    for part in aligned.values():
        bad = ~np.isfinite(part.image)
        found = measure_stars(np.where(bad, 0, part.image).astype(np.float32), bad, np.zeros(SHAPE, bool)).stars
        distance = np.hypot(found[:, None, 0] - x, found[:, None, 1] - y)
        true, measured = distance.argmin(axis=1), distance.min(axis=1)
        isolated = measured < 1
        assert isolated.sum() > 50 and np.median(measured[isolated]) < 0.1
        ratio = found[isolated, 2] / flux[true[isolated]] / THROUGHPUT[reference]
        assert np.median(ratio[:40]) == pytest.approx(1, abs=0.05)


def test_stars_of_one_colour_are_white_and_have_no_fringes(sky):
    image, _ = picture(sky, "RGB")
    bright = image.max(axis=-1) > 0.6
    assert bright.sum() > 100
    assert np.ptp(image[bright], axis=-1).mean() < 0.05, "half a pixel beside each other gives that"


def test_lines_get_the_colours_of_their_palette(sky):
    hoo, reference = picture(sky, "HOO")
    red, cyan = (colour_at(hoo, reference, blob) for blob in ("Ha", "OIII"))
    assert red[0] > 2 * red[1] and red[0] > 2 * red[2]
    assert cyan[1] == pytest.approx(cyan[2]) and cyan[1] > 2 * cyan[0]
    sho, reference = picture(sky, "SHO")
    assert [int(colour_at(sho, reference, blob).argmax()) for blob in ("SII", "Ha", "OIII")] == [0, 1, 2]


def test_the_luminance_gives_the_lightness(sky):
    (plain, one), (with_light, other) = picture(sky, "RGB"), picture(sky, "LRGB")
    dark, light = colour_at(plain, one, "L"), colour_at(with_light, other, "L")
    assert light.mean() > 1.5 * dark.mean()
    assert np.ptp(light) < 0.1, "and no colour"


def test_h_alpha_is_added_to_red_alone_and_by_its_share(sky):
    found = [colour_at(*picture(sky, "HaRGB", ha_share=share), "Ha") for share in (0.0, 0.3, 0.8)]
    assert found[0][0] < found[1][0] < found[2][0] and np.ptp(found[0]) < 0.1
    assert found[2][1] == pytest.approx(found[0][1]) and found[2][2] == pytest.approx(found[0][2])


def test_saturation_one_half_halves_the_colour(sky):
    full, reference = picture(sky, "HOO")
    half, _ = picture(sky, "HOO", saturation=0.5)
    assert np.ptp(colour_at(half, reference, "Ha")) == pytest.approx(
        np.ptp(colour_at(full, reference, "Ha")) / 2, rel=0.02
    )


def test_only_what_all_channels_cover_is_shown(sky):
    image, _ = picture(sky, "SHO")
    assert SHAPE[0] - 30 < image.shape[0] < SHAPE[0] and SHAPE[1] - 30 < image.shape[1] < SHAPE[1]
    assert common(np.zeros((4, 5), bool)) == (slice(None), slice(None))
    holed = dict(sky)
    flags, hole = np.zeros(SHAPE, np.uint8), draw("R")
    flags[100:120, 100:120], hole[100:120, 100:120] = NO_DATA, np.nan
    holed["R"] = Channel(hole, hole, flags)
    image = picture(holed, "RGB")[0]
    assert (image == np.float32(UNKNOWN) / 255).all(axis=-1).sum() > 300, "grey: black would say that it is dark"
    assert np.isfinite(image).all()


@pytest.mark.parametrize("names", ["R", "G", "B", "RGB"])
def test_a_hole_is_neither_black_nor_a_coloured_dot(sky, names):
    holed, (x, y, _) = dict(sky), stars(np.random.default_rng(1))
    for name in names:
        image, flags = draw(name), np.zeros(SHAPE, np.uint8)
        for column, row in zip(*forward(name, x, y), strict=True):  # the core of every star in this channel
            if 0 <= column < SHAPE[1] - 1 and 0 <= row < SHAPE[0] - 1:
                image[round(row), round(column)], flags[round(row), round(column)] = np.nan, NO_DATA
        holed[name] = Channel(image, image, flags)
    image = picture(holed, "RGB")[0]
    # Where light is all around: in the middle of stars.
    middles = ndimage.minimum_filter(image.max(axis=-1), footprint=RING) > 0.6
    assert middles.sum() > 2500, "a third of them with black dots"
    assert image[middles].min() > 0.5 and np.ptp(image[middles], axis=-1).max() < 0.06


def test_a_saturated_core_has_no_colour(sky):
    x, y = map(int, BLOBS["Ha"])
    full = dict(sky)
    image, flags = draw("R"), np.zeros(SHAPE, np.uint8)
    image[y - 4 : y + 4, x - 4 : x + 4] = 30_000
    flags[y - 4 : y + 4, x - 4 : x + 4] = SATURATED
    full["R"] = Channel(image, image, flags)
    aligned, reference = align({name: full[name] for name in "RGB"})
    colour = colour_at(compose(aligned, PALETTES["RGB"], 0, 1), reference, "Ha")
    assert np.isfinite(colour).all()
    core = compose(aligned, PALETTES["RGB"], 0, 1).max(axis=-1) > 0.99
    assert core.sum() >= 49 and np.ptp(compose(aligned, PALETTES["RGB"], 0, 1)[core], axis=-1).max() < 0.1


def test_another_field_is_no_channel():
    few = {name: channel(name, number=40) for name in "RG"}
    with pytest.raises(NoMatch, match="cannot be aligned with"):
        align(few | {"B": channel("B", seed=7, number=40)})
