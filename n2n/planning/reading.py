"""Read new files: their bytes and what is in them; unusable ones go into quarantine."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from n2n.errors import BadFrame
from n2n.formats.questions import hint
from n2n.planning import look
from n2n.planning.found import Candidate, NightTables, leave_for_later, mark_of, other_format, signature, still

_REPORT_EVERY_S = 1.5
HASHERS = 4  # files read at once


class Progress:
    """Says now and then how far reading has come.

    Parameters
    ----------
    night : str
        Its folder.
    total : int
        Files to read.
    report : callable
        Receives the lines.
    """

    def __init__(self, night: str, total: int, report: Callable[[str], None]):
        self.night, self.total, self.report = night, total, report
        self.last = time.monotonic()

    def step(self, done: int) -> None:
        """Say it where enough time has passed."""
        if time.monotonic() - self.last >= _REPORT_EVERY_S:
            self.last = time.monotonic()
            self.report(f"ingest {self.night}: {done}/{self.total} frames")


def read_all(new: list[Candidate], state: NightTables, max_image_bytes: int, progress: Progress) -> None:
    """Hash and examine the files; quarantine the unusable ones.

    Parameters
    ----------
    new : list of Candidate
        The files; what was seen in them is written there.
    state : NightTables
        What is known of the night; gets what is refused.
    max_image_bytes : int
        Images that declare more than this are refused.
    progress : Progress
        Says how far it is.
    """
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


def _known(item: Candidate, state: NightTables) -> str:
    """SHA-256 of the content that the tables already tell of, by what the user states now; empty where they do not."""
    entry = state.cache.get(item.path)
    known = item.path in state.frames or item.path in state.quarantine
    return entry[2] if known and entry and entry[3] == mark_of(item.stated) else ""


def _read(item: Candidate, state: NightTables, owners: dict[str, str]) -> None:
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


def _move(old: str, new: str, state: NightTables) -> None:
    """Let a row follow its file to a new path; everything else about it stays."""
    state.quarantine.pop(new, None)
    state.frames = {
        new if path == old else path: row | {"path": new} if path == old else row for path, row in state.frames.items()
    }
