"""Find a night's frames and write down, once and for all, what each one is.

Runs whenever snakemake reads its workflow, so with nothing new it only compares sizes and times with
its cache. Both tables grow and are never reshuffled: what was computed from a chunk stays valid when
later frames arrive.
"""

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from n2n.errors import BadFrame
from n2n.formats import overrides as user
from n2n.formats.frametable import FRAME_COLUMNS, cell
from n2n.stages._ingest_found import New, Night, changed, leave_for_later, mark_of, scan, settle, signature, still

_REPORT_EVERY_S = 1.5
HASHERS = 4  # files hashed at once


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
    overrides = user.check(overrides)
    state = Night.load(Path(results) / night)
    found = scan(Path(raw), night)
    new = changed(state, found, overrides)
    if new:
        settle(new, state, settle_seconds)
        _read_all(new, state, max_image_bytes, _Progress(night, len(new), report))
        _accept_all([item for item in new if item.examined], state, chunk_size)
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
    owners = {row["sha256"]: path for path, row in state.frames.items()}
    # Known paths first: if their content changed, a copy of the old content is no duplicate.
    order = sorted(new, key=lambda item: item.path not in state.frames)
    pool = ThreadPoolExecutor(HASHERS)  # hashing leaves the interpreter to others
    try:
        for item in order:
            if not item.stated.get("skip"):
                item.digest = pool.submit(_hash, item.file)
        for done, item in enumerate(order):
            progress.step(done)
            try:
                _read(item, state, owners, max_image_bytes)
            except BadFrame as error:
                state.reject(item.path, error)
    finally:
        pool.shutdown(cancel_futures=True)


def _hash(file: Path) -> str:
    from n2n.formats import fits

    return fits.sha256_file(file)


def _read(item: New, state: Night, owners: dict[str, str], max_image_bytes: int) -> None:
    from n2n.formats import fits

    entry, mark = state.cache.get(item.path), mark_of(item.stated)
    if item.stated.get("skip"):
        state.cache[item.path] = [*signature(item.stat), "", mark]
        raise BadFrame("skipped", "left out by overrides in config/config.yaml")
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
            raise BadFrame("duplicate", f"the same bytes as {first}")
        _move(first, item.path, state)
        owners[item.sha256] = item.path
        return
    known = item.path in state.frames or item.path in state.quarantine
    if known and entry and entry[2:] == [item.sha256, mark]:
        return  # touched, not changed
    try:
        examined = fits.examine(item.file, max_image_bytes)
    except BadFrame:
        if still(item):
            raise
    else:
        if still(item):
            item.examined = examined
            owners[item.sha256] = item.path
            return
    leave_for_later(item, state)


def _move(old: str, new: str, state: Night) -> None:
    """Let a row follow its file to a new path; everything else about it stays."""
    state.quarantine.pop(new, None)
    state.frames = {
        new if path == old else path: row | {"path": new} if path == old else row for path, row in state.frames.items()
    }


def _accept_all(new: list[New], state: Night, chunk_size: int) -> None:
    """Normalise the headers of new files, together, and give them group, batch and chunk."""
    from n2n.formats import headers
    from n2n.stages import _grouping as grouping

    again = {item.path for item in new}
    groups = grouping.Groups(row for path, row in state.frames.items() if path not in again)
    beside = _filters_beside(new, state)
    fresh = []
    for item in new:
        try:
            siblings = beside[headers.identify(item.cards)[:3]]
            row = headers.normalise(item.cards, item.path, override=item.stated, siblings=siblings)
            row = _row(row, item)
            row["group"] = groups.assign(row) if row["kind"] == "light" else ""
        except BadFrame as error:
            state.reject(item.path, error)
            continue
        state.quarantine.pop(item.path, None)
        old = state.frames.get(item.path)
        if old and (old["sha256"], old["group"]) == (row["sha256"], row["group"]):
            state.frames[item.path] = row | {"chunk": old["chunk"], "batch": old["batch"]}
        else:
            state.frames.pop(item.path, None)
            fresh.append(row)
    grouping.number(fresh, state.frames.values(), chunk_size)
    state.frames |= {row["path"]: row for row in fresh}


def _row(values: dict[str, object], item: New) -> dict[str, str]:
    notes = "; ".join(filter(None, [*item.examined.notes, str(values["notes"])]))
    values |= {"path": item.path, "sha256": item.sha256, "hdu": item.examined.hdu_index, "notes": notes}
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
    """Tell in a line or two what became of the files that were looked at."""
    bad = Counter(state.quarantine[item.path]["reason_code"] for item in new if item.path in state.quarantine)
    line = f"ingest {night}: {sum(item.path in state.frames for item in new)} frames accepted"
    if bad:
        line += f", {bad.total()} in quarantine ({', '.join(f'{n} {code}' for code, n in bad.most_common())})"
    report(line)
    unknown = {state.frames[item.path]["software"] for item in new if _unprofiled(state.frames.get(item.path))}
    if unknown:
        names = ", ".join(sorted(unknown)).strip(", ") or "unnamed software"
        report(f"ingest {night}: no camera profile for frames of {names}; read by generic rules")


def _unprofiled(row: dict[str, str] | None) -> bool:
    return row is not None and "no camera profile" in row["notes"]
