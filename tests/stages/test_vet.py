"""`vet` looks at what masters make of lights; `measure` and `register` obey it."""

import numpy as np
import pytest
from astropy.io import fits

from n2n.errors import BadFrame
from n2n.formats.products import write_fits
from n2n.formats.tables import read_csv, read_json, write_json
from n2n.formats.treatment import set_of
from n2n.group.accepting import vet
from n2n.group.calibrated import Calibrations, Masters
from n2n.report.calibration import calibration_of

SHAPE = (96, 128)
RNG = np.random.default_rng(5)
VIGNETTING = (1 - 0.3 * (np.linspace(-1, 1, SHAPE[1]) ** 2 + np.linspace(-1, 1, SHAPE[0])[:, None] ** 2)).astype("f4")


def master(folder, key, image, defects=False, **cards):
    header = fits.Header()
    header.update(cards)
    planes = [fits.PrimaryHDU(np.asarray(image, np.float32), header)]
    write_fits(
        folder / "masters" / f"{key}.fits", [*planes, fits.ImageHDU(np.full(SHAPE, defects, "u1"), name="DEFECTS")]
    )


def flat(value):
    return np.full(SHAPE, value, np.float32)


def lights(offset=500.0, sky=200.0):
    return [(offset + RNG.normal(sky * VIGNETTING, 12)).astype(np.float32) for _ in range(3)]


def row(**keys):
    empty = {"dark": "", "bias": "", "flat": "", "defects": "", "dark_scale": "", "left_out": "", "path": "n/a.fits"}
    return empty | keys


@pytest.fixture
def masters(tmp_path):
    for key, level in (("d500", 500), ("d900", 900), ("b500", 499), ("b900", 900)):
        master(tmp_path, key, flat(level) + RNG.normal(0, 1, SHAPE), NOISEADU=6.0)
    master(tmp_path, "f", VIGNETTING / np.median(VIGNETTING), EGAINPT=0.25, EGAINPTE=0.001)
    master(tmp_path, "void", flat(0), VOID="0 of 4 frames usable: flat_9 is not lit")
    return Masters(tmp_path)


def test_right_masters_are_accepted_without_a_word(masters):
    found = vet([row(dark="d500", bias="b500", flat="f")], lights(), masters)
    assert found["accepted"] == {"dark": True, "bias": True, "flat": True} and not found["refused"] + found["notes"]


def test_where_the_dark_does_not_fit_the_bias_is_the_next_choice(masters):
    found = vet([row(dark="d900", bias="b500", flat="f")], lights(), masters)
    assert found["accepted"] == {"dark": False, "bias": True, "flat": True}
    (why,) = found["refused"]
    assert why.startswith("dark: refused: the sky lies ") and "below zero" in why and why.endswith("(d900)")


def test_without_any_zero_the_flat_is_refused_too(masters):
    found = vet([row(dark="d900", bias="b900", flat="f")], lights(), masters)
    assert not any(found["accepted"].values()) and "divide the offset" in found["refused"][-1]


def test_lights_that_hold_their_offset_are_not_divided_by_a_flat(masters):
    found = vet([row(flat="f")], lights(), masters)
    assert (
        not found["accepted"]["flat"] and "divide the offset" in found["refused"][0] and "offset" in found["notes"][0]
    )
    assert not vet([row(flat="f")], [], masters)["accepted"]["flat"]
    for free in ({"done": "b"}, {"pedestal_adu": "500"}):
        assert vet([row(flat="f") | free], lights(offset=0.0), masters)["accepted"]["flat"]


def test_where_light_fell_on_the_darks_the_bias_is_taken(masters, tmp_path):
    leak = np.linspace(20, 120, SHAPE[1], dtype=np.float32)
    master(tmp_path, "lit", flat(500) + RNG.normal(0, 1, SHAPE) + leak)
    found = vet([row(dark="lit", bias="b500", flat="f")], lights(), masters)
    assert found["accepted"] == {"dark": False, "bias": True, "flat": True} and "light fell" in found["refused"][0]
    # Glow of an amplifier is in the lights, too.
    found = vet([row(dark="lit", bias="b500", flat="f")], [light + leak for light in lights()], masters)
    assert found["accepted"]["dark"] and not found["refused"]


