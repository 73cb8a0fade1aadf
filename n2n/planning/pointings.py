"""Pointings of a target: the panels of a mosaic bear one name, but are no exposures of one field.

RA and DEC in a header are a hint: a mount may have lost its way. Where they say that two exposures lie apart, the
stars of both have the last word.
"""

import math
from collections.abc import Callable, Iterable

from n2n.formats.tables import number

UNKNOWN_LIMIT = 0.5  # degrees that make two pointings where the field's size is not known
LEAST_LIMIT, MOST_LIMIT = 0.05, 1.0


class Pointings:
    """Numbers the pointings of every target: 1 for the first, or only, one.

    Parameters
    ----------
    rows : iterable of dict
        Lights that were placed before: `target_key`, position and ``panel`` of each.
    key : callable
        Row to the key of its target.
    same_field : callable
        Two rows to True, False or None: what the stars say, None where there are too few.
    """

    def __init__(
        self, rows: Iterable[dict], key: Callable[[dict], str], same_field: Callable[[dict, dict], bool | None]
    ):
        self.key, self.same_field = key, same_field
        self.members: dict[str, dict[int, list[dict]]] = {}
        for row in rows:
            self._add(row, int(row.get("panel") or 1))

    def place(self, row: dict) -> int:
        """Number of the pointing that a light belongs to; it is remembered as a member."""
        panels = self.members.get(self.key(row), {})
        number_ = self._find(row, panels)
        self._add(row, number_)
        return number_

    def _find(self, row: dict, panels: dict[int, list[dict]]) -> int:
        if not panels:
            return 1
        if position(row) is None:
            return min(panels)
        near = {panel: min(_apart(row, member) for member in members) for panel, members in panels.items()}
        best = min(near, key=near.get)
        if near[best] <= 1 or math.isinf(near[best]):
            return best
        # Another pointing, by the header. Ask the stars, once for each pair of pointings.
        for panel in sorted(near, key=near.get):
            if self.same_field(panels[panel][0], row):
                return panel
        return max(panels) + 1

    def _add(self, row: dict, panel: int) -> None:
        members = self.members.setdefault(self.key(row), {}).setdefault(panel, [])
        # Dithers lie on top of each other: a few members tell where the pointing is.
        if not members or (position(row) is not None and min(_apart(row, member) for member in members) > 0.1):
            members.append(row)


def position(row: dict) -> tuple[float, float] | None:
    """RA and DEC of a row in degrees; None where unknown."""
    ra, dec = number(row.get("ra_deg")), number(row.get("dec_deg"))
    return None if ra is None or dec is None else (ra, dec)


def separation(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Degrees between two places in the sky (haversine formula)."""
    (a, d), (b, e) = ((math.radians(ra), math.radians(dec)) for ra, dec in (one, other))
    half = math.sin((d - e) / 2) ** 2 + math.cos(d) * math.cos(e) * math.sin((a - b) / 2) ** 2
    return math.degrees(2 * math.asin(math.sqrt(min(1.0, half))))


def limit(row: dict) -> float:
    """Degrees beyond which two exposures are two pointings: half of the field's shorter side."""
    field = number(row.get("field_deg"))
    return UNKNOWN_LIMIT if not field else min(max(field / 2, LEAST_LIMIT), MOST_LIMIT)


def _apart(one: dict, other: dict) -> float:
    """Separation in units of the limit; infinite where a position is unknown."""
    a, b = position(one), position(other)
    return math.inf if a is None or b is None else separation(a, b) / limit(one)
