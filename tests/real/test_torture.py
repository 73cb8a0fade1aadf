"""Ingest on real frames, and on files made to break readers."""

import resource
import time
import warnings

import numpy as np
import pytest

from n2n.errors import BadFrame
from n2n.formats.fits import examine, read_header
from n2n.formats.frametable import QUARANTINE_COLUMNS, read_table
from n2n.formats.headers import normalise
from n2n.formats.pixels import read_pixels
from n2n.planning.intake import ingest

pytestmark = pytest.mark.real


def run(raw, night, results, **overrides):
    rows = ingest(raw, night, results, overrides=overrides, report=lambda line: None)
    quarantine = read_table(results / night / "quarantine.csv", QUARANTINE_COLUMNS)
    return {row["path"]: row for row in rows}, {row["path"]: row for row in quarantine}


def test_a_night_of_a_robotic_telescope(real_data, tmp_path):
    begin = time.perf_counter()
    rows, quarantine = run(real_data / "nights", "2017-12-20", tmp_path)
    first = time.perf_counter() - begin
    assert len(rows) == 110 and not quarantine
    for path, row in rows.items():
        clock = path.removesuffix(".fits.gz")[-6:]  # the file's name holds the UTC start
        assert row["date_obs"].startswith(f"2017-12-20T{clock[:2]}:{clock[2:4]}:{clock[4:]}.")
    common = {
        "kind": "light",
        "group": "HATP-32_Clear",
        "filter": "Clear",
        "exptime_s": "60",
        "width": "650",
        "height": "500",
        "saturate_adu": "4095",
        "target": "HATP-32",
        "telescope": "Cecilia",
    }
    assert all({key: row[key] for key in common} == common for row in rows.values())
    assert [row["chunk"] for row in rows.values()] == [str(n * 7 // 110) for n in range(110)]
    assert all(-10 < float(row["temperature_c"]) < 10 for row in rows.values())
    begin = time.perf_counter()
    assert run(real_data / "nights", "2017-12-20", tmp_path) == (rows, {})
    assert time.perf_counter() - begin < first / 10
    assert first < 15  # about 2 s where the machine is not shared


def test_frames_without_a_word_in_their_headers(real_data, tmp_path):
    rows, quarantine = run(real_data / "halpha", "ou5-not", tmp_path)
    assert not rows and len(quarantine) == 15
    # Stars tell that they are lights, words the filter; nothing tells how long they were exposed.
    codes = {path: row["reason_code"] for path, row in quarantine.items()}
    assert set(codes.values()) == {"no_exposure", "already_processed"}
    assert all(("coadd" in path) == (code == "already_processed") for path, code in codes.items())
    ha = quarantine["ou5-not/nordic-ou5-ha-00-regrid.fits.gz"]["reason"]
    assert ha.endswith('overrides: {"ou5-not/*": {exptime_s: "?"}}')
    stated = {"ou5-not/*": {"exptime_s": 300}, "ou5-not/*coadd*": {"skip": True}}
    stated["ou5-not/*-cont-*"] = {"filter": "cont"}
    rows, quarantine = run(real_data / "halpha", "ou5-not", tmp_path, **stated)
    assert len(rows) == 10 and {row["reason_code"] for row in quarantine.values()} == {"skipped"}
    groups = [row["group"].partition("_")[2] for row in rows.values()]
    assert {name: groups.count(name) for name in groups} == {"Ha": 2, "OIII": 3, "HeII": 3, "cont": 2}
    assert "image in HDU 1" in rows["ou5-not/nordic-ou5-ha-00-regrid.fits.gz"]["notes"]


def test_a_colour_mosaic(real_data, tmp_path):
    stated = {"panoptes": {"kind": "light"}}
    rows, quarantine = run(real_data / "bayer", "panoptes", tmp_path, **stated)
    assert not rows
    codes = [row["reason_code"] for row in quarantine.values()]
    assert sorted(codes) == ["checksum"] * 4 + ["colour_mosaic"]
    row = {"path": "panoptes/solved.fits.fz"}
    assert "RGGB" in quarantine[row["path"]]["reason"]
    stated["panoptes"]["checksum"] = "ignore"
    rows, quarantine = run(real_data / "bayer", "panoptes", tmp_path, **stated)
    assert {row["reason_code"] for row in quarantine.values()} == {"colour_mosaic"}
    pixels, invalid = read_pixels(real_data / "bayer" / row["path"])
    assert pixels.shape == (700, 700) and not invalid.any() and 1000 < np.median(pixels) < 16384


def test_torture_is_sorted_out(real_data, tmp_path):
    rows, quarantine = run(real_data, "torture", tmp_path)
    found = {
        path.relative_to(real_data).as_posix()
        for path in (real_data / "torture").rglob("*")
        if path.is_file() and path.name.endswith((".fits", ".fit", ".fts", ".fz", ".Z", ".mt"))
    }
    assert set(rows) | set(quarantine) == found and not set(rows) & set(quarantine)
    expected = {
        "astropy/zerowidth.fits": "no_image",
        "astropy/test0.fits": "several_images",
        "astropy/checksum_false.fits": "too_small",
        "astropy/random_groups.fits": "no_image",
        "astropy/arange.fits": "not_2d",
        "panoptes/tiny.fits": "checksum",
        "kanma/stars.fits": "not_2d",
        "ccdproc/a8280271.fits": "filter_ambiguous",
        "panoptes/noheader.fits": "colour_mosaic",
    }
    assert {name: quarantine[f"torture/{name}"]["reason_code"] for name in expected} == expected


def test_torture_provokes_nothing_but_bad_frame(real_data):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcomes = {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for path in sorted((real_data / "torture").rglob("*")):
            if not path.is_file():
                continue
            for function in (read_header, read_pixels, examine):
                try:
                    found = function(path, min_side=1)
                    if function is read_header:
                        normalise(found[0], path.name, override={"kind": "light", "exptime_s": 1, "filter": "L"})
                except BadFrame as error:
                    outcomes[path] = error.reason_code
    assert len(outcomes) > 40
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # kB


def test_damaged_copies_of_real_frames(real_data, tmp_path):
    source = real_data / "bayer" / "panoptes" / "solved.fits.fz"
    whole = source.read_bytes()
    rng = np.random.default_rng(1)
    for number in range(60):
        data = bytearray(whole[: rng.integers(1, len(whole))] if number % 2 else whole)
        for at in rng.integers(0, min(len(data), 20000), 30):
            data[at] = rng.integers(256)
        path = tmp_path / "a.fits.fz"
        path.write_bytes(data)
        for function in (read_pixels, examine):
            try:
                function(path)
            except BadFrame as error:
                assert error.reason_code and error.reason
