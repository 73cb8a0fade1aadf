"""Which masters each exposure of a group is treated with, and which exposures cannot be treated as the others are.

Masters are chosen for every exposure by its own values: the rotator may turn in the night, the sensor may warm up.
But all exposures of a group get the same *kinds* of master, since a sky with its vignetting and one without cannot be
averaged. Late exposures change nothing that was decided about earlier ones while most are treated alike.
"""

import json
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

from n2n.formats.tables import number
from n2n.formats.treatment import MASTER_KINDS, set_of
from n2n.planning import setups
from n2n.planning.library import DONE, Decision, Library, remark
from n2n.planning.masters import Master, chains, kept, make_master, split, turn_between, typical
from n2n.planning.remedies import pattern_of, telling_settings

FROM_LIGHTS = "found from the lights themselves, there being no dark"


@dataclass(frozen=True)
class Choice:
    """Masters for one exposure: dark, bias and flat, and the factor of the dark."""

    decisions: tuple[Decision, ...]
    scale: float
    crept: bool = False  # the flats are farther turned than allowed, but small steps lead there

    @property
    def kinds(self) -> tuple[bool, bool]:
        """Whether there is a zero (dark or bias), whether there is a flat."""
        dark, bias, flat = (bool(decision.master) for decision in self.decisions)
        return dark or bias, flat

    @property
    def keys(self) -> tuple:
        """Names of the masters, and the factor: what makes two choices the same."""
        return (*(decision.master and decision.master.key for decision in self.decisions), self.scale)

    def without(self, zero: bool, flat: bool) -> "Choice":
        """The same choice without kinds of master that most exposures do not have."""
        why = "not used: most exposures of this group have none that fits"
        keep = (zero, zero, flat)
        decisions = tuple(
            decision if stays else Decision(decision.kind, None, why if decision.master else decision.why)
            for decision, stays in zip(self.decisions, keep, strict=True)
        )
        return Choice(decisions, self.scale if zero else 1.0, self.crept)


@dataclass(frozen=True)
class Treated:
    """What was decided for a group: its rows with the columns `TREATMENT`, and what most of them get."""

    rows: list[dict]
    decisions: list[Decision]
    scale: float
    masters: dict[str, Master]
    remedy: str = ""


def treat(night: str, rows: list[dict], first: list[dict], library: Library) -> Treated:
    """Choose masters for every exposure of a group.

    Parameters
    ----------
    night : str
        Of the lights.
    rows : list of dict
        The group's lights, in the order in which they arrived.
    first : list of dict
        Those the reference rests on: what most are like is told by them. Their files may be gone.
    library : Library
        The masters of all nights.
    """
    choices = _choices(night, rows, first, library)
    votes = Counter(choice.kinds for choice in choices)
    zero, flat = max(votes, key=lambda kinds: (votes[kinds], kinds[1], kinds[0]))
    served = [choice.without(zero, flat) for choice in choices if _serves(choice, zero, flat)]
    # Counted where the reference rests, that late exposures do not change it; the first of equals.
    early = {row["path"] for row in first}
    counted = [c for row, c in zip(rows, choices, strict=True) if row["path"] in early and _serves(c, zero, flat)]
    counted = [choice.without(zero, flat) for choice in counted] or served
    counts = Counter(choice.keys for choice in counted)
    most = max(counted, key=lambda choice: counts[choice.keys])
    usual = library.choose(night, typical(first))
    usual = Choice(tuple(usual[0]), usual[1]).without(zero, flat)
    if usual.keys == most.keys:
        most = usual  # its reasons do not hang on any one exposure
    defects = None
    if not all(choice.decisions[0].master for choice in served):
        defects = _defects(night, first, library)
    decisions = [_with_creep(decision, counted, first) for decision in most.decisions]
    if defects and not decisions[0].master:
        decisions.append(Decision("defects", defects, FROM_LIGHTS))
    masters, treated = {}, []
    for row, choice in zip(rows, choices, strict=True):
        left_out = "" if _serves(choice, zero, flat) else _left_out(choice, zero, most, library)
        used = choice.without(zero, flat)
        own = [*used.decisions]
        if defects and not own[0].master:
            own.append(Decision("defects", defects, FROM_LIGHTS))
        if not left_out:
            masters |= library.needed(own)
        keys = {decision.kind: decision.master.key for decision in own if decision.master and not left_out}
        treated.append(
            row
            | {kind: keys.get(kind, "") for kind in MASTER_KINDS}
            | {"dark_scale": f"{used.scale:.10g}" if keys.get("dark") else "", "left_out": left_out}
        )
    refused = [d.kind for d in decisions if not d.master and not d.why.startswith(DONE)]
    remedy = telling_settings(library, night, typical(first), refused)
    return Treated(treated, decisions, most.scale, masters | library.needed(decisions), remedy)


