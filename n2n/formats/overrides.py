"""What a user states about frames whose headers do not say it."""

from collections.abc import Iterable
from fnmatch import fnmatchcase

from n2n.errors import UserError

KINDS = ("light", "bias", "dark", "flat", "darkflat")
FIELDS = (
    "kind",
    "filter",
    "target",
    "exptime_s",
    "e_per_adu",
    "read_noise_e",
    "saturate_adu",
    "camera",
    "gain_setting",
    "temperature_c",
    "bayer",
    "stage",
    "checksum",
    "skip",
)
_POSITIVE = ("exptime_s", "e_per_adu", "read_noise_e", "saturate_adu")
_PATTERNS = ("RGGB", "BGGR", "GRBG", "GBRG", "none")
_STAGES = ("raw", "calibrated")


def check(overrides: dict[str, dict] | None) -> dict[str, dict]:
    """Return the overrides, or say which one cannot be meant.

    Raises
    ------
    UserError
        For an unknown field or a value that the field cannot have.
    """
    for pattern, fields in (overrides or {}).items():
        where = f'overrides: "{pattern}"'
        if not isinstance(fields, dict):
            raise UserError(f"{where}: expected fields such as {{kind: light}}, found {fields!r}")
        for name, value in fields.items():
            if problem := _problem(name, value):
                raise UserError(f"{where}: {problem}")
    return overrides or {}


def applying(overrides: dict[str, dict], path: str) -> dict:
    """Collect the fields stated for a path; later patterns win field by field.

    A pattern is matched against the path below the raw folder (``*`` also crosses folders); the name
    of a folder means everything in it, and the name of a file that file, whatever letters it is made of.
    """
    stated: dict = {}
    for pattern, fields in overrides.items():
        if matches(pattern, path):
            stated.update(fields)
    return stated


def matches(pattern: str, path: str) -> bool:
    """Whether a pattern of `overrides` means a path. Brackets may be a choice of letters, or brackets in a name."""
    literal = pattern.replace("[", "[[]")
    inside = path.startswith(f"{pattern.rstrip('/')}/")
    return path == pattern or inside or fnmatchcase(path, pattern) or fnmatchcase(path, literal)


def idle(overrides: dict[str, dict], paths: Iterable[str]) -> list[str]:
    """Patterns that match none of the paths, as a misspelled one does."""
    paths = list(paths)
    return [pattern for pattern in overrides if not any(matches(pattern, path) for path in paths)]


def _problem(name: str, value: object) -> str:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if name not in FIELDS:
        return f"unknown field {name!r}; known are {', '.join(FIELDS)}"
    if name == "kind" and value not in KINDS:
        return f"kind {value!r} is none of {', '.join(KINDS)}"
    if name in _POSITIVE and not (number and value > 0):
        return f"{name} must be a positive number, not {value!r}"
    if name in ("gain_setting", "temperature_c") and not number:
        return f"{name} must be a number, not {value!r}"
    if name == "bayer" and value not in _PATTERNS:
        return f"bayer {value!r} is none of {', '.join(_PATTERNS)}"
    if name == "stage" and value not in _STAGES:
        return f"stage {value!r} is none of {', '.join(_STAGES)}"
    if name == "checksum" and value != "ignore":
        return f"checksum {value!r} can only be: ignore"
    if name == "skip" and not isinstance(value, bool):
        return f"skip must be true or false, not {value!r}"
    return ""
