"""Masters: which of them calibration frames make, and whether one suits a light.

Frames go into different masters where one of them all would be wrong for some of its users: another camera, size,
binning, gain or offset always, another exposure or temperature for darks, another filter or angle of the rotator
for flats. Nothing here reads a pixel.
"""

import hashlib
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from n2n.formats.tables import number

MIN_FRAMES = 3  # frames a master needs: fewer cannot outvote a cosmic ray
SETUP = ("camera", "width", "height", "binning", "gain_setting", "offset")
MAX_DEGREES = 2.0  # difference of sensor temperature between dark and light; dark current doubles in about 6
MAX_TURN = 1.0  # degrees between the rotator's angles of flat and light: dust shadows move with it


@dataclass(frozen=True)
class Master:
    """One master frame to make: its key (also its file name), kind, frames, and what to subtract first."""

    key: str
    kind: str
    night: str
    rows: tuple[dict, ...]
    zero: str | None = None

    @property
    def temperature(self) -> float | None:
        """Median temperature of the sensor, degrees Celsius; None where no frame tells it."""
        return median_of(self.rows, "temperature_c")

    @property
    def exposure(self) -> float:
        """Exposure time in seconds."""
        return number(self.rows[0]["exptime_s"], 0.0)


def masters_of(night: str, rows: list[dict]) -> list[Master]:
    """Masters that the calibration frames of a night allow, also those of too few frames (`enough`)."""
    sets: dict[tuple, list[dict]] = {}
    for row in rows:
        if row["kind"] not in ("bias", "dark", "flat", "darkflat"):
            continue
        key = [row["kind"], *(row[column] for column in SETUP)]
        if row["kind"] in ("dark", "darkflat"):
            key.append(round(number(row["exptime_s"], 0.0), 2))
        if row["kind"] == "flat":
            key += [row["filter"], row["filter_bw_nm"]]
        sets.setdefault(tuple(key), []).append(row)
    made = []
    for (kind, *_), members in sets.items():
        parts = [members]
        if kind in ("dark", "darkflat"):
            parts = split(members, "temperature_c", MAX_DEGREES)
        elif kind == "flat":
            parts = split(members, "rotator_deg", MAX_TURN, period=360.0)
        made += [make_master(kind, night, part) for part in parts]
    return made


def make_master(kind: str, night: str, rows: list[dict], zero: str | None = None) -> Master:
    """Name a master after its camera, filter, night and frames."""
    digest = hashlib.sha256("".join([*(row["sha256"] for row in rows), zero or ""]).encode()).hexdigest()[:10]
    first = rows[0]
    words = [kind, first["camera"], first["filter"] if kind in ("flat", "defects") else "", night, digest]
    return Master("-".join(filter(None, map(safe, words))), kind, night, tuple(rows), zero)


def split(rows: list[dict], column: str, span: float, period: float | None = None) -> list[list[dict]]:
    """Split frames into sets whose values in a column span at most `span`; unknown values make a set of their own.

    Parameters
    ----------
    rows : list of dict
    column : str
        A column of numbers.
    span : float
        In the column's unit.
    period : float, optional
        Where the column is an angle, the value of a whole turn.

    Returns
    -------
    list of list of dict
        In the order of their first frames.
    """
    values = [number(row[column]) for row in rows]
    if period:  # a circle is cut where it is emptiest
        known = sorted(value % period % period for value in values if value is not None)
        gaps = [(after - before) % period for before, after in pairwise([*known[-1:], *known])]
        origin = known[gaps.index(max(gaps))] if known else 0.0
        values = [None if value is None else (value % period - origin) % period % period for value in values]
    starts: list[float] = []
    for value in sorted(value for value in values if value is not None):
        if not starts or value - starts[-1] > span:
            starts.append(value)
    sets: dict[float | None, list[dict]] = {}
    for row, value in zip(rows, values, strict=True):
        sets.setdefault(None if value is None else max(s for s in starts if s <= value), []).append(row)
    return list(sets.values())


def misfit(master: Master, light: dict, any_exposure: bool = False) -> tuple[int, str] | None:
    """Tell why a master does not suit a light: how far down the list of conditions it came, and the reason.

    Parameters
    ----------
    any_exposure : bool
        Let darks of other exposures pass, as for scaling.
    """
    first, kind = master.rows[0], master.kind
    conditions = [(same_setup(first, light), _other_setup(first, light))]
    if kind == "flat":
        same = all(first[column] == light[column] for column in ("filter", "filter_bw_nm"))
        turned = turn_between(first, light) or 0.0
        angles = f"the flats have the rotator at {first['rotator_deg']} degrees, the lights at {light['rotator_deg']}"
        conditions += [(same, f"none through {light['filter']}"), (turned <= MAX_TURN, angles)]
    if kind == "dark":
        times = f"there are darks of {first['exptime_s']} s, the lights have {light['exptime_s']} s"
        ours, theirs = number(light["temperature_c"]), master.temperature
        known = ours is not None and theirs is not None
        degrees = f"the darks were taken at {theirs:.1f} C, the lights at {ours:.1f} C" if known else ""
        conditions += [
            (not known or abs(ours - theirs) <= MAX_DEGREES, degrees),
            (any_exposure or same_exposure(first, light), times),
        ]
    few = f"only {len(master.rows)} of night {master.night}, a master needs {MIN_FRAMES}"
    conditions.append((enough(master), few))
    return next(((place, why) for place, (met, why) in enumerate(conditions) if not met), None)


def enough(master: Master) -> bool:
    """Whether there are frames enough for a master."""
    return len(master.rows) >= MIN_FRAMES


def same_setup(one: dict, other: dict) -> bool:
    """Whether two frames come from one camera, size, binning, gain and offset setting."""
    return all(one[column] == other[column] for column in SETUP)


def same_exposure(one: dict, other: dict) -> bool:
    """Whether two exposure times agree within 0.05 s or 1 %, whichever is more."""
    a, b = number(one["exptime_s"], 0.0), number(other["exptime_s"], 0.0)
    return abs(a - b) <= max(0.05, 0.01 * max(a, b))


def median_of(rows, column: str) -> float | None:
    """Median of a column's known numbers, None without any."""
    values = [value for row in rows if (value := number(row[column])) is not None]
    return median(values) if values else None


def typical(rows: list[dict]) -> dict:
    """The row that stands for lights: the first, at their median temperature (the first may be of a warm sensor)."""
    degrees = median_of(rows, "temperature_c")
    return rows[0] | {"temperature_c": "" if degrees is None else f"{degrees:g}"}


def safe(text: str) -> str:
    """Text that may be part of a file name."""
    return "".join(c if c.isalnum() or c in "+.-" else "-" for c in str(text)).strip("-.")


def turn_between(one: dict, other: dict) -> float | None:
    """Degrees between two angles of the rotator, None where one is unknown."""
    a, b = number(one["rotator_deg"]), number(other["rotator_deg"])
    return None if a is None or b is None else abs((a - b + 180) % 360 - 180)


def _other_setup(first: dict, light: dict) -> str:
    differing = [
        f"{column.replace('_', ' ')} {first[column] or 'unknown'} (lights: {light[column] or 'unknown'})"
        for column in SETUP
        if first[column] != light[column]
    ]
    return "none of this camera and setting: " + ", ".join(differing[:2])