def test_a_void_master_is_refused_with_its_own_reason(masters):
    found = vet([row(bias="b500", flat="void")], lights(), masters)
    assert found["accepted"]["bias"] and not found["accepted"]["flat"] and "flat_9 is not lit" in found["refused"][0]


def test_lights_of_fractions_refuse_masters_in_adu_and_the_gain_of_their_flats(masters):
    found = vet([row(dark="d500", flat="f")], [light / 65535 for light in lights()], masters)
    assert not any(found["accepted"].values()) and "one scale" in found["refused"][0] and not found["gain_of_flat"]


def test_unreadable_exposures_refuse_nothing(masters):
    assert all(vet([row(dark="d500", bias="b500", flat="f")], [], masters)["accepted"].values())


def test_a_refused_dark_still_tells_the_bad_pixels(masters, tmp_path):
    master(tmp_path, "hot", flat(900), defects=True)
    chosen = row(dark="hot", bias="b500")
    found = {"set": set_of(chosen), **vet([chosen], lights(), masters)}
    calibration = Calibrations(chosen, tmp_path, [found]).of(chosen)
    assert abs(np.median(calibration.zero) - 499) < 1 and calibration.defects.all()


def test_exposures_whose_flat_was_refused_are_left_out_where_most_have_one(masters, tmp_path):
    usual, odd = row(bias="b500", flat="f"), row(bias="b500", flat="void")
    found = [{"set": set_of(one), **vet([one], lights(), masters)} for one in (usual, odd)]
    calibrations = Calibrations(usual, tmp_path, found)
    assert calibrations.of(usual).flat is not None
    with pytest.raises(BadFrame, match=r"flat cannot be used.*flat_9 is not lit"):
        calibrations.of(odd)
    # The other way round nobody is divided by a flat.
    assert Calibrations(odd, tmp_path, found).of(usual).flat is None


def test_exposures_that_the_plan_left_out_keep_its_reason(masters, tmp_path):
    usual = row(bias="b500", flat="f")
    with pytest.raises(BadFrame, match="no flat fits"):
        Calibrations(usual, tmp_path).of(row(left_out="no flat fits this exposure"))


def test_the_report_is_told_what_was_refused_and_of_masters_of_some_exposures(tmp_path):
    usual, other = row(dark="d1", flat="f1"), row(dark="d1", flat="f2")
    group = usual | {"reasons": ["dark: 4 frames of the same night (d1)", "flat: 4 frames of the same night (f1)"]}
    found = [
        {"set": set_of(usual), "refused": ["flat: refused: dust (f1)"], "notes": []},
        {"set": set_of(other), "refused": [], "notes": ["dark: a drift"]},
    ]
    paths = [tmp_path / name for name in ("calibration.json", "a.json", "b.json")]
    for path, content in zip(paths, [group, *found], strict=True):
        write_json(path, content)
    told = calibration_of(paths[0], paths[1:], [usual, other, other])
    assert told == [
        "dark: 4 frames of the same night (d1)",
        "flat: refused: dust (f1)",
        "others: 2 frames of the stack have masters of their own: d1, f2",
        "dark: a drift",
    ]
    assert calibration_of(None, [], []) == []


def test_the_simulated_nights_masters_pass_and_the_table_names_what_was_looked_at(chain):
    (path,) = chain.vetted
    found = read_json(path)
    assert all(found["accepted"].values()) and not found["refused"] + found["notes"]
    table = read_csv(chain.folder / "vetting" / f"{found['set']}.csv")
    assert found["exposures"] == [row["path"] for row in table] and len(table) == 3
