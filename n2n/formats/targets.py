"""Names of targets: one key for all spellings of a name, and a name that a folder can bear.

Letters beyond ASCII do not survive FITS headers (they become ``?``) nor all file systems; a name made of nothing else
gets a label from where it lies in the sky, or from its own digest, so that two such targets never become one.
"""

import hashlib
import re
import unicodedata

from n2n.formats.filters import sanitise

_CATALOGUES = {
    "MESSIER": "M",
    "MELOTTE": "MEL",
    "COLLINDER": "CR",
    "CALDWELL": "C",
    "BARNARD": "B",
    "SHARPLESS2": "SH2",
    "SHARPLESS": "SH2",
    "ABELL": "ABELL",
    "NEWGENERALCATALOGUE": "NGC",
    "INDEXCATALOGUE": "IC",
}


def target_key(name: str) -> str:
    """What all spellings of a target's name have in common: ``M 31``, ``m31`` and ``Messier 031`` are ``M31``.

    Names that hold letters beyond ASCII, or a ``?`` that has taken the place of one, are compared as they are.
    """
    plain = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
    if "?" in plain or not plain.isascii():
        return " ".join(plain.split()).casefold()
    words = "".join(re.findall(r"[A-Z0-9+.]+", plain.upper()))
    match = re.match(r"([A-Z]+2?)0*(\d+.*)$", words)
    if match and (match[1] in _CATALOGUES or len(match[1]) <= 4):
        return _CATALOGUES.get(match[1], match[1]) + match[2]
    return words


def target_label(name: str, ra_deg: float | None = None, dec_deg: float | None = None) -> str:
    """A target's name for folders: characters ``A-Za-z0-9+.-``.

    Parameters
    ----------
    name : str
        As a header or a user spells it.
    ra_deg, dec_deg : float, optional
        Where it lies; used where the name has no letters a folder can bear, e.g. ``J0535-0524``.
    """
    readable = sanitise(name)
    lost = sum(c == "?" or (not c.isascii() and not _decomposes(c)) for c in name if not c.isspace())
    if readable and lost <= len(readable):
        # Some letters are lost: two names that differ only there must not become one.
        return readable if not lost else f"{readable}-{_digest(name)}"
    if ra_deg is not None and dec_deg is not None:
        minutes, arcminutes = round(ra_deg * 4) % 1440, round(abs(dec_deg) * 60)
        sign = "-" if dec_deg < 0 else "+"
        return f"J{minutes // 60:02d}{minutes % 60:02d}{sign}{arcminutes // 60:02d}{arcminutes % 60:02d}"
    return f"target-{_digest(name)}" if lost else "target"


def _decomposes(letter: str) -> bool:
    return bool(unicodedata.normalize("NFKD", letter).encode("ascii", "ignore"))


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:4]
