"""What was done to a frame before n2n saw it: nothing, calibrated, registered; or it is a stack, which is no exposure.

Programs say it in cards of their own (CALSTAT, ZEROCOR, SUBDARK ...) or in HISTORY. A step that was done is never
done again: `done` holds a letter for each, ``b`` (bias), ``d`` (dark) and ``f`` (flat).
"""

import re
from pathlib import PurePosixPath

from n2n.errors import BadFrame
from n2n.formats.profiles import Cards, Profile, first_text

RAW, CALIBRATED, REGISTERED = "raw", "calibrated", "registered"

# Cards that say whether a step was done, and cards that only name the frame it was, or is to be, done with. IRAF,
# ccdproc, HST-like pipelines, BANZAI, astropy and ASTAP write them. Where there is a switch, it decides.
_SWITCHES = {
    "b": "ZEROCOR BIASCOR BIASCORR SUBBIAS BIASSUB BIAS_COR L1STATBI",
    "d": "DARKCOR DARKCORR SUBDARK DARKSUB DARK_COR L1STATDA",
    "f": "FLATCOR FLATCORR FLATDIV FLAT_COR L1STATFL",
}
_FILES = {
    "b": "BIASFILE BIASIMG ZEROFILE ZEROIMG L1IDBIAS BIAS_CNT MSTBIAS MBIAS",
    "d": "DARKFILE DARKIMG L1IDDARK DARK_CNT MSTDARK MDARK",
    "f": "FLATFILE FLATIMG FLTFILE L1IDFLAT FLAT_CNT MSTFLAT MFLAT",
}
_DENIED = re.compile(
    r"(|0+|f|n|false|no|none|null|nil|off|n/?a|unknown|undefined|disabled|pending|todo|omit(ted)?|perform|required|"
    r"skip(ped)?|missing|absent|default|(no|not|none|un\w+)\b.*|-+)",
    re.I,
)
# HISTORY of MaxIm, AstroImageJ, PixInsight, IRAF, CCDSoft, Prism ...: a calibration frame and a verb in one line. An
# offset or a zero alone may be anything (of the focuser, of a dither, of magnitudes); a flat may be a panel.
_FRAMES = {
    "b": r"(?:master[ _-]?)?bias(?:es)?|(?:zero|offset)[ _-]?(?:level|frame|image)s?|master[ _-]?(?:zero|offset)",
    "d": r"(?:master[ _-]?)?darks?(?:[ _-]?(?:frame|current))?",
    "f": r"(?:master[ _-]?)?flats?(?:[ _-]?(?:frame|field)(?:ed|ing)?)?(?![ _-]*(?:panel|lamp|box|wizard|brightness))",
}
_VERB = r"subtract\w*|divid\w*|division|correct(?:ed|ion)|calibrat\w+|applied|removed|sub|div"
_FLAT_FIELDED = re.compile(r"^\W*flat[ -]?field(ed|ing)?\s*(\(|$)", re.I)  # MaxIm
_PIXINSIGHT = re.compile(
    r"(?:master(bias|dark|flat)\.enabled|enablemaster(bias|dark|flat))\s*[:=]\s*(true|false)", re.I
)
_NOT_DONE = re.compile(
    r"\b(not?|non|false|disabled|off|none|without|skip\w*|omit\w*|fail\w*|undo\w*|pending|to be|will be|un\w+ed)\b",
    re.I,
)
_CALIBRATED = re.compile(r"imagecalibration|\bccdproc\b|\bcalibrated (by|with)\b|preprocess(ed|ing) (by|with|:)", re.I)
_REGISTERED = re.compile(
    r"staralignment|\bimalign\b|\bimshift\b|\bswarp\b|\breproject\w*|\bresampl\w+|^\W*(image )?registration\b|"
    r"\b(images?|frames?|subs?|lights?)\b.{0,20}\b(registered|aligned)\b|"
    r"\b(registered|aligned)\b (to|with|on|against)\b.{0,30}\b(image|frame|reference|stars?)\b",
    re.I,
)
_OTHER_THINGS = re.compile(r"\b(wcs|polar|mount|telescope|pointing|astap|plate|guid\w+|focus\w*|drizzle)\b", re.I)
_REGISTERED_CARDS = ("WCSPROJ", "TRANIM", "REGISTER", "ALIGNED")
_REGISTERED_NAME = re.compile(r"(^|[/_])r_(pp_)?|_r(eg(istered)?)?(?=\.(fits?|fts))", re.I)
_CALIBRATED_NAME = re.compile(r"(^|/)pp_|_c(al(ibrated)?)?(_cc)?(?=(_r)?\.(fits?|fts))", re.I)


def refuse_stacks(cards: Cards, profile: Profile, exptime: float | None) -> None:
    """Raise for stacks and master frames, whose kind keyword is that of the frames they were made from.

    Parameters
    ----------
    cards : Cards
        Of the file.
    profile : Profile
        Of the program that wrote it.
    exptime : float or None
        Exposure time as found, s.

    Raises
    ------
    BadFrame
        ``already_processed``.
    """
    reasons = [
        (profile.processed, f"written by {first_text(cards, profile, 'software')}"),
        (re.search("master", first_text(cards, profile, "kind"), re.I), "its kind is a master frame"),
        (re.search(r"drizzleintegration|imageintegration", cards.remarks, re.I), "its HISTORY tells of an integration"),
    ]
    for key in ("STACKCNT", "NCOMBINE", "SNAPSHOT", "LIGH_CNT"):
        reasons.append(((cards.number(key) or 0) > 1, f"{key} = {cards.text(key)}"))
    live, total, sub = cards.number("LIVETIME"), cards.number("TOTALEXP"), cards.number("SUBEXP")
    # Siril gives every frame a LIVETIME; a single exposure's is its own exposure time.
    stack = cards.text("LIVETIME") != "" and not (live and exptime and live <= exptime * 1.001)
    reasons.append((stack, "LIVETIME is a stack's total exposure"))
    reasons.append((exptime and total and total > exptime * 1.001, "TOTALEXP exceeds the exposure"))
    reasons.append((exptime and sub and exptime > sub * 1.001, "the exposure exceeds SUBEXP"))
    for applies, reason in reasons:
        if applies:
            raise BadFrame("already_processed", f"a stack or a master frame, not one exposure: {reason}")


