import gzip
import hashlib
import io
import warnings

import numpy as np
import pytest
from astropy.io import fits

from n2n.errors import BadFrame
from n2n.formats import hdus
from n2n.formats.fits import examine, read_header, sha256_file
from n2n.formats.pixels import read_pixels

RNG = np.random.default_rng(7)
SHAPE = (70, 90)
RAMP = np.arange(np.prod(SHAPE)).reshape(SHAPE)


def save(path, *hdus_, **kwargs):
    fits.HDUList(list(hdus_)).writeto(path, **kwargs)
    return path


def raw_header(**cards):
    """Write a header by hand, as broken files have it."""
    text = "".join(f"{key:<8}= {value:>20}".ljust(80) for key, value in cards.items()) + "END".ljust(80)
    return text.ljust(-(-len(text) // 2880) * 2880).encode("ascii")


def code(path, function=read_pixels, **kwargs):
    with pytest.raises(BadFrame) as caught:
        function(path, **kwargs)
    assert "\n" not in caught.value.reason
    return caught.value.reason_code


@pytest.mark.parametrize("suffix", ["fits", "fits.gz"])
@pytest.mark.parametrize(
    ("dtype", "offset"),
    [
        ("u1", 0),
        ("i2", -200),
        ("u2", 60000),
        ("i4", 2**24),
        ("u4", 2**31),
        ("i8", 5),
        ("f4", -0.25),
        ("f8", 1.5),
    ],
)
def test_pixels_are_those_that_were_written(tmp_path, dtype, offset, suffix):
    values = (RAMP % 200 + offset).astype(dtype)
    path = save(tmp_path / f"a.{suffix}", fits.PrimaryHDU(values))
    pixels, invalid = read_pixels(path)
    assert pixels.dtype == np.float32 and pixels.dtype.isnative and pixels.flags.c_contiguous
    np.testing.assert_array_equal(pixels, values.astype(np.float32))
    assert invalid.dtype == bool and not invalid.any()


def test_scaling_of_wide_integers_keeps_their_digits(tmp_path):
    stored = np.full(SHAPE, 2**30 + 1, ">i4")
    header = raw_header(SIMPLE="T", BITPIX=32, NAXIS=2, NAXIS1=90, NAXIS2=70, BSCALE="0.5", BZERO="-536870912.0")
    path = tmp_path / "a.fits"
    path.write_bytes(header + stored.tobytes())
    assert (read_pixels(path)[0] == 0.5).all()


def test_undefined_pixels_are_marked_and_zero(tmp_path):
    values = RAMP.astype("f8")
    values[0, :3] = np.nan, np.inf, 1e300
    pixels, invalid = read_pixels(save(tmp_path / "f.fits", fits.PrimaryHDU(values)))
    assert invalid[0, :3].all() and invalid.sum() == 3 and (pixels[invalid] == 0).all()

    hdu = fits.PrimaryHDU(RAMP.astype("i2"))
    hdu.header["BLANK"] = 5
    hdu.header["BZERO"] = 100
    path = save(tmp_path / "i.fits", hdu)
    pixels, invalid = read_pixels(path)
    assert invalid.sum() == 1 and invalid.flat[5] and pixels.flat[5] == 0
    assert "1 undefined pixels masked" in examine(path).notes


def test_mostly_undefined_is_refused(tmp_path):
    values = RAMP.astype("f4")
    values[:4] = np.nan
    path = save(tmp_path / "a.fits", fits.PrimaryHDU(values))
    assert code(path, examine) == "nonfinite"


def test_many_units_below_the_cap_are_a_bomb_together(tmp_path):
    units = [fits.ImageHDU(RAMP.astype("u1")) for _ in range(3)]
    path = save(tmp_path / "a.fits", fits.PrimaryHDU(RAMP.astype("u1")), *units)
    assert code(path, max_bytes=20_000) == "too_large"
    assert read_pixels(path, max_bytes=30_000)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("dtype", ["u2", "i2", "f4"])
def test_tile_compressed_images(tmp_path, dtype, packed):
    values = RNG.integers(0, 4000, SHAPE).astype(dtype)
    compressed = fits.CompImageHDU(values, quantize_level=0.0 if dtype == "f4" else 16, compression_type="GZIP_1")
    compressed.header["FILTER"] = "Ha"
    primary = fits.PrimaryHDU()
    primary.header["OBJECT"] = "M 1"
    path = save(tmp_path / "a.fits.fz", primary, compressed, checksum=True)
    if packed:
        path = tmp_path / "b.fits.gz"
        path.write_bytes(gzip.compress((tmp_path / "a.fits.fz").read_bytes()))
    np.testing.assert_array_equal(read_pixels(path)[0], values)
    header, hdu = read_header(path)
    assert (hdu, header["OBJECT"], header["FILTER"], header["NAXIS1"]) == (1, "M 1", "Ha", 90)
    assert examine(path).notes == ("image in HDU 1",)


def test_headers_are_merged_without_storage_cards(tmp_path):
    primary = fits.PrimaryHDU()
    primary.header["OBJECT"], primary.header["GAIN"] = "M 1", 1
    image = fits.ImageHDU(RAMP.astype("u2"), name="SCI")
    image.header["GAIN"] = 2
    image.header["HIERARCH CAMERA-DATE-OBS"] = "x"
    image.header.add_history("taken")
    header, hdu = read_header(save(tmp_path / "a.fits", primary, image, checksum=True))
    assert (hdu, header["OBJECT"], header["GAIN"]) == (1, "M 1", 2)
    assert header["CAMERA-DATE-OBS"] == "x" and str(header["HISTORY"]) == "taken"
    assert list(header)[:4] == ["BITPIX", "NAXIS", "NAXIS1", "NAXIS2"]
    gone = {"XTENSION", "SIMPLE", "EXTEND", "PCOUNT", "BZERO", "BSCALE", "EXTNAME", "CHECKSUM", "DATASUM"}
    assert not gone & set(header)


def test_primary_image_wins_over_thumbnails(tmp_path):
    thumbnails = [fits.ImageHDU(RAMP.astype("u1")) for _ in range(2)]
    path = save(tmp_path / "a.fits", fits.PrimaryHDU(RAMP.astype("i4")), *thumbnails)
    assert read_header(path)[1] == 0 and read_pixels(path)[0].max() == RAMP.max()


def test_strange_cards_cost_no_frame_and_no_words(tmp_path, capfd):
    good = fits.PrimaryHDU(RAMP.astype("u1"))
    for key in ("AAA", "BBB", "EXPTIME", "CCC"):
        good.header[key] = 1
    buffer = io.BytesIO()
    good.writeto(buffer)
    data = buffer.getvalue()
    for key, card in {
        b"AAA": b"AAA     = 'no end",
        b"BBB": b"BBB     =                  1=2",
        b"EXPTIME": b"EXPTIME = 060.00 / s",
        b"CCC": b"CCC     = 'H\xce\xb1 7nm'",
    }.items():
        at = data.index(key.ljust(8) + b"=")
        data = data[:at] + card.ljust(80) + data[at + 80 :]
    path = tmp_path / "a.fits"
    path.write_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        header, _ = read_header(path)
    assert header["EXPTIME"] == 60 and header["CCC"] == "H?? 7nm"
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("share", [0.999, 0.5, 0.3])
def test_truncated_plain_file(tmp_path, share):
    path = save(tmp_path / "a.fits", fits.PrimaryHDU(np.ones((300, 300), "u2")))
    data = path.read_bytes()
    end = 2880 + 300 * 300 * 2
    path.write_bytes(data[: int(end * share)])
    assert code(path) == code(path, read_header) == "truncated"
    path.write_bytes(data[:2000])
    assert code(path) == "truncated"


def test_missing_padding_is_accepted_and_noted(tmp_path):
    path = save(tmp_path / "a.fits", fits.PrimaryHDU(np.ones(SHAPE, "u1")))
    path.write_bytes(path.read_bytes()[: 2880 + 70 * 90])
    assert read_pixels(path)[0].sum() == 70 * 90
    assert examine(path).notes == ("padding missing at the end",)


@pytest.mark.parametrize("suffix", ["gz", "fz"])
def test_truncated_packed_file(tmp_path, suffix):
    path = tmp_path / f"a.fits.{suffix}"
    noise = RNG.integers(0, 60000, (200, 200)).astype("u2")
    hdu = fits.PrimaryHDU(noise) if suffix == "gz" else fits.CompImageHDU(noise)
    save(path, *([hdu] if suffix == "gz" else [fits.PrimaryHDU(), hdu]))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert code(path) == code(path, read_header) == "truncated"


def test_damaged_gzip_is_unreadable(tmp_path):
    path = save(tmp_path / "a.fits.gz", fits.PrimaryHDU(RNG.integers(0, 60000, SHAPE).astype("u2")))
    data = bytearray(path.read_bytes())
    data[200:400] = bytes(200)
    path.write_bytes(data)
    assert code(path) in ("unreadable", "truncated")


@pytest.mark.parametrize(
    ("cards", "expected"),
    [
        ({"BITPIX": -32, "NAXIS": 2, "NAXIS1": 200000, "NAXIS2": 200000}, "too_large"),
        ({"BITPIX": 16, "NAXIS": 2, "NAXIS1": 1000, "NAXIS2": 1000}, "truncated"),
        ({"BITPIX": 8, "NAXIS": 2, "NAXIS1": 777777701, "NAXIS2": 0}, "no_image"),
        ({"BITPIX": 16, "NAXIS": 0}, "no_image"),
        ({"BITPIX": 17, "NAXIS": 0}, "unreadable"),
        ({"BITPIX": 16, "NAXIS": 2, "NAXIS1": -5, "NAXIS2": 10}, "unreadable"),
        ({"BITPIX": 16, "NAXIS": 2, "NAXIS1": "many", "NAXIS2": 10}, "unreadable"),
        ({"BITPIX": 16, "NAXIS": 2, "NAXIS1": 10}, "unreadable"),
        ({"NAXIS": 0}, "unreadable"),
    ],
)
def test_headers_that_lie(tmp_path, cards, expected):
    path = tmp_path / "a.fits"
    path.write_bytes(raw_header(SIMPLE="T", **cards))
    assert code(path) == code(path, read_header) == code(path, examine) == expected


def test_size_bombs_behind_compression_are_refused_unread(tmp_path, monkeypatch):
    path = save(tmp_path / "a.fits.fz", fits.PrimaryHDU(), fits.CompImageHDU(np.zeros((400, 400), "u2")))
    assert code(path, max_bytes=300_000) == "too_large"
    bomb = raw_header(SIMPLE="T", BITPIX=8, NAXIS=2, NAXIS1=1000000, NAXIS2=1000000)
    (tmp_path / "b.fits.gz").write_bytes(gzip.compress(bomb))
    monkeypatch.setattr(hdus._GzipSource, "skip", lambda *_: pytest.fail("touched the data"))
    assert code(tmp_path / "b.fits.gz") == "too_large"


def test_other_things_than_one_image(tmp_path):
    image = RAMP.astype("i2")
    table = fits.BinTableHDU.from_columns([fits.Column("a", "J", array=[1, 2])])
    cases = {
        "no_image": [fits.PrimaryHDU(), table],
        "not_2d": [fits.PrimaryHDU(np.stack([image] * 3))],
        "several_images": [fits.PrimaryHDU(), fits.ImageHDU(image), fits.ImageHDU(image)],
        "too_small": [fits.PrimaryHDU(image[:63])],
    }
    for expected, units in cases.items():
        assert code(save(tmp_path / f"{expected}.fits", *units), read_header) == expected
    assert code(save(tmp_path / "line.fits", fits.PrimaryHDU(image.ravel()))) == "not_2d"
    assert read_pixels(tmp_path / "too_small.fits", min_side=1)[0].shape == (63, 90)
    plane = save(tmp_path / "plane.fits", fits.PrimaryHDU(image[None]))
    assert read_pixels(plane)[0].shape == SHAPE


def test_no_fits_at_all(tmp_path):
    for name, content, expected in [
        ("empty.fits", b"", "unreadable"),
        ("text.fits", b"hello\n" * 1000, "unreadable"),
        ("simple.fits", b"SIMPLE  =                    T" + b" " * 6000, "truncated"),
        ("lzw.fits.Z", b"\x1f\x9d\x90", "unsupported"),
    ]:
        (tmp_path / name).write_bytes(content)
        assert code(tmp_path / name) == expected
    assert code(tmp_path / "missing.fits") == code(tmp_path, read_header) == "unreadable"


@pytest.mark.parametrize("suffix", ["fits", "fits.gz"])
def test_checksums(tmp_path, suffix):
    path = save(tmp_path / f"a.{suffix}", fits.PrimaryHDU(RAMP.astype("u2")), checksum=True)
    assert examine(path).notes == ()
    data = path.read_bytes() if suffix == "fits" else gzip.decompress(path.read_bytes())

    def rewrite(changed):
        path.write_bytes(changed if suffix == "fits" else gzip.compress(changed))

    rewrite(data.replace(b"conforms", b"performs"))
    assert examine(path).notes == ("header edited after its CHECKSUM was written",)
    rewrite(data[:3000] + bytes([data[3000] ^ 1]) + data[3001:])
    assert code(path, examine) == "checksum"


def test_clipped_frames_are_noted(tmp_path):
    values = RNG.integers(100, 200, SHAPE).astype("u2")
    assert examine(save(tmp_path / "a.fits", fits.PrimaryHDU(values))).notes == ()
    values[:, :10] = 0
    assert "clipped" in examine(save(tmp_path / "b.fits", fits.PrimaryHDU(values))).notes[0]


def test_any_fault_in_between_is_a_bad_frame(tmp_path, monkeypatch):
    path = save(tmp_path / "a.fits", fits.PrimaryHDU(RAMP.astype("u2")))
    for error, expected in [
        (MemoryError(), "too_large"),
        (TypeError("a\nb"), "unreadable"),
        (OSError(), "unreadable"),
    ]:

        def fail(*_args, error=error, **_kwargs):
            raise error

        monkeypatch.setattr("n2n.formats.pixels.walk", fail)
        assert code(path) == expected


def test_sha256(tmp_path):
    (tmp_path / "a").write_bytes(b"abc" * 100000)
    assert sha256_file(tmp_path / "a") == hashlib.sha256(b"abc" * 100000).hexdigest()
