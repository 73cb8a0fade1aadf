"""Masters: which of them calibration frames make, and whether one suits a light.

Frames go into different masters where one of them all would be wrong for some of its users: `n2n.planning.setups`
holds the table of what must agree. Nothing here reads a pixel.
"""

import hashlib
from dataclasses import dataclass, field, replace
from itertools import pairwise
from statistics import median

from n2n.formats.frametable import pedestal_of
from n2n.formats.tables import number
from n2n.planning import setups
from n2n.planning.names import LONGEST, shortened
from n2n.planning.setups import MAX_DEGREES, MAX_TURN

MIN_FRAMES = 3  # frames a master needs: fewer cannot outvote a cosmic ray
KINDS = ("bias", "dark", "flat", "darkflat")


@dataclass(frozen=True)
class Master:
    """One master frame to make: its key (also its file name), kind, frames, and what to subtract first.

    `kept` masters are there already, and their frames are not: they can be used but not made again.
    """

    key: str
    kind: str
    night: str
    rows: tuple[dict, ...]
    zero: str | None = None
    kept: bool = False
    facts: dict = field(default_factory=dict, compare=False)

    def __post_init__(self):
        """Let one row stand for all: the first, with what only later ones tell, at their median temperature."""
        degrees = self.temperature
        facts = dict(self.rows[0]) | {"temperature_c": "" if degrees is None else f"{degrees:g}"}
        for column in setups.columns(self.kind):
            if not facts.get(column.name, ""):
                facts[column.name] = next((row[column.name] for row in self.rows if row.get(column.name)), "")
        object.__setattr__(self, "facts", facts)

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
    for kind in KINDS:
        for row, key in _keyed(kind, [row for row in rows if row["kind"] == kind]):
            sets.setdefault(key, []).append(row)
    made = []
    for (kind, *_), members in sets.items():
        parts = [members]
        if kind in ("dark", "darkflat"):
            parts = _of_like_temperature(members)
        elif kind == "flat":
            parts = split(members, "rotator_deg", MAX_TURN, period=360.0)
        made += [make_master(kind, night, part) for part in parts]
    # In the order of the frames, whatever their kind: the first of equals is taken.
    place = {row["path"]: index for index, row in enumerate(rows)}
    return sorted(made, key=lambda master: place[master.rows[0]["path"]])


def _of_like_temperature(rows: list[dict]) -> list[list[dict]]:
    """Darks in sets that span `MAX_DEGREES`; of a drift that would leave a third in no master, in sets of more."""
    parts = []
    for chain in chains(rows, "temperature_c", MAX_DEGREES):
        spans = (MAX_DEGREES, 2 * MAX_DEGREES, 3 * MAX_DEGREES)  # dark current doubles over the last
        ways = [split(chain, "temperature_c", span) for span in spans]
        lost = [sum(len(part) for part in way if len(part) < MIN_FRAMES) for way in ways]
        kept_most = [way for way, few in zip(ways, lost, strict=True) if 3 * few < len(chain)]
        parts += (kept_most or ways)[0]
    return parts


def _keyed(kind: str, rows: list[dict]) -> list[tuple[dict, tuple]]:
    """Frames of a kind, each with what must be equal within one master."""
    exact, soft = [], []
    for column in setups.columns(kind):
        if column.name in ("temperature_c", "rotator_deg"):
            continue  # these span; `split` cuts them
        (exact if column.unknown else soft).append(column.name)

    def sure(row):
        values = [row.get(name, "") for name in exact if name != "exptime_s"]
        if "exptime_s" in exact:
            values.append(round(number(row["exptime_s"], 0.0), 2))
        done = (row.get("stage", "") or "raw", row.get("done", ""), pedestal_of(row))
        return (kind, *values, *done)

    # An unknown value joins the only known one there is, and is a value of its own among several.
    told: dict[tuple, dict[str, set]] = {}
    for row in rows:
        for name in soft:
            if row.get(name, ""):
                told.setdefault(sure(row), {}).setdefault(name, set()).add(_alike(name, row[name]))
    keyed = []
    for row in rows:
        base = sure(row)
        known = told.get(base, {})
        values = []
        for name in soft:
            value = row.get(name, "")
            only = known.get(name, set())
            values.append(_alike(name, value) if value else next(iter(only)) if len(only) == 1 else "")
        keyed.append((row, (*base, *values)))
    return keyed


def _alike(name: str, value: str):
    """What stands for all values of a column that agree."""
    if name == "step":
        step = number(value, 1.0)
        return "fine" if step < 4 else "coarse" if step < 16 else "coarser"
    return value if name == "subframe" else "".join(value.split()).casefold()


