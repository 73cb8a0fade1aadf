"""Rows as `n2n ingest` writes them, for tests that do without it; checked against the schema of frames.csv."""

import jsonschema

from n2n.formats.frametable import FRAME_COLUMNS, SCHEMA

NIGHT = "2026-01-05"
FACTS = {
    "camera": "Cam",
    "width": "80",
    "height": "70",
    "binning": "1x1",
    "gain_setting": "100",
    "offset": "50",
    "filter": "",
    "filter_bw_nm": "",
    "temperature_c": "-10",
    "rotator_deg": "",
}
EXPOSURES = {"bias": "0", "dark": "60", "flat": "2", "darkflat": "2", "light": "60"}
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


def frames(kind, number=4, **facts):
    """Rows of a kind; every call's frames differ from all others'."""
    through = {"filter": "Ha"} if kind in ("flat", "light") else {}
    row = FACTS | {"kind": kind, "exptime_s": EXPOSURES[kind]} | through | facts
    frames.count = getattr(frames, "count", 0) + number
    names = [f"{frames.count - index:06d}" for index in range(number)]
    return [row_of(**row, path=f"{kind}{name}", sha256=name.zfill(64)) for name in names]
