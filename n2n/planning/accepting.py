"""Accept files that were read: one row an exposure, without copies, with group, batch and chunk."""

from collections.abc import Callable
from pathlib import Path

from n2n.errors import BadFrame
from n2n.formats import headers
from n2n.formats.frametable import FRAME_COLUMNS, cell
from n2n.formats.questions import hint
from n2n.planning import grouping, look
from n2n.planning.found import Candidate, NightTables
from n2n.planning.identity import find_twins


def accept_all(
    new: list[Candidate], state: NightTables, raw: Path, chunk_size: int, report: Callable[[str], None]
) -> None:
    """Normalise the headers of new files, together, and give them group, batch and chunk.

    Parameters
    ----------
    new : list of Candidate
        Files that were read.
    state : NightTables
        Gets their rows.
    raw : Path
        Root of the raw frames.
    chunk_size : int
        Frames of one group and batch that are worked on together.
    report : callable
        Receives what a user should know about groups.
    """
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


def _rows(new: list[Candidate], state: NightTables) -> dict[str, dict[str, str]]:
    """Rows of the new files by path; those that cannot be used, or must be asked about, go into quarantine."""
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


def _leave_copies(rows: dict[str, dict[str, str]], state: NightTables, again: set[str], raw: Path) -> None:
    """Move further files of an exposure that is there already from `rows` into quarantine."""
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


def _row(values: dict[str, object], item: Candidate) -> dict[str, str]:
    seen = item.seen
    notes = "; ".join(filter(None, [*seen.examined.notes, str(values["notes"])]))
    stored = f"stored: {look.STORED[seen.stored]}" if seen.stored else ""
    values["evidence"] = "; ".join(filter(None, [stored, str(values["evidence"])]))
    values |= {"path": item.path, "sha256": item.sha256, "hdu": seen.examined.hdu_index, "notes": notes}
    values |= {"stored": seen.stored, "step": seen.step, "pixel_id": seen.pixel_id}
    return {column: values[column] if column == "path" else cell(values.get(column)) for column in FRAME_COLUMNS}


def _filters_beside(new: list[Candidate], state: NightTables) -> dict[tuple, set[str]]:
    """Collect the filter names in use, by camera and size."""
    beside: dict[tuple, set[str]] = {}
    for row in state.frames.values():
        if row["filter"]:
            key = row["camera"], row["width"], row["height"]
            beside.setdefault(key, set()).add(row["filter_raw"])
    for item in new:
        *key, name = headers.identify(item.cards)
        beside.setdefault(tuple(key), set()).add(name)
    return beside
