"""Find a night's frames and write down, once and for all, what each one is."""

import difflib
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

from n2n.errors import BadFrame
from n2n.formats.frametable import FRAME_COLUMNS, cell
from n2n.formats.questions import hint
from n2n.formats.tables import read_csv
from n2n.planning.found import (
    New,
    Night,
    changed,
    leave_for_later,
    mark_of,
    other_format,
    sample,
    scan,
    settle,
    signature,
    still,
)

_REPORT_EVERY_S = 1.5
HASHERS = 4  # files read at once
ASKS = "set in config/config.yaml: "  # as `n2n.formats.questions` puts it
TOLD = ("unsupported", "colour_mosaic", "duplicate")  # reasons worth a line, besides questions
MOST_QUESTIONS = 8


def ingest(
    raw: Path,
    night: str,
    results: Path,
    *,
    overrides: dict[str, dict],
    chunk_size: int = 16,
    max_image_bytes: int = 2**31,
    settle_seconds: float = 2.0,
    report: Callable[[str], None] = print,
) -> list[dict[str, str]]:
    """Bring ``frames.csv`` and ``quarantine.csv`` of a night up to date.

    Parameters
    ----------
    raw, results : Path
        Roots of the raw frames and of the results; a night is a folder of the same name in both.
    night : str
        The night's folder.
    overrides : dict
        Path pattern to the fields a user states (`n2n.formats.overrides`).
    chunk_size : int
        Frames of one group and batch that are worked on together.
    max_image_bytes : int
        Images that declare more than this are refused.
    settle_seconds : float
        A file changed more recently than this is waited for once; if it still changes it is left for
        the next call.
    report : callable
        Receives lines of progress.

    Returns
    -------
    list of dict
        The rows of ``frames.csv``: text by column name.

    Raises
    ------
    UserError
        When the night's folder is missing or unreadable, or an override cannot be meant.
    """
    if overrides:
        from n2n.config import check_overrides  # a run without does without

        overrides = check_overrides(overrides)
    state = Night.load(Path(results) / night)
    found = scan(Path(raw), night)
    new = changed(state, found, overrides)
    if new:
        settle(new, state, settle_seconds)
        sample(new)
        _read_all(new, state, max_image_bytes, _Progress(night, len(new), report))
        _accept_all([item for item in new if item.seen], state, Path(raw), chunk_size, report)
        _summarise(night, new, state, report)
    state.cache = {path: entry for path, entry in state.cache.items() if path in found}
    state.save()
    return list(state.frames.values())


class _Progress:
    """Says now and then how far reading has come."""

    def __init__(self, night: str, total: int, report: Callable[[str], None]):
        self.night, self.total, self.report = night, total, report
        self.last = time.monotonic()

    def step(self, done: int) -> None:
        if time.monotonic() - self.last >= _REPORT_EVERY_S:
            self.last = time.monotonic()
            self.report(f"ingest {self.night}: {done}/{self.total} frames")


def _read_all(new: list[New], state: Night, max_image_bytes: int, progress: _Progress) -> None:
    """Hash and examine the files; quarantine the unusable ones."""
    from n2n.planning import look as look  # a run with nothing new does without

    owners = {row["sha256"]: path for path, row in state.frames.items()}
    # Known paths first: if their content changed, a copy of the old content is no duplicate.
    order = sorted(new, key=lambda item: item.path not in state.frames)
    pool = ThreadPoolExecutor(HASHERS)  # hashing leaves the interpreter to others
    try:
        for item in order:
            if item.readable:
                item.digest = pool.submit(look.digest, item.file)
        for item in order:
            if item.readable:
                item.studied = pool.submit(look.study, item, _known(item, state), max_image_bytes)
        for done, item in enumerate(order):
            progress.step(done)
            try:
                _read(item, state, owners)
            except BadFrame as error:
                state.reject(item.path, error)
    finally:
        pool.shutdown(cancel_futures=True)


def _known(item: New, state: Night) -> str:
    """SHA-256 of the content that the tables already tell of, by what the user states now; empty where they do not."""
    entry = state.cache.get(item.path)
    known = item.path in state.frames or item.path in state.quarantine
    return entry[2] if known and entry and entry[3] == mark_of(item.stated) else ""


