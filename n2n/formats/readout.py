"""How the sensor was read and the file was written: binning, colour pattern, row order, flips, the part read."""

import re

from n2n.formats.profiles import Cards, Profile, first_number, first_text, keys_of

_CFA = re.compile(r"(RGGB|BGGR|GRBG|GBRG)")
_OTHER_CFA = re.compile(r"(X-?TRANS|[RGB]{6,}|[CMYG]{4}$|RGBW|RCCB|RYYB)")
_SECTION = re.compile(r"\[\s*(\d+)\s*:\s*(\d+)\s*,\s*(\d+)\s*:\s*(\d+)\s*\]")
_NOTHING = ("", "UNKNOWN", "N/A", "NONE", "UNSPECIFIED", "DEFAULT", "NORMAL", "FULL")
_ORIGINS = (("XORGSUBF", "YORGSUBF"), ("ROI_X", "ROI_Y"), ("CCDSUBFL", "CCDSUBFT"), ("X_START", "Y_START"))


def binning(cards: Cards, profile: Profile) -> str:
    """``1``, ``2`` ... or ``2x1``; empty where nothing says it."""
    key = next((key for key in keys_of(profile, "binning_x") if cards.text(key)), None)
    if key is None:
        return ""
    x = cards.number(key)
    y = first_number(cards, profile, "binning_y") or x
    if len(both := cards.text(key).split()) == 2:
        x, y = float(both[0]), float(both[1])
    return "" if x is None else f"{x:g}" if x == y else f"{x:g}x{y:g}"


def bayer(cards: Cards, profile: Profile, notes: list[str]) -> str:
    """Colour pattern for the first pixel of the file; patterns that are not 2 x 2 come as they are spelled.

    Parameters
    ----------
    cards : Cards
        Of the file.
    profile : Profile
        Of the program that wrote it.
    notes : list of str
        Gets what was noticed.
    """
    keys = [*keys_of(profile, "bayer"), "FILTER"]
    spelled = [re.sub(r"[\s,_'\"]", "", cards.text(key).upper()) for key in keys]
    pattern = next((match[1] for text in spelled if (match := _CFA.match(text))), "")
    if not pattern:
        return next((text for text in spelled[:-1] if _OTHER_CFA.match(text)), "")
    # The pattern is stored for the first pixel of the file, wherever the sensor's own pattern starts.
    if round(cards.number("XBAYROFF") or cards.number("BAYOFFX") or 0) % 2:
        pattern = pattern[1] + pattern[0] + pattern[3] + pattern[2]
        notes.append("colour pattern shifted by XBAYROFF")
    if round(cards.number("YBAYROFF") or cards.number("BAYOFFY") or 0) % 2:
        pattern = pattern[2:] + pattern[:2]
        notes.append("colour pattern shifted by YBAYROFF")
    return pattern


def row_order(cards: Cards, profile: Profile, notes: list[str]) -> str:
    """``TOP-DOWN``, ``BOTTOM-UP``, or empty.

    Parameters
    ----------
    cards : Cards
        Of the file.
    profile : Profile
        Of the program that wrote it.
    notes : list of str
        Gets what was assumed.
    """
    stated = cards.text("ROWORDER").upper()
    if stated in ("TOP-DOWN", "BOTTOM-UP"):
        return stated
    if profile.row_order:
        notes.append(f"row order {profile.row_order} assumed by the profile {profile.name}")
    return profile.row_order


def flip(cards: Cards, profile: Profile) -> str:
    """How the program turned the image before it wrote it, as it says so: ``Mirror``, ``Flip`` ...; empty for none."""
    said = first_text(cards, profile, "flip")
    flags = [
        name for key, name in (("FLIPX", "X"), ("FLIPY", "Y"), ("XFLIP", "X"), ("YFLIP", "Y")) if _true(cards, key)
    ]
    return " ".join([said, *flags]).strip() if said.upper() not in (*_NOTHING, "F", "0", "FALSE") else " ".join(flags)


def readout_mode(cards: Cards, profile: Profile) -> str:
    """Name of the camera's readout mode; empty where it has none or does not say."""
    said = " ".join(first_text(cards, profile, "readout_mode").split())
    return "" if said.upper() in ("", "UNKNOWN", "N/A", "NONE", "UNSPECIFIED") else said


def subframe(cards: Cards) -> str:
    """First column and row of the part of the sensor that was read, binned pixels, ``x y``; empty where not said."""
    for x_key, y_key in _ORIGINS:
        x, y = cards.number(x_key), cards.number(y_key)
        if x is not None and y is not None:
            return f"{x:g} {y:g}"
    return ""


def trim(cards: Cards, profile: Profile, notes: list[str]) -> str:
    """The part of the image that saw light, ``left right top bottom`` in pixels from 0, end exclusive.

    Overscan columns belong to no picture. TRIMSEC names the rest, else DATASEC, else what BIASSEC leaves. Some programs
    count unbinned pixels. A section that fits the image either way is trusted; a note says which, or that none fits.

    Parameters
    ----------
    cards : Cards
        Of the file.
    profile : Profile
        Of the program that wrote it.
    notes : list of str
        Gets what was noticed.
    """
    width, height = cards.number("NAXIS1"), cards.number("NAXIS2")
    if width is None or height is None:
        return ""
    size = int(width), int(height)
    by = _factors(binning(cards, profile))
    for key in ("TRIMSEC", "DATASEC", "BIASSEC"):
        section = _section(cards, key)
        if section is None:
            continue
        for x, y in dict.fromkeys([(1, 1), by]):
            left, right, top, bottom = -(-section[0] // x), section[1] // x, -(-section[2] // y), section[3] // y
            useful = (left, right, top, bottom) if key != "BIASSEC" else _without((left, right, top, bottom), *size)
            if useful == (0, size[0], 0, size[1]):
                return ""
            if useful and useful[1] <= size[0] and useful[3] <= size[1] and _enough(useful):
                notes.append(f"overscan trimmed, by {key}{' in unbinned pixels' if x * y > 1 else ''}")
                return " ".join(map(str, useful))
        if key == "TRIMSEC":
            notes.append("TRIMSEC does not fit this image; not trimmed")
            return ""
    return ""


def _factors(binned: str) -> tuple[int, int]:
    x, _, y = binned.partition("x")
    factors = [int(float(one)) if one else 1 for one in (x, y or x)]
    return max(factors[0], 1), max(factors[1], 1)


def _enough(section: tuple[int, int, int, int]) -> bool:
    return section[1] - section[0] >= 64 and section[3] - section[2] >= 64


def _without(overscan: tuple[int, int, int, int], width: int, height: int) -> tuple[int, int, int, int] | None:
    """What is left of an image without a strip along one of its edges; None where the strip lies elsewhere."""
    left, right, top, bottom = overscan
    if bottom - top > height / 2:  # columns
        return (right, width, 0, height) if left == 0 else (0, left, 0, height) if right == width else None
    return (0, width, bottom, height) if top == 0 else (0, width, 0, top) if bottom == height else None


def _section(cards: Cards, key: str) -> tuple[int, int, int, int] | None:
    match = _SECTION.match(cards.text(key))
    if not match:
        return None
    x0, x1, y0, y1 = map(int, match.groups())
    return min(x0, x1) - 1, max(x0, x1), min(y0, y1) - 1, max(y0, y1)


def _true(cards: Cards, key: str) -> bool:
    return cards.values.get(key) is True or cards.text(key).upper() in ("T", "TRUE", "1", "YES")
