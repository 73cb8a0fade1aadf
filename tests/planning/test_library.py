import numpy as np
import pytest
import yaml
from astropy.io import fits
from chain import load_calibration
from frames import NIGHT, frames
from hypothesis import given
from hypothesis import strategies as st

from n2n.config import check_overrides
from n2n.formats.overrides import applying
from n2n.formats.products import write_fits
from n2n.formats.tables import write_json
from n2n.planning.library import MAX_DARK_SCALE, Library
from n2n.planning.masters import MAX_TURN, chains, masters_of, split, turn_between, typical
from n2n.planning.remedies import telling_settings


def choose(light=None, nights=None, **facts):
    """Decisions by kind, and the scale of the dark, for a light of NIGHT."""
    nights = {NIGHT: []} | (nights or {})
    decisions, scale = Library(nights).choose(NIGHT, light or frames("light", 1, **facts)[0])
    return {decision.kind: decision for decision in decisions}, scale


def test_a_dark_of_another_exposure_is_scaled_where_there_is_a_bias():
    found, scale = choose(nights={NIGHT: frames("bias") + frames("dark", exptime_s="300")})
    assert found["dark"].master.exposure == 300 and scale == pytest.approx(0.2)
    assert "of 300 s, scaled by 0.2" in found["dark"].why and "to scale the dark" in found["bias"].why


def test_the_longest_dark_is_scaled():
    darks = [row for exptime in ("50", "600", "120") for row in frames("dark", exptime_s=exptime)]
    found, scale = choose(nights={NIGHT: frames("bias") + darks})
    assert found["dark"].master.exposure == 600 and scale == pytest.approx(0.1)


def test_an_exact_dark_is_never_scaled_even_of_a_far_night():
    nights = {NIGHT: frames("bias") + frames("dark", exptime_s="300"), "2025-01-01": frames("dark", exptime_s="60.5")}
    found, scale = choose(nights=nights)
    assert found["dark"].master.night == "2025-01-01" and scale == 1
    assert "the dark contains it" in found["bias"].why


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (frames("dark", exptime_s="300"), "darks of 300 s, the lights have 60 s, and there is no bias to scale"),
        (frames("bias") + frames("dark", exptime_s="30"), "scaled by 2, more than 1.5"),
        (frames("bias") + frames("dark", exptime_s="300", temperature_c="0"), "taken at 0.0 C, the lights at -10.0 C"),
        (frames("bias") + frames("dark", exptime_s="300", gain_setting="0"), "gain setting 0 (lights: 100)"),
        (frames("bias") + frames("dark", 2), "only 2 of night"),
        (frames("bias"), "there is none"),
    ],
)
def test_a_dark_that_cannot_be_scaled_is_refused_with_its_reason(rows, reason):
    found, scale = choose(nights={NIGHT: rows})
    assert found["dark"].master is None and scale == 1 and reason in found["dark"].why
    assert found["dark"].brief.startswith("dark refused: ")


def test_a_dark_is_not_scaled_beyond_the_limit():
    exptime = 60 / MAX_DARK_SCALE
    assert choose(nights={NIGHT: frames("bias") + frames("dark", exptime_s=f"{exptime + 0.1}")})[0]["dark"].master
    assert not choose(nights={NIGHT: frames("bias") + frames("dark", exptime_s=f"{exptime - 0.1}")})[0]["dark"].master


@pytest.mark.parametrize(
    ("dark", "light", "whose"),
    [("", "-10", "their"), ("-10", "", "the lights'"), ("", "", "their and the lights'")],
)
def test_an_unknown_temperature_is_accepted_and_told(dark, light, whose):
    found, _ = choose(nights={NIGHT: frames("dark", temperature_c=dark)}, temperature_c=light)
    assert f"{whose} temperature unknown" in found["dark"].why


def test_a_dark_of_known_temperature_is_taken_before_one_of_unknown():
    rows = frames("dark", temperature_c="") + frames("dark", temperature_c="-9") + frames("dark", temperature_c="-11.5")
    assert choose(nights={NIGHT: rows})[0]["dark"].master.temperature == -9


