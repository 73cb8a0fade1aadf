"""What the words of a path say about a frame: its kind, and how long it was exposed.

A path is a night, folders and a file's name, written by programs and people in many languages. Only whole words
count, and only where they cannot be a part of a target's name: the dark of `Dark Nebula B33` is none. A path may
say nothing or contradict itself; both are said plainly, so that nobody decides by half of it.
"""

import re
import unicodedata
from pathlib import PurePosixPath

from n2n.formats import vocabulary as known

_ENDINGS = re.compile(r"(\.(fits?|fts|fz|gz|bz2|xisf|zip))+$", re.I)
_CHUNKS = re.compile(r"[^\W_]+(?:[.,]\d+[^\W_]*)*")  # a decimal point does not part a number
_PIECES = re.compile(r"\d+(?:[.,]\d+)?|[^\W\d_]+")
_CAMEL = re.compile(r"[^\W\d_a-z]+(?=[^\W\d_a-z][a-z])|[^\W\d_a-z]?[^\W\d_A-Z]+|[^\W\d_a-z]+")
_DARK_TARGETS = re.compile(r"(b|ldn|lbn|vdb|barnard|sh)\d+", re.I)
_SUB = {"dark", "flat"}


def kind_in_path(path: str) -> tuple[str, str] | None:
    """Look for words that name the kind of a frame, in the file's name and in all its folders.

    Parameters
    ----------
    path : str
        Path below the raw folder, with ``/``: night, folders, name.

    Returns
    -------
    (kind, word) or None
        `kind` is ``'light'``, ``'bias'``, ``'dark'``, ``'flat'``, ``'darkflat'``, ``'master'`` (or a stack),
        ``'not_science'`` (focusing, plate solving, snapshots) or ``''``: the words contradict each other. `word` is
        as written in the path; of a contradiction, all words, joined by ``' / '``. None where no word tells.
    """
    parts = [part for part in PurePosixPath(path).parts if part not in ("/", ".", "..")]
    if not parts:
        return None
    said = [_said(part, named=index == 0) for index, part in enumerate(reversed(parts))]
    lists = [found for found in said if len(found) > 1]
    if inner := next((at for at, found in enumerate(said) if at and set(found) & {"bias", "dark", "flat"}), 0):
        # Calibration frames are often kept beside the lights they belong to: lights/M31/flats.
        said[inner + 1 :] = [{} if set(found) == {"light"} else found for found in said[inner + 1 :]]
    single = [next(iter(found.items())) for found in said if len(found) == 1]
    if said[0] in lists:  # a name with two kinds is a riddle; a folder with two may hold both
        return "", " / ".join(said[0].values())
    strong = [(kind, word) for kind, word in single if not kind.startswith("weak ")] or [
        (kind.removeprefix("weak "), word) for kind, word in single
    ]
    if not strong:
        return ("", " / ".join(lists[0].values())) if lists else None
    kind = _common([kind for kind, _ in strong])
    if not kind:
        return "", " / ".join(dict.fromkeys(word for _, word in strong))
    return kind, next((word for found, word in strong if found == kind), strong[0][1])


def exposure_in_path(path: str) -> tuple[float, str] | None:
    """Look for an exposure time with its unit, in the file's name and in all its folders.

    Returns
    -------
    (seconds, word) or None
        None where no number has a unit, or where two differ.
    """
    found: dict[float, str] = {}
    for part in reversed(PurePosixPath(path).parts):
        for seconds, word in _times(_ENDINGS.sub("", part)):
            found.setdefault(seconds, word)
    return next(iter(found.items())) if len(found) == 1 else None


def _common(kinds: list[str]) -> str:
    """The one kind that all words of a path can mean; '' where there is none."""
    distinct = set(kinds)
    if len(distinct) == 1:
        return kinds[0]
    if "master" in distinct:  # whatever it is the master of
        return "master"
    if "not_science" in distinct:  # programs that focus write LIGHT into the name
        return "not_science" if distinct <= {"not_science", "light"} else ""
    return "darkflat" if "darkflat" in distinct and distinct <= {"darkflat", *_SUB} else ""


def _said(part: str, named: bool) -> dict[str, str]:
    """Kinds that one part of a path names, each with its word; `named` is True for the name of the file."""
    text = _ENDINGS.sub("", unicodedata.normalize("NFC", part)) if named else unicodedata.normalize("NFC", part)
    words = _words(text)
    lower = [word.lower() for word, _ in words]
    if named and any(word in known.STACKED for word in lower):
        return {"master": text}
    phrase = known.NOT_SCIENCE.search(" ".join(word for word in lower if not word.isdigit()))
    # Beside a kind, focus is the position of the focuser.
    if phrase and not (known.BESIDE_KINDS.search(phrase[0]) and any(word in known.KINDS for word in lower)):
        return {"not_science": phrase[0].strip()}
    found: list[tuple[str, str, int]] = []
    for at in range(len(words) - 1, -1, -1):
        kind = known.KINDS.get(lower[at]) or known.CAPITALS.get(words[at][0])
        if kind and _counts(kind, at, words, lower, named, found):
            found.insert(0, (kind, words[at][0], at))
    if not found:
        return _alone(words, lower)
    if any(kind == "master" for kind, _, _ in found) or any(word in known.MASTERS for word in lower):
        return {"master": text}
    kinds = {kind: word for kind, word, _ in found}
    if set(kinds) == _SUB and _one_kind(found, lower):
        return {"darkflat": f"{found[0][1]} {found[-1][1]}"}
    if set(kinds) <= {"darkflat", *_SUB} and "darkflat" in kinds:
        return {"darkflat": kinds["darkflat"]}
    return kinds


