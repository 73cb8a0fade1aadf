"""TIFF for editing programs: every scale keeps what it promises."""

import numpy as np
import pytest
import tifffile
from astropy.io import fits

from n2n.cli import main
from n2n.formats.products import write_fits
from n2n.report.images import stretch, stretch_limits


@pytest.fixture
def product(tmp_path):
    random = np.random.default_rng(1)
    stack = random.normal(5, 2, (60, 80)).astype(np.float32)
    image = random.normal(5, 0.1, (60, 80)).astype(np.float32)
    image[40, 50] = stack[40, 50] = 3000
    image[3, 4] = stack[3, 4] = np.nan
    header = fits.Header({"BUNIT": "electron"})
    write_fits(tmp_path / "denoised.fits", [fits.PrimaryHDU(image, header), fits.ImageHDU(stack, name="STACK")])
    return tmp_path / "denoised.fits", image, stack


def export(path, *more):
    assert main(["export", str(path), *map(str, more)]) == 0
    with tifffile.TiffFile(path.with_suffix(".tif")) as file:
        return file.pages[0].asarray()[::-1], file.pages[0].description  # first row at the bottom


def test_stretched_is_what_the_pictures_show(product):
    path, image, stack = product
    pixels, said = export(path)
    assert pixels.dtype == np.uint16 and "stretched, not linear" in said
    assert np.abs(pixels / 257 - stretch(image, stretch_limits(stack))[::-1]).max() <= 0.51


def test_linear_can_be_turned_back_and_says_where_it_is_coarse(product, capsys):
    path, image, _ = product
    pixels, said = export(path, "--scale", "linear")
    low, step = (float(said.split()[index]) for index in (3, 5))
    known = np.isfinite(image)
    assert pixels.dtype == np.uint16 and pixels[known].min() == 0 and pixels.max() == 65535
    assert np.abs(low + step * pixels - image)[known].max() <= 0.51 * step
    assert "electron" in said and "--scale" not in capsys.readouterr().err
    with fits.open(path, mode="update") as file:
        file[0].data[40, 50] = 60_000
    export(path, "--scale", "linear")
    assert "--scale float" in capsys.readouterr().err


def test_float_loses_nothing(product):
    path, image, _ = product
    pixels, said = export(path, "--scale", "float")
    known = np.isfinite(image)
    assert pixels.dtype == np.float32 and np.array_equal(pixels[known], image[known])
    assert np.isfinite(pixels).all() and said == "linear, in electron"


def test_the_same_bytes_again_and_another_name(product, tmp_path, capsys):
    path, _, _ = product
    export(path)
    first = path.with_suffix(".tif").read_bytes()
    assert main(["export", str(path), "-o", str(tmp_path / "sub" / "x.tiff")]) == 0
    assert (tmp_path / "sub" / "x.tiff").read_bytes() == first
    assert main(["export", str(path), "-o", str(tmp_path / "x.png")]) == 1
    assert "must end in .tif" in capsys.readouterr().err
    assert main(["export", str(tmp_path / "none.fits")]) == 1


def test_a_fits_file_of_one_image_for_programs_that_open_no_other(product, tmp_path):
    path, image, _ = product
    assert main(["export", str(path), "-o", str(tmp_path / "alone.fits")]) == 0
    with fits.open(tmp_path / "alone.fits", checksum=True) as hdus:
        pixels, full = hdus[0].data, hdus[0].header["EXPSCALE"]
        assert len(hdus) == 1 and full == 4096 and 0.5 < pixels.max() <= 1 and "BUNIT" not in hdus[0].header
        assert np.array_equal(full * pixels[np.isfinite(image)], image[np.isfinite(image)])
        assert full * pixels[3, 4] == np.nanmin(image)


def test_the_product_is_not_overwritten(product, capsys):
    path, _, _ = product
    assert main(["export", str(path), "-o", str(path)]) != 0
    assert "is the product itself" in capsys.readouterr().err
    with fits.open(path) as hdus:
        assert len(hdus) == 2
