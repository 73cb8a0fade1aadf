"""Which masters an exposure is treated with, as its row in a chunk's table says."""

import hashlib
import json

from n2n.formats.tables import number

MASTER_KINDS = ("dark", "bias", "flat", "defects")
TREATMENT = (*MASTER_KINDS, "dark_scale", "left_out")  # columns that a chunk's table has beside those of frames.csv


def set_of(row: dict) -> str:
    """Name of the set of masters of an exposure, or of calibration.json; empty where nothing can be wrong with it."""
    if not any(row.get(kind) for kind in ("dark", "bias", "flat")):
        return ""
    keys = [row.get(kind) or "" for kind in MASTER_KINDS]
    content = json.dumps([*keys, round(number(row.get("dark_scale"), 1.0), 6)])
    return hashlib.sha256(content.encode()).hexdigest()[:10]
