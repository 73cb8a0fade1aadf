"""Give every spelling of a filter one name, and stop where a guess could mix two filters.

A name is reduced (upper case, bandwidth and makers taken out, separators removed) and then compared
whole with a list of known spellings: never by substring, which would find ``HA`` in ``Sharpless``.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

_SPELLINGS = {
    # Dual band first: what lets two lines through is never one of them.
    "HaOIII": "HAOIII HAO3 OIIIHA HOO LEXTREME LENHANCE LULTIMATE NBZ ALPTHAOIII HAOIIIDUALBAND",
    "SiiOiii": "SIIOIII S2O3 SIIO3 OIIISII",
    "SiiHb": "SIIHB S2HB SIIHBETA",
    "Ha": "HA HALPHA HALPH HYDROGENALPHA HANARROWBAND NBHA HANB 6563 H6563 HA6563 HALPHA6563 6563NM HA656 "
    "HALPHA656 HA656NM HALPHA656NM HA6563NM HALPHA6563NM",
    "OIII": "OIII O3 OIIINARROWBAND NBOIII OIIINB OXYGENIII",
    "SII": "SII S2 SIINARROWBAND NBSII SIINB SULFURII SULPHURII",
    "NII": "NII N2 NBNII NIINARROWBAND",
    "Hb": "HB HBETA NBHB HBNARROWBAND HYDROGENBETA",
    "L": "L LUM LUMINANCE",
    "R": "R RED",
    "G": "G GREEN",
    "B": "B BLUE",
    "Clear": "CLEAR CLR",
}
_CANONICAL = {spelling: name for name, spellings in _SPELLINGS.items() for spelling in spellings.split()}
# The same word means different glass from different makers; the writing program settles it.
_BY_PROGRAM = {
    "seestar": {"LP": "HaOIII"},
    "dwarf": dict.fromkeys(["DUO", "DUOBAND", "DUAL", "DUALBAND"], "HaOIII"),
}
_MISSING = {"", "NONE", "NOFILTER", "NA", "NULL", "UNKNOWN", "UNDEFINED"}
_CFA = {"RGGB", "BGGR", "GRBG", "GBRG"}
_AMBIGUOUS = {
    "RHA": "Ha minus red, or a mixture",
    "HALRGB": "a mixture of filters",
    "TRIBAND": "a multi-band filter",
    "QUAD": "a multi-band filter",
    "QUADBAND": "a multi-band filter",
    "LP": "light pollution or Ha+OIII",
    "DUO": "Ha+OIII or SII+OIII",
    "DUOBAND": "Ha+OIII or SII+OIII",
    "ALPT": "sold as Ha+OIII and as SII+Hb",
    "F658N": "[NII] lies 2 nm from Ha",
    "DARK": "a blind slot, not a filter",
}
_MAKERS = re.compile(
    "BAADER|ASTRONOMIK|ASTRODON|CHROMA|ANTLIA|OPTOLONG|IDAS|ZWO|QHY|QHYCCD|SVBONY|ALTAIR|ORION|STC|PLAYERONE|"
    "OMEGON|LUMICON|ANDOVER|CELESTRON|MEADE|EXPLORE|SCIENTIFIC|TSOPTICS|HUTECH|ASKAR|TOUPTEK|FILTER"
)
_PLACEHOLDER = re.compile(r"(FILTER|SLOT|POS|POSITION)?\d+")
# At most two digits before the point, or "656nm" and "656.3nm" would be taken for widths.
_NANOMETRES = re.compile(r"(?<!\d)(?<!\d\.)(\d{1,2}(?:\.\d+)?)[\s_-]*NM")
_ANGSTROMS = re.compile(r"(?<!\d)(?<!\d\.)([12]\d{2}|\d{2})[\s_-]*A(?:NGSTROMS?)?(?![A-Z])")
_SEPARATORS = re.compile(r"[\s_\-.()\[\]/+]+")
_NEAR_INFRARED = {"J", "K", "KS"}
_OPTICAL = {"S", "O", "L", "R", "G", "B"}
# Words of a file name that can only be meant as a filter; single letters count in capitals only.
_NAME_WORDS = {word: name for word, name in _CANONICAL.items() if word.isalnum() and not word[0].isdigit()}
_NAME_WORDS |= {"HEII": "HeII", "HEI": "HeI"}


@dataclass(frozen=True)
class Filter:
    """A filter's canonical name, its bandwidth in nm, and what stands in the way of using it.

    `problem` is None, ``'filter_missing'`` or ``'filter_ambiguous'``; `note` says why in plain words.
    """

    canonical: str
    bandwidth_nm: float | None = None
    problem: str | None = None
    note: str = ""


def canonical_filter(raw: str | None, *, program: str | None = None, siblings: Iterable[str] = ()) -> Filter:
    """Find the canonical name of a filter as a header spells it.

    Parameters
    ----------
    raw : str or None
        The value of the FILTER card.
    program : str, optional
        Name of the camera profile (``'seestar'``, ``'dwarf'`` ...): some words depend on it.
    siblings : iterable of str
        Raw filter names used beside it by the same camera in the same night; they settle ``H``.

    Returns
    -------
    Filter
        With `problem` set where the name is missing or could mean different filters.
    """
    text = _plain(raw)
    squashed = _SEPARATORS.sub("", text.upper())
    if squashed in _MISSING or text.upper() in ("N/A", "-"):
        return Filter("", problem="filter_missing", note="the header names no filter")
    if squashed in _CFA:
        return Filter("", problem="filter_missing", note=f"FILTER = {text!r} is a colour mosaic, not a filter")
    if "?" in text:
        return _ambiguous(text, "a letter was lost in the header")
    reduced, width = _reduce(text)
    by_program = _BY_PROGRAM.get((program or "").lower(), {})
    if reduced in by_program:
        return Filter(by_program[reduced], width)
    if reduced in _CANONICAL:
        return Filter(_CANONICAL[reduced], width)
    if reduced == "H":
        return _settle_h(text, width, siblings)
    if not reduced:
        return _ambiguous(text, "only a bandwidth or a maker")
    if reduced in _AMBIGUOUS:
        return _ambiguous(text, _AMBIGUOUS[reduced])
    if _PLACEHOLDER.fullmatch(reduced) or reduced in ("656NM", "658NM"):
        return _ambiguous(text, "a number does not name a filter")
    if any(word in ("DUAL", "DUALBAND", "DUO", "TRIBAND", "QUAD") for word in _words(text)):
        return _ambiguous(text, "a multi-band filter")
    name = text.split()[0] if re.match(r"\S+ DECam ", text) else text
    safe = sanitise(name)
    if not safe:
        return _ambiguous(text, "no letters that a file name could carry")
    return Filter(safe, width, note=f"filter {text!r} is not in the list; kept under its own name")


def filter_in_path(path: str) -> tuple[Filter, str] | None:
    """Look for a word in a file's name, then in its folders, that can only be a filter.

    Returns
    -------
    (Filter, str) or None
        The filter and the word as written; None when no word, or words for different filters, occur.
    """
    parts = PurePosixPath(path).parts
    for part in (re.sub(r"(\.(fits?|fts|gz|fz))+$", "", parts[-1], flags=re.I), *reversed(parts[:-1])):
        found = {}
        for word in re.split(r"[\s_\-()\[\]]+", part):
            bare, width = _reduce(word)
            name = _NAME_WORDS.get(bare)
            if name and (len(bare) > 1 or word.isupper()):
                found[name] = (Filter(name, width if width else _reduce(part)[1]), word)
        if len(found) == 1:
            return next(iter(found.values()))
        if found:
            return None
    return None


def sanitise(text: str) -> str:
    """Reduce a name to the characters ``A-Za-z0-9+.-`` that are safe in file and group names."""
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")
    return re.sub(r"-{2,}", "-", re.sub(r"[^A-Za-z0-9+.-]+", "-", ascii_text)).strip("-.")[:60]


def _plain(raw: str | None) -> str:
    text = "" if raw is None else str(raw)
    for letter, name in (("α", "alpha"), ("Α", "alpha"), ("β", "beta"), ("Β", "beta")):
        text = text.replace(letter, name)
    return " ".join(text.split())


def _words(text: str) -> list[str]:
    return [word for word in _SEPARATORS.split(text.upper()) if word]


def _reduce(text: str) -> tuple[str, float | None]:
    """Take the bandwidth (nm) and makers out of a name and squash the rest."""
    upper, width = text.upper(), None
    if match := _NANOMETRES.search(upper):
        width = float(match[1])
    elif match := _ANGSTROMS.search(upper):
        width = float(match[1]) / 10
    if match:
        upper = f"{upper[: match.start()]} {upper[match.end() :]}"
    return "".join(word for word in _words(upper) if not _MAKERS.fullmatch(word)), width


def _settle_h(text: str, width: float | None, siblings: Iterable[str]) -> Filter:
    beside = {canonical_filter(other).canonical.upper() for other in siblings if _plain(other).upper() != "H"}
    infrared = bool(beside & _NEAR_INFRARED)
    optical = bool(beside & (_OPTICAL | {"SII", "OIII"}))
    if infrared == optical:
        return _ambiguous(text, "H-alpha, or near-infrared H")
    return Filter("NIR_H" if infrared else "Ha", width, note="H read by the filters used beside it")


def _ambiguous(text: str, why: str) -> Filter:
    return Filter("", problem="filter_ambiguous", note=f"FILTER = {text!r}: {why}")
