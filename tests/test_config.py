import argparse
import copy

import pytest

from n2n.cli import build_parser
from n2n.config import acting, add_settings, check_config, load_config, options, schema, settings_of
from n2n.errors import UserError

# Sections of stages. `photos` names folders; n2n.study.cells makes options of it.
SECTIONS = [name for name, part in schema()["properties"].items() if part.get("properties") and name != "photos"]


def message(values):
    with pytest.raises(UserError) as caught:
        check_config(values)
    text = str(caught.value)
    assert "\n" not in text and len(text) < 250
    return text


def test_the_defaults_are_valid_and_complete():
    config = check_config({})
    assert set(config) == set(schema()["properties"])
    for section in [*SECTIONS, "photos"]:
        assert set(config[section]) == set(schema()["properties"][section]["properties"])
    assert check_config(config) == config


@pytest.mark.parametrize("section", SECTIONS)
def test_every_setting_has_a_type_a_default_and_help(section):
    for key, rule in schema()["properties"][section]["properties"].items():
        assert {"type", "default", "description"} <= set(rule), key


def test_given_values_stay_and_the_rest_is_filled_in():
    config = check_config({"raw": "/data", "train": {"steps": 5}})
    assert config["raw"] == "/data" and config["train"]["steps"] == 5
    assert config["train"]["width"] == check_config({})["train"]["width"]


def test_the_input_is_not_changed():
    values = {"train": {"steps": 5}, "overrides": {"*/x": {"kind": "light"}}}
    before = copy.deepcopy(values)
    config = check_config(values)
    config["train"]["steps"] = 6
    config["overrides"]["*/x"]["kind"] = "dark"
    check_config({})["train"]["steps"] = 99
    assert values == before and check_config({})["train"]["steps"] != 99


@pytest.mark.parametrize(
    ("values", "unknown", "meant"),
    [
        ({"resutls": "x"}, "resutls", "'results'"),
        ({"trian": {}}, "trian", "'train'"),
        ({"train": {"step": 3}}, "train.step", "'train.steps'"),
        ({"gates": {"min_gian": 2}}, "gates.min_gian", "'gates.min_gain'"),
        ({"learning_rate": 0.1}, "learning_rate", "'train.learning_rate'"),
        ({"register": {"chunk_size": 8}}, "register.chunk_size", "'ingest.chunk_size'"),
    ],
)
def test_an_unknown_key_is_answered_with_the_one_that_was_meant(values, unknown, meant):
    text = message(values)
    assert f"unknown key '{unknown}'" in text and f"did you mean {meant}" in text


def test_a_key_like_no_other_is_answered_with_those_there_are():
    text = message({"measure": {"zzz": 1}})
    assert "unknown key 'measure.zzz'" in text and "nsigma" in text


@pytest.mark.parametrize(
    ("values", "key", "word"),
    [
        ({"train": {"steps": "many"}}, "train.steps", "whole number"),
        ({"train": {"steps": 2.5}}, "train.steps", "whole number"),
        ({"train": {"steps": -1}}, "train.steps", "0"),
        ({"train": {"crop": 50}}, "train.crop", "16"),
        ({"train": {"activation": "relu"}}, "train.activation", "leaky_relu"),
        ({"gates": {"strict": "maybe"}}, "gates.strict", "true or false"),
        ({"register": {"min_overlap": 1.5}}, "register.min_overlap", "1"),
        ({"register": {"max_rms_px": 0}}, "register.max_rms_px", "0"),
        ({"denoise": {"orientations": 3}}, "denoise.orientations", "8"),
        ({"device": "gpu"}, "device", "cuda"),
        ({"raw": 5}, "raw", "text"),
        ({"nights": {"a": 1}}, "nights", "list of names"),
        ({"train": [1]}, "train", "section"),
        ({"train": 3}, "train", "section"),
        ({"overrides": {"*/a": {"kind": "lights"}}}, "overrides", "light"),
        ({"overrides": {"*/a": {"exptime_s": -1}}}, "overrides", ""),
    ],
)
def test_an_impossible_value_is_one_line_with_key_and_remedy(values, key, word):
    text = message(values)
    assert f"config: {key}" in text and word in text


def test_an_unknown_field_of_an_override_is_told():
    assert "knid" in message({"overrides": {"*/a": {"knid": "light"}}})


@pytest.mark.parametrize("values", [[1], "text", 3])
def test_a_configuration_that_is_no_table_is_told(values):
    message(values)


def test_an_empty_section_is_the_default(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("train:\ngates:\n  strict: true\n")
    config = load_config(path)
    assert config["train"] == check_config({})["train"] and config["gates"]["strict"] is True


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("2026-10-03", "2026-10-03"),
        ("20261003", "20261003"),
        ("'007'", "007"),
        ("[2026-10-03, 20261004, x]", ["2026-10-03", "20261004", "x"]),
    ],
)
def test_a_night_named_like_a_date_needs_no_quotes(tmp_path, text, names):
    path = tmp_path / "config.yaml"
    path.write_text(f"nights: {text}\n")
    assert load_config(path)["nights"] == names