def _read(item: New, state: Night, owners: dict[str, str]) -> None:
    mark = mark_of(item.stated)
    if item.stated.get("skip"):
        state.cache[item.path] = [*signature(item.stat), "", mark]
        raise BadFrame("skipped", "left out by overrides in config/config.yaml")
    known = _known(item, state)
    if not item.readable:
        state.cache[item.path] = [*signature(item.stat), "", mark]
        raise other_format(item.path)
    try:
        item.sha256 = item.digest.result()
    except OSError as error:
        raise BadFrame("unreadable", f"cannot be read: {error.strerror}") from error
    state.cache[item.path] = [*signature(item.stat), item.sha256, mark]
    old = state.frames.get(item.path)
    if old and old["sha256"] != item.sha256:
        owners.pop(old["sha256"], None)
    first = owners.get(item.sha256, item.path)
    if first != item.path:
        if first in item.present:
            state.cache[item.path].append(first)
            raise BadFrame("duplicate", f"the same bytes as {first}")
        _move(first, item.path, state)
        owners[item.sha256] = item.path
        return
    if item.sha256 == known:
        return  # touched, not changed
    try:
        seen = item.studied.result()
    except BadFrame as error:
        if still(item):
            if error.reason_code == "checksum":
                remedy = hint(item.path, {"checksum": "ignore"})
                what = f"{error.reason}; copy it again, or if its picture is good, {remedy}"
                raise BadFrame("checksum", what) from error
            raise
    else:
        if still(item):
            item.seen = seen
            owners[item.sha256] = item.path
            return
    leave_for_later(item, state)


def _move(old: str, new: str, state: Night) -> None:
    """Let a row follow its file to a new path; everything else about it stays."""
    state.quarantine.pop(new, None)
    state.frames = {
        new if path == old else path: row | {"path": new} if path == old else row for path, row in state.frames.items()
    }


def _accept_all(new: list[New], state: Night, raw: Path, chunk_size: int, report: Callable[[str], None]) -> None:
    """Normalise the headers of new files, together, and give them group, batch and chunk."""
    from n2n.planning import grouping
    from n2n.planning import look as look

    again = {item.path for item in new}
    rows = _rows(new, state)
    _leave_copies(rows, state, again, raw)
    groups = grouping.Groups(
        (row for path, row in state.frames.items() if path not in again),
        lambda one, other: look.same_field(one, other, raw),
    )
    fresh = []
    for path, row in rows.items():
        try:
            row["group"] = groups.assign(row) if row["kind"] == "light" else ""
        except BadFrame as error:
            state.reject(path, error)
            continue
        state.quarantine.pop(path, None)
        old = state.frames.get(path)
        if old and (old["sha256"], old["group"]) == (row["sha256"], row["group"]):
            state.frames[path] = row | {"chunk": old["chunk"], "batch": old["batch"]}
        else:
            state.frames.pop(path, None)
            fresh.append(row)
    grouping.deal_into_chunks(fresh, state.frames.values(), chunk_size)
    state.frames |= {row["path"]: row for row in fresh}
    for note in groups.told():
        report(f"ingest {state.folder.name}: {note}")


def _rows(new: list[New], state: Night) -> dict[str, dict[str, str]]:
    """Rows of the new files by path; those that cannot be used, or must be asked about, go into quarantine."""
    from n2n.formats import headers
    from n2n.planning import look as look

    beside, rows = _filters_beside(new, state), {}
    looks = [item.seen.look for item in new if item.seen.look is not None]
    patterns = look.mosaics(new)
    look.settle_signs(new)
    for item in new:
        try:
            look.refuse_unclear(item)
            look.refuse_mosaic(item, patterns)
            siblings = beside[headers.identify(item.cards)[:3]]
            inferred = look.inferred(item, looks)
            row = headers.normalise(item.cards, item.path, override=item.stated, siblings=siblings, inferred=inferred)
            rows[item.path] = _row(row, item)
        except BadFrame as error:
            state.reject(item.path, error)
    return rows


