"""What ingest finds out by looking at pixels: copies, twins, scales, mosaics, kinds that no header tells."""

import gzip

import numpy as np
import pytest
import yaml
from astropy.io import fits

from n2n.formats.frametable import QUARANTINE_COLUMNS, read_table
from n2n.planning.intake import ingest

NIGHT = "2026-01-02"
H, W = 160, 200
CARDS = {
    "SWCREATE": "N.I.N.A. 3", "IMAGETYP": "LIGHT", "EXPTIME": 60.0, "FILTER": "Ha", "OBJECT": "M 42",
    "INSTRUME": "Cam", "GAIN": 100,
}  # fmt: skip


class Sky:
    """A camera under a field of stars: frames of every kind, each with noise of its own."""

    def __init__(self, root):
        self.raw, self.results = root / "raw", root / "results"
        self.rng = np.random.default_rng(5)
        self.stars = self.rng.uniform(5, [W - 5, H - 5], (60, 2))
        self.flat = 1 - 0.3 * ((np.arange(W) - W / 2) ** 2 / W**2 + (np.arange(H)[:, None] - H / 2) ** 2 / H**2)
        self.pattern = self.rng.normal(500, 2, (H, W))
        self.said: list[str] = []

    def frame(self, kind="light", level=None):
        light = {"light": 200.0, "flat": 6000.0}.get(kind, 0.0) if level is None else level
        electrons = np.full((H, W), light)
        if kind == "light":
            y, x = np.mgrid[:H, :W]
            for px, py in self.stars:
                electrons += 900 * np.exp(-((x - px) ** 2 + (y - py) ** 2) / 3.5)
        adu = self.rng.poisson(electrons * self.flat) / 0.25 + self.pattern + self.rng.normal(0, 6, (H, W))
        return np.rint(adu.clip(0, 65535)).astype("u2")

    def write(self, name, pixels, number=0, **cards):
        path = self.raw / NIGHT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        start = {"DATE-OBS": f"2026-01-02T20:{number:02d}:00"}
        header = fits.Header([(k, v) for k, v in (CARDS | start | cards).items() if v is not None])
        fits.PrimaryHDU(pixels, header).writeto(path, overwrite=True)
        return path

    def ingest(self, **overrides):
        rows = ingest(self.raw, NIGHT, self.results, overrides=overrides, settle_seconds=0, report=self.said.append)
        return {row["path"].removeprefix(f"{NIGHT}/"): row for row in rows}

    def quarantine(self):
        rows = read_table(self.results / NIGHT / "quarantine.csv", QUARANTINE_COLUMNS)
        return {row["path"].removeprefix(f"{NIGHT}/"): row for row in rows}

    def codes(self):
        return {path: row["reason_code"] for path, row in self.quarantine().items()}


@pytest.fixture
def sky(tmp_path):
    return Sky(tmp_path)


def answer(row):
    """The overrides that a reason offers, as a user would paste them."""
    return yaml.safe_load(row["reason"].partition("set in config/config.yaml: ")[2])["overrides"]


def test_copies_count_once_however_they_are_packed(sky):
    pixels = [sky.frame() for _ in range(5)]
    for number, image in enumerate(pixels):
        sky.write(f"l_{number}.fits", image, number)
    copies = sky.raw / NIGHT / "copies"
    copies.mkdir()
    (copies / "a.fits.gz").write_bytes(gzip.compress((sky.raw / NIGHT / "l_0.fits").read_bytes()))
    packed = fits.CompImageHDU(pixels[1], fits.Header(CARDS), compression_type="RICE_1")
    fits.HDUList([fits.PrimaryHDU(), packed]).writeto(copies / "b.fits.fz")
    sky.write("copies/solved.fits", pixels[2], 2, CTYPE1="RA---TAN", CTYPE2="DEC--TAN", PLTSOLVD=True)
    sky.write("copies/float.fits", pixels[3].astype("f4"), 3, OBJECT="other name")
    sky.write("copies/share.fits", (pixels[4] / 65535).astype("f8"), 4)
    rows = sky.ingest()
    assert sorted(rows) == [f"l_{n}.fits" for n in range(5)]
    assert set(sky.codes().values()) == {"duplicate"} and len(sky.codes()) == 5
    assert "l_1.fits" in sky.quarantine()["copies/b.fits.fz"]["reason"]
    sky.ingest()  # and again, with nothing new
    assert len(sky.codes()) == 5


def test_a_copy_that_comes_later_changes_nothing(sky):
    image = sky.frame()
    sky.write("z.fits", image)
    before = sky.ingest()
    sky.write("a.fits", image, PLTSOLVD=True)
    assert sky.ingest() == before and sky.codes() == {"a.fits": "duplicate"}
    (sky.raw / NIGHT / "z.fits").unlink()
    assert "a.fits" in sky.ingest()  # the copy takes the place of the one that is gone


