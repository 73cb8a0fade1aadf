"""The configuration: defaults, checks with a helpful word, and command options made from it."""

import copy
import dataclasses
import datetime
import difflib
import functools
import math
import os
import re
import shlex
from importlib import resources
from pathlib import Path

import yaml

from n2n.errors import UserError
from n2n.formats.palettes import wanted_palettes

# Fields of overrides that were once known, and why they are gone.
RETIRED = {"read_noise_e": "n2n measures the noise on the frames"}


@functools.cache
def schema() -> dict:
    """The JSON schema of the configuration, as shipped with the package."""
    return yaml.safe_load(resources.files("n2n").joinpath("config.schema.yaml").read_text(encoding="utf-8"))


def read_settings(path: Path) -> dict:
    """Read what a settings file states; not checked, no defaults (`n2n.settings_file.read_settings`)."""
    from n2n import settings_file

    return settings_file.read_settings(path, schema())


def load_config(path: Path | None = None) -> dict:
    """Read and check a configuration file; None gives the defaults.

    Raises
    ------
    UserError
        With one line that names the key and the remedy.
    """
    if path is None:
        return check_config({})
    return check_config(read_settings(path))


def check_config(values: dict) -> dict:
    """Check `values` against the schema and fill in defaults.

    Returns
    -------
    dict
        A complete configuration; the input is not changed.

    Raises
    ------
    UserError
        For an unknown key (with the nearest known one) or a value of the wrong kind.
    """
    import jsonschema

    if not isinstance(values, dict):
        raise UserError("the configuration must be a list of `key: value` lines")
    parts = schema()["properties"]
    # A section whose lines are all commented out is an empty one.
    values = {
        key: {} if value is None and parts.get(key, {}).get("type") == "object" else copy.deepcopy(value)
        for key, value in values.items()
    }
    if "nights" in values:
        values["nights"] = _names(values["nights"])
    if isinstance(values.get("overrides"), dict):
        values["overrides"] = _as_meant(values["overrides"])
    _known_keys(values, schema(), "")
    errors = sorted(jsonschema.Draft202012Validator(schema()).iter_errors(values), key=lambda e: list(e.path))
    if errors:
        error = errors[0]
        key = _place(error.absolute_path)
        raise UserError(f"config: {key}: {_plain_words(error)}")
    _finite(values, ())
    values = _defaults(values, schema())
    wanted_palettes(values["palettes"])
    for name in ("raw", "results", "models"):
        values[name] = folder(name, values[name])
    photos = values["photos"]
    for name, value in photos.items():
        many = isinstance(value, list)
        photos[name] = [folder(f"photos.{name}", one) for one in value] if many else value and folder(name, value)
    return values


def check_overrides(overrides: dict[str, dict] | None) -> dict[str, dict]:
    """Return the overrides as they are meant, names as text, or say which one cannot be.

    What fields may hold stands in one place, `n2n/config.schema.yaml`.

    Raises
    ------
    UserError
        For an unknown field or a value that the field cannot have.
    """
    if not overrides:
        return {}
    return check_config({"overrides": overrides or {}})["overrides"]


def _finite(value, place: tuple) -> None:
    """Refuse .nan and .inf, which pass every limit."""
    if isinstance(value, dict):
        for key, inner in value.items():
            _finite(inner, (*place, key))
    elif isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"config: {_place(place)}: {value} is no number to work with")


def folder(name: str, path: str) -> str:
    """A folder's name as commands and snakemake can take it: no `~`, no leading ``-`` or ``./``, no doubled slashes.

    Raises
    ------
    UserError
        For an empty name, or characters that no folder can have.
    """
    if not path.strip() or "\0" in path:
        raise UserError(f"config: {name}: {path!r} is no folder; name one, such as data/raw")
    path = re.sub("(?<=.)/+$", "", re.sub("//+", "/", os.path.expanduser(path)))
    path = re.sub(r"^(\./)+(?=.)", "", path)
    # A command would take it for an option, and ~ at the start is taken for a home folder by others.
    return os.path.abspath(path) if path.startswith(("-", "~")) else path


def _place(path) -> str:
    """Where in the settings an error is, in words; the pattern of an override stands in quotes."""
    first, *rest = path or ["configuration"]
    if first == "overrides" and rest:
        rest[0] = f'"{rest[0]}"'
        return ": ".join(map(str, [first, *rest]))
    return ".".join(map(str, [first, *rest]))


def _names(value):
    """Night names as text: YAML takes an unquoted 2026-10-03 for a date and 20261003 for a number."""
    if isinstance(value, list):
        return [_names(item) for item in value]
    return str(value) if _is_text_to_people(value) else value


def _is_text_to_people(value) -> bool:
    return isinstance(value, datetime.date | int | float) and not isinstance(value, bool)


def _as_meant(overrides: dict) -> dict:
    """Patterns and fields of text as text; a `?` that stands for a value only the user knows is refused.

    Raises
    ------
    UserError
        Naming the pattern, the field and its unit.
    """
    rules = schema()["properties"]["overrides"]["additionalProperties"]["properties"]
    meant = {}
    for pattern, fields in overrides.items():
        if isinstance(pattern, bool) or pattern is None:
            raise UserError(f"config: overrides: the pattern {pattern!r} must be written in quotes")
        pattern = str(pattern)
        fields = dict(fields) if isinstance(fields, dict) else fields
        for name, value in fields.items() if isinstance(fields, dict) else ():
            rule = rules.get(name, {})
            if value == "?":
                raise UserError(
                    f'config: overrides: "{pattern}": {name}: replace ? by the real value: '
                    f"{rule.get('description', 'see config/README.md')}"
                )
            if rule.get("type") == "string" and _is_text_to_people(value):
                fields[name] = str(value)
            elif rule.get("type") == "string" and isinstance(value, bool):
                word = "NO or on" if name == "filter" else "yes or no"
                raise UserError(
                    f'config: overrides: "{pattern}": {name}: {str(value).lower()} is no text; '
                    f"write a name such as {word} in quotes"
                )
        meant[pattern] = fields
    return meant


