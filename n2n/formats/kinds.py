"""What a frame is, light, bias, dark or flat: by its header, by its program's habits, by the words of its path."""

import re
from pathlib import PurePosixPath

from n2n.errors import BadFrame
from n2n.formats.profiles import Cards, Profile, keys_of

_KIND_WORDS = {
    "light": "light object expose science standard",
    "bias": "bias zero offset",
    "dark": "dark",
    "flat": "flat skyflat domeflat",
    "darkflat": "darkflat flatdark",
    "not_science": "snapshot focus test bpm readnoise experimental",
}
_KINDS = {word: kind for kind, words in _KIND_WORDS.items() for word in words.split()}
_PICTTYPES = {"1": "light", "2": "bias", "3": "dark", "4": "flat"}


def kind_of(cards: Cards, profile: Profile, path: str, notes: list[str]) -> str:
    """What a frame is; empty where nothing tells.

    Parameters
    ----------
    cards : Cards
        Of the file.
    profile : Profile
        Of the program that wrote it.
    path : str
        Below the raw folder.
    notes : list of str
        Gets what was assumed.

    Raises
    ------
    BadFrame
        ``not_science``, for a snapshot and the like.
    """
    name = PurePosixPath(path).name.lower()
    if any(word in re.split(r"[^a-z]+", name) for word in profile.not_science_names):
        raise BadFrame("not_science", "the file name says it is a snapshot")
    if stated := stated_kind(cards, profile):
        if stated == "not_science":
            key, value = next((key, cards.text(key)) for key in keys_of(profile, "kind") if cards.text(key))
            raise BadFrame("not_science", f"{key} = {value!r} is not an exposure to work with")
        return stated
    kind, why = kind_by_profile(cards, profile, path)
    notes += [why] if why else []
    return kind


def kind_by_profile(cards: Cards, profile: Profile, path: str) -> tuple[str, str]:
    """Kind that is usual for a program whose header has no card for it, and a remark; empty where nothing tells.

    Parameters
    ----------
    cards : Cards
        Of the file.
    profile : Profile
        Of the program that wrote it.
    path : str
        Below the raw folder.
    """
    if any(cards.text(key) for key in keys_of(profile, "kind")):
        return "", ""  # the header says something that nobody knows
    named = cards.text("OBJECT").lower()
    if named in profile.kind_by_object:
        return profile.kind_by_object[named], "kind read from OBJECT"
    for pattern, kind in profile.kind_by_path:
        if re.search(pattern, path, re.I):
            return kind, "kind read from the folder's name"
    return profile.kind, f"kind assumed by the profile {profile.name}" if profile.kind else ""


def stated_kind(cards: Cards, profile: Profile) -> str:
    """Kind by the first card that has one; ``not_science`` for snapshots and the like, empty for words nobody knows."""
    for key in keys_of(profile, "kind"):
        if value := cards.text(key):
            word = re.sub(r"frame|field|[\s_-]", "", value.lower())
            return _PICTTYPES.get(value, "") if key == "PICTTYPE" else _KINDS.get(word, "")
    return ""


def likely_kind(path: str) -> str:
    """Guess a kind from the path's words, for a hint only: a user decides. Empty where no word tells."""
    for word in reversed(re.split(r"[^a-z]+", path.lower())):
        kind = _KINDS.get(word) or _KINDS.get(word.removesuffix("s").removesuffix("e"))
        if kind in ("bias", "dark", "flat", "light"):
            return kind
    return ""
