"""What was done to a frame before n2n saw it: nothing, calibrated, registered; or it is a stack, which is no exposure.

Programs say it in cards of their own (CALSTAT, ZEROCOR, SUBDARK ...) or in HISTORY. A step that was done is never
done again: `done` holds a letter for each, ``b`` (bias), ``d`` (dark) and ``f`` (flat).
"""

import re
from pathlib import PurePosixPath

from n2n.errors import BadFrame
from n2n.formats.profiles import Cards, Profile, first_text

RAW, CALIBRATED, REGISTERED = "raw", "calibrated", "registered"

# Cards whose mere presence, with a value that does not deny it, says that a step was done. IRAF, ccdproc, HST-like
# pipelines, BANZAI, astropy and ASTAP write them.
_CARDS = {
    "b": "ZEROCOR BIASCOR BIASCORR SUBBIAS BIASSUB BIAS_COR BIASFILE BIASIMG ZEROFILE ZEROIMG L1STATBI L1IDBIAS "
    "BIAS_CNT MSTBIAS MBIAS",
    "d": "DARKCOR DARKCORR SUBDARK DARKSUB DARK_COR DARKFILE DARKIMG L1STATDA L1IDDARK DARK_CNT MSTDARK MDARK",
    "f": "FLATCOR FLATCORR FLATDIV FLAT_COR FLATFILE FLATIMG FLTFILE L1STATFL L1IDFLAT FLAT_CNT MSTFLAT MFLAT",
}
_DENIED = re.compile(r"(|0|f|false|no|none|n/?a|not ?present|unknown|omit(ted)?|perform|skip(ped)?|not done)", re.I)
# HISTORY of MaxIm, AstroImageJ, PixInsight, IRAF, CCDSoft, Prism ...: a calibration frame and a verb in one line.
_FRAMES = {"b": r"bias|zero|offset", "d": r"dark", "f": r"flat"}
_VERB = (
    r"subtract\w*|divid\w*|division|correct\w*|calibrat\w*|appl(?:y|ied)\w*|remov\w*|field(?:ed|ing)?(?=\s*(?:\(|$))|"
    r"sub\b|div\b|enabled\s*:\s*true"
)
_CALIBRATED = re.compile(r"imagecalibration|ccdproc|calibrat\w+ (by|with)|preprocess(ed|ing) (by|with|:)", re.I)
_REGISTERED = re.compile(r"staralignment|registered|registration|aligned|imalign|imshift|resampl|reproject|swarp", re.I)
_REGISTERED_CARDS = ("WCSPROJ", "TRANIM", "REGISTER", "ALIGNED")
_REGISTERED_NAME = re.compile(r"(^|[/_])r_(pp_)?|_r(eg(istered)?)?(?=\.(fits?|fts))", re.I)
_CALIBRATED_NAME = re.compile(r"(^|/)pp_|_c(al(ibrated)?)?(_cc)?(?=(_r)?\.(fits?|fts))", re.I)


def refuse_stacks(cards: Cards, profile: Profile, exptime: float | None) -> None:
    """Raise for stacks and master frames, whose kind keyword is that of the frames they were made from.

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
    done, whys = {}, []
    calstat = cards.text("CALSTAT")
    for letter in "bdf":
        if letter in calstat.lower():
            done[letter] = f"CALSTAT = {calstat!r}"
            continue
        for key in _CARDS[letter].split():
            # A true BIAS_CNT or DARKFILE names what was used; a template's PERFORM or OMIT does not.
            if key in cards.values and not _DENIED.fullmatch(cards.text(key)) and cards.values[key] is not False:
                done[letter] = f"{key} = {cards.text(key)[:40]!r}"
                break
        else:
            if line := _line_about(cards.history, _FRAMES[letter]):
                done[letter] = f"HISTORY {line[:60]!r}"
    if profile.name == "lco" and cards.text("RLEVEL") not in ("", "0", "00") and not done:
        done = dict.fromkeys("bdf", f"RLEVEL = {cards.text('RLEVEL')!r}")
    whys += dict.fromkeys(done.values())
    stage = CALIBRATED if done else RAW
    name = PurePosixPath(path).name
    if not done:
        if "CCDPROC" in cards.values and not _DENIED.fullmatch(cards.text("CCDPROC")):
            stage, whys = CALIBRATED, [f"CCDPROC = {cards.text('CCDPROC')[:40]!r}"]
        elif match := _CALIBRATED.search(cards.history):
            stage, whys = CALIBRATED, [f"HISTORY {match[0]!r}"]
        elif profile.editor and _CALIBRATED_NAME.search(name):
            stage, whys = CALIBRATED, [f"{profile.name} names calibrated frames like this"]
    moved = next((key for key in _REGISTERED_CARDS if key in cards.values), "")
    if match := _REGISTERED.search(cards.history):
        moved = f"HISTORY {match[0]!r}"
    if not moved and profile.editor and _REGISTERED_NAME.search(name):
        moved = f"{profile.name} names registered frames like this"
    if moved:
        stage, whys = REGISTERED, [moved, *whys]
    return stage, "".join(sorted(done)), ", ".join(whys)


def _line_about(history: str, frame: str) -> str:
    """A line of HISTORY that tells of a calibration frame being applied; empty without one."""
    pattern = re.compile(
        rf"\b\w*(?:{frame})\w*\b[^\n]{{0,60}}?\b(?:{_VERB})|\b(?:{_VERB})\b[^\n]{{0,40}}?(?:{frame})", re.I
    )
    for line in history.splitlines():
        if pattern.search(line) and not re.search(r"\bnot?\b|false|disabled|without", line, re.I):
            return " ".join(line.split())
    return ""