def _with_creep(decision: Decision, counted: list[Choice], first: list[dict]) -> Decision:
    """Remark flats that exposures beyond their angle share, because the rotator crept there in small steps."""
    if decision.kind != "flat" or not any(choice.crept for choice in counted):
        return decision
    angles = [angle for row in first if (angle := number(row["rotator_deg"])) is not None]
    return remark(decision, f"the rotator creeps from {angles[0]:g} to {angles[-1]:g} degrees")


def _defects(night: str, first: list[dict], library: Library) -> Master | None:
    """The map of the detector's defects that lights tell; one that is there stays, though some of them are gone."""
    raw = [row for row in first if row.get("stage", "") != "registered"]  # whose pixels are the detector's
    there = [row for row in raw if library.there(row)]
    whole = make_master("defects", night, raw) if raw else None
    if whole and len(there) < len(raw) and library.made(whole.key):
        return kept(whole)
    return make_master("defects", night, there) if there else None


def samples(rows: list[dict], number_of: int = 3) -> dict[str, list[dict]]:
    """For every set of masters some exposures of the earliest batch that uses it, on which it is looked at."""
    found: dict[str, list[dict]] = {}
    for row in rows:
        if not row["left_out"] and (name := set_of(row)):
            found.setdefault(name, []).append(row)
    for name, members in found.items():
        batch = min(int(row["batch"]) for row in members)
        members = [row for row in members if int(row["batch"]) == batch]
        last = len(members) - 1
        places = sorted({round(last * part / max(number_of - 1, 1)) for part in range(number_of)})
        found[name] = [members[place] for place in places]
    return found


def _serves(choice: Choice, zero: bool, flat: bool) -> bool:
    return choice.kinds[0] >= zero and choice.kinds[1] >= flat


def _choices(night: str, rows: list[dict], first: list[dict], library: Library) -> list[Choice]:
    """Each exposure's own choice, and its cluster's where its own values fit nothing."""
    known: dict[tuple, Choice] = {}
    names = sorted({column.name for kind in setups.MASTERS for column in setups.columns(kind)} | {"done", "stage"})

    def choose(row: dict) -> Choice:
        values = tuple(row.get(name, "") for name in names)
        if values not in known:
            decisions, scale = library.choose(night, row)
            known[values] = Choice(tuple(decisions), scale)
        return known[values]

    found = []
    for row, alike in zip(rows, _typical_rows(rows, first), strict=True):
        own, cluster = choose(row), choose(alike)
        dark, bias, flat = own.decisions
        scale = own.scale
        if not dark.master and cluster.decisions[0].master:
            (dark, bias, _), scale = cluster.decisions, cluster.scale
        elif not dark.master and not bias.master and cluster.decisions[1].master:
            bias = cluster.decisions[1]
        if not flat.master:
            flat = cluster.decisions[2] if cluster.decisions[2].master else flat
        found.append(Choice((dark, bias, flat), scale))
    return _along_creep(rows, found)


def _along_creep(rows: list[dict], choices: list[Choice]) -> list[Choice]:
    """Give exposures the flat of those that small turns of the rotator lead to; later batches lead nowhere."""
    result = list(choices)
    for batch in sorted({int(row["batch"]) for row in rows}):
        sets: dict[tuple, list[dict]] = {}
        for place, row in enumerate(rows):
            if int(row["batch"]) <= batch and number(row["rotator_deg"]) is not None:
                like = tuple(row.get(name, "") for name in _LIKE)
                sets.setdefault(like, []).append({"place": place, "rotator_deg": row["rotator_deg"]})
        for chain in (c for members in sets.values() for c in chains(members, "rotator_deg", setups.MAX_TURN, 360.0)):
            served = [one for one in chain if choices[one["place"]].decisions[2].master]
            for one in chain:
                place = one["place"]
                if result[place].decisions[2].master or int(rows[place]["batch"]) != batch or not served:
                    continue
                near = min(served, key=lambda other, one=one: turn_between(one, other))
                dark, bias, _ = choices[place].decisions
                flat = choices[near["place"]].decisions[2]
                result[place] = Choice((dark, bias, flat), choices[place].scale, crept=True)
    return result