def stage_of(cards: Cards, profile: Profile, path: str) -> tuple[str, str, str]:
    """Tell what was done to an exposure.

    Parameters
    ----------
    cards : Cards
        Of the file.
    profile : Profile
        Of the program that wrote it.
    path : str
        The frame's path below the raw folder.

    Returns
    -------
    stage : str
        ``raw``, ``calibrated`` or ``registered``.
    done : str
        Letters of the calibration steps done, of ``bdf``; empty with ``calibrated`` where a program says only that it
        calibrated.
    why : str
        The card or line that says so; empty for a raw frame.
    """
    done: dict[str, str] = {}
    whys: list[str] = []
    for letter in "bdf":
        why = _by_calstat(cards.text("CALSTAT"), letter) or _by_cards(cards, letter) or _by_history(cards, letter)
        if why:
            done[letter] = why
    if profile.name == "lco" and cards.text("RLEVEL") not in ("", "0", "00") and not done:
        done = dict.fromkeys("bdf", f"RLEVEL = {cards.text('RLEVEL')!r}")
    whys += dict.fromkeys(done.values())
    stage = CALIBRATED if done else RAW
    name = PurePosixPath(path).name
    if not done:
        if "CCDPROC" in cards.values and not _denied(cards, "CCDPROC"):
            stage, whys = CALIBRATED, [f"CCDPROC = {cards.text('CCDPROC')[:40]!r}"]
        elif not _PIXINSIGHT.search(cards.history) and (line := _line(cards.history, _CALIBRATED)):
            stage, whys = CALIBRATED, [f"HISTORY {line[:60]!r}"]
        elif profile.editor and _CALIBRATED_NAME.search(name):
            stage, whys = CALIBRATED, [f"{profile.name} names calibrated frames like this"]
    moved = next((key for key in _REGISTERED_CARDS if key in cards.values and not _denied(cards, key)), "")
    if line := _line(cards.history, _REGISTERED, _OTHER_THINGS):
        moved = f"HISTORY {line[:60]!r}"
    if not moved and profile.editor and _REGISTERED_NAME.search(name):
        moved = f"{profile.name} names registered frames like this"
    if moved:
        stage, whys = REGISTERED, [moved, *whys]
    return stage, "".join(sorted(done)), ", ".join(whys)


def _by_calstat(calstat: str, letter: str) -> str:
    """CALSTAT holds a letter a step (``BDF``), or names them; ``N/A`` or ``uncalibrated`` is no step."""
    if re.fullmatch(r"[BDFMCSTO\s,;+/]+", calstat, re.I):
        said = letter in calstat.lower()
    else:
        names = {"b": "bias", "d": "dark", "f": "flat"}
        said = re.search(rf"\b{names[letter]}", calstat, re.I) is not None and not _NOT_DONE.search(calstat)
    return f"CALSTAT = {calstat!r}" if said else ""


def _by_cards(cards: Cards, letter: str) -> str:
    switches = [key for key in _SWITCHES[letter].split() if key in cards.values]
    for key in switches or _FILES[letter].split():
        if key in cards.values and not _denied(cards, key):
            return f"{key} = {cards.text(key)[:40]!r}"
    return ""


def _denied(cards: Cards, key: str) -> bool:
    """Whether a card says that its step was not done, or is still to be done."""
    value = cards.values[key]
    return value is False or _DENIED.fullmatch(cards.text(key).strip()) is not None


def _by_history(cards: Cards, letter: str) -> str:
    names = {"bias": "b", "dark": "d", "flat": "f"}
    stated = {names[(one or other).lower()]: said for one, other, said in _PIXINSIGHT.findall(cards.history)}
    if letter in stated:
        return f"HISTORY of PixInsight ({stated[letter]})" if stated[letter].lower() == "true" else ""
    word = rf"(?<![a-z])(?:{_FRAMES[letter]})(?![a-z])"  # also as a part of flat_Ha.fits
    pattern = re.compile(rf"{word}.{{0,60}}?\b(?:{_VERB})\b|\b(?:{_VERB})\b.{{0,40}}?{word}", re.I)
    line = _line(cards.history, pattern, _OTHER_THINGS)
    if not line and letter == "f":
        line = _line(cards.history, _FLAT_FIELDED)
    return f"HISTORY {line[:60]!r}" if line else ""


def _line(history: str, pattern: re.Pattern, unless: re.Pattern | None = None) -> str:
    """The first line of HISTORY that tells of something done; those that deny it, or speak of other things, do not."""
    for line in history.splitlines():
        if pattern.search(line) and not _NOT_DONE.search(line) and not (unless and unless.search(line)):
            return " ".join(line.split())
    return ""
