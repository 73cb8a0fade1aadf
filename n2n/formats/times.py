"""Start times of exposures: many spellings in, one ISO string in UTC out."""

import re
from datetime import UTC, datetime, timedelta

_ISO = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:[T\s]+(.*))?$")
_OLD = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{2})(?:[T\s]+(.*))?$")
_CLOCK = re.compile(r"(\d{1,2}):(\d{1,2})(?::(\d{1,2}(?:\.\d*)?))?\s*(Z|UTC?|[+-]\d{2}:?\d{2})?$", re.I)
_MJD_ZERO = datetime(1858, 11, 17, tzinfo=UTC)


def parse_utc(text: object, clock: object = None) -> datetime | None:
    """Read a FITS date; a time zone is honoured, none means UTC.

    Parameters
    ----------
    text : object
        Value of DATE-OBS: ISO with any number of decimals, or the old ``DD/MM/YY`` (meaning 19YY).
    clock : object, optional
        Value of a separate time card, used when `text` is a date only.

    Returns
    -------
    datetime or None
        Aware, in UTC; None when there is no usable time.
    """
    text = str(text or "").strip()
    if match := _ISO.match(text):
        year, month, day = int(match[1]), int(match[2]), int(match[3])
    elif match := _OLD.match(text):
        day, month, year = int(match[1]), int(match[2]), 1900 + int(match[3])
    else:
        return None
    time = _CLOCK.match((match[4] or str(clock or "")).strip())
    if time is None:
        return None
    try:
        moment = datetime(year, month, day, tzinfo=UTC)
        # Adding up allows second 60 and hour 24, which programs do write.
        moment += timedelta(hours=int(time[1]), minutes=int(time[2]), seconds=float(time[3] or 0))
        return moment - _zone(time[4])
    except (ValueError, OverflowError):
        return None


def from_mjd(value: float) -> datetime | None:
    """Turn a Modified Julian Date (UTC days) into a datetime; None when out of range."""
    try:
        return _MJD_ZERO + timedelta(days=value) if value > 0 else None
    except OverflowError:
        return None


def iso(moment: datetime | None) -> str:
    """Write a UTC datetime as ``2017-12-20T01:33:43.317``; empty for None."""
    if moment is None:
        return ""
    rounded = moment + timedelta(microseconds=500)
    return rounded.replace(tzinfo=None).isoformat(timespec="milliseconds")


def _zone(text: str | None) -> timedelta:
    if not text or text[0] not in "+-":
        return timedelta()
    digits = text[1:].replace(":", "")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return -offset if text[0] == "-" else offset