def _typical_rows(rows: list[dict], first: list[dict]) -> list[dict]:
    """For every row the one that stands for its cluster, which was formed when the cluster's first rows arrived."""
    clusters: list[dict] = []
    standing: dict[str, dict] = {}
    early = {row["path"] for row in first}
    batches = [first] + [
        [row for row in rows if int(row["batch"]) == batch and row["path"] not in early]
        for batch in sorted({int(row["batch"]) for row in rows})
    ]
    for batch in batches:
        fresh = []
        for row in batch:
            home = next((stands for stands in clusters if _like(stands, row)), None)
            if home is None:
                fresh.append(row)
            else:
                standing[row["path"]] = home
        for members in _clusters(fresh):
            stands = typical(members)
            clusters.append(stands)
            standing |= {row["path"]: stands for row in members}
    return [standing[row["path"]] for row in rows]


def _clusters(rows: list[dict]) -> list[list[dict]]:
    """Exposures of like rotator angle and setting, whose temperatures have no gap larger than darks allow."""
    parts = []
    for turned in split(rows, "rotator_deg", setups.MAX_TURN, period=360.0) if rows else []:
        sets: dict[tuple, list[dict]] = {}
        for row in turned:
            sets.setdefault(tuple(row.get(name, "") for name in _LIKE), []).append(row)
        for members in sets.values():
            known = sorted({v for row in members if (v := number(row["temperature_c"])) is not None})
            edges = [high for low, high in pairwise(known) if high - low > setups.MAX_DEGREES]
            by_gap: dict[object, list[dict]] = {}
            for row in members:
                value = number(row["temperature_c"])
                place = None if value is None else sum(edge <= value for edge in edges)
                by_gap.setdefault(place, []).append(row)
            unknown = by_gap.pop(None, [])
            if len(by_gap) == 1:  # what tells no temperature is like the rest
                next(iter(by_gap.values())).extend(unknown)
            elif unknown:
                by_gap[None] = unknown
            parts += by_gap.values()
    return parts


_SPAN = {"temperature_c", "rotator_deg", "exptime_s", "step"}  # these vary within a cluster
_LIKE = sorted({column.name for kind in setups.MASTERS for column in setups.columns(kind)} - _SPAN)


def _like(stands: dict, row: dict) -> bool:
    if any(stands.get(name, "") != row.get(name, "") for name in _LIKE):
        return False
    turned = turn_between(stands, row)
    if turned is None:
        if stands["rotator_deg"] != row["rotator_deg"]:
            return False
    elif turned > setups.MAX_TURN:
        return False
    ours, theirs = number(row["temperature_c"]), number(stands["temperature_c"])
    return ours is None or theirs is None or abs(ours - theirs) <= setups.MAX_DEGREES


def _left_out(choice: Choice, zero: bool, most: Choice, library: Library) -> str:
    """Why an exposure cannot be treated as most are, and what to do."""
    lacks_zero = zero and not choice.kinds[0]
    lacking = [choice.decisions[0], choice.decisions[1]] if lacks_zero else [choice.decisions[2]]
    name = "dark or bias" if lacks_zero else "flat"
    words = "darks or bias frames" if lacks_zero else "flats"
    why = "; ".join(dict.fromkeys(decision.why for decision in lacking))
    used = [d.master for d in most.decisions if d.master and (d.kind == "flat") != lacks_zero]
    patterns = dict.fromkeys(pattern_of(master, library.nights[master.night]) for master in used)
    skip = ", ".join(f"{json.dumps(pattern, ensure_ascii=False)}: {{skip: true}}" for pattern in patterns)
    return (
        f"no {name} fits this exposure, while most of its group have one ({why}); take {words} that fit it, "
        f"or go without for all: overrides: {{{skip}}}"
    )
