import argparse
import hashlib

import numpy as np
import pytest
from astropy.io import fits

from n2n.errors import UserError
from n2n.simulate import load_truth, night, noiseless, simulate_late_frame, simulate_night


def digests(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def quiet(text):
    pass


def mean_frame(raw, pattern):
    return np.mean([fits.getdata(path).astype(float) for path in sorted(raw.glob(pattern))], axis=0)


def test_the_same_seed_gives_the_same_bytes_with_any_number_of_processes(tmp_path):
    for processes in (1, 2):
        simulate_night(
            tmp_path / str(processes) / "raw",
            seed=3,
            preset="pair",
            size=(80, 72),
            frames=2,
            processes=processes,
            report=quiet,
        )
    assert digests(tmp_path / "1") == digests(tmp_path / "2")


def test_a_tiny_night_is_complete(tiny):
    raw, truth = tiny
    counts = {folder.name: len(list(folder.iterdir())) for folder in raw.iterdir() if folder.is_dir()}
    assert counts == {"LIGHT": 15, "BIAS": 4, "DARK": 4, "FLAT": 4}
    assert (raw / "notes.txt").is_file()
    lights = load_truth(truth)["lights"]
    assert [entry["number"] for entry in lights] == list(range(1, 16))
    for flag in ("cloudy", "trail", "truncated"):
        assert sum(entry[flag] for entry in lights) == 1
    cloudy = next(entry for entry in lights if entry["cloudy"])
    assert cloudy["transparency"] == pytest.approx(0.35, rel=0.15)
    with fits.open(raw / "LIGHT" / lights[0]["file"]) as file:
        assert file[0].data.shape == (240, 256)
        assert file[0].data.dtype == np.uint16
        assert file[0].header["DATE-OBS"].startswith("2026-10-03T20:00")


def test_the_truncated_file_is_short(tiny):
    raw, truth = tiny
    lights = load_truth(truth)["lights"]
    sizes = [(raw / "LIGHT" / entry["file"]).stat().st_size for entry in lights]
    assert lights[-1]["truncated"]
    assert sizes[-1] == pytest.approx(0.6 * sizes[0], abs=1)
    assert len(set(sizes[:-1])) == 1


def test_a_light_calibrated_with_its_masters_is_the_truth_plus_known_noise(tiny):
    raw, truth = tiny
    account = load_truth(truth)
    entry, group = account["lights"][1], account["groups"]["NGC7000_Ha"]
    gain, read_noise = group["e_per_adu"], group["read_noise"]
    dark, bias = mean_frame(raw, "DARK/*"), mean_frame(raw, "BIAS/*")
    flat = mean_frame(raw, "FLAT/*") - bias
    flat /= flat[110:130, 118:138].mean()
    adu = fits.getdata(raw / "LIGHT" / entry["file"]).astype(float)
    calibrated = (adu - dark) * gain / flat
    expected = noiseless(truth, entry["file"])
    masked = (adu > 60000) | (flat < 0.6) | (expected > 300)
    for column, row, *_ in entry["cosmic_rays"] + group["hot_pixels"]:
        masked[int(row), int(column)] = True
    for master in account["calibration"]:
        for column, row, _ in master.get("cosmic_rays", []):
            masked[int(row), int(column)] = True
    # Four darks: their noise adds a quarter.
    variance = (expected * flat + (0.6 + read_noise**2) * 1.25) / flat**2
    chi2 = ((calibrated - expected) ** 2 / variance)[~masked]
    assert chi2.mean() == pytest.approx(1, abs=0.05)


def test_planted_defects_are_where_the_lists_say(tiny):
    raw, truth = tiny
    account = load_truth(truth)
    group = account["groups"]["NGC7000_Ha"]
    hot = np.array(group["hot_pixels"])
    assert len(hot) == round(0.003 * 256 * 240)
    dark = (mean_frame(raw, "DARK/*") - mean_frame(raw, "BIAS/*")) * group["e_per_adu"]
    columns, rows = hot[:, :2].astype(int).T
    measured = dark[rows, columns]
    assert np.corrcoef(measured, hot[:, 2])[0, 1] > 0.99
    assert np.median(measured[hot[:, 2] > 20] / hot[hot[:, 2] > 20, 2]) == pytest.approx(1, abs=0.1)

    entry = account["lights"][1]
    light = fits.getdata(raw / "LIGHT" / entry["file"]).astype(float)
    for column, row, charge in entry["cosmic_rays"]:
        if charge > 100:
            adu = light[int(row), int(column)]
            assert adu > 500 + 0.7 * charge / group["e_per_adu"] or adu == 65535
    flat = mean_frame(raw, "FLAT/*") - mean_frame(raw, "BIAS/*")
    assert (flat[:, account["camera"]["dead_columns"]] < 0.1 * np.median(flat)).all()


def test_a_second_night_shows_the_same_sky(tiny, tmp_path):
    _, truth = tiny
    raw = simulate_night(
        tmp_path / "raw",
        seed=5,
        preset="tiny",
        frames=2,
        night="2026-10-04",
        only_lights=True,
        processes=1,
        report=quiet,
    )
    first, second = load_truth(truth), load_truth(tmp_path / "truth" / "2026-10-04")
    assert second["groups"] == first["groups"]
    assert second["lights"][0]["dx"] != first["lights"][0]["dx"]
    assert sorted(path.name for path in raw.iterdir()) == ["LIGHT", "notes.txt"]


def test_a_scene_seed_keeps_the_sky_while_the_seed_changes(tmp_path):
    def truth_of(name, **seeds):
        simulate_night(
            tmp_path / "raw",
            preset="tiny",
            frames=1,
            size=(80, 72),
            night=name,
            only_lights=True,
            processes=1,
            report=quiet,
            **seeds,
        )
        return load_truth(tmp_path / "truth" / name)

    first, again, other = truth_of("a", seed=1), truth_of("b", seed=2, scene_seed=1), truth_of("c", seed=2)
    assert again["groups"] == first["groups"] != other["groups"]


def test_a_late_frame_joins_the_night(tmp_path):
    raw = simulate_night(tmp_path / "raw", preset="tiny", size=(80, 72), frames=2, processes=1, report=quiet)
    truth = tmp_path / "truth" / raw.name
    before = digests(raw)
    late = simulate_late_frame(raw, truth, "NGC7000_Ha", 4)
    after = digests(raw)
    assert after.pop(str(late.relative_to(raw)))
    assert after == before
    assert load_truth(truth)["lights"][-1]["file"] == late.name
    assert noiseless(truth, late.name).shape == (72, 80)
    with pytest.raises(UserError, match="exists already"):
        simulate_late_frame(raw, truth, "NGC7000_Ha", 4)
    with pytest.raises(UserError, match="no group"):
        simulate_late_frame(raw, truth, "M42_R", 9)


def test_a_night_made_before_is_kept(tmp_path):
    said = []

    def make(**other):
        return simulate_night(
            tmp_path / "raw",
            preset="tiny",
            size=(80, 72),
            frames=1,
            processes=1,
            report=said.append,
            **other,
        )

    first = (make() / "LIGHT" / "NGC7000_Ha_60.00s_0001.fits").stat().st_mtime_ns
    assert (make() / "LIGHT" / "NGC7000_Ha_60.00s_0001.fits").stat().st_mtime_ns == first
    assert "nothing to do" in said[-1]
    with pytest.raises(UserError, match="other settings"):
        make(seed=9)


def test_the_command_line(tmp_path, capsys):
    parser = argparse.ArgumentParser()
    night.add_arguments(parser)
    common = [str(tmp_path / "raw"), "--night", "monday", "--processes", "1"]
    night.run(parser.parse_args([*common, "--preset", "tiny", "--size", "80x72", "--frames", "1"]))
    night.run(parser.parse_args([*common, "--late-frames", "2"]))
    lights = load_truth(tmp_path / "truth" / "monday")["lights"]
    assert [entry["number"] for entry in lights] == [1, 2, 3, 4]
    assert "NGC7000_Ha_60.00s_0004.fits" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        parser.parse_args([*common, "--size", "large"])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"preset": "huge"}, "no preset"), ({"dialect": "word"}, "no dialect"), ({"size": (8, 8)}, "too small")],
)
def test_wrong_wishes_are_explained(tmp_path, wrong, message):
    with pytest.raises(UserError, match=message):
        simulate_night(tmp_path / "raw", processes=1, report=quiet, **wrong)


def test_missing_truth_is_explained(tmp_path):
    with pytest.raises(UserError, match="missing"):
        load_truth(tmp_path)
    with pytest.raises(UserError, match="missing"):
        noiseless(tmp_path, "M31_L_60.00s_0001.fits")