def test_a_group_has_the_temperature_of_most_of_its_lights():
    lights = [frames("light", 1, temperature_c=value)[0] for value in ("5", "-10", "-10.2", "", "-9.8")]
    assert typical(lights)["temperature_c"] == "-9.9" and typical(lights)["path"] == lights[0]["path"]
    assert typical(lights[3:4])["temperature_c"] == ""


@pytest.mark.parametrize(
    ("flat", "light", "fits_"),
    [("10", "10.9", True), ("359.6", "0.3", True), ("10", "12", False), ("10", "190", False), ("-1", "359", True)],
)
def test_flats_are_matched_by_the_rotators_angle(flat, light, fits_):
    found, _ = choose(nights={NIGHT: frames("bias") + frames("flat", rotator_deg=flat)}, rotator_deg=light)
    assert bool(found["flat"].master) == fits_
    if not fits_:
        assert found["flat"].why == f"the flats have the rotator at {flat} degrees, the lights at {light}"


@pytest.mark.parametrize(("flat", "light", "whose"), [("", "10", "their"), ("10", "", "the lights'"), ("", "", "")])
def test_an_unknown_angle_matches_any(flat, light, whose):
    found, _ = choose(nights={NIGHT: frames("bias") + frames("flat", rotator_deg=flat)}, rotator_deg=light)
    assert found["flat"].master and ("rotator angle unknown" in found["flat"].why) == bool(whose)
    assert whose in found["flat"].why


def test_flats_of_different_angles_make_different_masters_and_the_right_one_is_taken():
    rows = frames("flat", rotator_deg="90") + frames("flat", rotator_deg="359.7") + frames("flat", rotator_deg="0.2")
    masters = masters_of(NIGHT, rows)
    assert sorted(len(master.rows) for master in masters) == [4, 8]
    found, _ = choose(nights={NIGHT: rows}, rotator_deg="0")
    assert len(found["flat"].master.rows) == 8


@given(st.lists(st.floats(-720, 720), min_size=1, max_size=12))
def test_splitting_angles_keeps_every_frame_once_and_no_set_spans_more_than_allowed(angles):
    rows = [{"path": str(i), "rotator_deg": str(angle)} for i, angle in enumerate(angles)]
    sets = split(rows, "rotator_deg", MAX_TURN, period=360.0)
    assert sorted(int(row["path"]) for members in sets for row in members) == list(range(len(rows)))
    for members in sets:
        assert all(turn_between(a, b) <= MAX_TURN + 1e-6 for a in members for b in members)


@given(st.floats(-10, 370), st.floats(-0.49, 0.49), st.floats(-0.49, 0.49))
def test_angles_within_the_tolerance_stay_together_also_across_north(angle, one, other):
    rows = [{"rotator_deg": str(angle + turn)} for turn in (0, one, other)]
    assert len(split(rows, "rotator_deg", MAX_TURN, period=360.0)) == 1


def test_the_nearest_night_is_nearest_by_date():
    nights = {"2025-12-01": frames("dark"), "2026-01-12": frames("dark"), "2026-01-13": frames("dark")}
    found, _ = choose(nights=nights)
    assert found["dark"].master.night == "2026-01-12" and "night 2026-01-12" in found["dark"].why


def test_nights_may_have_any_name():
    decisions, _ = Library({"a": frames("dark"), "b": [], "d": frames("dark")}).choose("b", frames("light", 1)[0])
    assert decisions[0].master.night == "a"


def test_flats_borrow_the_bias_of_another_night_and_say_so():
    nights = {NIGHT: frames("flat"), "2026-01-01": frames("bias")}
    library = Library(nights)
    decisions, _ = library.choose(NIGHT, frames("light", 1)[0])
    flat = next(decision for decision in decisions if decision.kind == "flat")
    assert "their bias of night 2026-01-01" in flat.why
    assert flat.master.zero in library.needed(decisions)


def test_flats_without_any_zero_say_so():
    found, _ = choose(nights={NIGHT: frames("flat")})
    assert "nothing subtracted" in found["flat"].why and found["flat"].master.zero is None


