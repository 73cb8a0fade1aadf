import pytest
from frames import NIGHT, frames

from n2n.formats.treatment import set_of
from n2n.planning.library import Library
from n2n.planning.treatments import samples, treat


def lights(number, batch=0, **facts):
    return [row | {"batch": str(batch), "chunk": "0"} for row in frames("light", number, **facts)]


def treated(calibration, rows, first=None):
    return treat(NIGHT, rows, first or rows, Library({NIGHT: calibration + rows}))


def column(result, kind):
    return [row[kind] for row in result.rows]


def test_an_ordinary_group_has_one_set_of_masters():
    result = treated(frames("bias") + frames("dark") + frames("flat"), lights(5))
    assert len(set(map(set_of, result.rows))) == 1 and not any(column(result, "left_out"))
    assert set(result.masters) == {result.rows[0][kind] for kind in ("dark", "bias", "flat")}
    assert [decision.master.key for decision in result.decisions] == [
        result.rows[0][kind] for kind in ("dark", "bias", "flat")
    ]


def test_each_exposure_gets_the_flat_of_its_own_angle():
    flats = frames("flat", rotator_deg="10") + frames("flat", rotator_deg="190")
    result = treated(frames("bias") + flats, lights(4, rotator_deg="10.2") + lights(4, rotator_deg="189.8"))
    used = column(result, "flat")
    assert len(set(used[:4])) == len(set(used[4:])) == 1 and used[0] != used[4] and not any(column(result, "left_out"))
    angles = {key: result.masters[key].rows[0]["rotator_deg"] for key in used}
    assert (angles[used[0]], angles[used[4]]) == ("10", "190")


def test_each_exposure_gets_the_dark_of_its_own_temperature():
    darks = frames("dark", temperature_c="-20") + frames("dark", temperature_c="-10")
    result = treated(darks, lights(3, temperature_c="-19.5") + lights(5, temperature_c="-10.2"))
    used = [result.masters[key].temperature for key in column(result, "dark")]
    assert used == [-20] * 3 + [-10] * 5


def test_an_exposure_a_little_off_takes_what_its_neighbours_take():
    temperatures = ["-10", "-10.5", "-11.5", "-12.6"]  # darks at -10: the last one's own would be too far
    rows = [row for value in temperatures for row in lights(1, temperature_c=value)]
    result = treated(frames("dark"), rows)
    assert all(column(result, "dark")) and not any(column(result, "left_out"))


def test_exposures_that_cannot_be_treated_like_most_are_left_out_with_a_remedy():
    result = treated(
        frames("bias") + frames("flat", rotator_deg="10"),
        lights(8, rotator_deg="10") + lights(1, rotator_deg="190"),
    )
    *most, odd = result.rows
    assert all(row["flat"] and not row["left_out"] for row in most)
    assert "the flats have the rotator at 10 degrees, the lights at 190" in odd["left_out"]
    assert "{skip: true}" in odd["left_out"] and not any(odd[kind] for kind in ("dark", "bias", "flat"))


def test_where_most_have_no_flat_nobody_is_divided_by_one():
    result = treated(
        frames("bias") + frames("flat", rotator_deg="10"),
        lights(2, rotator_deg="10") + lights(5, rotator_deg="190"),
    )
    assert not any(column(result, "flat")) and not any(column(result, "left_out")) and all(column(result, "bias"))


def test_where_as_many_have_a_flat_as_have_none_the_flat_wins():
    result = treated(
        frames("bias") + frames("flat", rotator_deg="10"),
        lights(4, rotator_deg="190") + lights(4, rotator_deg="10"),
    )
    assert [bool(text) for text in column(result, "left_out")] == [True] * 4 + [False] * 4


def test_a_dark_of_some_and_a_bias_of_others_are_both_a_zero():
    rows = lights(5) + lights(2, temperature_c="5")
    result = treated(frames("bias") + frames("dark"), rows)
    assert not any(column(result, "left_out"))
    assert [bool(key) for key in column(result, "dark")] == [True] * 5 + [False] * 2
    assert all(row["defects"] for row in result.rows[5:]) and not any(row["defects"] for row in result.rows[:5])


def creeping(*angles, **facts):
    return [row for angle in angles for row in lights(1, rotator_deg=f"{angle:g}", **facts)]


def test_a_rotator_that_creeps_costs_no_exposures():
    result = treated(
        frames("bias") + frames("flat", rotator_deg="12"), creeping(*(8 + 0.5 * step for step in range(12)))
    )
    assert not any(column(result, "left_out")) and len(set(column(result, "flat"))) == 1 and all(column(result, "flat"))
    assert "the rotator creeps from 8 to 13.5 degrees" in result.decisions[2].why


def test_a_creep_takes_the_nearest_flat_and_ends_at_a_gap():
    flats = frames("flat", rotator_deg="359") + frames("flat", rotator_deg="5")
    result = treated(frames("bias") + flats, creeping(359, 0, 1, 1.8, 2.5, 3.4, 4.2, 5, 7))
    angles = [result.masters[key].rows[0]["rotator_deg"] if key else "" for key in column(result, "flat")]
    assert angles == ["359"] * 4 + ["5"] * 4 + [""]
    assert "the lights at 7" in result.rows[-1]["left_out"]


def test_late_exposures_of_a_creep_change_nothing_that_was_decided_before():
    calibration, early = frames("bias") + frames("flat", rotator_deg="10"), creeping(10, 10.2, 10.4, 10.6, 12.5)
    before = treated(calibration, early)
    after = treated(calibration, early + creeping(11.2, 11.8, batch=1), early)
    assert after.rows[:5] == before.rows and not any(row["left_out"] for row in after.rows[5:])
    assert [d.sentence for d in after.decisions] == [d.sentence for d in before.decisions]


@pytest.mark.parametrize("late", [{"rotator_deg": "190"}, {"rotator_deg": "10"}, {"temperature_c": "-12.5"}])
def test_late_exposures_change_nothing_that_was_decided_before(late):
    calibration = frames("bias") + frames("dark") + frames("flat", rotator_deg="10") + frames("flat", rotator_deg="190")
    early = lights(8, rotator_deg="10")
    before = treated(calibration, early)
    after = treated(calibration, early + lights(3, batch=1, **({"rotator_deg": "10"} | late)), early)
    assert after.rows[:8] == before.rows
    assert [d.sentence for d in after.decisions] == [d.sentence for d in before.decisions]
    old, new = samples(before.rows), samples(after.rows)
    assert {name: new[name] for name in old} == old


def test_masters_are_looked_at_on_up_to_three_exposures_of_the_earliest_batch():
    result = treated(frames("bias"), lights(9) + lights(4, batch=1))
    (found,) = samples(result.rows).values()
    assert [row["path"] for row in found] == [result.rows[place]["path"] for place in (0, 4, 8)]
    assert samples(treated([], lights(3)).rows) == {}
