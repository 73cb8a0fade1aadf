import numpy as np
import pytest
from astropy.io import fits

from n2n.simulate import load_truth, noiseless, simulate_late_frame, simulate_night
from n2n.simulate.artefacts import ARTEFACTS, planted
from n2n.simulate.trails import KINDS


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    """(night folder, truth folder) of a small night with every artefact."""
    base = tmp_path_factory.mktemp("artefacts")
    raw = simulate_night(
        base / "raw", preset="artefacts", seed=2, size=(288, 256), processes=1, report=lambda text: None
    )
    return raw, base / "truth" / raw.name


def of_kind(account, kind):
    return next(entry for entry in account["lights"] if entry[kind] and entry["group"] == "M31_L")


@pytest.mark.parametrize("kind", KINDS)
def test_a_trail_is_in_the_light_but_not_in_its_truth(night, kind):
    raw, truth = night
    account = load_truth(truth)
    entry = of_kind(account, kind)
    group = account["groups"][entry["group"]]
    light = noiseless(truth, entry["file"])
    adu = fits.getdata(raw / "LIGHT" / entry["file"]).astype(float)
    pure = (adu - account["camera"]["offset_adu"]) * group["e_per_adu"] - light
    masks = planted(account, entry, light, trail_nsigma=2.0)
    inside = masks[kind] & ~masks["hot"] & ~masks["cold"] & ~masks["cosmic"]
    outside = ~np.any([masks[name] for name in ARTEFACTS], axis=0)
    noise = np.sqrt(entry["sky"] + group["read_noise"] ** 2)
    assert masks[kind].any()
    # Inside above 2 sigma (an aircraft only where it is lit), and nothing outside; the flat field takes some.
    assert pure[inside].mean() - np.median(pure[outside]) > noise
    assert all(not masks[other].any() for other in KINDS if other != kind)
    assert [trail["kind"] for trail in entry["trails"]] == [kind]


def test_every_light_says_what_spoils_it(night):
    account = load_truth(night[1])
    for group in account["groups"]:
        lights = [entry for entry in account["lights"] if entry["group"] == group]
        spoilt = [kind for kind in KINDS for entry in lights if entry[kind]]
        assert spoilt == ["trail", "faint_trail", "faint_trail", "aircraft"]
        assert sum(len(entry["trails"]) for entry in lights) == 4


def test_telegraph_pixels_jump_in_half_of_all_frames(night):
    raw, truth = night
    account = load_truth(truth)
    group = account["groups"]["M31_L"]
    places = np.array(group["telegraph_pixels"])
    assert len(places) == round(60 * 288 * 256 / 1e6)
    frames = account["lights"] + account["calibration"]
    assert np.mean([len(entry["telegraph"]) for entry in frames]) == pytest.approx(len(places) / 2, abs=0.5)
    entry = next(entry for entry in account["calibration"] if entry["kind"] == "bias" and "gain0" in entry["file"])
    bias = fits.getdata(raw / "BIAS" / entry["file"]).astype(float) - account["camera"]["offset_adu"]
    high = {(column, row) for column, row, _ in entry["telegraph"]}
    for column, row, jump in places:
        level = jump / group["e_per_adu"] if (column, row) in high else 0
        assert bias[int(row), int(column)] == pytest.approx(level, abs=30)


def test_planted_pixels_are_those_that_stand_out(night):
    raw, truth = night
    account = load_truth(truth)
    entry = of_kind(account, "trail")
    light = noiseless(truth, entry["file"])
    masks = planted(account, entry, light)
    adu = fits.getdata(raw / "LIGHT" / entry["file"])
    weak = planted(account, entry, light, nsigma=0.5)
    for name in ("cosmic", "hot"):
        assert masks[name].any()
        assert (weak[name] | ~masks[name]).all()
        assert weak[name].sum() > masks[name].sum()
    assert masks["cold"][:, account["camera"]["dead_columns"]].all()
    for column, row in account["camera"]["dead_pixels"]:
        assert masks["cold"][row, column]
    assert (adu[masks["saturated"]] == 65535).mean() > 0.9
    assert ((adu == 65535) & ~masks["saturated"]).mean() < 1e-4


def test_a_late_frame_has_telegraph_pixels_too(tmp_path):
    raw = simulate_night(
        tmp_path / "raw", preset="artefacts", size=(288, 256), frames=1, processes=1, report=lambda text: None
    )
    simulate_late_frame(raw, tmp_path / "truth" / raw.name, "M31_L", 2)
    assert "telegraph" in load_truth(tmp_path / "truth" / raw.name)["lights"][-1]
