"""Rows as `n2n ingest` writes them, for tests that do without it; checked against the schema of frames.csv."""

import jsonschema

from n2n.formats.frametable import FRAME_COLUMNS, SCHEMA

_VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def problems(rows) -> list[str]:
    """What is wrong with rows of frames.csv."""
    return [
        f"{row.get('path')}: {'.'.join(map(str, error.path))}: {error.message}"
        for row in rows
        for error in _VALIDATOR.iter_errors(row)
    ]


def row_of(**facts: str) -> dict[str, str]:
    """A row of frames.csv, a light by default, that holds what is stated and no more than it must."""
    row = dict.fromkeys(FRAME_COLUMNS, "")
    row |= {
        "path": "2026-10-03/frame.fits",
        "kind": "light",
        "sha256": "0" * 64,
        "batch": "0",
        "stage": "raw",
        "hdu": "0",
    }
    if facts.get("kind", "light") == "light":
        row |= {"group": "M-42_Ha", "chunk": "0", "target": "M 42", "filter": "Ha", "exptime_s": "60"}
    row |= facts
    assert problems([row]) == []
    return row
