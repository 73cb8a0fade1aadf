"""Small tables between stages: CSV of text rows, JSON of numbers."""

import csv
import io
import json
import math
from pathlib import Path

from n2n.errors import UserError
from n2n.formats.atomic import write_text


def read_csv(path: Path) -> list[dict[str, str]]:
    """Read a CSV table as one dict of text a row."""
    try:
        with open(path, encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"cannot read the table {path}: {error}") from error


def csv_text(rows: list[dict], columns: list[str]) -> str:
    """Rows as CSV text with the given columns; other keys are left out."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def read_json(path: Path):
    """Read a JSON file."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {path}: {error}") from error


def write_json(path: Path, content) -> None:
    """Write JSON atomically; NaN and infinities become null, numpy numbers and arrays plain ones."""
    write_text(path, json.dumps(_plain(content), indent=1, allow_nan=False) + "\n")


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
