"""Groups, batches and chunks: which frames are worked on together, decided once and kept."""

import itertools
from collections import Counter
from collections.abc import Callable, Iterable

from n2n.errors import BadFrame
from n2n.formats.filters import sanitise
from n2n.formats.targets import target_key, target_label
from n2n.planning.pointings import Pointings, position, separation
from n2n.planning.setups import differences

# How a group's pixels lie: a light that differs in one of these alone, or does not tell it, is refused, since a second
# group of it would be no other set-up.
ORIENTATION = ("row_order", "bayer")
SAME_PLACE = 0.1  # degrees within which two names may well mean one target


class Groups:
    """Names of groups: one pointing of a target, one filter, one camera set-up; a second set-up gets ``-2``.

    Parameters
    ----------
    rows : iterable of dict
        Lights that have a group already.
    same_field : callable
        Two rows to True, False or None, by their stars (`n2n.planning.pointings`).
    """

    def __init__(
        self, rows: Iterable[dict[str, str]], same_field: Callable[[dict, dict], bool | None] = lambda a, b: None
    ):
        rows = [row for row in rows if row["group"]]
        self.first: dict[str, dict[str, str]] = {}
        self.spellings: dict[str, dict[str, str]] = {}
        for row in rows:
            self.first.setdefault(row["group"], row)
            self._spelled(row)
        self.pointings = Pointings(rows, _key, same_field)
        self.notes: list[str] = []

    def assign(self, row: dict[str, str]) -> str:
        """Return the group of a light, and fill in its `panel`.

        Raises
        ------
        BadFrame
            Where its pixels lie otherwise than the group's.
        """
        panel = self.pointings.place(row)
        row["panel"] = str(panel) if panel > 1 else ""
        self._spelled(row)
        for name, first in self.first.items():
            differing = {found.column.name for found in differences(first, row, "group")}
            for what in ORIENTATION:
                if first.get(what, "") != row.get(what, "") and differing <= {what}:
                    found, wanted = row[what] or "unknown", first[what] or "unknown"
                    raise BadFrame("geometry", f"{what} {found}, but {wanted} in {first['path']}")
            if not differing:
                return name
        base = f"{self._label(row)}_{sanitise(row['filter']) or 'NoFilter'}"
        taken = {name.casefold() for name in self.first}  # some file systems do not tell M31 from m31
        names = (base if number == 1 else f"{base}-{number}" for number in itertools.count(1))
        name = next(name for name in names if name.casefold() not in taken)
        self._tell(row, name)
        self.first[name] = row
        return name

    def _label(self, row: dict) -> str:
        """The target's part of a group's name: as the target was spelled first, with the number of its pointing."""
        spelled = next(iter(self.spellings[_key(row)].values()))
        label = target_label(spelled, *(position(row) or (None, None)))
        return f"{label}-{row['panel']}" if row["panel"] else label

    def _spelled(self, row: dict) -> None:
        self.spellings.setdefault(_key(row), {}).setdefault(row["target"], row["target"])

    def _tell(self, row: dict, name: str) -> None:
        """Note what a user should know about a new group: a second pointing, or another name for the same place."""
        where = position(row)
        for other, first in self.first.items():
            there = position(first)
            if where is None or there is None or first["filter"] != row["filter"]:
                continue
            apart = separation(where, there)
            if _key(first) == _key(row) and first.get("panel", "") != row["panel"]:
                self.notes.append(
                    f"{row['target']} has two pointings, {apart:.2g} degrees apart: groups {other} and {name}"
                )
                break
            if _key(first) != _key(row) and apart < SAME_PLACE:
                self.notes.append(
                    f"{first['target']} and {row['target']} lie at the same place; if they are one target, "
                    "give both the same name by overrides: target"
                )
                break

    def told(self) -> list[str]:
        """Notes for the user, with the spellings that were taken for one target."""
        several = [list(names) for names in self.spellings.values() if len(names) > 1]
        return self.notes + [f"{', '.join(names)}: spellings of one target" for names in several]


def _key(row: dict) -> str:
    return target_key(row["target"])


def deal_into_chunks(fresh: list[dict[str, str]], kept: Iterable[dict[str, str]], chunk_size: int) -> None:
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