def make_master(kind: str, night: str, rows: list[dict], zero: str | None = None) -> Master:
    """Name a master after its camera, filter, night and frames."""
    digest = hashlib.sha256("".join([*(row["sha256"] for row in rows), zero or ""]).encode()).hexdigest()[:10]
    first = rows[0]
    set_up = [kind, first["camera"], first["filter"] if kind in ("flat", "defects") else ""]
    before = [shortened(safe(word), 60) for word in set_up]
    room = LONGEST - len(".fits") - len("-".join([*before, "", digest]).encode())
    key = "-".join(filter(None, [*before, shortened(safe(night), room).rstrip("-."), digest]))
    return Master(key, kind, night, tuple(rows), zero)


def kept(master: Master) -> Master:
    """The same master, which is only used, not made again."""
    return replace(master, kept=True)


def with_facts(master: Master, facts: dict) -> Master:
    """The same master, whose frames tell more."""
    return replace(master, rows=tuple(row | facts for row in master.rows))


def split(rows: list[dict], column: str, span: float, period: float | None = None) -> list[list[dict]]:
    """Split frames into sets whose values in a column span at most `span`; unknown values make a set of their own.

    Parameters
    ----------
    rows : list of dict
        Of ``frames.csv``.
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


def chains(rows: list[dict], column: str, gap: float, period: float | None = None) -> list[list[dict]]:
    """Split frames where sorted values in a column have a gap larger than `gap`; parameters as of `split`."""
    values = [number(row[column]) for row in rows]
    if period:
        values = [None if value is None else value % period % period for value in values]
    known = sorted({value for value in values if value is not None})
    edges = [high for low, high in pairwise(known) if high - low > gap]
    around = bool(period and known and known[0] + period - known[-1] <= gap)
    sets: dict[int | None, list[dict]] = {}
    for row, value in zip(rows, values, strict=True):
        place = None if value is None else sum(edge <= value for edge in edges)
        sets.setdefault(0 if around and place == len(edges) else place, []).append(row)
    return list(sets.values())


def misfit(master: Master, light: dict, any_exposure: bool = False) -> tuple[int, str] | None:
    """Tell why a master does not suit a light: how far down the list of conditions it came, and the reason.

    Parameters
    ----------
    master : Master
        The master.
    light : dict
        Row of ``frames.csv``.
    any_exposure : bool
        Let darks of other exposures pass, as for scaling.
    """
    facts, kind = master.facts, master.kind
    differing = {found.column.name: found for found in setups.differences(facts, light, kind)}
    without = {"step"} if zero_free(master) else set()  # numbers of another program are of no analogue converter
    other = [found for name, found in differing.items() if name not in setups.OWN_WORDS | without]
    conditions = [(other, _other_setup(other)), (reduced(facts) and not zero_free(master), _reduced(facts))]
    if kind == "flat":
        angles = f"the flats have the rotator at {facts['rotator_deg']} degrees, the lights at {light['rotator_deg']}"
        conditions += [
            (differing.keys() & {"filter", "filter_bw_nm"}, f"none through {light['filter']}"),
            ("rotator_deg" in differing, angles),
        ]
    if kind == "dark":
        times = f"there are darks of {facts['exptime_s']} s, the lights have {light['exptime_s']} s"
        degrees = ""
        if "temperature_c" in differing:
            ours, theirs = number(light["temperature_c"]), master.temperature
            degrees = f"the darks were taken at {theirs:.1f} C, the lights at {ours:.1f} C"
        conditions += [
            ("temperature_c" in differing, degrees),
            ("exptime_s" in differing and not any_exposure, times),
        ]
    few = f"only {len(master.rows)} of night {master.night}, a master needs {MIN_FRAMES}"
    conditions.append((not enough(master), few))
    return next(((place, why) for place, (failed, why) in enumerate(conditions) if failed), None)


def reduced(row: dict) -> bool:
    """Whether something was done to a calibration frame already: it is no master's frame for raw lights."""
    return row.get("stage", "") not in ("", "raw")


def zero_free(master: Master) -> bool:
    """Whether these are flats whose bias or dark was subtracted before, by their own headers, and nothing else."""
    steps = set(master.facts.get("done", ""))
    return master.kind == "flat" and master.facts.get("stage") == "calibrated" and bool(steps) and steps <= set("bd")


def enough(master: Master) -> bool:
    """Whether there are frames enough for a master."""
    return len(master.rows) >= MIN_FRAMES


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
    """Degrees between two frames' angles of the rotator, None where one is unknown."""
    return setups.turn_between(one["rotator_deg"], other["rotator_deg"])


def _reduced(row: dict) -> str:
    return f"its frames were calibrated before (done: {row.get('done') or 'unknown'}), the lights were not"


def _other_setup(differing: list[setups.Difference]) -> str:
    if not differing:
        return ""
    exact = [found for found in differing if found.column.unknown]
    if exact:
        words = [f"{d.column.words} {d.found or 'unknown'} (lights: {d.wanted or 'unknown'})" for d in exact[:2]]
        return "none of this camera and setting: " + ", ".join(words)
    return "; ".join(map(str, differing[:2]))
