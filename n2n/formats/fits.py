"""Judge FITS files that other people's programs wrote, without trusting them.

`n2n.formats.hdus` finds the image and sees that it is complete, `n2n.formats.pixels` reads its numbers; here its
header is merged and its checksums verified. Whatever goes wrong comes out as `BadFrame`.
"""

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits

from n2n.errors import BadFrame
from n2n.formats import checksum
from n2n.formats.hdus import DTYPES, Hdu, choose, number, squeezed, walk
from n2n.formats.pixels import MAX_BYTES, MIN_SIDE, guarded, physical, printable, raw_array, read_array

MAX_NONFINITE = 0.05
MAX_CLIPPED = 0.01
SOME_ROWS = 128  # rows that tell how much of an image is clipped

# Cards that describe how one file stores its bytes and would be wrong in any other file.
_STORAGE = re.compile(
    "SIMPLE|XTENSION|BITPIX|PCOUNT|GCOUNT|GROUPS|EXTEND|INHERIT|EXTNAME|EXTVER|EXTLEVEL|BSCALE|BZERO|BLANK|"
    "CHECKSUM|DATASUM|TFIELDS|THEAP|ZIMAGE|ZTENSION|ZSIMPLE|ZBITPIX|ZPCOUNT|ZGCOUNT|ZEXTEND|ZBLOCKED|"
    "ZCMPTYPE|ZQUANTIZ|ZDITHER0|ZBLANK|ZSCALE|ZZERO|ZHECKSUM|ZDATASUM|FZALGOR|FZTILE|END|"
    r"Z?NAXIS\d*|(ZTILE|ZNAME|ZVAL|TTYPE|TFORM|TUNIT|TDIM|TNULL)\d+"
)


@dataclass(frozen=True)
class Examined:
    """What one pass over a file established: merged header, image HDU, remarks, and the image as it was read."""

    header: fits.Header
    hdu_index: int
    notes: tuple[str, ...]
    image: Hdu | None = None


@guarded
def read_header(
    path: str | os.PathLike, max_bytes: int = MAX_BYTES, *, min_side: int = MIN_SIDE
) -> tuple[fits.Header, int]:
    """Read the header that belongs to the one 2-D image of a file.

    Parameters
    ----------
    path, max_bytes, min_side
        As for `n2n.formats.pixels.read_pixels`.

    Returns
    -------
    header : astropy.io.fits.Header
        ``BITPIX``, ``NAXIS``, ``NAXIS1`` and ``NAXIS2`` of the image, then the cards of the primary
        header and of the image's own header (which wins). Cards about storage (``BZERO``,
        ``CHECKSUM``, table columns ...) are left out.
    hdu_index : int
        Number of the HDU that holds the image.

    Raises
    ------
    BadFrame
        For every file that is not one complete 2-D image.
    """
    hdus = walk(path, max_bytes)
    image = choose(hdus, min_side)
    return _merge(hdus[0], image), image.index


@guarded
def examine(
    path: str | os.PathLike, max_bytes: int = MAX_BYTES, *, min_side: int = MIN_SIDE, checksums: bool = True
) -> Examined:
    """Read the header and judge the data: checksums (unless they are to be ignored), undefined and clipped pixels.

    Parameters
    ----------
    path : path
        A plain, gzip- or tile-compressed FITS file.
    max_bytes : int
        Refuse files of which any unit declares more bytes than this.
    min_side : int
        Refuse images with a side shorter than this many pixels.
    checksums : bool
        Whether sums that the file states must fit.

    Raises
    ------
    BadFrame
        As `read_header`, and with ``checksum`` for data that do not match their ``DATASUM`` and with
        ``nonfinite`` for an image of which more than 5 % is undefined.
    """
    hdus = walk(path, max_bytes, keep=True)
    image = choose(hdus, min_side)
    notes = [note for hdu in hdus for note in hdu.notes]
    if image.index:
        notes.append(f"image in HDU {image.index}")
    verified = _verify_checksums(path, hdus[0], image, notes) if checksums else False
    if image.bitpix < 0 or "BLANK" in image.cards or (image.compressed and not verified):
        _, invalid = physical(path, image)
        fraction = float(invalid.mean())
        if fraction > MAX_NONFINITE:
            raise BadFrame("nonfinite", f"{fraction:.0%} of the pixels are NaN, infinite or BLANK")
        if fraction:
            notes.append(f"{int(invalid.sum())} undefined pixels masked")
    elif not image.compressed and _clipped_fraction(path, image) > MAX_CLIPPED:
        notes.append("clipped at the bottom of the range: not for training")
    return Examined(_merge(hdus[0], image), image.index, tuple(notes), image)


