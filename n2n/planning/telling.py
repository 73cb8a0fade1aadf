"""Tell what became of a night's files: accepted, inferred, left out, asked about."""

import difflib
from collections import Counter
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from n2n.formats.overrides import idle
from n2n.formats.tables import read_csv
from n2n.planning.found import Candidate, NightTables

ASKS = "set in config/config.yaml: "  # as `n2n.formats.questions` puts it
TOLD = ("unsupported", "colour_mosaic", "duplicate")  # reasons worth a line, besides questions
MOST_QUESTIONS = 8


def summarise(night: str, new: list[Candidate], state: NightTables, report: Callable[[str], None]) -> None:
    """Tell in a few lines what became of the files that were looked at, what was inferred, and what is asked.

    Parameters
    ----------
    night : str
        Its folder.
    new : list of Candidate
        The files.
    state : NightTables
        What became of them.
    report : callable
        Receives the lines.
    """
    bad = Counter(state.quarantine[item.path]["reason_code"] for item in new if item.path in state.quarantine)
    line = f"ingest {night}: {sum(item.path in state.frames for item in new)} frames accepted"
    if bad:
        line += f", {bad.total()} in quarantine ({', '.join(f'{n} {code}' for code, n in bad.most_common())})"
    report(line)
    rows = [state.frames[item.path] for item in new if item.path in state.frames]
    inferred: dict[str, list[dict]] = {}
    for row in rows:
        for evidence in filter(None, row["evidence"].split("; ")):
            field = evidence.partition(":")[0]
            inferred.setdefault(f"{field} {row.get(field) or row['filter']}", []).append(row | {"why": evidence})
    for what, those in inferred.items():
        report(
            f"ingest {night}: {what} inferred for {len(those)} frames, as {PurePosixPath(those[0]['path']).name} "
            f"({those[0]['why'].partition(': ')[2]})"
        )
    for line in _questions(new, state):
        report(f"ingest {night}: {line}")
    unknown = {row["software"] for row in rows if _unprofiled(row)}
    if unknown:
        names = ", ".join(sorted(unknown)).strip(", ") or "unnamed software"
        report(f"ingest {night}: no camera profile for frames of {names}; read by generic rules")


def _questions(new: list[Candidate], state: NightTables) -> list[str]:
    """One line for each thing that a user should know or answer: its first frame, the reason, how many more."""
    asked: dict[str, list[str]] = {}
    for item in new:
        row = state.quarantine.get(item.path)
        if row and (ASKS in row["reason"] or row["reason_code"] in TOLD):
            key = row["reason"].partition(ASKS)[2] or f"{row['reason_code']} {PurePosixPath(item.path).suffix}"
            asked.setdefault(key, []).append(item.path)
    lines = []
    for paths in asked.values():
        row = state.quarantine[paths[0]]
        more = f" (and {len(paths) - 1} more like it)" if len(paths) > 1 else ""
        lines.append(f"left out {row['path']}{more}: {row['reason']}")
    if len(lines) > MOST_QUESTIONS:
        left = len(lines) - MOST_QUESTIONS
        lines = [*lines[:MOST_QUESTIONS], f"... and {left} more reasons, all in {state.folder / 'quarantine.csv'}"]
    return lines


def _unprofiled(row: dict[str, str] | None) -> bool:
    return row is not None and "no camera profile" in row["notes"]


def idle_overrides(config: dict) -> list[str]:
    """A line for each pattern of overrides that matches no file of any night that was looked at."""
    if not config["overrides"]:
        return []
    results = Path(config["results"])
    tables = [path for name in ("frames.csv", "quarantine.csv") for path in results.glob(f"*/{name}")]
    paths = [row["path"] for table in tables for row in read_csv(table)]
    seen = {path.split("/")[0] for path in paths}
    there = {entry.name for entry in Path(config["raw"]).iterdir() if entry.is_dir()}
    lines = []
    for pattern in idle(config["overrides"], paths):
        if pattern.split("/")[0] in there - seen:
            continue  # of a night that is not yet looked at
        near = difflib.get_close_matches(pattern, {path.rpartition("/")[0] for path in paths} | set(paths), n=1)
        hint = f"; did you mean {near[0]!r}?" if near else "; patterns are matched with the path below the raw folder"
        lines.append(f"overrides: the pattern {pattern!r} matches no file{hint}")
    return lines
