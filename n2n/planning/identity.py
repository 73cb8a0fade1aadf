"""Which files show one exposure: copies with the same pixels, and a raw frame beside its calibrated twin.

The same light counted twice spoils everything that rests on independent noise: the number of exposures, their noise,
and the proof. A file's bytes do not tell (a copy may be compressed, plate-solved, renamed); its pixels do.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import PurePosixPath

from n2n.formats import done
from n2n.formats.tables import number

SAME_START = 1.1  # seconds: some programs write whole seconds
MOST_AT_ONCE = 6  # frames of one start: more of them have a clock that stands still
_ORDER = {done.RAW: 0, done.CALIBRATED: 1, done.REGISTERED: 2}


def candidates(rows: Iterable[dict]) -> list[tuple[dict, dict]]:
    """Pairs of lights that may show one exposure, by camera and time; the one to keep comes first.

    A camera cannot take two exposures at a time, so two that begin together are suspicious. Where a clock stands still,
    or there is none, names tell: one holds the other, as ``c_m31_01`` holds ``m31_01``.
    """
    beside: dict[str, list[dict]] = {}
    for row in rows:
        if row["kind"] == "light":
            beside.setdefault(row["camera"], []).append(row)
    pairs = []
    for together in beside.values():
        together = sorted(together, key=lambda row: (row["date_obs"], row["path"]))
        at_once = [
            (row, other) for index, row in enumerate(together) for other in _beginning_with(row, together, index)
        ]
        crowd = Counter(row["path"] for pair in at_once for row in pair)
        pairs += [
            (a, b) for a, b in at_once if max(crowd[a["path"]], crowd[b["path"]]) < MOST_AT_ONCE or _of_one_name(a, b)
        ]
        timeless = [row for row in together if not row["date_obs"]]
        by_length = sorted(timeless, key=lambda row: len(_stem(row)))
        pairs += [(a, b) for i, a in enumerate(by_length) for b in by_length[i + 1 :] if _of_one_name(a, b)]
    return [tuple(sorted(pair, key=_preference)) for pair in pairs]


def find_twins(
    rows: Iterable[dict], fresh: set[str], are_twins: Callable[[dict, dict], bool]
) -> list[tuple[dict, dict]]:
    """Pairs (kept, copy) of exposures that are one, among candidates of which at least one is in `fresh`."""
    found, gone = [], set()
    for kept, copy in candidates(rows):
        if {kept["path"], copy["path"]} & gone or not {kept["path"], copy["path"]} & fresh:
            continue
        if are_twins(kept, copy):
            found.append((kept, copy))
            gone.add(copy["path"])
    return found


def _beginning_with(row: dict, together: list[dict], index: int) -> Iterable[dict]:
    """Those that follow a row in a list by time and begin with it."""
    if not row["date_obs"]:
        return []
    return itertools.takewhile(lambda other: _at_once(row, other), itertools.islice(together, index + 1, None))


def _preference(row: dict) -> tuple:
    """Raw before calibrated before registered, whole numbers before fractions: noise is known where nothing was done."""
    return _ORDER.get(row["stage"], 0), row.get("step", "") == "", row["path"].count("/"), row["path"]


def _at_once(one: dict, other: dict) -> bool:
    try:
        a, b = (datetime.fromisoformat(row["date_obs"]) for row in (one, other))
    except ValueError:
        return False
    exposure = min(number(one["exptime_s"], 0.0), number(other["exptime_s"], 0.0))
    return abs((a - b).total_seconds()) <= min(SAME_START, 0.9 * exposure)


def _stem(row: dict) -> str:
    return PurePosixPath(row["path"]).name.split(".")[0].lower()


def _of_one_name(one: dict, other: dict) -> bool:
    a, b = sorted((_stem(one), _stem(other)), key=len)
    return (
        len(a) >= 3 and any(c.isdigit() for c in a) and (b.startswith(a) or b.endswith(a)) and not _longer_number(a, b)
    )


def _longer_number(a: str, b: str) -> bool:
    """Whether the longer name only has a longer number, as frame_11 has beside frame_1."""
    return b[len(a) : len(a) + 1].isdigit() if b.startswith(a) else b[-len(a) - 1].isdigit()
