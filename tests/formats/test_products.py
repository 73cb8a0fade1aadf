import warnings
from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits
from astropy.utils.exceptions import AstropyUserWarning

from n2n.errors import UserError
from n2n.formats import flags
from n2n.formats.products import clean_header, read_product, set_cards, write_fits
from n2n.formats.provenance import history_line, versions
from n2n.group.cards import product_hdus, provenance_table
from n2n.group.exposure import Exposure, Weight


def raw_header():
    cards = [
        ("SIMPLE", True),
        ("BITPIX", 16),
        ("NAXIS", 2),
        ("NAXIS1", 30),
        ("NAXIS2", 20),
        ("BZERO", 32768),
        ("BSCALE", 1),
        ("INSTRUME", "ZWO ASI533MM Pro"),
        ("FOCALLEN", 530.0),
        ("CTYPE1", "RA---TAN"),
        ("CRVAL1", 314.75),
        ("CHECKSUM", "abcdefghijklmnop"),
        ("DATASUM", "123"),
        ("PEDESTAL", 100),
        ("ZCMPTYPE", "RICE_1"),
        ("LONGCARD-", 1),
    ]
    header = fits.Header()
    for keyword, value in cards:
        header.append((keyword[:8], value), end=True)
    header.add_history("written by NINA")
    header.add_comment("a good night")
    return header


def test_a_header_keeps_the_sky_and_the_camera_and_loses_the_raw_files_bytes():
    header = clean_header(raw_header())
    assert header["INSTRUME"] == "ZWO ASI533MM Pro" and header["CRVAL1"] == 314.75
    assert header["CTYPE1"] == "RA---TAN" and header["FOCALLEN"] == 530.0
    assert list(header["HISTORY"]) == ["written by NINA"] and list(header["COMMENT"]) == ["a good night"]
    for keyword in (
        "BZERO",
        "BSCALE",
        "BITPIX",
        "NAXIS1",
        "CHECKSUM",
        "DATASUM",
        "PEDESTAL",
        "ZCMPTYPE",
        "SIMPLE",
    ):
        assert keyword not in header


def test_a_broken_card_is_left_out_and_the_rest_is_kept(tmp_path):
    text = b"".join(
        card.ljust(80)
        for card in (
            b"SIMPLE  =                    T",
            b"BITPIX  =                    8",
            b"NAXIS   =                    0",
            b"BROKEN  = 'no end",
            b"EXPTIME = 6,0E1",
            b"FILTER  = 'Ha'",
            b"END",
        )
    )
    path = tmp_path / "a.fits"
    path.write_bytes(text.ljust(2880))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with fits.open(path, ignore_missing_simple=True) as file:
            header = clean_header(file[0].header)
    assert header["FILTER"] == "Ha"
    write_fits(tmp_path / "b.fits", [fits.PrimaryHDU(np.zeros((3, 4), np.float32), header)])
    assert fits.getheader(tmp_path / "b.fits")["FILTER"] == "Ha"


def test_cards_hold_what_fits_can_hold():
    header = fits.Header({"GONE": 1, "OLD": 2})
    cards = {
        "GONE": (None, ""),
        "OLD": (float("nan"), ""),
        "NAME": ("Müller µm", "accents are replaced"),
        "COUNT": (np.int64(3), "numpy"),
        "LEVEL": (np.float32(0.5), "numpy"),
        "FLAG": (np.bool_(True), "numpy"),
        "A-LONG-K": ("x" * 100, "continued"),
    }
    set_cards(header, cards)
    assert "GONE" not in header and "OLD" not in header
    assert header["NAME"] == "M?ller ?m" and header["COUNT"] == 3 and header["LEVEL"] == 0.5
    assert header["FLAG"] is True and header["A-LONG-K"] == "x" * 100
    assert header.comments["COUNT"] == "numpy"


def used(path, sha256, seconds, weighed):
    return replace(Exposure.from_row({"path": path, "sha256": sha256, "exptime_s": seconds}), weighed=weighed)


def product():
    image = np.random.default_rng(0).normal(-2, 5, (20, 30)).astype(np.float32)
    header = fits.Header({"BUNIT": "electron", "OBJECT": "M 31"})
    exposures = [
        used("n/b.fits", "b" * 64, "60", Weight(1.1, 8.0, 0.0, 0, "A")),
        used("n/ä.fits", "c" * 64, "", Weight(0.9, 8.0, 0.0, 1, "C")),
        Exposure.from_row({"path": "n/a.fits", "sha256": "a" * 64, "exptime_s": "60"}).left_out("few stars", "blurred"),
    ]
    mask, count = np.zeros((20, 30), np.uint8), np.full((20, 30), 2, np.uint16)
    hdus = product_hdus(image, header, np.full_like(image, 2.5), mask, count, exposures)
    return image, hdus


