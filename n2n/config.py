"""The configuration: defaults, checks with a helpful word, and command options made from it."""

import copy
import datetime
import difflib
import functools
from importlib import resources
from pathlib import Path

import yaml

from n2n.errors import UserError
from n2n.palettes import wanted_palettes


@functools.cache
def schema() -> dict:
    """The JSON schema of the configuration, as shipped with the package."""
    return yaml.safe_load(resources.files("n2n").joinpath("config.schema.yaml").read_text(encoding="utf-8"))


def load_config(path: Path | None = None) -> dict:
    """Read and check a configuration file; None gives the defaults.

    Raises
    ------
    UserError
        With one line that names the key and the remedy.
    """
    if path is None:
        return check_config({})
    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read the configuration {path}: {error}") from error
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f", line {where.line + 1}" if where else ""
        raise UserError(f"{path}{line}: not valid YAML ({getattr(error, 'problem', error)})") from error
    return check_config(values)


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
    _known_keys(values, schema(), "")
    errors = sorted(jsonschema.Draft202012Validator(schema()).iter_errors(values), key=lambda e: list(e.path))
    if errors:
        error = errors[0]
        key = ".".join(map(str, error.absolute_path)) or "configuration"
        raise UserError(f"config: {key}: {_plain_words(error)}")
    values = _defaults(values, schema())
    wanted_palettes(values["palettes"])
    return values


def _names(value):
    """Night names as text: YAML takes an unquoted 2026-10-03 for a date and 20261003 for a number."""
    if isinstance(value, list):
        return [_names(item) for item in value]
    return str(value) if isinstance(value, datetime.date | int) and not isinstance(value, bool) else value


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
    }
    return words.get(error.validator, lambda: error.message)()


def _article(kinds) -> str:
    kinds = [kinds] if isinstance(kinds, str) else kinds
    names = {
        "number": "a number",
        "integer": "a whole number",
        "string": "text",
        "boolean": "true or false",
        "object": "a section with `key: value` lines",
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
            # `--strict` alone says the same as `--strict true`.
            more = {"nargs": "?", "const": True, "metavar": "BOOL"}
            group.add_argument(option, type=_truth, default=rule["default"], help=text, **more)
        else:
            kind = kinds[rule["type"]]
            metavar = key.upper() if "enum" not in rule else None
            group.add_argument(
                option, type=kind, default=rule["default"], choices=rule.get("enum"), metavar=metavar, help=text
            )


def options(config: dict, section: str) -> str:
    """The command-line options that stand for a section of a checked configuration.

    In the schema's order: writing the settings in another order changes nothing, and must set nothing off.
    """
    return " ".join(f"--{key.replace('_', '-')} {config[section][key]}" for key in _for_commands(section))


def _for_commands(section: str) -> dict:
    """Settings of a section that commands take; a list is for the workflow, which decides by it what to run."""
    keys = schema()["properties"][section]["properties"]
    return {key: rule for key, rule in keys.items() if rule["type"] != "array"}


def _truth(text: str) -> bool:
    if text.lower() in ("true", "yes", "1"):
        return True
    if text.lower() in ("false", "no", "0"):
        return False
    raise ValueError(text)
