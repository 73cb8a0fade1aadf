import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from astropy.io import fits
from frames import problems

from n2n.errors import UserError
from n2n.formats.frametable import FRAME_COLUMNS, QUARANTINE_COLUMNS, read_table
from n2n.planning import found as finding
from n2n.planning import reading
from n2n.planning.intake import ingest

NIGHT = "2026-01-02"


class Night:
    """A raw night to which frames can be added, and its tables."""

    def __init__(self, root):
        self.raw, self.results, self.said = root / "raw", root / "results", []
        self.seed = 0
        (self.raw / NIGHT).mkdir(parents=True)

    def add(self, name, size=(70, 80), **cards):
        self.seed += 1
        pixels = np.random.default_rng(self.seed).integers(100, 200, size).astype("u2")
        hdu = fits.PrimaryHDU(pixels)
        defaults = {
            "SWCREATE": "N.I.N.A. 3",
            "IMAGETYP": "LIGHT",
            "EXPTIME": 60.0,
            "FILTER": "Ha",
            "OBJECT": "M 42",
            "INSTRUME": "Cam",
            "GAIN": 100,
            "DATE-OBS": "2026-01-02T20:00:00",
        }
        hdu.header.update({key: value for key, value in (defaults | cards).items() if value is not None})
        path = self.raw / NIGHT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        hdu.writeto(path, overwrite=True)
        return path

    def ingest(self, **kwargs):
        options = {"overrides": {}, "settle_seconds": 0, "report": self.said.append}
        rows = ingest(self.raw, NIGHT, self.results, **options | kwargs)
        assert rows == read_table(self.file("frames.csv"), FRAME_COLUMNS) and problems(rows) == []
        both = {row["path"] for row in rows} & set(self.quarantine())
        assert not both
        return {row["path"].removeprefix(f"{NIGHT}/"): row for row in rows}

    def file(self, name):
        return self.results / NIGHT / name

    def quarantine(self):
        rows = read_table(self.file("quarantine.csv"), QUARANTINE_COLUMNS)
        return {row["path"].removeprefix(f"{NIGHT}/"): row["reason_code"] for row in rows}

    def times(self):
        return {path.name: path.stat().st_mtime_ns for path in self.file("frames.csv").parent.iterdir()}

    def columns(self, name, **kwargs):
        return {path: row[name] for path, row in self.ingest(**kwargs).items()}


@pytest.fixture
def night(tmp_path):
    return Night(tmp_path)


@pytest.fixture
def unread(monkeypatch):
    """Make any reading of a frame an error."""

    def watch():
        import n2n.formats.fits as module

        monkeypatch.setattr(module, "sha256_file", lambda path: pytest.fail(f"read {path}"))
        monkeypatch.setattr(module, "examine", lambda *args: pytest.fail(f"read {args}"))

    return watch


def test_finds_every_kind_of_name_in_natural_order(night):
    for name in ("f10.FIT", "f2.fits.gz", "sub dir/f1.fts", "x:y,z.Fits"):
        night.add(name + ".tmp.fits").rename(night.raw / NIGHT / name)
    for name in (".hidden.fits", "f3.fits.part", "readme.txt", ".trash/f4.fits"):
        (night.raw / NIGHT / name).parent.mkdir(exist_ok=True)
        (night.raw / NIGHT / name).write_text("no")
    assert list(night.ingest()) == ["f2.fits.gz", "f10.FIT", "sub dir/f1.fts", "x:y,z.Fits"]
    assert not night.quarantine()


def test_rows_tell_everything(night):
    night.add("lights/a.fits", EGAIN=0.25, **{"CCD-TEMP": -9.8})
    row = night.ingest()["lights/a.fits"]
    expected = {
        "path": f"{NIGHT}/lights/a.fits",
        "kind": "light",
        "group": "M-42_Ha",
        "chunk": "0",
        "batch": "0",
        "target": "M 42",
        "filter": "Ha",
        "filter_raw": "Ha",
        "exptime_s": "60",
        "width": "80",
        "height": "70",
        "gain_setting": "100",
        "e_per_adu": "0.25",
        "temperature_c": "-9.8",
        "date_obs": "2026-01-02T20:00:00.000",
        "hdu": "0",
        "bayer": "",
        "saturate_adu": "",
    }
    assert {key: row[key] for key in expected} == expected and len(row["sha256"]) == 64
    header = night.file("frames.csv").read_text().splitlines()[0]
    assert header.startswith("path,sha256,kind,group,chunk,batch,target,filter,") and header.endswith(",hdu,notes")


