"""What a user states about frames whose headers do not say it. Fields and their values: n2n/config.schema.yaml."""

from collections.abc import Iterable
from fnmatch import fnmatchcase


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
    inside = f"{pattern.rstrip('/')}/"
    return (
        path == pattern
        or path.startswith(inside)
        or any(fnmatchcase(path, one) for one in (pattern, literal, f"{inside}*"))
    )


def idle(overrides: dict[str, dict], paths: Iterable[str]) -> list[str]:
    """Patterns that match none of the paths, as a misspelled one does."""
    paths = list(paths)
    return [pattern for pattern in overrides if not any(matches(pattern, path) for path in paths)]
