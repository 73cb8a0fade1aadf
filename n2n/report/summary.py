"""The night as a table: one row a group, for spreadsheets and scripts."""

import os
from pathlib import Path

from n2n.fidelity.proof import is_measured
from n2n.formats.tables import csv_text
from n2n.report.words import ZONES, reasons_of, verdict_of

COLUMNS = ["night", "group", "target", "filter", "verdict", "product", "gain", "gain_error"]
COLUMNS += [f"gain_{zone}{part}" for zone in ZONES for part in ("", "_error")]
COLUMNS += ["exposures_found", "exposures_used", "total_s", "reason", "path", "model_sha256", "prov_id"]


def summary_csv(groups: list[tuple[Path, dict]], start: Path) -> str:
    """The table as text, groups in order of their names; paths are relative to the folder `start`."""
    rows = [summary_row(path, facts, start) for path, facts in groups]
    return csv_text(sorted(rows, key=lambda row: row["group"]), COLUMNS)


def summary_row(path: Path, facts: dict, start: Path) -> dict:
    """One group; what is not known is left empty."""
    exposures = facts["exposures"]
    row = {key: facts.get(key) for key in ("night", "group", "target", "filter", "product", "prov_id")}
    row |= gain_columns("gain", facts.get("exposure_gain"))
    for zone in ZONES:
        row |= gain_columns(f"gain_{zone}", (facts.get("zones") or {}).get(zone))
    return row | {
        "verdict": verdict_of(facts),
        "exposures_found": exposures["found"],
        "exposures_used": exposures["used"],
        "total_s": exposures.get("total_s"),
        "reason": " ".join(reasons_of(facts)),
        "path": Path(os.path.relpath(path.parent / "denoised.fits", start)).as_posix(),
        "model_sha256": (facts.get("model") or {}).get("weights_sha256"),
    }


def gain_columns(name: str, gain: dict | None) -> dict:
    """A gain and its standard error, to four digits; empty where it is no measurement."""
    keys = {name: "value", f"{name}_error": "standard_error"}
    return {column: f"{gain[key]:.4g}" if is_measured(gain) else "" for column, key in keys.items()}