@pytest.mark.parametrize("marks", [{"CALSTAT": "BDF"}, {}])
@pytest.mark.parametrize(
    "reduce", [lambda x, f: (x - 500.0) / f, lambda x, f: (x - 500.0) / f / 65535, lambda x, f: (x - 500.0)[::-1]]
)
def test_a_reduced_twin_is_recognised(sky, reduce, marks):
    for number in range(3):
        image = sky.frame()
        sky.write(f"raw_{number}.fits", image, number)
        sky.write(f"c/reduced_{number}.fits", reduce(image, sky.flat).astype("f4"), number, **marks)
    rows = sky.ingest()
    assert sorted(rows) == ["raw_0.fits", "raw_1.fits", "raw_2.fits"]
    assert set(sky.codes().values()) == {"duplicate"}
    if marks:
        row = sky.quarantine()["c/reduced_0.fits"]
        assert "reduced copy of" in row["reason"]
        rows = sky.ingest(**answer(row))  # the user would rather have the reduced one
        assert "c/reduced_0.fits" in rows and "raw_0.fits" not in rows


def test_two_telescopes_at_once_are_two_exposures(sky):
    for number in range(3):
        sky.write(f"one_{number}.fits", sky.frame(), number)
        sky.write(f"two_{number}.fits", sky.frame(), number)
    assert len(sky.ingest()) == 6


def test_numbers_of_every_kind_come_out_alike(sky):
    image = sky.frame("flat", 9500)  # above 32767
    assert np.median(image) > 32767
    sky.write("plain.fits", image, 0, IMAGETYP="FLAT")
    sky.write("wrapped.fits", sky.frame("flat", 9500).view("i2"), 1, IMAGETYP="FLAT")
    sky.write("share.fits", (sky.frame("flat", 9500) / 65535).astype("f4"), 2, IMAGETYP="FLAT")
    sky.write(
        "bias.fits", sky.frame("bias").astype("i2"), 3, IMAGETYP="BIAS"
    )  # the same program: it tells the flat's sign
    rows = sky.ingest()
    assert rows.pop("bias.fits")["stored"] == ""
    assert {name: row["stored"] for name, row in rows.items()} == {
        "plain.fits": "", "wrapped.fits": "unsigned", "share.fits": "0-1",
    }  # fmt: skip
    from n2n.formats.rawframe import read_frame

    levels = [np.median(read_frame(row, sky.raw)[0]) for row in rows.values()]
    assert levels == pytest.approx([levels[0]] * 3, rel=0.01)
    assert "stored" in rows["wrapped.fits"]["evidence"] and "stored" in rows["share.fits"]["evidence"]


def test_a_night_without_its_bzero_is_brought_back(sky):
    for number, kind in enumerate(("light", "flat", "dark", "bias")):
        pixels = sky.frame(kind)
        sky.write(f"{kind}.fits", (pixels.astype(int) - 32768).astype("i2"), number, IMAGETYP=kind.upper())
    rows = sky.ingest()
    assert {row["stored"] for row in rows.values()} == {"shifted"} and len(rows) == 4
    from n2n.formats.rawframe import read_frame

    assert np.median(read_frame(rows["bias.fits"], sky.raw)[0]) == pytest.approx(500, abs=2)


def test_flats_of_which_nobody_knows_the_sign_are_asked_about(sky):
    sky.write("flat.fits", sky.frame("flat", 14000).view("i2"), 1, IMAGETYP="FLAT")
    assert not sky.ingest() and sky.codes() == {"flat.fits": "numbers"}


