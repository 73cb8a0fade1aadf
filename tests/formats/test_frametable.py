import csv

import jsonschema
import pytest
from frames import problems, row_of

from n2n.config import schema
from n2n.formats.frametable import FRAME_COLUMNS, KINDS, SCHEMA


def test_the_schema_is_one_and_tells_of_every_column():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["required"] == list(FRAME_COLUMNS)
    assert all(rule["description"] for rule in SCHEMA["properties"].values())


def test_what_a_user_may_call_a_frame_is_what_frames_are():
    fields = schema()["properties"]["overrides"]["additionalProperties"]["properties"]
    assert tuple(fields["kind"]["enum"]) == KINDS
    assert set(fields) - {"skip", "checksum"} < set(FRAME_COLUMNS), "what is stated stands in the row"


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("kind", "object"),
        ("exptime_s", "60 s"),
        ("exptime_s", ""),
        ("width", "12.5"),
        ("batch", ""),
        ("done", "fb"),
        ("stage", "done"),
        ("sha256", "0"),
        ("date_obs", "3.10.2026"),
        ("group", ""),
        ("colour", "red"),
    ],
)
def test_a_row_that_is_none_is_refused(column, value):
    assert problems([row_of() | {column: value}])


def test_calibration_frames_have_no_group():
    assert problems([row_of(kind="flat", filter="Ha")]) == [] != problems([row_of(kind="dark") | {"group": "M-42_Ha"}])


def test_the_simulated_night_is_listed_so(chain):
    (table,) = chain.results.glob("*/frames.csv")
    with open(table, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(FRAME_COLUMNS) and problems(rows) == [] and len(rows) > 20
