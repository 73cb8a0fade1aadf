"""Camera profiles: which program wrote a header, and which keywords it uses for what.

The profiles themselves are data (``cameras.yaml``); this module finds the one that fits.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path


class Cards:
    """A header as plain values: text stripped, undefined cards absent, comments at hand."""

    def __init__(self, header: Mapping):
        self.values: dict[str, object] = {}
        self.comments: dict[str, str] = {}
        self.remarks = self.history = ""
        for card in getattr(header, "cards", None) or [(key, header[key], "") for key in header]:
            keyword, value, comment = card
            keyword = keyword.upper()
            if keyword in ("COMMENT", "HISTORY"):
                self.remarks += f"{value}\n"
                self.history += f"{value}\n" if keyword == "HISTORY" else ""
            elif isinstance(value, str | int | float) and keyword not in self.values:
                self.values[keyword] = value.strip() if isinstance(value, str) else value
                self.comments[keyword] = str(comment or "")

    def text(self, key: str) -> str:
        """Return a value as text, empty when absent; 2.0 reads as ``2``."""
        value = self.values.get(key, "")
        return f"{value:.10g}" if isinstance(value, float) else str(value)

    def number(self, key: str) -> float | None:
        """Return a value as a finite number; ``'43 C'`` and ``'060.00'`` count, words do not."""
        value = self.values.get(key)
        if isinstance(value, bool):
            return None
        if isinstance(value, str):
            match = re.match(r"[+-]?(\d+\.?\d*|\.\d+)([eEdD][+-]?\d+)?(?=\s|[A-Za-z]|$)", value)
            value = float(match[0].upper().replace("D", "E")) if match else None
        return None if value is None or not abs(value) < float("inf") else float(value)


@dataclass(frozen=True)
class Profile:
    """One entry of ``cameras.yaml``."""

    name: str = "generic"
    match: dict = field(default_factory=dict)
    aliases: dict = field(default_factory=dict)
    replace: dict = field(default_factory=dict)
    gain: str = "setting"
    time: str = "start"
    kind: str = ""
    row_order: str = ""
    processed: bool = False
    editor: bool = False
    telescop_is_mount: bool = False
    temperature_unit: str = "celsius"
    constants: dict = field(default_factory=dict)
    adc_depth_keys: dict = field(default_factory=dict)
    kind_by_object: dict = field(default_factory=dict)
    kind_by_path: list = field(default_factory=list)
    not_science_names: list = field(default_factory=list)


@cache
def _profiles() -> tuple[dict[str, list[str]], list[Profile]]:
    import yaml

    text = Path(__file__).with_name("cameras.yaml").read_text(encoding="utf-8")
    data = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return data["generic_aliases"], [Profile(**entry) for entry in data["profiles"]]


def profile_of(cards: Cards) -> Profile:
    """Return the first profile that matches, else the generic one."""
    for profile in _profiles()[1]:
        if all(_matches(cards, key, pattern) for key, pattern in profile.match.items()):
            return profile
    return Profile()


def _matches(cards: Cards, key: str, pattern: str) -> bool:
    if key == "COMMENT":
        return re.search(pattern, cards.remarks, re.I) is not None
    return any(
        alternative in cards.values and re.match(pattern, cards.text(alternative), re.I) is not None
        for alternative in key.split("|")
    )


def keys_of(profile: Profile, name: str) -> list[str]:
    """List the keywords of a field: the profile's own first, then the generic ones."""
    if name in profile.replace:
        return profile.replace[name]
    return [*profile.aliases.get(name, []), *_profiles()[0].get(name, [])]


def first_text(cards: Cards, profile: Profile, name: str) -> str:
    """Return a field as text from the first keyword that has one; empty when none has.

    Parameters
    ----------
    cards : Cards
        Of the file.
    profile : Profile
        Of the program that wrote it; says which keywords may hold the field.
    name : str
        The field, as in ``cameras.yaml``.
    """
    return next((cards.text(key) for key in keys_of(profile, name) if cards.text(key)), "")


def first_number(cards: Cards, profile: Profile, name: str) -> float | None:
    """Return a field as a number, else the profile's constant, else None.

    Parameters
    ----------
    cards : Cards
        Of the file.
    profile : Profile
        Of the program that wrote it; says which keywords may hold the field.
    name : str
        The field, as in ``cameras.yaml``.
    """
    numbers = (cards.number(key) for key in keys_of(profile, name))
    found = next((number for number in numbers if number is not None), None)
    return profile.constants.get(name) if found is None else found
