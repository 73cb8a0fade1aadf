"""The two tables of a night, ``frames.csv`` and ``quarantine.csv``: rows of text, in a fixed order.

What ``frames.csv`` holds is told by ``frames.schema.json`` beside this file.
"""

import csv
import io
import json
from collections.abc import Iterable
from pathlib import Path

from n2n.errors import UserError
from n2n.formats.atomic import write_text_if_changed
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