def _words(text: str) -> list[tuple[str, int]]:
    """Words and numbers of a text, each with the number of the chunk it stands in: `FlatHa3` is one chunk."""
    words = []
    for number, chunk in enumerate(_CHUNKS.findall(text)):
        whole = chunk.lower()
        if whole in known.KINDS or whole in known.NEUTRAL:
            words.append((chunk, number))
            continue
        for piece in _PIECES.findall(chunk):
            pieces = [piece] if piece.lower() in known.KINDS else _CAMEL.findall(piece) or [piece]
            words += [(piece, number) for piece in pieces]
    return words


def _counts(kind: str, at: int, words: list, lower: list[str], named: bool, found: list) -> bool:
    """Tell whether a word means the kind of the frame, by its neighbours."""
    word, chunk = lower[at], words[at][1]
    before = lower[at - 1] if at else ""
    after = at + 1
    while after < len(words) and lower[after] in known.LINKS:
        after += 1
    following = lower[after] if after < len(words) else ""
    if before in known.NEGATIONS or following in known.DONE:
        return False
    if any(place == after for _, _, place in found):
        return True  # the next word is a kind by itself: DarkFlat
    if following in known.KINDS:
        return False  # ... or was found to be none: dark flat galaxy
    glued = [other for other, (_, number) in zip(lower, words, strict=True) if number == chunk and other != word]
    if any(not _plain(other, kind) for other in glued):
        return False
    first = not any(other.isalpha() for other in lower[:at])
    if kind == "light":
        if following in known.NOT_LIGHT or before in known.NOT_LIGHT_BEFORE:
            return False
        return first or word != "light" or _plain(following, kind)
    if word in known.ONLY_ALONE:
        rest = [other for place, other in enumerate(lower) if place != at and other.isalpha()]
        return all(other in known.WITH_ZERO for other in rest)
    if word in ("offset", "offsets"):
        return _offset_is_bias(word, following, lower[:at], named)
    joined = "".join(text for text, number in words[after:] if number == words[after][1]) if following else ""
    if kind == "dark" and (_DARK_TARGETS.fullmatch(joined) or following in known.DARK_CATALOGUES):
        return False
    return word in known.PLURAL or _plain(following, kind) or not joined.isalpha()


def _offset_is_bias(word: str, following: str, before: list[str], named: bool) -> bool:
    """`offset` is French for bias, and a setting of the camera where a number follows."""
    if any(other.isalpha() and other not in known.NEUTRAL for other in before):
        return False
    if not following or word == "offsets":
        return not following or following.isdigit() or _plain(following, "bias")
    if following.isdigit():
        return named and not any(other.isalpha() for other in before) and len(following) >= 3
    return _plain(following, "bias")


def _plain(word: str, kind: str) -> bool:
    """Tell whether a word beside a kind says something of the frame and is no part of a name."""
    if not word or not word.isalpha() or len(word) == 1:
        return True
    return word in known.NEUTRAL or word in known.BESIDE.get(kind, ()) or word in known.KINDS


def _alone(words: list, lower: list[str]) -> dict[str, str]:
    """Words that tell a kind only where nothing else stands beside them."""
    letters = [(word, small) for (word, _), small in zip(words, lower, strict=True) if small.isalpha()]
    master = [word for word, small in letters if small in known.MASTERS]
    if master and all(small in known.MASTERS or small in known.NEUTRAL for _, small in letters):
        return {"master": master[0]}
    weak = [word for word, small in letters if small in known.WEAK_LIGHT]
    return {"weak light": weak[0]} if weak else {}


def _one_kind(found: list, lower: list[str]) -> bool:
    """`dark flat`, `FlatDarks` and `darks for flats` are one kind; `darks flats` are two in one folder."""
    if len(found) != 2:
        return False
    (_, first, at), (_, _, then) = found
    between = lower[at + 1 : then]
    if any(word not in known.LINKS for word in between):
        return False
    return first.lower() not in known.PLURAL or bool(between)


def _times(part: str):
    """All exposure times of one part, as (seconds, word)."""
    for match in known.TIME.finditer(part):
        before = part[: match.start()]
        if known.CLOCK.search(before):
            continue
        pieces = _PIECES.findall(before)
        word = pieces[-1].lower() if pieces else ""
        if word in known.OTHER_TIMES:
            continue
        if before[-1:].isalpha() and not (word in known.KINDS or word in known.EXPOSURE_WORDS):
            continue  # a number that ends a name: NGC7000s
        unit = match["short"] or match["long"]
        if unit == "S" and (any(c.islower() for c in part) or not _said(part, named=True)):
            continue  # a latitude, unless the name of a frame is all in capitals
        seconds = float(match["number"].replace(",", ".")) * known.UNITS[unit.lower()]
        seconds += 60 * float(match["minutes"] or 0)
        if 0 < seconds <= 86400:
            yield round(seconds, 9), match[0]