def test_nothing_new_reads_and_writes_nothing(night, unread):
    night.add("a.fits")
    night.add("bad.fits", IMAGETYP=None)
    first = night.ingest()
    before = night.times()
    unread()
    assert night.ingest() == first and night.times() == before


def test_no_heavy_import_where_nothing_is_new(night):
    night.add("a.fits")
    night.ingest()
    program = (
        "import sys; from pathlib import Path; from n2n.planning.intake import ingest\n"
        f"roots = Path({str(night.raw)!r}), {NIGHT!r}, Path({str(night.results)!r})\n"
        "assert len(ingest(*roots, overrides={})) == 1\n"
        "print(sorted({'astropy', 'numpy', 'torch', 'yaml', 'scipy', 'photutils'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_touched_file_changes_nothing(night, monkeypatch):
    path, bad = night.add("a.fits"), night.add("b.fits", FILTER="?")
    night.ingest()
    before = night.times()
    for file in (path, bad):
        os.utime(file, ns=(1, 1))
    monkeypatch.setattr("n2n.formats.fits.examine", lambda *_: pytest.fail("hashing is enough"))
    night.ingest()
    after = night.times()
    assert after.pop(".ingest-cache.json") != before.pop(".ingest-cache.json") and after == before
    assert night.quarantine() == {"b.fits": "filter_ambiguous"}


def test_a_lost_cache_changes_nothing(night):
    night.add("a.fits")
    night.add("b.fits", FILTER="?")
    night.ingest()
    before = night.times()
    night.file(".ingest-cache.json").write_text("{broken")
    night.ingest()
    assert night.times()["frames.csv"] == before["frames.csv"]
    assert night.times()["quarantine.csv"] == before["quarantine.csv"]
    assert set(json.loads(night.file(".ingest-cache.json").read_text())) - {""} == {
        f"{NIGHT}/a.fits",
        f"{NIGHT}/b.fits",
    }


def test_late_frames_get_chunks_of_their_own(night):
    for number in (1, 2, 3, 5):
        night.add(f"f{number}.fits")
    night.add("dark1.fits", IMAGETYP="DARK")
    first = night.ingest(chunk_size=2)
    assert [row["chunk"] for row in first.values()] == ["", "0", "0", "1", "1"]
    assert first["dark1.fits"]["group"] == "" and first["dark1.fits"]["batch"] == "0"
    night.add("f4.fits")
    second = night.ingest(chunk_size=2)
    assert {path: second[path] for path in first} == first
    assert list(second)[-1] == "f4.fits"
    assert (second["f4.fits"]["chunk"], second["f4.fits"]["batch"]) == ("2", "1")
    night.add("g.fits", FILTER="OIII")
    third = night.ingest(chunk_size=2)["g.fits"]
    assert (third["group"], third["chunk"], third["batch"]) == ("M-42_OIII", "0", "2")


def test_set_ups_are_kept_apart_and_stay_so(night):
    night.add("a.fits")
    night.add("b.fits", GAIN=200)
    night.add("c.fits", EXPTIME=60.5)
    night.add("d.fits", EXPTIME=62.0)
    night.add("e.fits", size=(80, 80))
    night.add("f.fits", FILTER="Ha 3nm")
    groups = night.columns("group")
    assert groups == {
        "a.fits": "M-42_Ha",
        "b.fits": "M-42_Ha-2",
        "c.fits": "M-42_Ha",
        "d.fits": "M-42_Ha-3",
        "e.fits": "M-42_Ha-4",
        "f.fits": "M-42_Ha-5",
    }
    night.add("0.fits", GAIN=200)
    assert night.columns("group") == groups | {"0.fits": "M-42_Ha-2"}


def test_rows_of_one_group_lie_the_same_way(night):
    night.add("a.fits", ROWORDER="TOP-DOWN")
    night.add("b.fits", ROWORDER="BOTTOM-UP")
    assert list(night.ingest()) == ["a.fits"] and night.quarantine() == {"b.fits": "geometry"}


def test_targets(night):
    night.add("lights/a.fits", OBJECT=None)
    night.add("IC 434/a.fits", OBJECT=" ")
    night.add("b.fits", OBJECT="X Cep / wide_field")
    night.add("c.fits", OBJECT="?")
    night.add("d.fits", OBJECT="../../etc")
    found = night.columns("group", overrides={f"{NIGHT}/c.fits": {"target": "LDN 1"}})
    assert found == {
        "b.fits": "X-Cep-wide-field_Ha",
        "c.fits": "LDN-1_Ha",
        "d.fits": "etc_Ha",
        "IC 434/a.fits": "IC-434_Ha",
        "lights/a.fits": "target_Ha",
    }


def test_changed_content_gets_a_new_row(night):
    for name in ("a.fits", "b.fits", "c.fits"):
        night.add(name)
    first = night.ingest()
    night.add("a.fits", size=(70, 81))
    night.add("b.fits")
    second = night.ingest()
    assert list(second) == ["c.fits", "a.fits", "b.fits"] and second["c.fits"] == first["c.fits"]
    assert [(row["group"], row["batch"]) for row in second.values()] == [
        ("M-42_Ha", "0"),
        ("M-42_Ha-2", "1"),
        ("M-42_Ha", "1"),
    ]
    assert second["b.fits"]["sha256"] != first["b.fits"]["sha256"] and second["b.fits"]["chunk"] == "1"
    (night.raw / NIGHT / "b.fits").write_bytes(b"")
    assert list(night.ingest()) == ["c.fits", "a.fits"] and night.quarantine() == {"b.fits": "unreadable"}


def test_a_truncated_file_is_looked_at_again_when_it_grows(night, monkeypatch):
    path = night.add("a.fits", size=(200, 200))
    whole = path.read_bytes()
    path.write_bytes(whole[:40000])
    assert not night.ingest() and night.quarantine() == {"a.fits": "truncated"}
    with monkeypatch.context() as patch:
        patch.setattr("n2n.formats.fits.examine", lambda *_: pytest.fail("read again"))
        night.ingest()
    path.write_bytes(whole)
    assert list(night.ingest()) == ["a.fits"] and not night.quarantine()


def test_a_file_that_changes_while_waited_for_is_left(night, monkeypatch):
    path = night.add("a.fits")
    whole = path.read_bytes()
    slept = []

    def grow(seconds):
        slept.append(seconds)
        path.write_bytes(whole + bytes(2880))

    monkeypatch.setattr(finding.time, "sleep", grow)
    assert not night.ingest(settle_seconds=3) and night.quarantine() == {"a.fits": "still_writing"}
    assert len(slept) == 1 and 0 < slept[0] <= 3
    assert list(night.ingest()) == ["a.fits"] and not night.quarantine()


def test_a_file_that_changes_while_read_is_left(night, monkeypatch):
    import n2n.formats.fits as module

    path, real = night.add("a.fits"), module.examine

    def slow(*args):
        os.utime(path, ns=(5, 5))
        return real(*args)

    monkeypatch.setattr(module, "examine", slow)
    assert not night.ingest() and night.quarantine() == {"a.fits": "still_writing"}


def test_old_files_are_not_waited_for(night, monkeypatch):
    os.utime(night.add("a.fits"), (1, 1))
    monkeypatch.setattr(finding.time, "sleep", lambda _: pytest.fail("waited"))
    assert night.ingest(settle_seconds=3)


def test_the_same_bytes_count_once(night):
    shutil.copy(night.add("a.fits"), night.raw / NIGHT / "b.fits")
    assert list(night.ingest()) == ["a.fits"] and night.quarantine() == {"b.fits": "duplicate"}
    (night.raw / NIGHT / "a.fits").unlink()
    row = night.ingest()["b.fits"]
    assert (row["chunk"], row["batch"]) == ("0", "0") and not night.quarantine()


def test_moved_files_keep_their_rows(night):
    path = night.add("a.fits")
    night.add("b.fits")
    first = night.ingest()
    os.utime(path, (1, 1))
    shutil.move(path, night.raw / NIGHT / "c.fits")
    second = night.ingest()
    assert list(second) == ["c.fits", "b.fits"]
    assert second["c.fits"] == first["a.fits"] | {"path": f"{NIGHT}/c.fits"}
    (night.raw / NIGHT / "b.fits").rename(night.raw / "b.fits")
    assert night.ingest() == second


def test_an_exchange_of_contents_is_no_duplicate(night):
    one, two = night.add("m.fits"), night.raw / NIGHT / "a.fits"
    night.ingest()
    shutil.copy(one, two)
    night.add("m.fits")
    assert set(night.ingest()) == {"a.fits", "m.fits"} and not night.quarantine()


def test_overrides_settle_what_the_header_does_not_say(night):
    night.add("lights/x-ha-1.fits", IMAGETYP=None, FILTER=None, EXPTIME=None, OBJECT=None)
    assert not night.ingest() and night.quarantine() == {"lights/x-ha-1.fits": "no_exposure"}
    reason = read_table(night.file("quarantine.csv"), QUARANTINE_COLUMNS)[0]["reason"]
    line = reason.partition("set in config/config.yaml: ")[2]
    import yaml

    stated = yaml.safe_load(line)["overrides"]
    assert stated == {f"{NIGHT}/lights/*": {"exptime_s": "?"}}
    with pytest.raises(UserError, match="exptime_s"):  # only the user knows
        night.ingest(overrides=stated)
    stated[f"{NIGHT}/lights/*"]["exptime_s"] = 300
    row = night.ingest(overrides=stated)["lights/x-ha-1.fits"]
    assert (row["kind"], row["filter"], row["exptime_s"], row["group"]) == ("light", "Ha", "300", "target_Ha")
    assert not night.quarantine()


def test_later_overrides_win_and_changes_keep_the_chunk(night):
    night.add("lights/a.fits")
    night.add("lights/b.fits")
    first = night.ingest(chunk_size=1)
    stated = {
        f"{NIGHT}/lights": {"e_per_adu": 0.5, "skip": True},
        "*/a.fits": {"skip": False, "target": "M 42"},
    }
    second = night.ingest(overrides=stated, chunk_size=1)
    assert night.quarantine() == {"lights/b.fits": "skipped"}
    row = second["lights/a.fits"]
    assert (row["e_per_adu"], row["chunk"], row["batch"]) == ("0.5", first["lights/a.fits"]["chunk"], "0")
    third = night.ingest(chunk_size=1)
    assert set(third) == set(first) and not night.quarantine() and third["lights/a.fits"]["e_per_adu"] == ""


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"knid": "light"}, "knid"),
        ({"kind": "lights"}, "lights"),
        ({"exptime_s": "long"}, "exptime_s"),
        ({"exptime_s": -1}, "-1"),
        ({"bayer": "XXXX"}, "XXXX"),
        ({"skip": "yes"}, "skip"),
        ("light", "light"),
        ({"gain_setting": True}, "gain_setting"),
    ],
)
def test_impossible_overrides_are_told(night, fields, word):
    with pytest.raises(UserError, match=word) as caught:
        night.ingest(overrides={"x/*": fields})
    assert "\n" not in str(caught.value) and "x/*" in str(caught.value)


