"""Which files show one exposure: copies with the same pixels, and a raw frame beside its calibrated twin.

The same light counted twice spoils everything that rests on independent noise: the number of exposures, their noise,
and the proof. A file's bytes do not tell (a copy may be compressed, plate-solved, renamed); its pixels do. Here is told
which files are worth comparing.
"""

import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import PurePosixPath

from n2n.formats import done
from n2n.formats.tables import number
from n2n.planning.setups import differences

SAME_START = 1.1  # seconds: some programs write whole seconds
MOST_AT_ONCE = 6  # frames of one start: more of them have a clock that stands still
COMMON = 40  # names that hold one number: then it is a date, a gain, an exposure time, and tells nothing
_ORDER = {done.RAW: 0, done.CALIBRATED: 1, done.REGISTERED: 2}


def candidates(rows: Iterable[dict]) -> list[tuple[dict, dict]]:
    """Pairs of lights that may show one exposure; the one to keep comes first.

    A camera cannot take two exposures at a time, so two that begin together are suspicious. Programs that work on a
    frame may write another time (local, the middle of the exposure, none): frames of another folder, or named
    otherwise, are suspicious, too, where their times differ by whole hours or half an exposure, or where one name holds
    the other, as ``c_m31_01`` holds ``m31_01``.

    Parameters
    ----------
    rows : iterable of dict
        Rows of ``frames.csv``; calibration frames among them tell which of two copies masters fit.
    """
    rows = list(rows)
    masters = {_geometry(row) for row in rows if row["kind"] in ("bias", "dark", "flat")}
    lights = sorted((row for row in rows if row["kind"] == "light"), key=lambda row: (row["date_obs"], row["path"]))
    at_once = [(a, b) for index, a in enumerate(lights) for b in _beginning_with(a, lights, index)]
    found = [*_calm(at_once), *_moved(lights), *_named_alike(lights), *_in_order(lights)]
    pairs = {tuple(sorted((a["path"], b["path"]))): (a, b) for a, b in found}
    return [tuple(sorted(pair, key=lambda row: _preference(row, masters))) for pair in pairs.values()]


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


def _beginning_with(row: dict, lights: list[dict], index: int) -> Iterable[dict]:
    """Those that follow a light in a list by time and begin with it."""
    if not row["date_obs"]:
        return []
    later = itertools.takewhile(lambda other: _together(row, other), itertools.islice(lights, index + 1, None))
    return [other for other in later if _one_camera(row, other)]


def _together(one: dict, other: dict) -> bool:
    a, b = _moment(one), _moment(other)
    if a is None or b is None:
        return False
    exposure = min(number(one["exptime_s"], 0.0), number(other["exptime_s"], 0.0))
    return abs(a - b) <= min(SAME_START, 0.9 * exposure)


def _calm(pairs: list[tuple[dict, dict]]) -> list[tuple[dict, dict]]:
    """Without pairs of frames that share their time with many: there a clock stands still, and only names tell."""
    crowd = Counter(row["path"] for pair in pairs for row in pair)
    return [(a, b) for a, b in pairs if max(crowd[a["path"]], crowd[b["path"]]) < MOST_AT_ONCE or _of_one_name(a, b)]


def _moved(lights: list[dict]) -> list[tuple[dict, dict]]:
    """Pairs of other looks whose times differ by whole hours or by half an exposure."""
    found = []
    timed = [(row, moment) for row in lights if (moment := _moment(row)) is not None]
    by_clock: dict[int, set[int]] = {}
    for index, (row, moment) in enumerate(timed):
        for shift in (0.0, number(row["exptime_s"], 0.0) / 2):
            by_clock.setdefault(int(moment + shift) % 3600, set()).add(index)
    for index, (row, moment) in enumerate(timed):
        near = [by_clock.get((int(moment) + second) % 3600, ()) for second in (-1, 0, 1)]
        for place in sorted(set().union(*near) - {index}):
            other = timed[place][0]
            if _look_of(row) != _look_of(other) and _alike(row, other):
                found.append((row, other))
    return _calm(found)


def _named_alike(lights: list[dict]) -> Iterable[tuple[dict, dict]]:
    """Pairs of which one's name holds the other's, whatever their times say; names are compared by their numbers."""
    by_number: dict[str, list[dict]] = {}
    for row in lights:
        for digits in set(re.findall(r"\d+", _stem(row))):
            by_number.setdefault(digits, []).append(row)
    for rows in by_number.values():
        if len(rows) > COMMON:
            continue
        for one, other in itertools.combinations(rows, 2):
            timeless = not one["date_obs"] or not other["date_obs"]
            other_look = timeless or _look_of(one) != _look_of(other)
            if other_look and _alike(one, other) and _of_one_name(one, other):
                yield one, other


def _in_order(lights: list[dict]) -> Iterable[tuple[dict, dict]]:
    """Pairs, in the order of their names, of frames without a time and as many others that look otherwise."""
    series: dict[tuple, list[dict]] = {}
    for row in sorted(lights, key=lambda row: _natural(row["path"])):
        series.setdefault(_look_of(row), []).append(row)
    for one, other in itertools.combinations(series.values(), 2):
        timeless = not one[0]["date_obs"] or not other[0]["date_obs"]
        if timeless and len(one) == len(other) > 1:
            yield from (pair for pair in zip(one, other, strict=True) if _alike(*pair))


def _natural(path: str) -> list:
    return [(int(piece), "") if piece.isdecimal() else (0, piece) for piece in re.split(r"(\d+)", path)]


def _look_of(row: dict) -> tuple:
    """Folder and name without numbers, and what was done: frames of one series look alike."""
    folder, _, _ = row["path"].rpartition("/")
    return folder, re.sub(r"\d+", "#", _stem(row)), row["stage"], row.get("step", "") == "", row["width"], row["height"]


def _alike(one: dict, other: dict) -> bool:
    """Whether two may show one exposure as far as camera, filter and exposure time go."""
    return _one_camera(one, other) and not differences(one, other, "copy")


def _one_camera(one: dict, other: dict) -> bool:
    """Whether frames may come from one camera, which programs spell in several ways."""
    return one["camera"] == other["camera"] or _geometry(one)[:2] == _geometry(other)[:2]


def _geometry(row: dict) -> tuple:
    return row["width"], row["height"], row.get("row_order", ""), row.get("flip", "")


def _preference(row: dict, masters: set[tuple]) -> tuple:
    """Raw before worked on, what masters fit before what they do not, large before cropped, whole before fractions."""
    area = int(row["width"] or 0) * int(row["height"] or 0)
    unfit = bool(masters) and _geometry(row) not in masters
    worked_on = _ORDER.get(row["stage"], 0)
    return worked_on, unfit, -area, row.get("step", "") == "", row["path"].count("/"), row["path"]


def _moment(row: dict) -> float | None:
    """Start in seconds; None where there is none."""
    try:
        return datetime.fromisoformat(row["date_obs"]).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


def _stem(row: dict) -> str:
    return PurePosixPath(row["path"]).name.split(".")[0].lower()


def _of_one_name(one: dict, other: dict) -> bool:
    a, b = sorted((_stem(one), _stem(other)), key=len)
    within = len(a) >= 3 and any(c.isdigit() for c in a) and (b.startswith(a) or b.endswith(a))
    return within and not _longer_number(a, b)


def _longer_number(a: str, b: str) -> bool:
    """Whether the longer name only has a longer number, as frame_11 has beside frame_1."""
    if len(a) == len(b):
        return False
    return b[len(a) : len(a) + 1].isdigit() if b.startswith(a) else b[-len(a) - 1].isdigit()
