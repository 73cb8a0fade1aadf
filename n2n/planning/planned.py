"""What a plan holds: groups with their chunks, masters and model."""

from dataclasses import dataclass, field

from n2n.formats.treatment import MASTER_KINDS, set_of
from n2n.planning.masters import Master


@dataclass(frozen=True)
class Group:
    """One target through one filter in one night."""

    night: str
    name: str
    chunks: dict[str, list[dict]]
    reference_chunks: tuple[str, ...]
    calibration: dict
    model: str | None
    choice: str  # of calibration, in one line
    vetted: dict[str, list[dict]] = field(default_factory=dict)  # set of masters: exposures it is looked at on

    @property
    def lights(self) -> int:
        """Number of exposures found, accepted or not."""
        return sum(map(len, self.chunks.values()))

    @property
    def pixels(self) -> int:
        """Pixels of an exposure."""
        row = next(row for rows in self.chunks.values() for row in rows)
        return int(row["width"]) * int(row["height"])

    def masters(self, chunks) -> list[str]:
        """Keys of the masters that exposures of some chunks need, and of those the group's gain comes from."""
        rows = [self.calibration, *(row for chunk in chunks for row in self.chunks[chunk])]
        return list(dict.fromkeys(row[kind] for row in rows for kind in MASTER_KINDS if row[kind]))

    def sets(self, chunks) -> list[str]:
        """Sets of masters that exposures of some chunks need, the group's own first."""
        rows = [self.calibration, *(row for chunk in chunks for row in self.chunks[chunk])]
        return [name for name in dict.fromkeys(map(set_of, rows)) if name in self.vetted]


@dataclass
class Plan:
    """All there is to do for the chosen nights."""

    nights: list[str]
    groups: dict[tuple[str, str], Group] = field(default_factory=dict)
    masters: dict[str, Master] = field(default_factory=dict)
    training: dict[str, list[tuple[str, str]]] = field(default_factory=dict)  # model: groups, by night and name
    composites: dict[tuple[str, str, str], list[str]] = field(default_factory=dict)  # night, target, palette: groups
    notes: list[str] = field(default_factory=list)

    def of_night(self, night: str) -> list[Group]:
        """Groups of a night."""
        return [group for group in self.groups.values() if group.night == night]