def test_siblings_settle_h_and_gaps(night):
    night.add("h.fits", FILTER="H")
    night.add("o.fits", FILTER="OIII")
    night.add("gap.fits", FILTER=None)
    assert night.columns("filter") == {"h.fits": "Ha", "o.fits": "OIII"}
    assert night.quarantine() == {"gap.fits": "filter_missing"}


def test_missing_or_unreadable_folders(night, monkeypatch):
    with pytest.raises(UserError, match=r"no folder .*nowhere"):
        ingest(night.raw, "nowhere", night.results, overrides={})

    def refuse(folder):
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(UserError, match=rf"cannot read the folder .*{NIGHT}: Permission denied"):
        night.ingest()


def test_links_are_followed_but_not_in_circles(night, tmp_path):
    elsewhere = tmp_path / "disk"
    elsewhere.mkdir()
    night.add("a.fits").rename(elsewhere / "a.fits")
    (night.raw / NIGHT / "link").symlink_to(elsewhere)
    (elsewhere / "back").symlink_to(night.raw / NIGHT)
    (night.raw / NIGHT / "gone.fits").symlink_to(tmp_path / "nothing")
    assert list(night.ingest()) == ["link/a.fits"] and night.quarantine() == {"gone.fits": "unreadable"}


def test_progress_and_summary(night, monkeypatch):
    for number in range(4):
        night.add(f"{number}.fits", SWCREATE="Homemade 1")
    night.add("x.fits", FILTER="?")
    clock = iter(range(100))
    monkeypatch.setattr(reading.time, "monotonic", lambda: next(clock))
    night.ingest()
    assert night.said[0] == f"ingest {NIGHT}: 1/5 frames"
    assert night.said[-3:] == [
        f"ingest {NIGHT}: 4 frames accepted, 1 in quarantine (1 filter_ambiguous)",
        f"ingest {NIGHT}: left out {NIGHT}/x.fits: FILTER = '?': a letter was lost in the header; "
        f'set in config/config.yaml: overrides: {{"{NIGHT}/x.fits": {{filter: "?"}}}}',
        f"ingest {NIGHT}: no camera profile for frames of Homemade 1; read by generic rules",
    ]