def sha256_file(path: str | os.PathLike) -> str:
    """Return the SHA-256 of a file's bytes as 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _clipped_fraction(path: Path, image: Hdu) -> float:
    """Fraction of pixels at the lowest storable number or at a physical zero, on rows spread over the image."""
    raw = _some_rows(path, image, max(7, squeezed(image.shape)[0] // SOME_ROWS))
    bscale, bzero = number(image.cards, "BSCALE", 1.0), number(image.cards, "BZERO", 0.0)
    bottom = max(np.iinfo(raw.dtype).min, round(-bzero / bscale))
    return float(np.mean(raw <= bottom))


def _some_rows(path: Path, image: Hdu, step: int) -> np.ndarray:
    """Every `step`-th row of the stored numbers; of a plain file no others are read."""
    if image.data is not None:
        return raw_array(path, image)[::step]
    height, width = squeezed(image.shape)
    kind = np.dtype(DTYPES[image.bitpix])
    rows = np.empty((len(range(0, height, step)), width), kind)
    with open(path, "rb") as file:
        for index, row in enumerate(rows):
            file.seek(image.offset + index * step * width * kind.itemsize)
            if file.readinto(memoryview(row).cast("B")) < row.nbytes:
                raise BadFrame("truncated", "the file became shorter while it was read")
    return rows


def _verify_checksums(path: Path, primary: Hdu, image: Hdu, notes: list[str]) -> bool:
    """Check DATASUM and CHECKSUM; return whether a matching DATASUM vouches for the image's data."""
    verified = False
    for hdu in {primary.index: primary, image.index: image}.values():
        if "DATASUM" not in hdu.cards and "CHECKSUM" not in hdu.cards:
            continue
        data_sum = checksum.of_bytes(_stored_bytes(path, hdu))
        stated = hdu.cards.get("DATASUM")
        if stated is not None and stated.isdigit():
            if int(stated) != data_sum:
                raise BadFrame("checksum", "the data do not match their DATASUM: damaged or altered")
            verified |= hdu is image
        if hdu.cards.get("CHECKSUM") and not checksum.is_zero(checksum.of_bytes(hdu.raw, data_sum)):
            notes.append("header edited after its CHECKSUM was written")
    return verified


def _stored_bytes(path: Path, hdu: Hdu) -> bytes | np.ndarray:
    if hdu.size == 0:
        return b""
    return hdu.data if hdu.data is not None else read_array(path, "u1", hdu.size, hdu.offset)


def merge(texts: list[str], start=()) -> fits.Header:
    """Build a header from `start` and the cards of one or two headers; cards of storage or unparsable are left out."""
    merged = fits.Header(start)
    for text in texts:
        for card in fits.Header.fromstring(text).cards:
            try:
                keyword, value, comment = card.keyword, card.value, card.comment
                if not keyword or _STORAGE.fullmatch(keyword):
                    continue
                if keyword in ("COMMENT", "HISTORY"):
                    merged.add_comment(value) if keyword == "COMMENT" else merged.add_history(value)
                else:
                    merged[keyword] = (value, comment)
            except Exception:
                continue  # one unparsable card must not cost the frame
    return merged


def _merge(primary: Hdu, image: Hdu) -> fits.Header:
    """Header of an image: what its storage was, then the cards of the primary's and of its own."""
    height, width = squeezed(image.shape)
    start = [("BITPIX", image.bitpix), ("NAXIS", 2), ("NAXIS1", width), ("NAXIS2", height)]
    return merge([printable(hdu.raw) for hdu in ([primary] if image is primary else [primary, image])], start)
