"""The colour command: products in, a picture or a TIFF out, and what it is made of."""

import numpy as np
import pytest
import tifffile
from astropy.io import fits
from PIL import Image

from n2n.cli import main
from n2n.formats.products import write_fits

SHAPE = (200, 260)
SHIFTS = {"R": (0, 0), "G": (3, -2), "B": (-4, 1), "Ha": (2, 5), "OIII": (-1, -3)}


def image(name, noise, seed=3):
    """A field of stars, shifted by whole pixels."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    pixels = np.random.default_rng(ord(name[0])).normal(100, noise, SHAPE)
    dx, dy = SHIFTS[name]
    for x, y, flux in zip(
        random.uniform(8, 252, 40), random.uniform(8, 192, 40), random.uniform(60, 900, 40), strict=True
    ):
        pixels += flux * np.exp(-((columns - x - dx) ** 2 + (rows - y - dy) ** 2) / 5)
    return pixels.astype(np.float32)


def product(folder, name, kind="DENOISED", **settings):
    """denoised.fits of a group, as far as this stage looks at it."""
    header = fits.Header({"FILTCAN": name, "PROCTYPE": kind, "SKYLEVEL": 100.0, "BUNIT": "adu"})
    stack = image(name, 2.0, **settings)
    shown = image(name, 0.3, **settings) if kind == "DENOISED" else stack
    hdus = [fits.PrimaryHDU(shown, header), fits.ImageHDU(np.zeros(SHAPE, np.uint8), name="MASK")]
    path = folder / f"M1_{name}" / "denoised.fits"
    write_fits(path, [*hdus, fits.ImageHDU(stack, name="STACK")])
    return path


def command(*words):
    return main(["colour", *map(str, words)])


@pytest.fixture
def products(tmp_path):
    return [product(tmp_path, name) for name in ("R", "G")] + [product(tmp_path, "B", "STACK")]


def test_a_picture_says_what_it_is_made_of(products, tmp_path):
    assert command(*products, "--palette", "RGB", "-o", tmp_path / "M1_RGB.png") == 0
    with Image.open(tmp_path / "M1_RGB.png") as picture:
        assert picture.mode == "RGB" and SHAPE[1] - 15 < picture.width < SHAPE[1]
        assert picture.info["Description"] == "red R, green G, blue B; not denoised: B"
        assert picture.info["Source"] == "M1_R/denoised.fits, M1_G/denoised.fits, M1_B/denoised.fits"
        pixels = np.asarray(picture).astype(int)
    stars = pixels.max(axis=-1) > 200
    assert stars.sum() > 50 and np.ptp(pixels[stars], axis=-1).mean() < 15, "aligned: stars without fringes"
    before = (tmp_path / "M1_RGB.png").read_bytes()
    command(*products, "--palette", "RGB", "-o", tmp_path / "M1_RGB.png")
    assert (tmp_path / "M1_RGB.png").read_bytes() == before


def test_a_tiff_has_16_bits_and_shows_the_same(products, tmp_path):
    for name in ("a.png", "a.tif"):
        assert command(*products, "--palette", "RGB", "-o", tmp_path / name) == 0
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        page = file.pages[0]
        deep = page.asarray()
        assert page.photometric.name == "RGB" and "stretched, not linear" in page.description
    assert deep.dtype == np.uint16 and len(np.unique(deep)) > 1000
    assert np.abs(deep / 257 - np.asarray(Image.open(tmp_path / "a.png"))).max() <= 0.51


def test_a_field_that_cannot_be_aligned_stops_nothing(tmp_path, capsys):
    products = [product(tmp_path, "Ha"), product(tmp_path, "OIII", seed=8)]
    assert command(*products, "--palette", "HOO", "-o", tmp_path / "M1_HOO.png") == 0
    assert "cannot be aligned" in capsys.readouterr().err
    with Image.open(tmp_path / "M1_HOO.png") as picture:
        assert picture.info["Description"].startswith("not made: ")


def test_a_missing_filter_and_a_wrong_name_are_said(products, tmp_path, capsys):
    assert command(*products, "--palette", "LRGB", "-o", tmp_path / "x.png") == 1
    assert "LRGB also needs L" in capsys.readouterr().err
    assert command(*products, "--palette", "RGB", "-o", tmp_path / "x.jpg") == 1
    assert ".png or a .tif" in capsys.readouterr().err