def test_names_are_kept_to_the_letter(night):
    names = {"a  b.fits", 'q"x,.fits', "ü.fits"}
    for name in names:
        night.add(name)
    night.add("c  d.fits", FILTER="?")
    assert set(night.ingest()) == names and night.quarantine() == {"c  d.fits": "filter_ambiguous"}
    before = night.times()
    night.ingest()
    assert night.times() == before


def test_a_name_no_table_can_hold(night):
    night.add("a.fits").rename(os.fsdecode(os.fsencode(night.raw / NIGHT) + b"/b\xff.fits"))
    night.add("new\nline.fits")
    assert not night.ingest()
    assert night.quarantine() == {"b\\udcff.fits": "unreadable", "new\\nline.fits": "unreadable"}


@pytest.mark.parametrize("name", ["frames.csv", "quarantine.csv"])
@pytest.mark.parametrize("archived", [False, True])
def test_an_edited_or_damaged_table_is_put_back(night, name, archived):
    paths = [night.add("a.fits"), night.add("b.fits"), night.add("c.fits", FILTER="?")]
    night.ingest()
    if archived:
        for path in paths[:2]:
            path.unlink()
    table = night.file(name)
    before = table.read_bytes()
    for damaged in (before.replace(b".fits", b".fitz", 1), before + before[-40:], b"", b"\xff\xfe\x00"):
        table.write_bytes(damaged)
        night.said.clear()
        night.ingest()
        assert table.read_bytes() == before
        assert len(night.said) == 1 and f"{name} was not as n2n wrote it" in night.said[0]
    night.said.clear()
    night.ingest()
    assert night.said == []


