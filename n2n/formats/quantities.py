"""Quantities of a header in their units: when it began, temperature, gain, where the telescope pointed."""

import re
from datetime import datetime, timedelta

from n2n.formats import times
from n2n.formats.profiles import Cards, Profile, first_number, keys_of

_CLOCKS = ("TIME-OBS", "UT-OBS", "UTSTART", "UTC-OBS", "UT")


def start(cards: Cards, profile: Profile, exptime: object, notes: list[str]) -> datetime | None:
    """When the exposure began, UTC; what was assumed goes to `notes`. None where no card tells.

    Parameters
    ----------
    cards : Cards
        Of the file.
    profile : Profile
        Of the program that wrote it.
    exptime : float or None
        Exposure time, s.
    notes : list of str
        Gets what was assumed.
    """
    clock = next((cards.text(key) for key in _CLOCKS if cards.text(key)), None)
    candidates = (times.parse_utc(cards.text(key), clock) for key in keys_of(profile, "date_obs"))
    moment = next((found for found in candidates if found), None)
    if moment is None and cards.number("MJD-OBS") is not None:
        moment = times.from_mjd(cards.number("MJD-OBS"))
        notes.append("time from MJD-OBS")
    if moment is None:
        notes.append("no usable time; ordered by name")
        return None
    if profile.time == "end" and exptime:
        notes.append("DATE-OBS is the end of the exposure; start computed")
        return moment - timedelta(seconds=float(exptime))
    if profile.time == "uncertain":
        notes.append("time uncertain by one exposure")
    return moment


def temperature(cards: Cards, profile: Profile, notes: list[str]) -> float | None:
    """Temperature of the sensor as measured, Celsius; None where unknown or impossible.

    Parameters
    ----------
    cards : Cards
        Of the file.
    profile : Profile
        Of the program that wrote it.
    notes : list of str
        Gets what was noticed.
    """
    measured = None
    for key in keys_of(profile, "temperature_c"):
        value = cards.number(key)
        if value is None:
            continue
        if profile.temperature_unit == "kelvin" or "kelvin" in cards.comments[key].lower():
            value = None if value < 0 else round(value - 273.15, 3)
        elif key == "CAMTEMP" and not re.search(r"\d\s*C\b", cards.text(key)):
            value = None  # kelvin or Celsius: nothing says which
        measured = value if value is None or -150 < value < 100 else None
        break
    set_point = first_number(cards, profile, "set_point_c")
    if measured is not None and set_point is not None and abs(measured - set_point) > 2:
        notes.append(f"sensor at {measured:g} C, set to {set_point:g} C")
    return measured


def gains(cards: Cards, profile: Profile, exptime: object, notes: list[str]) -> dict[str, float | None]:
    """Columns of gain and saturation, in the units of the file; a file in electrons has gain 1.

    Parameters
    ----------
    cards : Cards
        Of the file.
    profile : Profile
        Of the program that wrote it.
    exptime : float or None
        Exposure time, s.
    notes : list of str
        Gets what was noticed.
    """
    gain = {name: first_number(cards, profile, name) for name in ("gain_setting", "e_per_adu", "saturate_adu")}
    if profile.gain == "e_per_adu":
        gain["e_per_adu"], gain["gain_setting"] = cards.number("GAIN"), None
    depth = profile.adc_depth_keys
    if depth and gain["e_per_adu"] is not None and cards.number("EGAINSAV") is None:
        bits = cards.number(depth["bits"])
        if bits != 16:
            gain["e_per_adu"] = None
            notes.append(f"{depth['gain']} holds at the converter's depth, not for the saved numbers; not used")
    unit = re.sub(r"[\s*^-]", "", cards.text("BUNIT").lower())
    per_second = bool(re.search(r"/s(ec(ond)?)?$|s1$", unit)) and bool(exptime)
    if re.match(r"(e|e-|el|electrons?|photoelectrons?)(/s.*|s1)?$", unit) or "GAINCOR" in cards.values or per_second:
        # One unit of the file is an electron, or what an exposure collects in a second.
        electrons = 1.0 if unit.startswith("e") or "GAINCOR" in cards.values else gain["e_per_adu"]
        gain["e_per_adu"] = electrons and electrons * (float(exptime) if per_second else 1.0)
        notes.append(f"the file's unit is {cards.text('BUNIT') or 'the electron, by GAINCOR'}")
    for name in ("e_per_adu", "saturate_adu"):
        if gain[name] is not None and gain[name] <= 0:
            gain[name] = None
    return gain


def position(cards: Cards, profile: Profile) -> dict[str, float | None]:
    """Read a pointing hint in degrees; the exact zeros of an unset mount are no position."""
    for ra_key, dec_key in zip(keys_of(profile, "ra_deg"), keys_of(profile, "dec_deg"), strict=True):
        ra, dec = _angle(cards, ra_key, 15), _angle(cards, dec_key, 1)
        if ra is not None and dec is not None and (ra, dec) != (0, 0) and 0 <= ra < 360 and abs(dec) <= 90:
            return {"ra_deg": round(ra, 6), "dec_deg": round(dec, 6)}
    return {"ra_deg": None, "dec_deg": None}


def _angle(cards: Cards, key: str, sexagesimal_unit: int) -> float | None:
    parts = re.split(r"[:\s]+", cards.text(key).strip())
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        return None
    if len(numbers) == 1:
        return numbers[0]
    if len(numbers) > 3:
        return None
    size = sum(abs(number) / 60**power for power, number in enumerate(numbers)) * sexagesimal_unit
    return -size if parts[0].startswith("-") else size
