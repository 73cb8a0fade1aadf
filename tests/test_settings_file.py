"""The settings file means what its writer meant."""

import pytest

from n2n.config import check_config, check_overrides, load_config, read_settings
from n2n.errors import UserError


@pytest.fixture
def written(tmp_path):
    """Write a settings file and load it."""

    def load(content: str | bytes) -> dict:
        path = tmp_path / "config.yaml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return load_config(path)

    return load


def complaint(written, content) -> str:
    with pytest.raises(UserError) as caught:
        written(content)
    text = str(caught.value)
    assert "\n" not in text and len(text) < 400
    return text


def test_dates_and_numbers_are_names_where_names_are_expected(written):
    config = written("""\
raw: 2026
nights: [2026-10-03, 20261004, 1.10, 12:30, yes please]
overrides:
  2026-10-03: {camera: 1600, target: 2026-10-03, filter: 6563}
  20261004: {target: 007, filter: 1.10}
  2026.10: {target: 12:30:15, exptime_s: 60}
  no: {skip: true}
""")
    assert config["raw"] == "2026"
    assert config["nights"] == ["2026-10-03", "20261004", "1.10", "12:30", "yes please"]
    assert config["overrides"] == {
        "2026-10-03": {"camera": "1600", "target": "2026-10-03", "filter": "6563"},
        "20261004": {"target": "007", "filter": "1.10"},
        "2026.10": {"target": "12:30:15", "exptime_s": 60},
        "no": {"skip": True},
    }


@pytest.mark.parametrize("text", ["1e-3", "1.0e-3", "0.001", "1E-03"])
def test_a_number_with_a_power_is_a_number(written, text):
    assert written(f"train: {{learning_rate: {text}}}\n")["train"]["learning_rate"] == 0.001
    assert written(f"overrides: {{a: {{target: {text}}}}}\n")["overrides"]["a"]["target"] == text


@pytest.mark.parametrize("word", ["NO", "on", "yes", "Off", "true"])
def test_what_yaml_takes_for_true_or_false_must_stand_in_quotes(written, word):
    text = complaint(written, f'overrides:\n  "2026-10-03": {{filter: {word}}}\n')
    assert "line 2" in text and f'write "{word}" in quotes' in text and "filter" in text
    assert written(f"overrides: {{a: {{filter: '{word}'}}}}\n")["overrides"]["a"]["filter"] == word


@pytest.mark.parametrize("content", ["", "# nothing yet\n", "\n\n", "---\n", "null\n", b"\xef\xbb\xbf# BOM\n"])
def test_an_empty_file_or_one_of_comments_says_nothing(written, content):
    assert written(content) == load_config()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("- raw: a\n", "a list"),
        ("just words\n", "just words"),
        ("raw:\n\tresults: x\n", "line 2: a tab; indent with spaces"),
        (b"raw: a\nresults: l\xe4tin\n", "line 2: not UTF-8 text; save the file as UTF-8"),
        ("overrides:\n  *_Ha_*: {filter: Ha}\n", "into quotes"),
        ("overrides:\n  {Ha}: {filter: Ha}\n", "in quotes"),
        ("raw: a\nraw: b\n", "line 2: 'raw' is given twice"),
        ("overrides:\n  x: {kind: dark}\n  x: {exptime_s: 3}\n", "'x' is given twice"),
        ("raw: a: b\n", "line 1"),
        ("--- a\n--- b\n", "config.yaml"),
        ("raw: ''\n", "raw"),
        ("overrides: {a: {exptime_s: .nan}}\n", '"a": exptime_s: nan is no number'),
        ("memory_gb: .inf\n", "memory_gb: inf"),
        ("results: [a]\n", "results"),
    ],
)
def test_what_cannot_be_meant_is_one_line_with_its_place(written, content, words):
    assert words in complaint(written, content)