def test_a_damaged_copy_of_a_table_is_mended_and_a_deleted_table_is_made_anew(night):
    night.add("a.fits")
    rows, copy = night.ingest(), night.file(".frames.csv")
    before = copy.read_bytes()
    copy.write_bytes(before.replace(b"a.fits", b"b.fits"))
    assert night.ingest() == rows and copy.read_bytes() == before
    night.file("frames.csv").unlink()
    assert night.ingest() == rows and night.said[-1:] != []


def test_a_table_and_its_copy_damaged_are_read_anew_by_the_command_in_the_message(night):
    night.add("a.fits")
    rows = night.ingest()
    for name in ("frames.csv", ".frames.csv"):
        night.file(name).write_bytes(night.file(name).read_bytes().replace(b"a.fits", b"b.fits"))
    with pytest.raises(UserError, match=r"frames\.csv and its copy are damaged") as error:
        night.ingest()
    subprocess.run(str(error.value).partition("anew: ")[2], shell=True, check=True)
    assert night.ingest() == rows


def test_a_damaged_table_of_an_older_n2n_is_named(night):
    night.add("a.fits")
    night.ingest()
    night.file(".frames.csv").unlink()
    night.file("frames.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"frames\.csv is damaged"):
        night.ingest()
    night.file("frames.csv").write_text("path,sha256,batch\nx.fits,0,\n")
    with pytest.raises(UserError, match=r"frames\.csv is damaged"):
        night.ingest()
