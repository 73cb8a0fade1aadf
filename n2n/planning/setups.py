"""What must agree between frames: one table for masters, flats, darks, groups, models and copies.

A frame differs from another where any column that counts for its kind differs. Whether an unknown value is a value
of its own or agrees with everything stands beside each column. Nothing here reads a pixel.

Three rules that look like this one stand elsewhere, because they are no comparison of two rows column by column:

- A master's own frames span a range of temperature or angle, and are of one kind, stage and pedestal
  (`n2n.planning.masters.masters_of`). Its columns and its ranges are those of this table.
- A copy may come from a program that spells the camera otherwise: it has the same camera *or* the same size
  (`n2n.planning.identity`).
- Names of filters are understood by those beside them, of one camera and size, while headers are read: there are no
  rows yet (`n2n.formats.headers.identify`).
"""

import functools
import operator
from collections.abc import Callable
from dataclasses import dataclass

from n2n.formats.tables import number
from n2n.formats.targets import target_key

MAX_DEGREES = 2.0  # difference of sensor temperature between dark and light; dark current doubles in about 6
MAX_TURN = 1.0  # degrees between the rotator's angles of flat and light: dust shadows move with it
MASTERS = frozenset({"bias", "dark", "darkflat", "flat"})
DARKS = frozenset({"dark", "darkflat"})
FLATS = frozenset({"flat"})
GROUP = frozenset({"group"})  # lights that are stacked
MODEL = frozenset({"model"})  # lights of all nights that one network is trained for
COPY = frozenset({"copy"})  # files that may show one exposure


@dataclass(frozen=True)
class Column:
    """A column of ``frames.csv`` that must agree.

    Attributes
    ----------
    name : str
    words : str
        What it is called in a sentence.
    kinds : frozenset of str
        For whom it counts: kinds of masters, compared with lights (and their frames with one another), and
        ``"group"``, ``"model"`` and ``"copy"``, lights compared with lights. In a model's name the values stand as
        they are written, in the order of the table.
    unknown : bool
        Whether an unknown value is a value of its own, which differs from every known one; else it agrees with all.
    same : callable
        Tells of two known values whether they agree.
    told : bool
        Whether a choice of a master says so where only one of both is known.
    """

    name: str
    words: str
    kinds: frozenset
    unknown: bool = False
    same: Callable[[str, str], bool] = operator.eq
    told: bool = True


@dataclass(frozen=True)
class Difference:
    """One column in which two frames differ, with both values."""

    column: Column
    found: str
    wanted: str

    def __str__(self):
        return f"{self.column.words} {self.found or 'unknown'}, the lights have {self.wanted or 'unknown'}"


def same_exposure(one: str, other: str) -> bool:
    """Whether two exposure times agree within 0.05 s or 1 %, whichever is more."""
    a, b = number(one, 0.0), number(other, 0.0)
    return abs(a - b) <= max(0.05, 0.01 * max(a, b))


def turn_between(one: str, other: str) -> float | None:
    """Degrees between two angles, None where one is unknown."""
    a, b = number(one), number(other)
    return None if a is None or b is None else abs((a - b + 180) % 360 - 180)


def _same_part(one: str, other: str) -> bool:
    return abs(number(one, 0.0) - number(other, 0.0)) <= 0.01 * max(number(one, 0.0), number(other, 0.0))


def _near(one: str, other: str) -> bool:
    return abs(number(one, 0.0) - number(other, 0.0)) <= MAX_DEGREES


def _unturned(one: str, other: str) -> bool:
    return (turn_between(one, other) or 0.0) <= MAX_TURN


def _same_step(one: str, other: str) -> bool:
    """Shifting 14 bits up to 16 makes a step of 4, 12 bits one of 16; two of few numbers may come about by chance."""
    low, high = sorted((number(one, 1.0), number(other, 1.0)))
    return high < 4 * max(low, 1e-9)


def _same_steps(one: str, other: str) -> bool:
    """A dark contains the bias: either takes the zero away."""
    return [bool(set(steps) & set("bd")) for steps in (one, other)] == [True, True] and ("f" in one) == ("f" in other)


