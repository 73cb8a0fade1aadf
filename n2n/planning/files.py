"""The files of a plan: which raw frames are there, and the small files that jobs depend on."""

import hashlib
import json
import os
from pathlib import Path

from n2n.config import acting
from n2n.formats.atomic import write_text_if_changed
from n2n.formats.frametable import FRAME_COLUMNS
from n2n.formats.sealed import with_seal
from n2n.formats.tables import csv_text, read_csv
from n2n.formats.treatment import TREATMENT
from n2n.planning.planned import Group, Plan

COLUMNS = [*FRAME_COLUMNS, *TREATMENT]


class RawFiles:
    """Which raw files are there: every folder is listed once."""

    def __init__(self, raw: Path):
        self.raw, self.names = raw, {}

    def has(self, row: dict) -> bool:
        """Whether the file of a row of frames.csv is there."""
        folder, _, name = row["path"].rpartition("/")
        if folder not in self.names:
            try:
                with os.scandir(self.raw / folder) as entries:
                    self.names[folder] = {entry.name for entry in entries}
            except OSError:
                self.names[folder] = set()
        return name in self.names[folder]


def write_plan(config: dict, plan: Plan) -> None:
    """Write the small files the jobs depend on; unchanged ones keep their time stamp.

    A choice of calibration that is new or has changed is added to the plan's notes, so that a run which has nothing
    new to do says nothing about it.
    """
    results = Path(config["results"])
    for group in plan.groups.values():
        plan.notes += _write_group(results / group.night / group.name, group)
    settings = json.dumps(acting(config), indent=1, sort_keys=True) + "\n"
    for night in plan.nights:
        write_text_if_changed(results / night / "settings.json", settings)
    for master in plan.masters.values():
        path = results / "masters" / f"{master.key}.csv"
        write_text_if_changed(path, csv_text(list(master.rows), list(FRAME_COLUMNS)))


def _write_group(folder: Path, group: Group) -> list[str]:
    """Write a group's chunks, what its masters are looked at on, and its calibration; returns what is new to say."""
    notes, left_out = [], []
    for chunk, rows in group.chunks.items():
        if write_text_if_changed(folder / "chunks" / f"{chunk}.csv", csv_text(rows, COLUMNS)):
            left_out += [row["left_out"] for row in rows if row["left_out"]]
    if left_out:
        exposures = "1 exposure is" if len(left_out) == 1 else f"{len(left_out)} exposures are"
        notes.append(f"{group.night}/{group.name}: {exposures} left out: {left_out[0]}")
    planned = {row["path"]: row for rows in group.chunks.values() for row in rows}
    for name, rows in group.vetted.items():
        path = folder / "vetting" / f"{name}.csv"
        if not _still_good(path, planned):
            text = csv_text(rows, COLUMNS)
            write_text_if_changed(path, text)
            write_text_if_changed(_seal_of(path), _seal(path, text.encode()))
    if write_text_if_changed(folder / "calibration.json", with_seal(json.dumps(group.calibration, indent=1) + "\n")):
        notes.append(f"{group.night}/{group.name}: {group.choice}")
    return notes


def _still_good(path: Path, planned: dict[str, dict]) -> bool:
    """Whether the exposures that masters were looked at on say the same as ever; some may have gone since."""
    seal = _seal_of(path)
    if not path.is_file() or not seal.is_file() or seal.read_bytes() != _seal(path, path.read_bytes()).encode():
        return False  # damaged, or of an older n2n: written anew
    before = read_csv(path)
    left = [row for row in before if row["path"] in planned]
    return bool(left) and all(row == {key: planned[row["path"]].get(key, "") for key in row} for row in left)


def _seal_of(path: Path) -> Path:
    """The file beside a table that proves it; a row of an exposure that is gone can be compared with nothing else."""
    return path.with_suffix(".sha256")


def _seal(path: Path, data: bytes) -> str:
    """As `sha256sum` writes it, and reads it."""
    return f"{hashlib.sha256(data).hexdigest()}  {path.name}\n"
