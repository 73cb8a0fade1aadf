import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from n2n.errors import UserError
from n2n.formats.tables import csv_text, number, read_csv, read_json, write_json


@given(st.lists(st.fixed_dictionaries({"a": st.text(), "b": st.text()}), max_size=5))
def test_any_text_survives_a_table(tmp_path_factory, rows):
    cleaned = [
        {k: v.encode("utf-8", "ignore").decode().replace("\x00", "").replace("\r", "") for k, v in row.items()}
        for row in rows
    ]
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    path.write_text(csv_text(cleaned, ["a", "b"]), encoding="utf-8", newline="")
    assert read_csv(path) == [row for row in cleaned]


def test_columns_are_in_order_and_others_are_left_out():
    assert csv_text([{"b": 2, "x": 9, "a": 1}], ["a", "b"]) == "a,b\n1,2\n"


def test_a_missing_or_damaged_table_is_named(tmp_path):
    with pytest.raises(UserError, match=r"none\.csv"):
        read_csv(tmp_path / "none.csv")
    (tmp_path / "bad.csv").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(UserError, match=r"bad\.csv"):
        read_csv(tmp_path / "bad.csv")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(UserError, match=r"bad\.json"):
        read_json(tmp_path / "bad.json")
    with pytest.raises(UserError, match=r"none\.json"):
        read_json(tmp_path / "none.json")


def test_json_holds_plain_finite_numbers(tmp_path):
    content = {
        "nan": float("nan"),
        "inf": np.float32(np.inf),
        "int": np.int64(3),
        "float": np.float64(0.1),
        "flag": np.bool_(True),
        "array": np.array([[1.0, np.nan], [2.0, 3.0]]),
        "tuple": (1, None, "x"),
        "path": Path("a/b"),
        3: "key",
    }
    write_json(tmp_path / "t.json", content)
    assert read_json(tmp_path / "t.json") == {
        "nan": None,
        "inf": None,
        "int": 3,
        "float": 0.1,
        "flag": True,
        "array": [[1.0, None], [2.0, 3.0]],
        "tuple": [1, None, "x"],
        "path": "a/b",
        "3": "key",
    }
    text = (tmp_path / "t.json").read_text()
    assert text.endswith("}\n") and json.loads(text, parse_constant=pytest.fail)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.25", 0.25),
        ("-10", -10.0),
        (3, 3.0),
        ("", None),
        (None, None),
        ("nan", None),
        ("inf", None),
        ("x", None),
    ],
)
def test_a_cell_is_a_finite_number_or_nothing(text, value):
    assert number(text) == value
    assert number(text, 7.0) == (7.0 if value is None else value)


def test_a_table_of_another_kind_is_named(tmp_path):
    path = tmp_path / "quarantine.csv"
    path.write_text("path,reason\n")
    assert read_csv(path, "path", "reason") == []
    for columns in (["kind"], ["path", "kind"]):
        with pytest.raises(UserError, match=r"quarantine\.csv is not the table .* no column 'kind'"):
            read_csv(path, *columns)
    with pytest.raises(UserError, match=r"quarantine\.csv has no rows"):
        read_csv(path, "path", filled=True)
    path.write_text("")
    with pytest.raises(UserError, match=r"no column 'path'"):
        read_csv(path, "path")


def test_nobody_is_told_to_delete_a_network_that_is_whole(tmp_path):
    write_json(tmp_path / "model.json", {"weights_sha256": "0" * 64, "recipe": {}})
    with pytest.raises(UserError, match=r"model.json describes a network, not what is asked for here") as error:
        read_json(tmp_path / "model.json", "reasons")
    assert "rm " not in str(error.value)
    write_json(tmp_path / "reference.json", {"weights_sha256": "0" * 64, "recipe": {}})
    with pytest.raises(UserError, match=r"rm .*reference.json"):
        read_json(tmp_path / "reference.json", "limits")