@pytest.mark.parametrize(
    "line",
    [
        '"2026-10-03/*": {exptime_s: ?}',
        '"2026-10-03/*": {exptime_s: "?"}',
        '"2026-10-03/*": {kind: light, exptime_s: ?, filter: Ha}',
        '"2026-10-03/*":\n    exptime_s: ?',
        "\"2026-10-03/*\":\n    exptime_s: '?'",
    ],
)
def test_a_placeholder_from_a_hint_must_be_replaced(written, line):
    text = complaint(written, f"# exptime_s: ?\noverrides:\n  {line}\n")
    assert "exptime_s" in text and "replace ? by the real value" in text


def test_the_unit_of_a_placeholder_is_said_where_the_file_could_be_read(written):
    text = complaint(written, 'overrides: {"a/*": {exptime_s: "?"}}')
    assert '"a/*": exptime_s: replace ? by the real value: exposure time [s]' in text


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("~/sky", "{home}/sky"),
        ("~", "{home}"),
        ("./data/raw/", "data/raw"),
        ("a//b///c/", "a/b/c"),
        ("/", "/"),
        (".", "."),
        ("..", ".."),
        ("it's {here}", "it's {{here}}"),
        ("-raw", "{cwd}/-raw"),
        ("./-raw", "{cwd}/-raw"),
        ("./~", "{cwd}/~"),
        (" a ", " a "),
    ],
)
def test_folders_are_such_as_every_command_can_take(monkeypatch, tmp_path, given, meant):
    monkeypatch.setenv("HOME", "/ho me")
    monkeypatch.chdir(tmp_path)
    config = check_config(
        {"raw": given, "results": given, "models": given, "photos": {"train": given, "test": [given]}}
    )
    meant = meant.format(home="/ho me", cwd=tmp_path)
    assert {config["raw"], config["results"], config["models"], config["photos"]["train"]} == {meant}
    assert config["photos"]["test"] == [meant]
    assert check_config(config) == config


def test_values_from_the_command_line_are_names_too():
    import datetime

    stated = {
        datetime.date(2026, 10, 3): {"camera": 1600, "target": datetime.date(2026, 1, 2)},
        20261004: {"skip": True},
    }
    config = check_config({"overrides": stated, "nights": datetime.date(2026, 10, 3)})
    assert config["overrides"] == {
        "2026-10-03": {"camera": "1600", "target": "2026-01-02"},
        "20261004": {"skip": True},
    }
    assert config["nights"] == "2026-10-03"
    with pytest.raises(UserError, match="quotes"):
        check_config({"overrides": {True: {"skip": True}}})
    with pytest.raises(UserError, match="filter: false is no text"):
        check_config({"overrides": {"a": {"filter": False}}})


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"knid": "light"}, "unknown field 'knid'; did you mean 'kind'?"),
        ({"kind": "lights"}, "'lights' is not one of light, bias, dark, flat, darkflat"),
        ({"exptime_s": 0}, "0 must be above 0"),
        ({"read_noise_e": 1.5}, "read_noise_e is used no more: n2n measures the noise on the frames; delete the line"),
        ({"gain_setting": "high"}, "'high' is not a number"),
        ({"bayer": "XXXX"}, "not one of RGGB, BGGR, GRBG, GBRG, none"),
        ({"stage": "reduced"}, "not one of raw, calibrated"),
        ({"checksum": "no"}, "not one of ignore"),
        ({"skip": "yes"}, "'yes' is not true or false"),
        ("light", "'light' is not a section"),
    ],
)
def test_the_schema_alone_checks_overrides_with_pattern_and_field(fields, words):
    for ask in (check_overrides, lambda overrides: check_config({"overrides": overrides})):
        with pytest.raises(UserError) as caught:
            ask({"2026-10-03/x*": fields})
        assert words in str(caught.value) and '"2026-10-03/x*"' in str(caught.value)


def test_every_field_of_an_override_has_a_meaning_and_may_be_stated():
    values = {"bayer": "none", "stage": "calibrated", "checksum": "ignore", "kind": "light", "filter": "Ha"}
    assert check_overrides({"a": values}) == {"a": values}


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(UserError, match=r"cannot read the configuration .*nothing\.yaml"):
        read_settings(tmp_path / "nothing.yaml")
