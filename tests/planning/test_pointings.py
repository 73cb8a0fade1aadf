"""Panels of a mosaic are told apart; dithers, drifts and a mount that has lost its way are not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from n2n.planning.grouping import Groups
from n2n.planning.pointings import separation

LIGHT = {
    "path": "n/a.fits", "kind": "light", "group": "", "target": "M31", "filter": "Ha", "filter_bw_nm": "",
    "exptime_s": "60", "camera": "C", "width": "1000", "height": "800", "binning": "1", "gain_setting": "1",
    "offset": "1", "row_order": "", "bayer": "", "panel": "", "stage": "raw", "done": "",
}  # fmt: skip


def light(ra="", dec="", **more):
    return LIGHT | {"ra_deg": str(ra), "dec_deg": str(dec)} | more


def names(rows, **how):
    groups = Groups([], **how)
    return [groups.assign(row) for row in rows], groups.told()


def test_a_mosaic_of_one_name_is_several_groups_and_said():
    rows = [light(10.68, 41.27), light(11.9, 42.1), light(10.69, 41.27), light(11.91, 42.1)]
    found, told = names(rows)
    assert found == ["M31_Ha", "M31-2_Ha", "M31_Ha", "M31-2_Ha"]
    assert any("two pointings" in line and "M31-2_Ha" in line for line in told)


def test_a_panel_keeps_its_number_through_all_filters():
    rows = [light(10, 41), light(12, 41), light(12, 41, filter="OIII"), light(10, 41, filter="OIII")]
    assert names(rows)[0] == ["M31_Ha", "M31-2_Ha", "M31-2_OIII", "M31_OIII"]


def test_the_stars_have_the_last_word():
    rows = [light(10, 41), light(15, 41)]
    assert names([dict(row) for row in rows], same_field=lambda one, other: True)[0] == ["M31_Ha", "M31_Ha"]
    assert names([dict(row) for row in rows], same_field=lambda one, other: False)[0] == ["M31_Ha", "M31-2_Ha"]


def test_a_slow_drift_is_no_second_pointing():
    rows = [light(10 + 0.1 * step, 41, field_deg="0.7") for step in range(20)]
    assert set(names(rows)[0]) == {"M31_Ha"}


def test_unknown_places_belong_to_the_first_pointing():
    assert set(names([light(), light(10, 41), light()])[0]) == {"M31_Ha"}


def test_later_frames_find_their_pointing_again():
    rows = [light(10, 41), light(12, 41)]
    groups = Groups([])
    for row in rows:
        row["group"] = groups.assign(row)
    assert Groups(rows).assign(light(12.01, 41)) == "M31-2_Ha"


def test_one_target_in_four_spellings():
    rows = [light(10, 41, target=name) for name in ("M31", "M 31", "m31", "Messier 31")]
    found, told = names(rows)
    assert set(found) == {"M31_Ha"}
    assert told == ["M31, M 31, m31, Messier 31: spellings of one target"]


def test_two_names_at_one_place_are_suggested_to_be_one():
    found, told = names([light(10.68, 41.27), light(10.7, 41.27, target="Andromeda")])
    assert found == ["M31_Ha", "Andromeda_Ha"]
    assert "same place" in told[0] and "overrides: target" in told[0]


def test_targets_without_a_readable_letter_stay_apart():
    rows = [light(83.8, -5.4, target="??????????"), light(56.9, 24.1, target="??????")]
    assert names(rows)[0] == ["J0535-0524_Ha", "J0348+2406_Ha"]
    rows = [light(target="??????????"), light(target="??????")]
    assert len(set(names(rows)[0])) == 2


def test_another_set_up_of_one_target_has_a_group_of_its_own():
    assert names([light(10, 41), light(10, 41, gain_setting="2")])[0] == ["M31_Ha", "M31_Ha-2"]
    assert names([light(10, 41), light(10, 41, stage="calibrated", done="bdf")])[0] == ["M31_Ha", "M31_Ha-2"]


def test_names_that_only_differ_in_case_do_not_share_a_folder():
    rows = [light(target="Ab?"), light(target="ab!?")]
    assert len({name.casefold() for name in names(rows)[0]}) == 2


@given(st.floats(0, 360), st.floats(-89, 89), st.floats(0, 360), st.floats(-89, 89))
def test_separation_is_a_distance(a, b, c, d):
    there = separation((a, b), (c, d))
    assert 0 <= there <= 180
    assert there == pytest.approx(separation((c, d), (a, b)))
    assert separation((a, b), (a + 360, b)) == pytest.approx(0, abs=1e-6)


def test_separation_of_known_places():
    assert separation((10, 0), (11, 0)) == pytest.approx(1)
    assert separation((0, 60), (2, 60)) == pytest.approx(1, abs=0.001)