def _same_text(one: str, other: str) -> bool:
    return "".join(one.split()).casefold() == "".join(other.split()).casefold()


def _same_target(one: str, other: str) -> bool:
    return target_key(one) == target_key(other)


ALL = MASTERS | GROUP
TABLE = (
    Column("target", "target", GROUP, unknown=True, same=_same_target),
    Column("panel", "panel", GROUP, unknown=True),
    Column("camera", "camera", ALL | MODEL, unknown=True),
    Column("width", "width", ALL, unknown=True),
    Column("height", "height", ALL, unknown=True),
    Column("binning", "binning", ALL | MODEL, unknown=True),
    Column("gain_setting", "gain setting", ALL | MODEL, unknown=True),
    Column("offset", "offset", ALL, unknown=True),
    # How the sensor was read, and how the file was written: what few programs say is compared where both do.
    Column("row_order", "row order", ALL, same=_same_text),
    Column("bayer", "colour mosaic", ALL, same=_same_text, told=False),
    Column("readout_mode", "readout mode", ALL, same=_same_text),
    Column("flip", "flip", ALL, same=_same_text),
    Column("subframe", "subframe", ALL),
    Column("step", "step of the numbers", ALL, same=_same_step, told=False),
    Column("telescope", "telescope", FLATS, same=_same_text, told=False),
    Column("exptime_s", "exposure", DARKS, unknown=True, same=same_exposure),
    Column("temperature_c", "temperature", DARKS, same=_near),
    Column("filter", "filter", FLATS | GROUP | MODEL, unknown=True),
    Column("filter_bw_nm", "width of the filter", FLATS | GROUP | MODEL, unknown=True),
    Column("rotator_deg", "rotator angle", FLATS, same=_unturned),
    Column("filter", "filter", COPY),
    Column("exptime_s", "exposure", GROUP | COPY, unknown=True, same=_same_part),
    # Lights of one group are treated alike; what was done to them before is part of that.
    Column("stage", "stage", GROUP, unknown=True),
    Column("done", "what was done to it before", GROUP, unknown=True, same=_same_steps),
)
# Columns of exact settings that a user may state (`overrides`) where only one of two frames tells them.
STATED = ("camera", "gain_setting", "offset")
# Columns that a choice of a master explains in words of its own (`n2n.planning.masters.misfit`).
OWN_WORDS = {"exptime_s", "temperature_c", "filter", "filter_bw_nm", "rotator_deg"}


@functools.cache
def columns(for_: str) -> tuple[Column, ...]:
    """The columns that count for a kind of master, or for a ``"group"``, ``"model"`` or ``"copy"``."""
    return tuple(column for column in TABLE if for_ in column.kinds)


def differences(one: dict, other: dict, for_: str) -> list[Difference]:
    """What makes two frames unfit to be worked on together.

    Parameters
    ----------
    one, other : dict
        Rows of ``frames.csv``: a calibration frame and a light, or two lights. Columns they lack are unknown.
    for_ : str
        Kind of master that `one` belongs to, or ``"group"``, ``"model"``, ``"copy"``.

    Returns
    -------
    list of Difference
        Each of them says in words what it is; empty where the frames agree.
    """
    return [
        Difference(column, one.get(column.name, ""), other.get(column.name, ""))
        for column in columns(for_)
        if not agree(column, one, other)
    ]


def agree(column: Column, one: dict, other: dict) -> bool:
    """Whether two rows agree in a column."""
    a, b = one.get(column.name, ""), other.get(column.name, "")
    if a == b:
        return True
    if a == "" or b == "":
        return not column.unknown
    return column.same(a, b)


def remarks(one: dict, other: dict, for_: str) -> list[str]:
    """What could not be compared because only one of both frames, a master's and a light, tells it."""
    found = []
    for column in columns(for_):
        known = [bool(row.get(column.name, "")) for row in (one, other)]
        if not column.unknown and column.told and column.name not in OWN_WORDS and any(known) and not all(known):
            found.append(f"{'the lights' + chr(39) if known[0] else 'their'} {column.words} unknown")
    return found
