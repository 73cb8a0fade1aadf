"""Groups, batches and chunks: which frames are worked on together, decided once and kept."""

import itertools
from collections import Counter
from collections.abc import Iterable

from n2n.errors import BadFrame
from n2n.formats.filters import sanitise

_SETUP = ("camera", "width", "height", "binning", "gain_setting", "offset", "filter_bw_nm")
_ALIKE = ("row_order", "bayer")
_SAME_EXPOSURE = 0.01


class Groups:
    """Names of groups: one target, one filter, one camera set-up; a second set-up gets ``-2``."""

    def __init__(self, rows: Iterable[dict[str, str]]):
        self.first: dict[str, dict[str, str]] = {}
        for row in rows:
            if row["group"]:
                self.first.setdefault(row["group"], row)

    def assign(self, row: dict[str, str]) -> str:
        """Return the group of a light; raises `BadFrame` where its pixels lie otherwise than the group's."""
        base = _base_name(row)
        for name, first in self.first.items():
            if _base_name(first) == base and _same_setup(first, row):
                for what in _ALIKE:
                    if first[what] != row[what]:
                        found, wanted = row[what] or "unknown", first[what] or "unknown"
                        raise BadFrame("geometry", f"{what} {found}, but {wanted} in {first['path']}")
                return name
        names = (base if number == 1 else f"{base}-{number}" for number in itertools.count(1))
        name = next(name for name in names if name not in self.first)
        self.first[name] = row
        return name


def _base_name(row: dict[str, str]) -> str:
    return f"{sanitise(row['target']) or 'target'}_{sanitise(row['filter']) or 'NoFilter'}"


def _same_setup(first: dict[str, str], row: dict[str, str]) -> bool:
    a, b = float(first["exptime_s"]), float(row["exptime_s"])
    return all(first[key] == row[key] for key in _SETUP) and abs(a - b) <= _SAME_EXPOSURE * max(a, b)


def number(fresh: list[dict[str, str]], kept: Iterable[dict[str, str]], chunk_size: int) -> None:
    """Give new rows the next batch number and cut each group's part of them into chunks of its own, of like size.

    Parameters
    ----------
    fresh : list of dict
        New rows in order; their `batch` and, for lights, `chunk` are filled in.
    kept : iterable of dict
        The rows that were there before; they are never touched.
    chunk_size : int
        Rows a chunk, at most. A group that would fill one is cut in two, so that two processors can share it.
    """
    batch = 0
    next_chunk: dict[str, int] = {}
    for row in kept:
        batch = max(batch, int(row["batch"]) + 1)
        if row["group"]:
            next_chunk[row["group"]] = max(next_chunk.get(row["group"], 0), int(row["chunk"]) + 1)
    total = Counter(row["group"] for row in fresh)
    counted: Counter[str] = Counter()
    for row in fresh:
        row["batch"] = str(batch)
        if group := row["group"]:
            chunks = max(-(-total[group] // chunk_size), 2 if total[group] >= chunk_size // 2 else 1)
            row["chunk"] = str(next_chunk.get(group, 0) + counted[group] * chunks // total[group])
            counted[group] += 1
