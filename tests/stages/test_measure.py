import numpy as np
import pytest
from chain import load_calibration

from n2n.formats.flags import DEFECT, NO_DATA, SATURATED
from n2n.formats.tables import read_csv, read_json
from n2n.group.calibrated import load_exposure
from n2n.group.exposure import Exposure


@pytest.fixture(scope="module")
def calibration(chain):
    return load_calibration(chain.folder / "calibration.json", chain.results)


def lights(chain):
    return [row for rows in chain.group.chunks.values() for row in rows]


def test_a_calibrated_frame_is_the_truth_plus_its_noise(chain, calibration):
    row = lights(chain)[0]
    pixels, flags = load_exposure(Exposure.from_row(row), chain.raw, calibration)
    expected = chain.expected(row["path"])
    assert calibration.unit == "electron" and calibration.gain == 0.8
    good = (flags == 0) & (expected < 500)
    residual = pixels[good] - expected[good]
    sigma = np.sqrt(expected[good] + 3.0**2 * 7 / 6)  # the dark of six frames adds its own noise
    assert np.median(residual) == pytest.approx(0, abs=0.15)
    spread = residual / sigma
    assert 1.4826 * np.median(np.abs(spread)) == pytest.approx(1.0, abs=0.08)


def test_flags_mark_the_dead_the_hot_and_the_saturated(chain, calibration):
    row = lights(chain)[0]
    pixels, flags = load_exposure(Exposure.from_row(row), chain.raw, calibration)
    assert (flags[:, chain.account["camera"]["dead_columns"]] & DEFECT).all()
    assert ((flags & SATURATED) > 0).sum() >= 1 and not (flags & NO_DATA).any()
    assert (pixels[(flags & SATURATED) > 0] > 30_000).all()
    assert np.isfinite(pixels).all() and ((flags & DEFECT) > 0).mean() < 0.02


def test_every_light_is_measured_in_order(chain):
    for chunk, rows in chain.group.chunks.items():
        frames = read_json(chain.folder / f"{chunk}.json")["frames"]
        assert [frame["path"] for frame in frames] == [row["path"] for row in rows]
        for frame, row in zip(frames, rows, strict=True):
            assert {key: frame[key] for key in row} == row and frame["rejected"] == []


def test_sky_and_noise_are_the_nights(chain):
    for name, frame in chain.measured().items():
        truth = chain.entry(name)
        sky = float(np.median(chain.expected(name)))
        assert frame["background"] == pytest.approx(sky, rel=0.05), truth
        assert frame["background_rms"] == pytest.approx(np.sqrt(sky + 9), rel=0.08)


def test_seeing_is_measured_frame_by_frame(chain):
    pairs = [
        (chain.entry(name)["fwhm"], frame["fwhm_px"])
        for name, frame in chain.measured().items()
        if not chain.entry(name)["elongated"]
    ]
    ratio = np.array([measured / truth for truth, measured in pairs])
    # A Moffat profile's half-light diameter is 1.26 times its FWHM; apertures cut the wings.
    assert 1.05 < np.median(ratio) < 1.3 and ratio.std() / ratio.mean() < 0.06


def test_the_elongated_frame_stands_out(chain):
    by_shape = sorted(chain.measured().items(), key=lambda item: -item[1]["ellipticity"])
    assert by_shape[0][0] == chain.light(elongated=True)
    assert by_shape[0][1]["ellipticity"] > 2 * by_shape[1][1]["ellipticity"]


def test_bright_stars_are_where_they_should_be(chain):
    stars = np.array(chain.account["groups"]["M31_L"]["stars"])
    for name, frame in chain.measured().items():
        truth = chain.entry(name)
        if truth["cloudy"] or truth["elongated"]:
            continue
        angle, centre = np.radians(truth["rotation"]), np.array([127.5, 119.5])
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        places = (stars[:, :2] - centre) @ turn.T + centre + [truth["dx"], truth["dy"]]
        found = np.array(frame["stars"])[:, :2]
        inside = (np.abs(places - centre) < [110, 100]).all(axis=1) & (stars[:, 2] > 3000) & (stars[:, 2] < 4e5)
        distance = np.hypot(*(found[:, None] - places[None, inside]).T).min(axis=1)
        assert (distance < 0.5).mean() >= 0.7 and np.median(distance) < 0.1


def test_a_frame_that_became_unreadable_is_rejected_with_its_reason(chain, tmp_path):
    copy = chain.copy(tmp_path / "copy")
    rows = read_csv(copy.folder / "chunks" / "000.csv")
    (copy.raw / rows[1]["path"]).write_bytes(b"gone")
    (copy.raw / rows[2]["path"]).unlink()
    copy.measure("000")
    frames = read_json(copy.folder / "000.json")["frames"]
    assert [bool(frame["rejected"]) for frame in frames] == [False, True, True] + [False] * 5
    assert all(len(frame["rejected"][0]) > 10 and frame["stars"] == [] for frame in frames[1:3])
