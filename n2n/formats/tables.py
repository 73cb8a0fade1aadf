"""Small tables between stages: CSV of text rows, JSON of numbers."""

import csv
import io
import json
import math
from pathlib import Path

from n2n.errors import UserError
from n2n.formats import sealed
from n2n.formats.atomic import write_text


def read_csv(path: Path, *columns: str, filled: bool = False) -> list[dict[str, str]]:
    """Read a CSV table as one dict of text a row.

    Parameters
    ----------
    path : Path
        The file.
    columns : str
        What it must have: a file that lacks one of them is of another kind.
    filled : bool
        Whether a table without rows will not do.

    Raises
    ------
    UserError
        When the file cannot be read, or is another one.
    """
    try:
        with open(path, encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            found, rows = reader.fieldnames or (), list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"cannot read the table {path}: {error}") from error
    if lacking := [column for column in columns if column not in found]:
        raise UserError(f"{path} is not the table that is asked for here: it has no column {lacking[0]!r}")
    if filled and not rows:
        raise UserError(f"the table {path} has no rows")
    return rows


def csv_text(rows: list[dict], columns: list[str]) -> str:
    """Rows as CSV text with the given columns; other keys are left out."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def read_json(path: Path, *fields: str, unsealed: bool = False) -> dict:
    """Read a JSON file that `write_json` wrote.

    Parameters
    ----------
    path : Path
        The file.
    fields : str
        What it must hold: a file that lacks one of them is of another kind.
    unsealed : bool
        Whether a file without a seal will do: one that an older n2n wrote, and that is not made again.

    Raises
    ------
    UserError
        When the file is missing, is not as it was written, or is another one.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error}") from error
    text = sealed.without_seal(data)
    if text is None and (not unsealed or sealed.had_seal(data)):
        raise sealed.damaged(path, "its SHA-256 does not fit, or an older n2n wrote it")
    try:
        content = json.loads(data if text is None else text)
    except ValueError as error:
        raise sealed.damaged(path, str(error)) from error
    if not isinstance(content, dict):
        raise sealed.damaged(path, "another file is in its place")
    if lacking := [field for field in fields if field not in content]:
        if Path(path).name == "model.json" and "weights_sha256" in content:  # whole, and dear: a training made it
            raise UserError(f"{path} describes a network, not what is asked for here: it has no {lacking[0]!r}")
        raise sealed.damaged(path, f"another file is in its place, without {lacking[0]!r}")
    return content


def write_json(path: Path, content: dict, *, seal: bool = True) -> None:
    """Write JSON atomically; NaN and infinities become null, numpy numbers and arrays plain ones.

    Parameters
    ----------
    path : Path
        The file.
    content : dict
        What to write.
    seal : bool
        Whether to add a last field ``sha256``, without which `read_json` takes the file for damaged. Not where the
        format is not ours.
    """
    text = json.dumps(_plain(content), indent=1, allow_nan=False) + "\n"
    write_text(path, sealed.with_seal(text) if seal else text)


def number(text, default: float | None = None) -> float | None:
    """Return the number a table cell holds, or `default` where it is empty or no finite number."""
    try:
        value = float(text)
    except (TypeError, ValueError):
        return default
    return value if math.isfinite(value) else default


def _plain(value):
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, Path):
        return str(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value
