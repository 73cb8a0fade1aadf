"""Pictures: the stretch, the choice of the crop, before and after side by side."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from n2n.report.images import (
    BAR,
    GAP,
    TARGET,
    UNKNOWN,
    before_after_png,
    binned,
    brightness,
    busiest_crop,
    data_uri,
    preview_png,
    residual_picture,
    stretch,
    stretch_limits,
    without_holes,
)

FACTS = {"exposures": {"used": 22}, "product": "DENOISED", "qastat": "PASS"}


def sky(height=160, width=200, seed=1):
    return np.random.default_rng(seed).normal(100, 5, (height, width)).astype(np.float32)


def test_the_median_comes_to_the_target_and_order_is_kept():
    image = sky()
    image[80, 100] = 60_000
    limits = stretch_limits(image)
    assert brightness(np.float32([np.median(image)]), limits)[0] == pytest.approx(TARGET, abs=0.01)
    ramp = brightness(np.linspace(50, 70_000, 5000, dtype=np.float32), limits)
    assert (np.diff(ramp) >= 0).all() and ramp[0] == 0 and ramp[-1] > 0.999


@pytest.mark.parametrize("scale, shift", [(1, 0), (0.001, 0), (1000, -5e4)])
def test_the_stretch_does_not_depend_on_units(scale, shift):
    image = sky()
    expected = brightness(image, stretch_limits(image))
    other = (image.astype(np.float64) * scale + shift).astype(np.float32)
    assert np.abs(brightness(other, stretch_limits(other)) - expected).max() < 0.01


def test_unknown_areas_are_grey_and_change_nothing():
    image = sky()
    holes = image.copy()
    holes[:40] = np.nan
    limits = stretch_limits(holes)
    assert limits == pytest.approx(stretch_limits(image), rel=0.2)
    shown = stretch(holes, limits)
    assert shown.dtype == np.uint8 and (shown[-40:] == UNKNOWN[0]).all(), "the first row is at the bottom"
    assert (shown[:-40] == stretch(image, limits)[:-40]).all()


def test_a_hole_is_never_black():
    image = sky()
    y, x = np.mgrid[:160, :200]
    image += 5000 * np.exp(-((x - 90) ** 2 + (y - 60) ** 2) / 8)
    limits = stretch_limits(image)
    holes = image.copy()
    holes[60, 90] = holes[20, 30] = np.nan  # a star's core; sky
    holes[:, 140] = holes[:2] = holes[-1] = np.nan  # a column, borders
    holes[100:104, 50:53] = np.nan
    before, after = stretch(image, limits)[::-1].astype(int), stretch(holes, limits)[::-1].astype(int)
    assert after[60, 90] > 0.9 * before[60, 90]
    for place in ((20, 30), (slice(None), 140), (slice(2), slice(None)), (slice(100, 104), slice(50, 53))):
        assert abs(after[place].mean() - 51) < 25
    assert (after[np.isfinite(holes)] == before[np.isfinite(holes)]).all()


def test_gaps_are_filled_to_the_value_around_them_and_wide_ones_are_not():
    image = np.full((60, 70), 7, np.float32)
    image[10, 10] = image[30, :] = np.nan
    image[40:55, 20:40] = np.nan
    filled, wide = without_holes(image)
    assert wide.sum() == 15 * 20 and np.isnan(filled[wide]).all()
    assert filled[~wide] == pytest.approx(7)
    nothing = np.full((20, 20), np.nan, np.float32)
    assert without_holes(nothing)[1].all()


@pytest.mark.parametrize("value", [np.nan, 0.0, 7.0, np.inf])
def test_an_image_without_any_contrast(value):
    image = np.full((20, 30), value, np.float32)
    assert stretch(image, stretch_limits(image)).shape == (20, 30)


def test_the_crop_prefers_a_nebula_to_a_saturated_star():
    image = sky(400, 600)
    y, x = np.mgrid[:400, :600]
    image += 40 * np.exp(-(((y - 310) / 60) ** 2) - ((x - 110) / 60) ** 2) * (1 + 0.5 * np.sin(x / 9))
    image[np.hypot(y - 90, x - 500) < 14] = 60_000
    rows, columns = busiest_crop(image, 160)
    assert rows.start < 310 < rows.stop and columns.start < 110 < columns.stop
    assert image[rows, columns].shape == (160, 160)


def test_the_crop_avoids_what_is_unknown():
    image = sky(300, 300)
    image[:, 150:] = np.nan
    rows, columns = busiest_crop(image, 100)
    assert np.isfinite(image[rows, columns]).all()
    assert busiest_crop(np.full((50, 60), np.nan, np.float32), 480) == (slice(0, 50), slice(0, 50))


def test_before_and_after_are_side_by_side(tmp_path):
    before_after_png(tmp_path / "pair.png", sky(300, 400), sky(300, 400) * 0 + 100, FACTS, side=120)
    assert Image.open(tmp_path / "pair.png").size == (2 * 120 + GAP, 120 + BAR)


@pytest.mark.parametrize("shape", [(300, 400), (90, 70)])
def test_a_plain_stack_is_shown_alone(tmp_path, shape):
    facts = FACTS | {"product": "STACK", "qastat": "FAIL"}
    before_after_png(tmp_path / "one.png", sky(*shape), sky(*shape), facts, side=120)
    width, height = Image.open(tmp_path / "one.png").size
    assert height == min(120, *shape) + BAR and width == min(2 * min(120, *shape) + GAP, shape[1])


def test_the_preview_fits_and_can_share_a_stretch(tmp_path):
    denoised = 100 + (sky() - 100) / 100
    for name, like in (("own", None), ("shared", sky())):
        preview_png(tmp_path / f"{name}.png", denoised, side=100, like=like)
    own, shared = (np.asarray(Image.open(tmp_path / f"{name}.png")) for name in ("own", "shared"))
    assert own.shape == shared.shape == (80, 100)
    assert own.std() > 10 * max(shared.std(), 0.1)


def test_means_of_blocks_leave_unknown_pixels_out():
    image = np.arange(30, dtype=np.float32).reshape(5, 6)
    image[0, 0] = np.nan
    assert binned(image, 2).shape == (2, 3)
    assert binned(image, 2)[0, 0] == pytest.approx((1 + 6 + 7) / 3)


def test_a_residual_is_dark_at_zero_and_coloured_by_its_sign():
    residual = np.array([[-9, 0, 9, np.nan]], np.float32)
    below, zero, above, unknown = np.asarray(residual_picture(residual).convert("RGB"))[0].astype(int)
    assert below[2] > below[0] and above[0] > above[2]
    assert zero.max() < 40 and len(set(unknown)) == 1


def test_a_picture_as_text_is_the_picture():
    text = data_uri(Image.fromarray(stretch(sky(), stretch_limits(sky()))))
    assert text.startswith("data:image/png;base64,")
    assert Image.open(io.BytesIO(base64.b64decode(text.split(",")[1]))).size == (200, 160)
    assert data_uri(Image.new("L", (8, 8)), quality=80).startswith("data:image/jpeg;base64,")