def test_a_mosaic_is_refused_by_header_by_pixels_and_by_override(sky):
    tint = np.tile([[0.5, 1.0], [1.0, 0.3]], (H // 2, W // 2))
    for name, cards in (("told/a.fits", {"BAYERPAT": "RGGB"}), ("untold/b.fits", {"INSTRUME": "Other"})):
        sky.write(name, (sky.frame().astype(float) * tint).astype("u2"), len(cards), **cards)
    sky.write("mono/c.fits", sky.frame(), 2, INSTRUME="Third")
    assert list(sky.ingest()) == ["mono/c.fits"]
    assert sky.codes() == {"told/a.fits": "colour_mosaic", "untold/b.fits": "colour_mosaic"}
    assert any("colour camera" in line for line in sky.said)
    sky.ingest(**{f"{NIGHT}/mono": {"bayer": "RGGB"}})
    assert sky.codes()["mono/c.fits"] == "colour_mosaic"
    assert sorted(sky.ingest(**answer(sky.quarantine()["told/a.fits"]))) == [
        "mono/c.fits",
        "told/a.fits",
        "untold/b.fits",
    ]


BARE = {"IMAGETYP": None, "FILTER": None, "EXPTIME": None, "OBJECT": None, "SWCREATE": None}


def test_frames_without_a_header_are_known_by_words_and_pixels(sky):
    for number in range(3):
        sky.write(f"Lights/M42_Ha_60s_{number}.fits", sky.frame(), number, **BARE)
        sky.write(f"Flats/Ha/flat_{number}.fits", sky.frame("flat"), number, **BARE)
        sky.write(f"Darks/dark_60s_{number}.fits", sky.frame("dark"), number, **BARE)
        sky.write(f"Bias/b_{number}.fits", sky.frame("bias"), number, **BARE)
    rows = sky.ingest()
    assert not sky.codes()
    kinds = [(row["kind"], row["filter"], row["exptime_s"]) for row in rows.values()]
    assert set(kinds) == {("light", "Ha", "60"), ("flat", "Ha", ""), ("dark", "", "60"), ("bias", "", "")}
    assert all("kind:" in row["evidence"] for row in rows.values())
    assert any("kind light inferred for 3 frames" in line for line in sky.said)


def test_pixels_alone_tell_a_light_and_the_rest_is_asked_once(sky):
    for number in range(4):
        sky.write(f"a/{number}.fits", sky.frame(), number, **BARE | {"FILTER": "Ha", "EXPTIME": 60.0})
        sky.write(f"b/{number}.fits", sky.frame("dark"), number, **BARE | {"FILTER": "Ha", "EXPTIME": 60.0})
    rows = sky.ingest()
    assert {name: row["kind"] for name, row in rows.items()} == {f"a/{n}.fits": "light" for n in range(4)}
    assert set(sky.codes().values()) == {"kind_unknown"}
    asked = [line for line in sky.said if "left out" in line]
    assert len(asked) == 1 and "and 3 more" in asked[0] and 'kind: "?"' in asked[0]


def test_a_header_that_contradicts_folder_and_pixels_is_asked_about(sky):
    for number in range(3):
        sky.write(f"flats/flat_Ha_{number}.fits", sky.frame("flat"), number, EXPTIME=2.0)
        sky.write(f"darks/dark_{number}.fits", sky.frame("dark"), number)
        sky.write(f"Dark Nebula B33/light_{number}.fits", sky.frame(), number)
    rows = sky.ingest()
    assert sorted(rows) == [f"Dark Nebula B33/light_{n}.fits" for n in range(3)]
    assert set(sky.codes().values()) == {"kind_contradicted"}
    stated = {}
    for row in sky.quarantine().values():
        stated |= answer(row)
    rows = sky.ingest(**stated)
    assert sorted(row["kind"] for row in rows.values()) == ["dark"] * 3 + ["flat"] * 3 + ["light"] * 3


def test_every_file_of_pictures_is_in_a_table(sky):
    sky.write("a.fits", sky.frame())
    for name in ("b.xisf", "c.CR2", "d.tif", "e.fits.bz2", "f.ser", "g.jpg", "h.xisf.gz", "notes.txt", "run.log"):
        (sky.raw / NIGHT / name).write_bytes(b"no")
    sky.write("solved.new", sky.frame(), 1)
    assert list(sky.ingest()) == ["a.fits"]
    found = sky.codes()
    assert set(found.values()) == {"unsupported"}
    assert set(found) == {"b.xisf", "c.CR2", "d.tif", "e.fits.bz2", "f.ser", "g.jpg", "h.xisf.gz", "solved.new"}
    assert any("XISF" in line for line in sky.said)
    said = len(sky.said)
    sky.ingest()
    assert len(sky.said) == said  # nothing new, nothing said


def test_a_stale_checksum_has_a_way_round(sky):
    path = sky.write("a.fits", sky.frame())
    with fits.open(path, mode="update") as hdus:
        hdus[0].header["DATASUM"] = "1"
    assert not sky.ingest() and sky.codes() == {"a.fits": "checksum"}
    assert list(sky.ingest(**answer(sky.quarantine()["a.fits"]))) == ["a.fits"]


def test_panels_with_other_stars_are_two_groups_a_lost_mount_is_none(sky):
    for number in range(2):
        sky.write(f"a{number}.fits", sky.frame(), number, RA=10.0, DEC=41.0)
        sky.write(f"lost{number}.fits", sky.frame(), 10 + number, RA=14.0, DEC=41.0)
    sky.stars = sky.rng.uniform(5, [W - 5, H - 5], (60, 2))
    for number in range(2):
        sky.write(f"b{number}.fits", sky.frame(), 20 + number, RA=20.0, DEC=41.0)
    groups = {name: row["group"] for name, row in sky.ingest().items()}
    assert groups["a0.fits"] == groups["lost0.fits"] == groups["lost1.fits"] == "M-42_Ha"
    assert groups["b0.fits"] == groups["b1.fits"] == "M-42-2_Ha"


def test_a_focus_run_is_no_science_a_folder_named_framing_may_be(sky):
    sky.write("focus run/f_1.fits", sky.frame(), 1)
    sky.write("M31/Snapshot_1.fits", sky.frame(), 2)
    sky.write("M31 framing 2/l_1.fits", sky.frame(), 3)
    sky.write("M31/FocusPos_1555_l_2.fits", sky.frame(), 4)
    assert sorted(sky.ingest()) == ["M31 framing 2/l_1.fits", "M31/FocusPos_1555_l_2.fits"]
    assert sky.codes() == {"focus run/f_1.fits": "not_science", "M31/Snapshot_1.fits": "not_science"}
    assert "focus run/f_1.fits" in sky.ingest(**answer(sky.quarantine()["focus run/f_1.fits"]))
