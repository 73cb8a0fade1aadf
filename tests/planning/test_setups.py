import pytest
from hypothesis import given
from hypothesis import strategies as st

from n2n.planning import setups

VALUES = st.sampled_from(
    ["", "0", "1", "4", "16", "-10", "-8.5", "359.6", "0.3", "TOP-DOWN", "top-down", "BOTTOM-UP", "RGGB"]
)
NAMES = sorted({column.name for column in setups.TABLE})
ROWS = st.fixed_dictionaries(dict.fromkeys(NAMES, VALUES))
KINDS = sorted(setups.MASTERS | setups.GROUP)


def names(one, other, for_):
    return {found.column.name for found in setups.differences(one, other, for_)}


@given(ROWS, st.sampled_from(KINDS))
def test_a_frame_agrees_with_itself(row, kind):
    assert names(row, dict(row), kind) == set()


@given(ROWS, ROWS, st.sampled_from(KINDS))
def test_agreeing_is_mutual_and_more_columns_never_agree_than_count(one, other, kind):
    assert names(one, other, kind) == names(other, one, kind)
    assert names(one, other, kind) <= {column.name for column in setups.columns(kind)}


@given(ROWS, st.sampled_from([column for column in setups.TABLE if not column.unknown]))
def test_what_only_one_frame_tells_is_no_difference_where_unknown_agrees(row, column):
    assert setups.agree(column, row, row | {column.name: ""})


@pytest.mark.parametrize("kind", ["bias", "dark", "flat", "group"])
@pytest.mark.parametrize(
    ("column", "one", "other"),
    [
        ("camera", "A", "B"),
        ("offset", "50", ""),
        ("row_order", "TOP-DOWN", "BOTTOM-UP"),
        ("readout_mode", "High Gain", "Low Noise"),
        ("flip", "horizontal", "none"),
        ("subframe", "0 0", "100 0"),
        ("bayer", "RGGB", "GBRG"),
        ("step", "16", "1"),
        ("step", "4", "1"),
    ],
)
def test_how_the_sensor_was_read_and_the_file_written_counts_for_every_kind(kind, column, one, other):
    assert names({column: one}, {column: other}, kind) == {column}


@pytest.mark.parametrize(
    ("kind", "column", "one", "other", "differs"),
    [
        ("flat", "telescope", "80mm f/6", "C11", True),
        ("flat", "telescope", "80mm f/6", "80MM  F/6", False),
        ("dark", "telescope", "80mm f/6", "C11", False),
        ("dark", "temperature_c", "-10", "-11.5", False),
        ("dark", "temperature_c", "-10", "-13", True),
        ("dark", "exptime_s", "60", "60.3", False),
        ("bias", "exptime_s", "0", "60", False),
        ("flat", "rotator_deg", "359.6", "0.3", False),
        ("flat", "rotator_deg", "10", "190", True),
        ("dark", "rotator_deg", "10", "190", False),
        ("dark", "step", "2", "1", False),
        ("group", "done", "bd", "", True),
        ("group", "filter_bw_nm", "3", "7", True),
    ],
)
def test_what_counts_for_whom_and_within_what(kind, column, one, other, differs):
    assert names({column: one}, {column: other}, kind) == ({column} if differs else set())


def test_a_difference_says_in_words_what_it_is():
    (found,) = setups.differences({"row_order": "TOP-DOWN"}, {"row_order": "BOTTOM-UP"}, "dark")
    assert str(found) == "row order TOP-DOWN, the lights have BOTTOM-UP"
