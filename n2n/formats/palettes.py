"""Colour composites: which filter becomes which colour, and which ones a night's groups allow."""

from dataclasses import dataclass, field

from n2n.errors import UserError


@dataclass(frozen=True)
class Palette:
    """How filters become colours.

    Attributes
    ----------
    red, green, blue : str
        Canonical filters.
    lightness : str, optional
        Filter that takes the place of the lightness of the three.
    blend : str, optional
        Filter mixed into red.
    linked : bool
        One stretch for all, stars white on average; else every filter has its own.
    """

    red: str
    green: str
    blue: str
    lightness: str = ""
    blend: str = ""
    linked: bool = True
    filters: tuple[str, ...] = field(init=False)

    def __post_init__(self):
        names = (self.lightness, self.blend, self.red, self.green, self.blue)
        object.__setattr__(self, "filters", tuple(dict.fromkeys(filter(None, names))))

    @property
    def words(self) -> str:
        """The palette in a few words."""
        said = f"red {self.red}, green {self.green}, blue {self.blue}"
        said += f", lightness {self.lightness}" if self.lightness else ""
        return said + (f", {self.blend} mixed into red" if self.blend else "")


PALETTES = {
    "RGB": Palette("R", "G", "B"),
    "LRGB": Palette("R", "G", "B", lightness="L"),
    "HaRGB": Palette("R", "G", "B", blend="Ha"),
    "HOO": Palette("Ha", "OIII", "OIII", linked=False),
    "SHO": Palette("SII", "Ha", "OIII", linked=False),
}


def wanted_palettes(setting) -> list[str]:
    """Names of the palettes a configuration asks for.

    Raises
    ------
    UserError
        For a name that is not known.
    """
    names = [setting] if isinstance(setting, str) else list(setting)
    if names == ["all"]:
        return list(PALETTES)
    if names == ["none"]:
        return []
    for name in names:
        if name not in PALETTES:
            raise UserError(f"config: palettes: {name!r} is not one of all, none, {', '.join(PALETTES)}")
    return names


def composites(groups, palettes: list[str]) -> dict[tuple[str, str, str], list[str]]:
    """Composites that groups allow: ``{(night, target, palette): names of groups}``.

    Of several groups of a target through one filter, the one with most exposures is taken.

    Parameters
    ----------
    groups : iterable of n2n.planning.planned.Group
        The night's groups, or those of several nights.
    palettes : list of str
        Names of `PALETTES`.
    """
    found: dict[tuple[str, str], dict] = {}
    for group in sorted(groups, key=lambda group: (-group.lights, group.name)):
        row = next(iter(group.chunks.values()))[0]
        target = group.name.partition("_")[0]  # with the pointing's number, and in the spelling all groups share
        found.setdefault((group.night, target), {}).setdefault(row["filter"], group.name)
    return {
        (night, target, name): [filters[key] for key in PALETTES[name].filters]
        for (night, target), filters in sorted(found.items())
        for name in palettes
        if set(PALETTES[name].filters) <= set(filters)
    }