def test_darkflats_come_before_the_bias_also_of_fewer_frames_than_a_master_needs():
    for number, kind in ((3, "darkflat"), (2, "bias")):
        library = Library({NIGHT: frames("flat") + frames("bias") + frames("darkflat", number)})
        flat = next(master for master in library.masters.values() if master.kind == "flat")
        assert library.masters[flat.zero].kind == kind


@pytest.mark.parametrize("kind", ["bias", "dark", "flat"])
@pytest.mark.parametrize(
    ("column", "theirs", "ours", "words"),
    [
        ("row_order", "BOTTOM-UP", "TOP-DOWN", "row order BOTTOM-UP, the lights have TOP-DOWN"),
        ("readout_mode", "Low Noise", "High Gain", "readout mode Low Noise, the lights have High Gain"),
        ("step", "16", "1", "step of the numbers 16, the lights have 1"),
    ],
)
def test_masters_read_or_written_otherwise_are_refused_in_plain_words(kind, column, theirs, ours, words):
    found, _ = choose(nights={NIGHT: frames(kind, **{column: theirs})}, **{column: ours})
    assert found[kind].master is None and found[kind].why == words


def test_what_only_one_side_tells_is_accepted_and_told():
    found, _ = choose(nights={NIGHT: frames("dark", row_order="TOP-DOWN") + frames("bias")}, readout_mode="Fast")
    assert "the lights' row order unknown" in found["dark"].why and "their readout mode unknown" in found["dark"].why
    assert found["bias"].master and "their readout mode unknown" in found["bias"].why


def test_frames_that_tell_less_join_the_only_set_there_is_and_stay_alone_among_several():
    some, few = frames("dark", 3, readout_mode="Fast"), frames("dark", 2)
    assert [len(master.rows) for master in masters_of(NIGHT, some + few)] == [5]
    more = frames("dark", 3, readout_mode="Slow")
    assert sorted(len(master.rows) for master in masters_of(NIGHT, some + few + more)) == [2, 3, 3]


def test_frames_of_two_pedestals_make_no_common_master():
    rows = frames("bias", 3, pedestal_adu="100") + frames("bias", 4)
    assert sorted(len(master.rows) for master in masters_of(NIGHT, rows)) == [3, 4]


def test_frames_that_were_calibrated_before_are_no_masters_for_raw_lights():
    rows = frames("flat", stage="calibrated", done="bf") + frames("bias", stage="calibrated", done="b")
    found, _ = choose(nights={NIGHT: rows})
    for kind in ("flat", "bias"):
        assert found[kind].master is None and "calibrated before" in found[kind].why
    flats = Library({NIGHT: frames("flat") + frames("bias", stage="calibrated", done="b")})
    assert all(master.zero is None for master in flats.masters.values() if master.kind == "flat")


def test_flats_whose_zero_was_subtracted_before_are_flats_of_which_nothing_is_subtracted_again():
    rows = frames("flat", stage="calibrated", done="b", step="0.001") + frames("bias", step="1")
    found, _ = choose(nights={NIGHT: rows}, step="1")
    assert found["flat"].master.zero is None and found["flat"].why.endswith(
        "zero subtracted before, by their own headers"
    )
    # Frames of both kinds never make one master.
    assert sorted(len(m.rows) for m in masters_of(NIGHT, rows + frames("flat", 3)) if m.kind == "flat") == [3, 4]


def temperatures(*values):
    return [row for value in values for row in frames("dark", 1, temperature_c=f"{value:g}")]


@pytest.mark.parametrize(
    ("degrees", "sizes"),
    [
        ([16, 17.2, 18.4, 19.6, 20.8, 22], [6]),  # sets of two would make no master
        ([-10] * 4 + [-7.9], [1, 4]),
        ([-10, -10, -9, -7.9], [1, 3]),
        ([-10] * 3 + [-20] * 2, [2, 3]),  # two settings are no drift
        ([10, 10.5, 11, 12.5, 13, 14], [3, 3]),
    ],
)
def test_darks_that_drift_are_cut_into_masters_only_where_enough_of_them_make_one(degrees, sizes):
    masters = masters_of(NIGHT, temperatures(*degrees))
    assert sorted(len(master.rows) for master in masters) == sizes