def test_a_product_has_its_hdus_in_order_with_valid_checksums(tmp_path):
    image, hdus = product()
    write_fits(tmp_path / "p.fits", hdus)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with fits.open(tmp_path / "p.fits", checksum=True) as file:
            assert [hdu.name for hdu in file] == ["PRIMARY", "MASK", "VAR", "COVERAGE", "PROVENANCE"]
            for hdu in file:
                assert hdu.verify_checksum() == 1 and hdu.verify_datasum() == 1
            np.testing.assert_array_equal(file[0].data, image)
            assert file[0].header["BITPIX"] == -32 and file["VAR"].header["BUNIT"] == "electron2"
            bits = {file["MASK"].header[f"BIT{n}"]: file["MASK"].header.comments[f"BIT{n}"] for n in range(5)}
            assert bits == flags.NAMES


def test_a_changed_byte_is_told_by_the_checksum(tmp_path):
    path = tmp_path / "p.fits"
    write_fits(path, product()[1])
    with fits.open(path) as file:
        place = file["VAR"].fileinfo()["datLoc"]
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with fits.open(path) as file:
            assert [hdu.verify_datasum() for hdu in file] == [1, 1, 0, 1, 1]


def test_the_same_product_has_the_same_data_bytes(tmp_path):
    for name in "ab":
        write_fits(tmp_path / name, product()[1])
    with fits.open(tmp_path / "a") as one, fits.open(tmp_path / "b") as two:
        assert [h.header["DATASUM"] for h in one] == [h.header["DATASUM"] for h in two]


def test_provenance_lists_every_exposure_used_or_not():
    frames = product()[1][-1]
    table = frames.data
    names = "FILENAME SHA256 BLOCK EXPTIME WEIGHT USED REASON STAGE EVIDENCE"
    assert list(table.names) == names.split()
    assert list(table["FILENAME"]) == ["n/a.fits", "n/b.fits", "n/%C3%A4.fits"]
    assert list(table["USED"]) == [False, True, True]
    assert list(table["BLOCK"]) == ["", "A", "C"]
    assert list(table["WEIGHT"]) == [0, 1.1, 0.9]
    assert table["REASON"][0] == "few stars; blurred"
    assert table["EXPTIME"][1] == 60 and np.isnan(table["EXPTIME"][2])
    assert [len(digest) for digest in table["SHA256"]] == [64] * 3


def test_a_table_of_no_exposures_can_be_written(tmp_path):
    write_fits(tmp_path / "p.fits", [fits.PrimaryHDU(), provenance_table([])])
    assert len(fits.getdata(tmp_path / "p.fits", "PROVENANCE")) == 0


def test_reading_gives_native_arrays_and_skips_what_is_not_there(tmp_path):
    image, hdus = product()
    write_fits(tmp_path / "p.fits", hdus)
    header, arrays = read_product(tmp_path / "p.fits", "VAR", "NONE")
    assert sorted(arrays) == ["IMAGE", "VAR"] and header["OBJECT"] == "M 31"
    assert arrays["IMAGE"].dtype == np.float32 and arrays["IMAGE"].dtype.isnative
    np.testing.assert_array_equal(arrays["IMAGE"], image)


@pytest.mark.parametrize("content", [None, b"", b"no fits file at all", "truncated"])
def test_a_missing_or_damaged_product_is_named_with_the_remedy(tmp_path, content):
    path = tmp_path / "stack.fits"
    if content == "truncated":
        write_fits(path, product()[1])
        path.write_bytes(path.read_bytes()[:4000])
    elif content is not None:
        path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyUserWarning)
        with pytest.raises(
            UserError,
            match=r"stack\.fits (is missing; run snakemake again|is damaged .*delete it .*: rm .*stack\.fits)",
        ):
            read_product(path, "VAR")


def test_a_history_line_fits_on_a_card():
    line = history_line("stack", "x" * 200)
    assert len(line) == 72 and " n2n " in line and "stack" in line


def test_versions_name_what_shapes_the_pixels():
    assert {"n2n", "python", "numpy", "scipy", "astropy", "sep", "torch"} <= set(versions())
