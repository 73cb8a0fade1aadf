"""Look into a new file: its bytes, its header, and what its pixels tell that no header says.

Everything that needs the pixels is done while they are in memory, once for a file, several files side by side.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np

from n2n.errors import BadFrame
from n2n.formats import fits, headers, rawframe, words
from n2n.formats.frametable import KINDS
from n2n.formats.headers import Inferred
from n2n.formats.pixels import pixels_of, read_pixels
from n2n.formats.profiles import Cards
from n2n.formats.questions import UNKNOWN, ask
from n2n.sky import evidence, mosaic, numbers, twins

_PLAIN = re.compile("focus|solv|snap|curve|bahtinov|kollim|collim", re.I)
FEWEST_STARS = 12  # in both exposures, for their stars to say that the fields differ


STORED = {
    rawframe.UNSIGNED: "written without BZERO: numbers above 32767 came out negative and were taken as unsigned",
    rawframe.SHIFTED: "its BZERO was lost: 32768 was added to every number",
    rawframe.FRACTION: "numbers between 0 and 1 were taken as shares of 65535, as Siril and PixInsight write them",
}


@dataclass(frozen=True)
class Seen:
    """What one file holds.

    Attributes
    ----------
    examined : n2n.formats.fits.Examined
        Header and remarks.
    stored, step, pixel_id : str, int or None, str
        Columns of ``frames.csv``.
    look : n2n.sky.evidence.Look or None
        What the pixels look like; only where header and words leave the kind open.
    mosaic : str or None
        Colour pattern that the pixels show; empty where they show none, None where it was not looked for.
    signed : bool
        Whether the numbers are 16 bits with a sign, as no camera writes them.
    """

    examined: fits.Examined
    stored: str
    step: int | None
    pixel_id: str
    look: object
    mosaic: str | None
    signed: bool = False


def digest(file: Path) -> str:
    """SHA-256 of a file."""
    return fits.sha256_file(file)


def study(item, known: str, max_image_bytes: int) -> Seen | None:
    """Read a file; None where its content is the known one.

    Parameters
    ----------
    item : n2n.planning.found.Candidate
        The file.
    known : str
        SHA-256 of the content that was studied before; empty without one.
    max_image_bytes : int
        Refuse files of which any unit declares more bytes than this.

    Raises
    ------
    BadFrame
        For whatever cannot be used.
    """
    if known and item.digest.result() == known:
        return None
    doubted = {"checksums": False} if item.stated.get("checksum") == "ignore" else {}
    examined = fits.examine(item.file, max_image_bytes, **doubted)
    image = examined.image
    pixels, invalid = pixels_of(item.file, image, True) if image else read_pixels(item.file, counts=True)
    examined = replace(examined, image=None)  # its bytes are not needed any more
    bitpix = int(examined.header["BITPIX"])
    told = item.stated.get("kind") or headers.told_kind(Cards(examined.header), item.path)
    spoken = words.kind_in_path(item.path)
    stored = numbers.stored_as(pixels, invalid, bitpix, told or (spoken[0] if spoken else ""))
    step = numbers.step_of(pixels) if not stored else None
    signed = bitpix == 16 and pixels.dtype != np.uint16
    pixels, invalid = rawframe.as_told(pixels, invalid, {"stored": stored})
    open_ = not item.stated.get("kind") and (not told or (spoken is not None and spoken[0] != told))
    searched = item.sampled and told in ("", "light", "flat")
    return Seen(
        examined=examined,
        stored=stored,
        step=step,
        pixel_id=twins.pixel_id(pixels),
        look=evidence.look(pixels, _exposure(item, examined)) if open_ else None,
        mosaic=mosaic.pattern_in(pixels) if searched else None,
        signed=signed,
    )


def _exposure(item, examined: fits.Examined) -> float | None:
    """Exposure time as the user, the header or the path tells it [s]; a 0 of the header counts."""
    named = words.exposure_in_path(item.path)
    told = item.stated.get("exptime_s", headers.told_exposure(Cards(examined.header)))
    return told if told is not None else named[0] if named else None


def inferred(item, others: Sequence[evidence.Look]) -> dict[str, Inferred]:
    """What words and pixels tell where the header of a file is silent.

    Parameters
    ----------
    item : n2n.planning.found.Candidate
        The file, and what was seen in it.
    others : sequence of Look
        Of the other new frames of this night whose kind is open.

    Raises
    ------
    BadFrame
        ``not_science`` for snapshots and focus runs, ``already_processed`` for masters by name, ``kind_contradicted``
        where the header says one kind, words and pixels another.
    """
    found = {}
    if "kind" not in item.stated:
        spoken = words.kind_in_path(item.path)
        told = headers.told_kind(item.cards, item.path)
        if spoken and _speaks_against(spoken, told, item.path):
            raise _no_exposure(item.path, spoken, told)
        if told in KINDS and item.seen.look is not None:
            path_says = spoken[0] if spoken else ""
            if why := evidence.contradiction(told, path_says, item.seen.look, others):
                fields = {"kind": path_says if path_says in KINDS else UNKNOWN}
                raise ask("kind_contradicted", why, item.path, fields, word=spoken[1] if spoken else "")
        elif told == "" and item.seen.look is not None:
            decision = evidence.decide(spoken, item.seen.look, item.seen.look.exptime_s, others)
            found["kind"] = Inferred(decision.kind, decision.reason)
    named = words.exposure_in_path(item.path)
    if named and "exptime_s" not in item.stated and not headers.told_exposure(item.cards):
        found["exptime_s"] = Inferred(named[0], f"the word {named[1]!r} in the path")
    return found


def _speaks_against(spoken: tuple[str, str], told: str, path: str) -> bool:
    """Whether words say that a frame is no exposure to work with, loudly enough beside what its header tells."""
    kind, word = spoken
    if kind not in ("not_science", "master") or told not in ("", "light", "flat"):
        return False
    # Against a header a folder's word counts only where it is plain: "M31 framing 2" may hold lights.
    by_name = words.kind_in_path(PurePosixPath(path).name) == spoken
    return kind == "master" or not told or by_name or _PLAIN.search(word) is not None


def _no_exposure(path: str, spoken: tuple[str, str], told: str) -> BadFrame:
    kind, word = spoken
    fields = {"kind": told or "light"}
    if kind == "master":
        return ask(
            "already_processed", f"a stack or a master by its name ({word!r}); if it is a single exposure", path, fields
        )
    return ask("not_science", f"not an exposure to work with, by its name ({word!r}); if it is one", path, fields)


def settle_signs(new) -> None:
    """Let frames of one camera tell each other how 16 bits with a sign are meant: one program wrote them all."""
    cameras: dict[tuple, list] = {}
    for item in new:
        if item.seen.signed:
            cameras.setdefault(headers.identify(item.cards)[:3], []).append(item)
    for items in cameras.values():
        sure = {item.seen.stored for item in items} - {numbers.EITHER}
        for item in items:
            stored = item.seen.stored
            if rawframe.SHIFTED in sure and stored in ("", numbers.EITHER):
                stored = rawframe.SHIFTED
            elif stored == numbers.EITHER and sure:
                stored = rawframe.UNSIGNED
            item.seen = replace(item.seen, stored=stored)


def refuse_unclear(item) -> None:
    """Raise where nobody can tell what the numbers of a file mean."""
    if item.seen.stored == numbers.EITHER:
        what = "16 bits with a sign, all negative: 32768 or 65536 has to be added, and nothing says which"
        raise ask("numbers", f"{what}; write the file again with BZERO, or to leave it out", item.path, {"skip": True})


def mosaics(new) -> dict[tuple, str]:
    """Colour patterns by camera and size, where most of the frames that were searched show one."""
    searched: dict[tuple, list[str]] = {}
    for item in new:
        if item.seen.mosaic is not None:
            searched.setdefault(headers.identify(item.cards)[:3], []).append(item.seen.mosaic)
    shown = {key: [pattern for pattern in patterns if pattern] for key, patterns in searched.items()}
    return {key: found[0] for key, found in shown.items() if 2 * len(found) > len(searched[key])}


def refuse_mosaic(item, patterns: dict[tuple, str]) -> None:
    """Raise for frames of colour cameras, which n2n cannot process right yet."""
    stated, seen = item.stated.get("bayer", ""), ""
    told = stated or headers.told_bayer(item.cards)
    kind = item.stated.get("kind") or headers.told_kind(item.cards, item.path)
    if kind in ("", "light", "flat"):
        seen = patterns.get(headers.identify(item.cards)[:3], "")
    if stated == "none" or not (told or seen):
        return
    how = (
        f"{'overrides say' if stated else 'its header says'} {told}" if told else f"its pixels show the pattern {seen}"
    )
    raise ask(
        "colour_mosaic",
        f"a colour camera's mosaic ({how}), which n2n cannot process yet. Is the camera monochrome",
        item.path,
        {"bayer": "none"},
        where="night",
    )


def same_pixels(one: dict, other: dict, raw: Path) -> bool:
    """Whether the files of two rows hold the same numbers."""
    return _compared(one, other, raw, twins.same_pixels) or False


def are_twins(one: dict, other: dict, raw: Path) -> bool:
    """Whether the files of two rows show one exposure, by its noise: also where one was cropped."""
    return _compared(one, other, raw, _noise_agrees) or False


def same_field(one: dict, other: dict, raw: Path) -> bool | None:
    """Whether two lights show one field, by their stars; None where there are too few of them."""
    return _compared(one, other, raw, _fields_agree)


def _compared(one: dict, other: dict, raw: Path, function):
    try:
        (a, _), (b, _) = (rawframe.read_frame(row, raw) for row in (one, other))
    except BadFrame:
        return None
    return function(a, b)


def _noise_agrees(a: np.ndarray, b: np.ndarray) -> bool:
    if a.shape == b.shape:
        return twins.are_twins(a, b)
    return twins.shifted_twin(a, b)[0] >= twins.TWINS


def _fields_agree(a: np.ndarray, b: np.ndarray) -> bool | None:
    from n2n.sky.match import NoMatch, match_stars  # what most nights do without
    from n2n.sky.stars import measure_stars

    stars = [
        measure_stars(pixels.astype(np.float32), *(np.zeros(pixels.shape, bool),) * 2, 5.0).stars for pixels in (a, b)
    ]
    if min(map(len, stars)) < FEWEST_STARS:
        return None
    try:
        match = match_stars(*(found.tolist() for found in stars))
    except NoMatch:
        return False
    centre = np.array(a.shape[::-1]) / 2
    shift = match.matrix[:, :2] @ centre + match.matrix[:, 2] - centre
    return bool((np.abs(shift) < centre).all())  # more than half of a side apart is another panel