def _known_keys(values: dict, part: dict, prefix: str) -> None:
    known = part.get("properties", {})
    for key, value in values.items():
        name = f"{prefix}{key}"
        if key in known:
            if isinstance(value, dict) and "properties" in known[key]:
                _known_keys(value, known[key], f"{name}.")
        elif part.get("additionalProperties") is False:
            own = [f"{prefix}{k}" for k in difflib.get_close_matches(str(key), known, n=1, cutoff=0.7)]
            own = own or _near_anywhere(str(key))
            hint = f"did you mean '{own[0]}'?" if own else f"known here: {', '.join(known)}"
            raise UserError(f"config: unknown key '{name}'; {hint}")


def _near_anywhere(key: str) -> list[str]:
    """Full name of the known key nearest to `key` in any section, or nothing."""
    top = schema()["properties"]
    names = {name: name for name in top}
    names |= {inner: f"{name}.{inner}" for name, part in top.items() for inner in part.get("properties", {})}
    return [names[near] for near in difflib.get_close_matches(key, names, n=1, cutoff=0.6)]


def _plain_words(error) -> str:
    value, rule = error.instance, error.validator_value
    words = {
        "enum": lambda: f"{value!r} is not one of {', '.join(map(str, rule))}",
        "type": lambda: f"{value!r} is not {_article(rule)}",
        "minimum": lambda: f"{value} is below the smallest allowed value {rule}",
        "maximum": lambda: f"{value} is above the largest allowed value {rule}",
        "exclusiveMinimum": lambda: f"{value} must be above {rule}",
        "multipleOf": lambda: f"{value} is not a multiple of {rule}",
        "oneOf": lambda: f"{value!r} must be one name or a list of names",
        "additionalProperties": lambda: _unknown_field(value, error.schema["properties"]),
    }
    return words.get(error.validator, lambda: error.message)()


def _unknown_field(fields: dict, known: dict) -> str:
    name = next(str(key) for key in fields if key not in known)
    if name in RETIRED:
        return f"{name} is used no more: {RETIRED[name]}; delete the line"
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    hint = f"did you mean '{near[0]}'?" if near else f"known are {', '.join(known)}"
    return f"unknown field {name!r}; {hint}"


def _article(kinds) -> str:
    kinds = [kinds] if isinstance(kinds, str) else kinds
    names = {
        "number": "a number",
        "integer": "a whole number",
        "string": "text",
        "boolean": "true or false",
        "object": "a section with `key: value` lines",
        "array": "a list",
    }
    return " or ".join(names.get(kind, f"an {kind}") for kind in kinds)


def _defaults(values: dict, part: dict) -> dict:
    for key, rule in part.get("properties", {}).items():
        if key not in values and "default" in rule:
            values[key] = copy.deepcopy(rule["default"])
        if key in values and "properties" in rule:
            values[key] = _defaults(values[key] or {}, rule)
    return values


def add_settings(parser, section: str) -> None:
    """Give a command one option for every setting of a section, with its default and help."""
    group = parser.add_argument_group(f"settings ({section} in config.yaml)")
    kinds = {"integer": int, "number": float, "string": str}
    for key, rule in _for_commands(section).items():
        option = f"--{key.replace('_', '-')}"
        text = f"{rule['description']} (default: {rule['default']})".replace("%", "%%")
        if rule["type"] == "boolean":
            # `--seeing` alone says the same as `--seeing true`.
            more = {"nargs": "?", "const": True, "metavar": "BOOL"}
            group.add_argument(option, type=_truth, default=rule["default"], help=text, **more)
        else:
            kind = kinds[rule["type"]]
            metavar = key.upper() if "enum" not in rule else None
            group.add_argument(
                option, type=kind, default=rule["default"], choices=rule.get("enum"), metavar=metavar, help=text
            )


def settings_of(args, *sections: str):
    """The settings of one or more sections, of the arguments that `add_settings` declared: nothing else, and frozen."""
    values = {key: getattr(args, key) for section in sections for key in _for_commands(section)}
    kind = dataclasses.make_dataclass("".join(section.capitalize() for section in sections), values, frozen=True)
    return kind(**values)


def options(config: dict, section: str) -> str:
    """The command-line options that stand for a section of a checked configuration.

    In the schema's order: writing the settings in another order changes nothing, and must set nothing off.
    """
    return shlex.join(
        word for key in _for_commands(section) for word in (f"--{key.replace('_', '-')}", str(config[section][key]))
    )


def _for_commands(section: str) -> dict:
    """Settings of a section that commands take; an idle one is for the workflow, and must set nothing off."""
    keys = schema()["properties"][section]["properties"]
    return {key: rule for key, rule in keys.items() if not rule.get("idle")}


def acting(config: dict, part: dict | None = None) -> dict:
    """The settings of a checked configuration that shape results: all but those that the schema calls idle."""
    rules = (part or schema())["properties"]
    return {
        key: acting(value, rules[key]) if "properties" in rules[key] else value
        for key, value in config.items()
        if not rules[key].get("idle")
    }


def _truth(text: str) -> bool:
    if text.lower() in ("true", "yes", "1"):
        return True
    if text.lower() in ("false", "no", "0"):
        return False
    raise ValueError(text)
