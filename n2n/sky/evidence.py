"""What kind of frame is it, where no header says so, or where the header and the folder disagree?

Words of the path (`n2n.formats.words`) decide unless the pixels contradict them; pixels alone decide where they are
clear. Whatever stays open is said to be open: a frame taken for the wrong kind spoils a night without a word, an
open one costs a question.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from n2n.sky.look import Look, look

__all__ = ["Decision", "Look", "contradiction", "decide", "kind_by_pixels", "look"]

STARS = 5  # star-like points that make a light; no bias, dark or flat of a real camera showed one
SMALLEST = 96  # pixels a side, below which pixels tell nothing
# Share of full scale from which a frame is bright. Canon's darks lie at 0.125 of 14 bits.
BRIGHT = {4095.0: 0.25, 16383.0: 0.25, 65535.0: 0.2, 1.0: 0.2}
EVEN = 0.02  # unevenness of a flat, shadows of dust not counted; clouds and moons have more
LONGEST_FLAT_S = 60.0  # a bright even frame of a longer exposure may be a cloud by moonlight
NO_LIGHT = 0.5  # above the bias, in units of a pixel's noise
DARKS = ("bias", "dark", "darkflat")


@dataclass(frozen=True)
class Decision:
    """A kind (``''`` where it stays open) and the reason, in words for a person."""

    kind: str
    reason: str


def kind_by_pixels(seen: Look, exptime_s: float | None = None, others: Sequence[Look] = ()) -> tuple[str, str]:
    """Tell the kind of a frame by its pixels alone, where they are clear.

    Parameters
    ----------
    seen : Look
        What was measured on the frame.
    exptime_s : float or None
        None where it is not known.
    others : sequence of Look
        Of other frames of the camera in the night, with their exposure times: they tell the full scale, the level
        without light, and whether a starless frame belongs to a cloudy series.

    Returns
    -------
    kind : str
        ``'light'``, ``'flat'``, ``'bias'``, ``'dark'`` or ``''``.
    reason : str
    """
    exptime_s = seen.exptime_s if exptime_s is None else exptime_s
    if min(seen.shape) < SMALLEST or not seen.noise > 0:
        return "", "too little to see"
    share, bright = _brightness(seen, others)
    if seen.n_stars >= STARS:
        if bright:
            return "", f"{seen.n_stars} stars, yet as bright as a flat ({share:.0%} of full scale)"
        return "light", f"{seen.n_stars} stars"
    if seen.n_stars:
        return "", f"only {seen.n_stars} points that look like stars"
    if bright:
        return _flat(seen, share, exptime_s, others)
    if exptime_s is None:
        return "", "no stars, no light, exposure time unknown"
    if exptime_s == 0:
        if any(other.n_stars >= STARS and other.exptime_s == 0 for other in others):
            return "", "no stars; exposure 0, but so it is in frames with stars"
        if seen.shading * abs(seen.level) > 2 * seen.noise:
            return "", "no stars, exposure 0, but the field is shaded as by light"
        return "bias", "no stars, exposure 0"
    zero = [other for other in others if other.exptime_s == 0 and not other.n_stars and other.shape == seen.shape]
    if zero and exptime_s >= 1:
        base = sorted(other.level for other in zero)[len(zero) // 2]
        if seen.level - base <= NO_LIGHT * seen.noise and seen.shading * abs(seen.level) <= 2 * seen.noise:
            return "dark", f"no stars, no light above the bias frames in {exptime_s:g} s"
    return "", "no stars, little or no light: a dark, or a light through cloud"


def decide(
    word: tuple[str, str] | None, seen: Look | None, exptime_s: float | None = None, others: Sequence[Look] = ()
) -> Decision:
    """Combine what words and pixels say.

    Parameters
    ----------
    word : (kind, word) or None
        From `n2n.formats.words.kind_in_path`.
    seen : Look or None
        None where the pixels are not at hand: the words decide alone.
    exptime_s, others
        As of `kind_by_pixels`.

    Returns
    -------
    Decision
        Kinds as of the words, or ``''``.
    """
    if seen is not None and exptime_s is None:
        exptime_s = seen.exptime_s
    if word is not None and not word[0]:
        return Decision("", f"the words {word[1]!r} contradict each other")
    if word is None:
        if seen is None:
            return Decision("", "no word in the path tells")
        return Decision(*kind_by_pixels(seen, exptime_s, others))
    kind, written = word
    said = f"the word {written!r} in the path"
    if kind == "bias" and exptime_s is not None and exptime_s > 1:
        return Decision("", f"{said} says bias, but the exposure is {exptime_s:g} s")
    against = _against(kind, seen, exptime_s, others) if seen is not None else ""
    if against:
        return Decision("", f"{said} says {kind}, but {against}")
    return Decision(kind, said)


def contradiction(header_kind: str, words_kind: str, seen: Look, others: Sequence[Look] = ()) -> str | None:
    """Tell whether a header's kind is to be doubted: words and pixels both speak against it, or pixels loudly.

    Parameters
    ----------
    header_kind : str
        ``'light'``, ``'bias'``, ``'dark'``, ``'flat'`` or ``'darkflat'``.
    words_kind : str
        Kind that the path tells, ``''`` for none.
    seen : Look
        What was measured on the frame.
    others : sequence of Look
        Of other frames of the camera in the night.

    Returns
    -------
    str or None
        The reason, in words.
    """
    if header_kind not in ("light", "flat", *DARKS) or min(seen.shape) < SMALLEST:
        return None
    share, bright = _brightness(seen, others)
    starry = seen.n_stars >= STARS
    if header_kind in DARKS and starry:
        return f"the header says {header_kind}, but there are {seen.n_stars} stars"
    if words_kind not in ("light", "flat", *DARKS) or _alike(header_kind, words_kind):
        if header_kind == "flat" and seen.n_stars >= 4 * STARS and not bright:
            return f"the header says flat, but there are {seen.n_stars} stars upon a dark sky"
        return None
    apart = f"the header says {header_kind}, the path {words_kind}"
    if header_kind == "light":
        if starry and not (bright and words_kind == "flat"):
            return None
        what = "stars upon a bright ground" if starry else "it is bright and has no stars" if bright else "no stars"
        return f"{apart}; {what} (level {seen.level:.4g})"
    if words_kind == "light":
        return f"{apart}, and there are {seen.n_stars} stars" if starry else None
    if header_kind == "flat":  # the path says dark or bias
        return None if bright else f"{apart}; there is little light (level {seen.level:.4g})"
    if words_kind == "flat":  # the header says dark or bias
        return f"{apart}, and it is bright ({share:.0%} of full scale)" if bright else None
    # Dark against bias: the exposure time tells which is wrong.
    long = None if seen.exptime_s is None else seen.exptime_s > 1
    return f"{apart}; the exposure is {seen.exptime_s:g} s" if long == (header_kind == "bias") else None


def _alike(one: str, other: str) -> bool:
    return one == other or {one, other} in ({"dark", "darkflat"},)


def _brightness(seen: Look, others: Sequence[Look]) -> tuple[float, bool]:
    """Level as a share of full scale, and whether that is much."""
    top = max([seen.high, *(other.high for other in others if other.step == seen.step)])
    scale = 65535.0
    if seen.step == 0 and top <= 1.5:
        scale = 1.0
    elif seen.step <= 1:
        # A camera of fewer bits betrays itself where it saturates; else 16 bits are assumed, and little is bright.
        scale = next((full for full in (4095.0, 16383.0) if 0.99 * full <= top <= full), 65535.0)
    share = seen.level / scale
    return share, share >= BRIGHT[scale]


def _flat(seen: Look, share: float, exptime_s: float | None, others: Sequence[Look]) -> tuple[str, str]:
    """A bright frame without stars: a flat, if it is even, short, and no cloud."""
    bright = f"bright ({share:.0%} of full scale), no stars"
    if share > 0.95:
        return "", "saturated"
    if seen.unevenness > EVEN or seen.shading > 0.7:
        return "", f"{bright}, but uneven"
    if exptime_s is not None and exptime_s > LONGEST_FLAT_S:
        return "", f"{bright}, but {exptime_s:g} s long: a flat, or a light through bright cloud"
    if exptime_s and any(_same_time(exptime_s, other) and other.n_stars >= STARS for other in others):
        return "", f"{bright}, but lights have the same exposure: a flat, or a light through bright cloud"
    return "flat", f"{bright}, even"


def _same_time(exptime_s: float, other: Look) -> bool:
    return other.exptime_s is not None and abs(other.exptime_s - exptime_s) <= 0.02 * exptime_s


def _against(kind: str, seen: Look, exptime_s: float | None, others: Sequence[Look]) -> str:
    """What the pixels hold against a kind that words tell; '' for nothing."""
    if min(seen.shape) < SMALLEST:
        return ""
    share, bright = _brightness(seen, others)
    found, reason = kind_by_pixels(seen, exptime_s, others)
    if kind == "light":
        return f"the pixels look like a {found}: {reason}" if found in ("flat", "dark", "bias") else ""
    if kind in DARKS:
        if seen.n_stars >= STARS:
            return f"there are {seen.n_stars} stars"
        # Long darks of a warm camera are bright, too, by hot pixels.
        return f"it is bright ({share:.0%} of full scale)" if bright and seen.n_sharp < 20 else ""
    if kind == "flat":
        if found == "light":
            return f"the pixels look like a light: {reason}"
        return "there is no light in it" if found in ("dark", "bias") else ""
    return ""
