"""A night's folder: what lies there, what is known of it, and what has to be looked at."""

import functools
import json
import os
import re
import time
from collections.abc import Callable, Container
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from n2n.errors import BadFrame, UserError
from n2n.formats import overrides as user
from n2n.formats.atomic import write_text_if_changed
from n2n.formats.frametable import FRAME_COLUMNS, QUARANTINE_COLUMNS, keep_copy, put_back, read_table, write_table

_NAME = re.compile(r".+\.(fits?|fts)(\.(gz|fz))?$", re.I | re.S)
# Files that hold pictures too, each with what to do about it. None is passed over without a word.
_OTHER = {
    "xisf": "XISF files cannot be read yet; save them as FITS (PixInsight: Save As, or BatchFormatConversion)",
    "bz2|zip|xz|zst|7z|rar|z": "packed in a way that cannot be read; unpack it (bunzip2, unzip ...)",
    "cr2|cr3|nef|arw|raf|dng|orf|rw2|pef|srw": "a camera's raw file, which cannot be read yet; convert it to FITS "
    "(Siril: Conversion, without debayering)",
    "ser|avi|mp4|mov": "a film, which cannot be read; save its frames as FITS (SER Player, PIPP, Siril)",
    "tiff?|png|jpe?g|bmp|gif|webp|heic|psd": "a picture, no measurement: only FITS files are read",
    "st[4-9kx]|sbig|hdf5?|h5|asdf|fit\\.tmp": "a format that cannot be read; save it as FITS",
}
_NO_PICTURES = (
    ".txt",
    ".log",
    ".csv",
    ".json",
    ".xml",
    ".ini",
    ".md",
    ".html",
    ".pdf",
    ".yaml",
    ".part",
    ".tmp",
    ".xmp",
)
TABLES = ("frames.csv", "quarantine.csv")
MOSAIC_FRAMES = 8  # a folder
VERSION = 2  # of what is found out about a file; raised when more is


