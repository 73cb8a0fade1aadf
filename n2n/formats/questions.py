"""What n2n asks a user about a frame: one sentence, and lines for config.yaml that settle it when pasted.

An answer that n2n knows is filled in. What only the user can know is a ``?`` to be replaced; a ``?`` that is pasted
as it is gets refused with the field's name, so that no example is ever taken for an answer.
"""

import json
import re
from pathlib import PurePosixPath

from n2n.errors import BadFrame

UNKNOWN = "?"


def ask(code: str, what: str, path: str, fields: dict, *, word: str = "", where: str = "") -> BadFrame:
    """Make the error that asks.

    Parameters
    ----------
    code : str
        Reason code for ``quarantine.csv``.
    what : str
        What is missing or contradictory, a clause without a full stop.
    path : str
        The frame's path below the raw folder.
    fields : dict
        Fields of `overrides` to offer, `UNKNOWN` where only the user knows.
    word : str, optional
        Part of the file's name that all files meant have; without it the whole folder is offered.
    where : {"", "file", "night"}, optional
        Offer the file alone, or the whole night.
    """
    # A sentence that ends in a condition goes on to what is to be done then.
    sentence = what.rpartition("; ")[2].rpartition(". ")[2]
    join = ", " if sentence.startswith(("if ", "to ")) else "? Then " if sentence.startswith("Is ") else "; "
    return BadFrame(code, f"{what}{join}{hint(path, fields, word, where)}")


def hint(path: str, fields: dict, word: str = "", where: str = "") -> str:
    """The line of configuration.

    Parameters
    ----------
    path : str
        The frame's path below the raw folder.
    fields : dict
        Fields of `overrides` to offer, `UNKNOWN` where only the user knows.
    word : str, optional
        Part of the file's name that all files meant have; without it the whole folder is offered.
    where : {"", "file", "night"}, optional
        Offer the file alone, or the whole night.
    """
    stated = ", ".join(f"{key}: {_value(value)}" for key, value in fields.items())
    places = {"file": escaped(path), "night": escaped(PurePosixPath(path).parts[0])}
    narrow = bool({"kind", "filter"} & set(fields))
    pattern = json.dumps(places.get(where) or pattern_for(path, word, narrow), ensure_ascii=False)
    return f"set in config/config.yaml: overrides: {{{pattern}: {{{stated}}}}}"


def pattern_for(path: str, word: str = "", narrow: bool = False) -> str:
    """A pattern for a frame and those beside it; letters that mean something in patterns are taken literally.

    With `narrow` only for those whose names hold the word, or differ from this one by numbers alone: in one folder may
    lie several kinds of frames, through several filters.

    Parameters
    ----------
    path : str
        The frame's path below the raw folder.
    word : str, optional
        Part of the file's name that all files meant have.
    narrow : bool
        Whether the name must fit, too, and not the folder alone.
    """
    parent = PurePosixPath(path).parent.as_posix()
    prefix = "" if parent == "." else f"{escaped(parent)}/"
    return prefix + (_around(word, PurePosixPath(path).name) if narrow else "*")


def escaped(text: str) -> str:
    """Text as a pattern that matches only itself."""
    return re.sub(r"([*?[])", r"[\1]", text)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"{value:g}"
    return (
        str(value)
        if re.fullmatch(r"[A-Za-z][\w +-]*", str(value)) and not _yaml_word(value)
        else json.dumps(str(value))
    )


def _yaml_word(value: object) -> bool:
    """Whether YAML would read a bare word as something else than text."""
    return str(value).lower() in ("yes", "no", "on", "off", "true", "false", "null", "y", "n")


def _around(word: str, name: str) -> str:
    """Match the names that carry a word between the same separators, or are like this one but for numbers."""
    match = re.search(rf"(^|[\s_-]){re.escape(word)}([\s_.-])", name) if word else None
    if match:
        return f"{'*' if match[1] else ''}{escaped(match[0])}*"
    return re.sub(r"\*[\W_]*\*", "*", "*".join(map(escaped, re.split(r"\d(?:[\d\W_]*\d)?", name))))