def _leave_copies(rows: dict[str, dict[str, str]], state: Night, again: set[str], raw: Path) -> None:
    """Move further files of an exposure that is there already from `rows` into quarantine."""
    from n2n.planning import look as look
    from n2n.planning.identity import find_twins

    there = {path: row for path, row in state.frames.items() if path not in again and (raw / path).is_file()}
    owners = {row["pixel_id"]: row for row in there.values() if row["pixel_id"]}
    # Of copies the one that is known already stays, else the one that lies least deep in folders.
    for path, row in sorted(rows.items(), key=lambda item: (item[0] not in state.frames, item[0].count("/"))):
        first = owners.setdefault(row["pixel_id"], row) if row["pixel_id"] else row
        if first is not row and look.same_pixels(first, row, raw):
            state.reject(path, BadFrame("duplicate", f"the same exposure as {first['path']}: its pixels are the same"))
            state.cache[path].append(first["path"])
            del rows[path]
    everything = [*there.values(), *rows.values()]
    for kept, copy in find_twins(everything, set(rows), lambda one, other: look.are_twins(one, other, raw)):
        what = "a reduced copy of" if copy["stage"] != kept["stage"] else "the same exposure as"
        reason = f"{what} {kept['path']}: its noise is the same"
        if copy["stage"] != kept["stage"]:
            reason += f"; to use this one instead, {hint(kept['path'], {'skip': True}, where='file')}"
        state.reject(copy["path"], BadFrame("duplicate", reason))
        state.cache[copy["path"]].append(kept["path"])
        rows.pop(copy["path"], None)
    # A copy that took the place of a file that is gone is its only row.
    taken = {row["pixel_id"] for row in rows.values()} - {""}
    gone = [path for path, row in state.frames.items() if row["pixel_id"] in taken and not (raw / path).is_file()]
    for path in gone:
        del state.frames[path]


def _row(values: dict[str, object], item: New) -> dict[str, str]:
    from n2n.planning import look as look

    seen = item.seen
    notes = "; ".join(filter(None, [*seen.examined.notes, str(values["notes"])]))
    stored = f"stored: {look.STORED[seen.stored]}" if seen.stored else ""
    values["evidence"] = "; ".join(filter(None, [stored, str(values["evidence"])]))
    values |= {"path": item.path, "sha256": item.sha256, "hdu": seen.examined.hdu_index, "notes": notes}
    values |= {"stored": seen.stored, "step": seen.step, "pixel_id": seen.pixel_id}
    return {column: values[column] if column == "path" else cell(values.get(column)) for column in FRAME_COLUMNS}


def _filters_beside(new: list[New], state: Night) -> dict[tuple, set[str]]:
    """Collect the filter names in use, by camera and size."""
    from n2n.formats import headers

    beside: dict[tuple, set[str]] = {}
    for row in state.frames.values():
        if row["filter"]:
            key = row["camera"], row["width"], row["height"]
            beside.setdefault(key, set()).add(row["filter_raw"])
    for item in new:
        *key, name = headers.identify(item.cards)
        beside.setdefault(tuple(key), set()).add(name)
    return beside


def _summarise(night: str, new: list[New], state: Night, report: Callable[[str], None]) -> None:
    """Tell in a few lines what became of the files that were looked at, what was inferred, and what is asked."""
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


def _questions(new: list[New], state: Night) -> list[str]:
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


def ingest_nights(config: dict, nights: list[str], report: Callable[[str], None]) -> None:
    """Bring the lists of frames up to date."""
    from n2n.planning.intake import ingest

    for night in nights:
        ingest(
            Path(config["raw"]),
            night,
            Path(config["results"]),
            overrides=config["overrides"],
            chunk_size=config["ingest"]["chunk_size"],
            max_image_bytes=int(config["ingest"]["max_image_gb"] * 2**30),
            report=report,
        )
    for line in _idle_overrides(config):
        report(line)


def _idle_overrides(config: dict) -> list[str]:
    """A line for each pattern of overrides that matches no file of any night that was looked at."""
    if not config["overrides"]:
        return []
    from n2n.formats.overrides import idle

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
