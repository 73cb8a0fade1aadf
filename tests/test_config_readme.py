"""config/README.md and config/config.yaml say what the schema says."""

import re
from pathlib import Path

import yaml

from n2n.config import load_config, schema

ROOT = Path(__file__).resolve().parents[1]


def shown(rule: dict) -> str:
    """A default as the tables show it."""
    default = rule.get("default", "none")
    if default == "":
        return "empty"
    text = default if isinstance(default, str) else yaml.safe_dump(default, default_flow_style=True).split("\n")[0]
    return f"`{text}`" if "default" in rule else "none"


def allowed(rule: dict) -> str:
    """The values a key may have, as the tables show them."""
    if "enum" in rule:
        return ", ".join(f"`{value}`" for value in rule["enum"])
    if "oneOf" in rule:
        return "text or list"
    if rule["type"] == "array":
        return "list of " + ", ".join(f"`{value}`" for value in rule["items"]["enum"])
    kinds = rule["type"] if isinstance(rule["type"], list) else [rule["type"]]
    names = {"integer": "whole number", "string": "text", "boolean": "`true`, `false`", "object": "patterns"}
    words = [" or ".join(names.get(kind, kind) for kind in kinds)]
    if "minimum" in rule and "maximum" in rule:
        words.append(f"{rule['minimum']} to {rule['maximum']}")
    elif "minimum" in rule:
        words.append(f"at least {rule['minimum']}")
    if "exclusiveMinimum" in rule:
        words.append(f"above {rule['exclusiveMinimum']}")
    if "multipleOf" in rule:
        words.append(f"multiple of {rule['multipleOf']}")
    return ", ".join(words)


def documented() -> dict[tuple[str, str], tuple[str, str, str]]:
    """Rows of the tables: (section, key) -> default, meaning, allowed."""
    section, rows = "", {}
    for line in (ROOT / "config" / "README.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            section = line.removeprefix("## ").strip("`")
        elif match := re.fullmatch(r"\| `(\w+)` \| (.+?) \| (.+) \| (.+?) \|", line):
            assert (section, match[1]) not in rows
            rows[section, match[1]] = match.groups()[1:]
    return rows


def expected() -> dict[tuple[str, str], dict]:
    top = schema()["properties"]
    rules = {("General", key): rule for key, rule in top.items() if "properties" not in rule}
    fields = top["overrides"]["additionalProperties"]["properties"]
    rules |= {("overrides", field): rule for field, rule in fields.items()}
    for section, part in top.items():
        rules |= {(section, key): rule for key, rule in part.get("properties", {}).items()}
    return rules


def test_every_key_is_explained_and_no_other():
    assert list(documented()) == list(expected())


def test_defaults_and_ranges_are_those_of_the_schema():
    rows = documented()
    stated = {name: (row[0], row[2]) for name, row in rows.items()}
    assert stated == {name: (shown(rule), allowed(rule)) for name, rule in expected().items()}


def test_meanings_are_sentences():
    assert [name for name, row in documented().items() if not row[1].endswith(".")] == []


def test_the_shipped_configuration_is_the_defaults():
    assert load_config(ROOT / "config" / "config.yaml") == load_config(None)


def test_the_commented_examples_are_valid(tmp_path):
    text = (ROOT / "config" / "config.yaml").read_text(encoding="utf-8")
    file = tmp_path / "config.yaml"
    file.write_text(re.sub(r"^# (overrides:|  \")", r"\1", text, flags=re.M), encoding="utf-8")
    config = load_config(file)
    assert len(config["overrides"]) == 2
    block = re.search(r"```yaml\n(.+?)```", (ROOT / "config" / "README.md").read_text(encoding="utf-8"), re.S)[1]
    file.write_text(block, encoding="utf-8")
    assert len(load_config(file)["overrides"]) == 3