def test_a_master_of_drifting_darks_says_so():
    found, _ = choose(nights={NIGHT: temperatures(16, 17.2, 18.4, 19.6, 20.8, 22)}, temperature_c="19.2")
    assert found["dark"].master.temperature == 19 and "drift from 16 to 22 C" in found["dark"].why


@given(st.lists(st.floats(-720, 720), min_size=1, max_size=12))
def test_chains_keep_every_frame_once_and_their_neighbours_are_far(angles):
    rows = [{"path": str(i), "rotator_deg": str(angle)} for i, angle in enumerate(angles)]
    sets = chains(rows, "rotator_deg", MAX_TURN, 360.0)
    assert sorted(int(row["path"]) for members in sets for row in members) == list(range(len(rows)))
    for place, members in enumerate(sets):
        others = [row for other in sets[:place] for row in other]
        assert all(turn_between(a, b) > MAX_TURN - 1e-6 for a in members for b in others)


@pytest.mark.parametrize("known", ["masters", "lights"])
def test_a_setting_that_only_one_side_tells_is_refused_with_lines_that_work(known):
    told, silent = {"gain_setting": "100", "offset": "50"}, {"gain_setting": "", "offset": ""}
    of_masters, of_lights = (told, silent) if known == "masters" else (silent, told)

    def night(masters, ours):
        rows = [row | {"path": f"{NIGHT}/bias/{row['path']}"} for row in frames("bias", **masters)]
        rows += [row | {"path": f"{NIGHT}/flat/{row['path']}"} for row in frames("flat", **masters)]
        return rows, frames("light", 1, **ours)[0] | {"path": f"{NIGHT}/light/a.fits"}

    rows, light = night(of_masters, of_lights)
    library = Library({NIGHT: [*rows, light]})
    assert not any(decision.master for decision in library.choose(NIGHT, light)[0])
    remedy = telling_settings(library, NIGHT, light, ("dark", "bias", "flat"))
    line = remedy.partition("set in config/config.yaml: ")[2]
    stated = check_overrides(yaml.safe_load(line)["overrides"])
    # What ingest makes of them.
    rows, light = ([row | {k: f"{v:g}" for k, v in applying(stated, row["path"]).items()} for row in part]
                   for part in (rows, [light]))  # fmt: skip
    found, _ = Library({NIGHT: rows + light}).choose(NIGHT, light[0])
    assert all(decision.master for decision in found if decision.kind != "dark")


def test_no_line_is_offered_where_settings_contradict_or_others_would_suffer():
    light = frames("light", 1)[0]
    other = Library({NIGHT: frames("bias", gain_setting="200", offset="")})
    assert telling_settings(other, NIGHT, light, ("bias",)) == ""
    beside = [
        row | {"path": f"{NIGHT}/{row['path']}"} for row in frames("bias", offset="") + frames("bias", offset="9")
    ]
    assert telling_settings(Library({NIGHT: beside}), NIGHT, light, ("bias",)) == ""


@pytest.mark.parametrize(("done", "left"), [("bd", {"flat"}), ("f", {"dark", "bias"}), ("bdf", set())])
def test_what_was_done_to_the_lights_before_is_not_done_again(done, left):
    rows = frames("bias") + frames("dark") + frames("flat")
    found, scale = choose(nights={NIGHT: rows}, done=done, stage="calibrated")
    assert {kind for kind, decision in found.items() if decision.master} == left and scale == 1
    assert all("already" in found[kind].why for kind in {"dark", "bias", "flat"} - left)


def test_frames_that_are_gone_make_no_master_but_one_that_is_there_is_used():
    rows = frames("dark", 4)
    whole = next(iter(Library({NIGHT: rows}).masters))
    gone = Library({NIGHT: rows}, there=lambda row: False)
    assert gone.masters == {} and "not there any more" in gone.choose(NIGHT, frames("light", 1)[0])[0][0].why
    (kept,) = Library({NIGHT: rows}, lambda row: False, lambda key: key == whole).masters.values()
    assert kept.kept and kept.key == whole
    decisions, _ = Library({NIGHT: rows}, lambda row: False, lambda key: key == whole).choose(
        NIGHT, frames("light", 1)[0]
    )
    assert "not there any more" in decisions[0].why
    (rest,) = Library({NIGHT: rows}, lambda row: row is not rows[0], lambda key: True).masters.values()
    assert len(rest.rows) == 3 and not rest.kept