@dataclass
class NightTables:
    """The state of a night on disk: accepted rows and quarantined ones by path, and the cache."""

    folder: Path
    frames: dict[str, dict[str, str]] = field(default_factory=dict)
    quarantine: dict[str, dict[str, str]] = field(default_factory=dict)
    cache: dict[str, list] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: Path, report: Callable[[str], None]) -> "NightTables":
        """Read what earlier calls found; a folder without tables is a night not seen before.

        Parameters
        ----------
        folder : Path
            The night's folder below the results.
        report : callable
            Receives a line where a table had to be put back.
        """
        for line in filter(None, [put_back(folder / name) for name in TABLES]):
            report(line)
        frames = read_table(folder / "frames.csv", FRAME_COLUMNS)
        quarantine = read_table(folder / "quarantine.csv", QUARANTINE_COLUMNS)
        try:
            cache = json.loads((folder / ".ingest-cache.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            cache = {}
        # Of what an older n2n found out some is missing: look again, once. Groups and chunks stay.
        if not isinstance(cache, dict) or cache.pop("", None) != [VERSION]:
            cache = {}
        by_path = {row["path"]: row for row in frames}, {row["path"]: row for row in quarantine}
        return cls(folder, *by_path, cache if isinstance(cache, dict) else {})

    def save(self) -> None:
        """Write the tables, each only where it has changed."""
        write_table(self.folder / "frames.csv", FRAME_COLUMNS, self.frames.values())
        write_table(self.folder / "quarantine.csv", QUARANTINE_COLUMNS, self.quarantine.values())
        for name in TABLES:
            keep_copy(self.folder / name)
        cache = {"": [VERSION], **self.cache}
        lines = [f"{json.dumps(path)}: {json.dumps(cache[path])}" for path in sorted(cache)]
        write_text_if_changed(self.folder / ".ingest-cache.json", "{\n" + ",\n".join(lines) + "\n}\n")

    def reject(self, path: str, error: BadFrame) -> None:
        """Put a file into quarantine, and only there."""
        self.frames.pop(path, None)
        self.quarantine[path] = {
            "path": path,
            "reason_code": error.reason_code,
            "reason": "".join(" " if c in "\n\r\t" else c for c in error.reason),  # a pattern may hold two blanks
        }


@dataclass
class Candidate:
    """A file that has to be looked at: where, what the user states, and what reading it gave."""

    path: str
    file: Path
    stat: os.stat_result
    stated: dict
    present: Container[str]
    digest: Future | None = None
    studied: Future | None = None
    sha256: str = ""
    sampled: bool = True  # whether its pixels are searched for a colour mosaic
    seen: Any = None  # n2n.planning.look.Seen

    @functools.cached_property
    def cards(self):
        """Its header, taken apart once for all who ask."""
        from n2n.formats.profiles import Cards

        return Cards(self.seen.examined.header)

    @property
    def readable(self) -> bool:
        """Whether it is a FITS file that nobody asked to skip."""
        return _NAME.match(self.file.name) is not None and not self.stated.get("skip")


def scan(raw: Path, night: str) -> dict[str, tuple[Path, os.stat_result | None]]:
    """Find all candidates below the night's folder, in natural order, by path below `raw`."""
    top = raw / night
    if not top.is_dir():
        raise UserError(f"there is no folder {top}: put the night's frames there, or correct the night's name")

    def refuse(error: OSError) -> None:
        raise UserError(f"cannot read the folder {error.filename}: {error.strerror}") from error

    found: dict[str, tuple[Path, os.stat_result | None]] = {}
    visited = set()
    for folder, folders, names in os.walk(top, onerror=refuse, followlinks=True):
        here = os.stat(folder)
        if (here.st_dev, here.st_ino) in visited:  # a link that leads back to where we were
            folders.clear()
            continue
        visited.add((here.st_dev, here.st_ino))
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            file = Path(folder, name)
            if name.startswith(".") or not (_NAME.match(name) or _other(name) or _fits_inside(file)):
                continue
            try:
                stat = file.stat()
            except OSError:
                stat = None
            found[file.relative_to(raw).as_posix()] = file, stat
    return dict(sorted(found.items(), key=lambda item: _natural(item[0])))


def _other(name: str) -> str:
    """What to do about a file of pictures that is no FITS file; empty for any other file."""
    lower = name.lower()
    # Packed with gzip, it is what it was before.
    return next((remedy for kinds, remedy in _OTHER.items() if re.search(rf"\.({kinds})(\.gz)?$", lower)), "")


def other_format(path: str) -> BadFrame:
    """The reason why a file of another format is left out."""
    named = "holds FITS, but its name does not end in .fits, .fit or .fts; rename it"
    return BadFrame("unsupported", _other(path) or named)


def _fits_inside(file: Path) -> bool:
    """Whether a file of an unknown name begins as a FITS file does, as astrometry.net's .new and some backups do."""
    if file.suffix.lower() in _NO_PICTURES:
        return False
    try:
        with open(file, "rb") as opened:
            return opened.read(9) == b"SIMPLE  ="
    except OSError:
        return False


def _natural(path: str) -> list:
    pieces = re.split(r"(\d+)", path)
    return [(int(piece), piece) if piece.isdecimal() else (0, piece.lower()) for piece in pieces] + [(0, path)]


def changed(state: NightTables, found: dict, overrides: dict[str, dict]) -> list[Candidate]:
    """List the files that the cache does not vouch for."""
    gone = {row["sha256"] for path, row in state.frames.items() if path not in found}
    new, copies = [], []
    for path, (file, stat) in found.items():
        if not path.isprintable():  # neither a table nor snakemake could carry the name
            shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in path)
            state.reject(shown, BadFrame("unreadable", "the name has characters that cannot be printed; rename"))
            continue
        if stat is None:
            state.reject(path, BadFrame("unreadable", "cannot be opened: a broken link, or no permission"))
            continue
        stated = user.applying(overrides, path)
        entry = state.cache.get(path)
        known = path in state.frames or path in state.quarantine
        same = known and entry and entry[:2] == signature(stat) and entry[3] == mark_of(stated)
        if not same:
            new.append(Candidate(path, file, stat, stated, found))
        elif path not in state.frames and (entry[2] in gone or entry[4:]):
            copies.append(Candidate(path, file, stat, stated, found))
    # A copy whose original is gone, or was looked at anew, may take its place.
    again = {item.path for item in new}
    for item in copies:
        entry = state.cache[item.path]
        original = entry[4] if entry[4:] else ""
        if entry[2] in gone or (
            original and (original not in state.frames or original not in found or original in again)
        ):
            state.cache[item.path] = [*entry[:2], "", *entry[3:4]]  # what is known of it is not enough
            new.append(item)
    return new


def sample(new: list[Candidate]) -> None:
    """Choose which files are searched for a colour mosaic: a few a folder, since its frames are of one camera."""
    folders: dict[str, list[Candidate]] = {}
    for item in new:
        folders.setdefault(item.path.rpartition("/")[0], []).append(item)
    for items in folders.values():
        for index, item in enumerate(items):
            item.sampled = index * MOSAIC_FRAMES // len(items) != (index - 1) * MOSAIC_FRAMES // len(items)


def mark_of(stated: dict) -> str:
    """Identify what the user stated, so that a changed override has the file looked at again."""
    return json.dumps(stated, sort_keys=True, default=str) if stated else ""


def settle(new: list[Candidate], state: NightTables, settle_seconds: float) -> None:
    """Wait once for the youngest files, and leave those that still change for the next call."""
    now = time.time()
    ages = {item.path: now - item.stat.st_mtime for item in new}
    young = [item for item in new if 0 <= ages[item.path] < settle_seconds]
    if not young:
        return
    time.sleep(settle_seconds - min(ages[item.path] for item in young))
    for item in young:
        if not still(item):
            leave_for_later(item, state)
            new.remove(item)


def leave_for_later(item: Candidate, state: NightTables) -> None:
    """Forget a file that still changes; the next call looks at it."""
    state.cache.pop(item.path, None)
    state.reject(item.path, BadFrame("still_writing", "the file is still changing; looked at again next time"))


def signature(stat: os.stat_result) -> list[int]:
    """Size and time of change: what a file that was not touched keeps."""
    return [stat.st_size, stat.st_mtime_ns]


def still(item: Candidate) -> bool:
    """Tell whether a file is as it was when it was found."""
    try:
        return signature(item.file.stat()) == signature(item.stat)
    except OSError:
        return False
