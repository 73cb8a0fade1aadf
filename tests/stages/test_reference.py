import numpy as np
from fields import SCENES, looked_at

from n2n.formats.tables import read_json, write_json


def test_the_nights_reference_is_a_good_frame(chain):
    chosen = read_json(chain.folder / "reference.json")
    truth = chain.entry(chosen["reference"]["path"])
    assert not (truth["cloudy"] or truth["elongated"]) and truth["fwhm"] < 3.4
    assert np.hypot(truth["dx"], truth["dy"]) < 14
    assert chosen["unit"] == "electron" and chosen["gain"] == 0.8


def test_the_choice_does_not_change_on_repetition(chain, tmp_path):
    tables = [chain.folder / f"{chunk}.json" for chunk in chain.group.reference_chunks]
    chain.call("reference", *tables, "-o", tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (chain.folder / "reference.json").read_bytes()


def test_nothing_readable_is_one_clear_line(chain, tmp_path, capsys):
    frames = [{"path": "a.fits", "rejected": ["truncated: ends early"], "stars": []}]
    write_json(tmp_path / "m.json", {"unit": "adu", "gain": 1, "frames": frames})
    chain.call("reference", tmp_path / "m.json", "-o", tmp_path / "r.json", expect=1)
    assert "none of the 1 exposures can be read: truncated" in capsys.readouterr().err
    assert not (tmp_path / "r.json").exists()


def test_the_reference_of_a_field_without_stars_is_a_typical_exposure(chain, tmp_path):
    frames = [one.to_json(stars=True) for one in looked_at(SCENES["faint nebula"], 9)]
    for number, frame in enumerate(frames):
        frame["path"] = f"night/{number}.fits"
    frames[3]["background_rms"] *= 3
    write_json(tmp_path / "m.json", {"unit": "adu", "gain": 1, "frames": frames})
    chain.call("reference", tmp_path / "m.json", "-o", tmp_path / "r.json")
    chosen = read_json(tmp_path / "r.json")
    assert chosen["no_stars"] and chosen["reference"]["path"] != "night/3.fits"


def test_the_choice_is_told_in_the_log_and_not_printed(chain, tmp_path, capsys):
    tables = [chain.folder / f"{chunk}.json" for chunk in chain.group.reference_chunks]
    chain.call("reference", *tables, "-o", tmp_path / "r.json", "--log", tmp_path / "r.log")
    chosen = read_json(tmp_path / "r.json")["reference"]["path"]
    assert f"reference {chosen}; 15 of 16 exposures within the limits" in (tmp_path / "r.log").read_text()
    assert not capsys.readouterr().out