def test_no_file_and_an_empty_file_are_the_defaults(tmp_path):
    (tmp_path / "config.yaml").write_text("# nothing yet\n")
    assert load_config(tmp_path / "config.yaml") == load_config() == check_config({})


def test_broken_yaml_is_told_with_file_and_line(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("raw: a\ntrain: {steps: 3\n")
    with pytest.raises(UserError, match=r"config\.yaml, line \d: not valid YAML"):
        load_config(path)
    path.write_text("raw: a\n\tresults: b\n")
    with pytest.raises(UserError, match=r"config\.yaml, line 2"):
        load_config(path)
    with pytest.raises(UserError, match=r"missing\.yaml"):
        load_config(tmp_path / "missing.yaml")


def parse(section, text):
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_settings(parser, section)
    return vars(parser.parse_args(text.split()))


def another(rule):
    """A valid value that is not the default."""
    if "enum" in rule:
        return next(value for value in rule["enum"] if value != rule["default"])
    if rule["type"] == "boolean":
        return not rule["default"]
    if rule["type"] == "integer":
        return rule["default"] + rule.get("multipleOf", 1)
    return round(rule["default"] * 0.9 + 0.01, 6) if "maximum" in rule else rule["default"] * 1.5 + 0.25


def for_commands(section):
    """Settings that commands take: those that change no result are for the workflow."""
    keys = schema()["properties"][section]["properties"]
    return {key: rule for key, rule in keys.items() if not rule.get("idle")}


@pytest.mark.parametrize("section", SECTIONS)
def test_settings_travel_through_the_command_line(section):
    config = check_config({})
    keys = for_commands(section)
    defaults = {key: config[section][key] for key in keys}
    assert parse(section, "") == parse(section, options(config, section)) == defaults
    changed = {key: another(rule) for key, rule in keys.items()}
    config = check_config({section: changed})
    assert parse(section, options(config, section)) == changed
    assert all(changed[key] != value for key, value in defaults.items())


@pytest.mark.parametrize("section", SECTIONS)
def test_every_option_shows_its_help(section):
    parser = argparse.ArgumentParser()
    add_settings(parser, section)
    text = " ".join(parser.format_help().split())
    for key in for_commands(section):
        assert f"--{key.replace('_', '-')}" in text


def test_an_option_of_the_wrong_kind_is_refused():
    for text in ("--steps many", "--activation relu", "--steps 2.5"):
        with pytest.raises((argparse.ArgumentError, SystemExit)):
            parse("train", text)
    with pytest.raises((argparse.ArgumentError, SystemExit)):
        parse("pairs", "--seeing maybe")


def test_the_order_of_settings_in_the_file_changes_nothing():
    one = check_config({"train": {"steps": 5, "batch": 2}})
    other = check_config({"train": {"batch": 2, "steps": 5}})
    assert options(one, "train") == options(other, "train")


def test_the_settings_of_a_section_are_those_and_no_more_and_cannot_be_changed():
    parser = argparse.ArgumentParser()
    parser.add_argument("--output")
    for section in ("pairs", "inject"):
        add_settings(parser, section)
    args = parser.parse_args(["--output", "x", "--nsigma", "4.5"])
    own = settings_of(args, "pairs")
    assert own.nsigma == 4.5 and vars(own).keys() == check_config({})["pairs"].keys()
    with pytest.raises(AttributeError):
        own.nsigma = 9
    assert vars(settings_of(args, "pairs", "inject")).keys() == vars(args).keys() - {"output"}


def idle_settings(part=None, place=()):
    """Places of the settings that change no result."""
    for key, rule in (part or schema())["properties"].items():
        if rule.get("idle"):
            yield (*place, key)
        elif "properties" in rule:
            yield from idle_settings(rule, (*place, key))


def test_idle_settings_reach_no_command_and_no_list_of_what_shapes_results():
    config, places = check_config({}), set(idle_settings())
    assert {("device",), ("gates", "strict"), ("model", "mode"), ("denoise", "products")} < places
    before = acting(config), [options(config, section) for section in SECTIONS]
    for *section, key in places:
        (config[section[0]] if section else config)[key] = "changed"
    assert (acting(config), [options(config, section) for section in SECTIONS]) == before
    acts = copy.deepcopy(config)
    acts["gates"]["min_gain"] = 9.0
    assert acting(acts) != acting(config) and "9.0" in options(acts, "gates")


def test_assess_offers_nothing_that_does_nothing(capsys):
    with pytest.raises(SystemExit):
        build_parser("assess").parse_args(["assess", "pairs.h5", "--strict"])
    with pytest.raises(SystemExit):
        build_parser("assess").parse_args(["assess", "--help"])
    assert "--strict" not in capsys.readouterr().out
