"""The two tables of a night, ``frames.csv`` and ``quarantine.csv``: rows of text, in a fixed order.

What ``frames.csv`` holds is told by ``frames.schema.json`` beside this file. People and programs read the tables, so
that a table bears no seal: a hidden copy beside it does, and a table that is not like its copy is put back.
"""

import csv
import hashlib
import io
import json
import shlex
from collections.abc import Iterable
from pathlib import Path

from n2n.errors import UserError
from n2n.formats.atomic import write_text, write_text_if_changed
from n2n.formats.tables import number

# Columns, types and allowed values stand in one place; rows are checked against it in the tests.
SCHEMA = json.loads(Path(__file__).with_name("frames.schema.json").read_text(encoding="utf-8"))
FRAME_COLUMNS = tuple(SCHEMA["properties"])
KINDS = tuple(SCHEMA["properties"]["kind"]["enum"])  # of frames
QUARANTINE_COLUMNS = ("path", "reason_code", "reason")


def read_table(path: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """Read a table; columns it lacks come back empty, a table that is not there has no rows.

    Raises
    ------
    UserError
        When the file is no such table.
    """
    if not path.is_file():
        return []
    try:
        with open(path, encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, strict=True))
    except (csv.Error, UnicodeDecodeError) as error:
        raise UserError(f"{path} is damaged ({error}); delete it to have the night read anew") from error
    if any(not row.get("path") for row in rows):
        raise UserError(f"{path} has rows without a path; delete it to have the night read anew")
    if "batch" in columns and not all((row.get("batch") or "").isdecimal() for row in rows):
        raise UserError(f"{path} is damaged (a row has no batch); delete it to have the night read anew")
    return [{column: row.get(column) or "" for column in columns} for row in rows]


def keep_copy(path: Path) -> None:
    """Keep a sealed copy of a table beside it, hidden; for `put_back`."""
    text = path.read_text(encoding="utf-8")
    write_text_if_changed(_copy_of(path), f"{text}{hashlib.sha256(text.encode()).hexdigest()}\n")


def put_back(path: Path) -> str:
    """Put a table back as it was written, where its copy tells that it was damaged or edited; what to say of it.

    Without a copy, as an older n2n left it, a table is taken as it is; one that was deleted stays away.

    Returns
    -------
    str
        Empty where nothing was done.

    Raises
    ------
    UserError
        When the copy is damaged, too.
    """
    copy = _copy_of(path)
    if not path.is_file() or not copy.is_file():
        return ""
    found, kept = path.read_bytes(), copy.read_bytes()
    whole, digest = kept[:-65], kept[-65:-1]
    if hashlib.sha256(found).hexdigest().encode() == digest:
        return ""  # also where the copy alone is damaged: it is written anew with the table
    if hashlib.sha256(whole).hexdigest().encode() != digest:
        command = f"rm {shlex.join([str(path.absolute()), str(copy.absolute())])}"
        raise UserError(f"{path} and its copy are damaged; delete both to have the night read anew: {command}")
    write_text(path, whole.decode())
    return (
        f"{path} was not as n2n wrote it (damaged, or edited) and was put back; what a frame is can be stated in the "
        "settings, under overrides"
    )


def _copy_of(path: Path) -> Path:
    return path.with_name(f".{path.name}")


def write_table(path: Path, columns: tuple[str, ...], rows: Iterable[dict[str, str]]) -> bool:
    """Write a table if it differs from what is there; return whether it was written.

    Parameters
    ----------
    path : Path
        The CSV file.
    columns : tuple of str
        Names, in the order in which they are written.
    rows : iterable of dict
        Column to text; what a row lacks is written empty, other keys are left out.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([row.get(column, "") for column in columns] for row in rows)
    return write_text_if_changed(path, text.getvalue())


def pedestal_of(row: dict) -> float:
    """ADU that a program added to a frame's pixels, to be subtracted.

    MaxIm and other SBIG programs write what has to be *added* to reach zero, a negative number; PixInsight writes what
    was added. Both mean the same in the pixels.
    """
    return abs(number(row.get("pedestal_adu"), 0.0))


def cell(value: object) -> str:
    """Write one value as a table holds it: numbers short, text on one line, None empty."""
    if isinstance(value, float):
        return f"{value:.10g}"
    return "" if value is None else " ".join(str(value).split())