# What `load_calibration` makes of the choice.


def prepare(folder, chosen, **masters):
    """Write masters of constant level and calibration.json; a master is (level, cards, defect pixels)."""
    for kind, (level, cards, bad) in masters.items():
        defects = np.zeros((6, 7), np.uint8)
        for place in bad:
            defects[place] = 1
        header = fits.Header()
        header.update(cards)
        image = np.full((6, 7), level, np.float32)
        write_fits(
            folder / "masters" / f"{kind}.fits",
            [fits.PrimaryHDU(image, header), fits.ImageHDU(defects, name="DEFECTS")],
        )
    path = folder / "calibration.json"
    write_json(path, {kind: kind for kind in masters} | chosen)
    return load_calibration(path, folder)


def test_the_zero_is_the_dark_alone_though_there_is_a_bias(tmp_path):
    found = prepare(tmp_path, {}, bias=(500, {}, []), dark=(530, {}, [(1, 2)]))
    assert (found.zero == 530).all() and found.defects.sum() == 1


def test_a_scaled_dark_stands_on_the_bias_and_its_hot_pixels_count(tmp_path):
    found = prepare(tmp_path, {"dark_scale": 0.2}, bias=(500, {}, [(0, 0)]), dark=(600, {}, [(1, 2)]))
    np.testing.assert_allclose(found.zero, 520)
    assert found.zero.dtype == np.float32 and found.defects[1, 2] and found.defects.sum() == 1


def test_the_bias_is_the_zero_where_there_is_no_dark(tmp_path):
    found = prepare(tmp_path, {}, bias=(500, {}, []), defects=(0, {}, [(3, 3)]))
    assert (found.zero == 500).all() and found.defects[3, 3]


@pytest.mark.parametrize(
    ("stated", "flat", "lights", "by_user", "gain", "told"),
    [
        (0.8, {}, {}, False, 0.8, False),
        (0.8, {"EGAINPT": 0.85, "EGAINPTE": 0.001}, {}, False, 0.8, False),
        (0.8, {"EGAINPT": 0.25, "EGAINPTE": 0.002}, {}, False, 0.25, True),
        (0.8, {"EGAINPT": 0.25, "EGAINPTE": 0.002}, {}, True, 0.8, True),
        (0.8, {"EGAINPT": 0.25, "EGAINPTE": 0.002}, {}, "unit of the file", 0.8, True),
        (0.8, {"EGAINPT": 0.25, "EGAINPTE": 0.2}, {}, False, 0.8, False),
        (0.8, {"EGAINPT": 0.25, "EGAINPTE": 0.02}, {}, False, 0.8, True),
        (0.8, {"EGAINPT": 0.25}, {}, False, 0.8, True),
        (0.8, {}, {"EGAINPT": 0.25, "EGAINPTE": 0.002}, False, 0.8, False),
        (None, {"EGAINPT": 0.25}, {"EGAINPT": 0.3, "EGAINPTE": 0.01}, False, 0.25, True),
        (None, {}, {"EGAINPT": 0.3, "EGAINPTE": 0.01}, False, 0.3, True),
        (None, {}, {}, False, None, False),
    ],
)
def test_the_gain_is_the_headers_unless_sure_flats_contradict_it(tmp_path, stated, flat, lights, by_user, gain, told):
    chosen = {"e_per_adu": stated, "e_per_adu_by_user": by_user}
    found = prepare(tmp_path, chosen, flat=(1, flat, []), defects=(0, lights, []))
    assert (found.gain, found.unit) == ((gain, "electron") if gain else (1.0, "adu"))
    assert len(found.notes) == told
    if told and stated:
        assert "0.8" in found.notes[0] and "0.25" in found.notes[0]
