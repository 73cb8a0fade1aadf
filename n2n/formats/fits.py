"""Read FITS files that other people's programs wrote, without trusting them.

`n2n.formats.hdus` finds the image and sees that it is complete; here its header is merged, its numbers
are scaled and its checksums verified. Only tile-compressed images are handed to astropy. Whatever goes
wrong comes out as `BadFrame`.
"""

import functools
import hashlib
import io
import math
import os
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits

from n2n.errors import BadFrame
from n2n.formats import checksum
from n2n.formats.hdus import BLOCK, DTYPES, Hdu, choose, integer, number, one_line, squeezed, walk

MAX_BYTES = 2**31
MIN_SIDE = 64
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
    """What one pass over a file established: merged header, image HDU and remarks."""

    header: fits.Header
    hdu_index: int
    notes: tuple[str, ...]


def _guarded(function: Callable) -> Callable:
    """Turn whatever a broken file provokes into `BadFrame`, and keep the terminal quiet."""

    @functools.wraps(function)
    def wrapper(path, *args, **kwargs):
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                return function(Path(path), *args, **kwargs)
        except BadFrame:
            raise
        except EOFError as error:
            raise BadFrame("truncated", "the gzip file ends too early; copy it again") from error
        except MemoryError as error:
            raise BadFrame("too_large", "the image does not fit into memory") from error
        except OSError as error:
            raise BadFrame("unreadable", f"cannot be read: {error.strerror or one_line(error)}") from error
        except Exception as error:
            what = one_line(error)
            raise BadFrame("unreadable", f"not a readable FITS file ({type(error).__name__}: {what})") from error

    return wrapper


@_guarded
def read_header(
    path: str | os.PathLike, max_bytes: int = MAX_BYTES, *, min_side: int = MIN_SIDE
) -> tuple[fits.Header, int]:
    """Read the header that belongs to the one 2-D image of a file.

    Parameters
    ----------
    path : path
        A plain, gzip- or tile-compressed FITS file.
    max_bytes : int
        Refuse files of which any unit declares more bytes than this.
    min_side : int
        Refuse images with a side shorter than this many pixels.

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


@_guarded
def read_pixels(
    path: str | os.PathLike, max_bytes: int = MAX_BYTES, *, min_side: int = MIN_SIDE, counts: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Read the one 2-D image of a file in the file's physical units (ADU for a raw frame).

    Parameters
    ----------
    path, max_bytes, min_side
        As for `read_header`.
    counts : bool
        Leave 16-bit whole numbers as uint16, which are quicker and half the size.

    Returns
    -------
    pixels : ndarray of float32 (or uint16), shape (height, width)
        C-contiguous, native byte order, ``BSCALE`` and ``BZERO`` applied; 0 where `invalid`.
    invalid : ndarray of bool, shape (height, width)
        True where the file holds NaN, an infinity or its ``BLANK`` value.

    Raises
    ------
    BadFrame
        For every file that is not one complete 2-D image.
    """
    image = choose(walk(path, max_bytes, keep=True), min_side)
    if counts and (found := _counts(path, image)) is not None:
        return found, np.zeros(found.shape, bool)
    return _physical(path, image)


@_guarded
def examine(path: str | os.PathLike, max_bytes: int = MAX_BYTES, *, min_side: int = MIN_SIDE) -> Examined:
    """Read the header and judge the data: checksums, undefined and clipped pixels.

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
    verified = _verify_checksums(path, hdus[0], image, notes)
    if image.bitpix < 0 or "BLANK" in image.cards or (image.compressed and not verified):
        pixels, invalid = _physical(path, image)
        fraction = float(invalid.mean())
        if fraction > MAX_NONFINITE:
            raise BadFrame("nonfinite", f"{fraction:.0%} of the pixels are NaN, infinite or BLANK")
        if fraction:
            notes.append(f"{int(invalid.sum())} undefined pixels masked")
        if image.bitpix < 0 and pixels.min() >= 0 and pixels.max() <= 1:
            notes.append("values between 0 and 1, not ADU")
    elif not image.compressed and _clipped_fraction(path, image) > MAX_CLIPPED:
        notes.append("clipped at the bottom of the range: not for training")
    return Examined(_merge(hdus[0], image), image.index, tuple(notes))


def sha256_file(path: str | os.PathLike) -> str:
    """Return the SHA-256 of a file's bytes as 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _raw_array(path: Path, image: Hdu) -> np.ndarray:
    """Return the stored numbers of an image, not scaled, in the file's byte order."""
    shape = squeezed(image.shape)
    if image.compressed:
        source = path if image.data is None else io.BytesIO(_as_file(image))
        with fits.open(source, memmap=False, do_not_scale_image_data=True) as opened:
            return np.asarray(opened[image.index if image.data is None else 1].data).reshape(shape)
    if image.data is not None:
        return np.frombuffer(image.data, DTYPES[image.bitpix], math.prod(shape)).reshape(shape)
    return _read_array(path, DTYPES[image.bitpix], math.prod(shape), image.offset).reshape(shape)


def _as_file(image: Hdu) -> bytes:
    """Wrap one compressed HDU taken from a gzip stream into a FITS file of its own."""
    primary = fits.PrimaryHDU().header.tostring().encode("ascii")
    return primary + image.raw + image.data + bytes(-len(image.data) % BLOCK)


def _counts(path: Path, image: Hdu) -> np.ndarray | None:
    """Numbers 0 ... 65535 as cameras write them, 16 bits from BZERO 32768 on; None where a file is otherwise."""
    plain = image.bitpix == 16 and "BLANK" not in image.cards and number(image.cards, "BSCALE", 1.0) == 1
    if not plain or number(image.cards, "BZERO", 0.0) != 32768:
        return None
    raw = _raw_array(path, image)
    if raw.dtype.kind != "i" or raw.dtype.itemsize != 2:
        return None
    if not (raw.flags.writeable and raw.flags.c_contiguous):
        raw = raw.copy()
    if not raw.dtype.isnative:
        raw = raw.byteswap(inplace=True).view(raw.dtype.newbyteorder())
    # Adding 32768 to a signed number flips the highest bit of its unsigned twin.
    found = raw.view(np.uint16)
    found ^= np.uint16(32768)
    return found


def _physical(path: Path, image: Hdu) -> tuple[np.ndarray, np.ndarray]:
    raw = _raw_array(path, image)
    bscale, bzero = number(image.cards, "BSCALE", 1.0), number(image.cards, "BZERO", 0.0)
    blank = image.cards.get("BLANK")
    invalid = np.zeros(raw.shape, bool)
    if raw.dtype.kind in "iu" and blank is not None:
        invalid = raw == integer(image.cards, "BLANK")
    # float32 holds every 16-bit number plus a whole BZERO exactly; anything wider needs float64 first.
    exact = raw.dtype.itemsize <= 2 and bscale == 1 and float(bzero).is_integer() and abs(bzero) < 2**23
    unscaled = bscale == 1 and bzero == 0 and raw.dtype.kind == "f" and raw.dtype.itemsize == 4
    values = raw.astype(np.float32 if exact or unscaled else np.float64)
    if bscale != 1:
        values *= bscale
    if bzero != 0:
        values += values.dtype.type(bzero)
    pixels = np.ascontiguousarray(values, np.float32)
    if raw.dtype.kind == "f" or not np.isfinite(bscale * bzero):
        invalid |= ~np.isfinite(pixels)
    pixels[invalid] = 0
    return pixels, np.ascontiguousarray(invalid)


def _clipped_fraction(path: Path, image: Hdu) -> float:
    """Fraction of pixels at the lowest storable number or at a physical zero, on rows spread over the image."""
    raw = _some_rows(path, image, max(7, squeezed(image.shape)[0] // SOME_ROWS))
    bscale, bzero = number(image.cards, "BSCALE", 1.0), number(image.cards, "BZERO", 0.0)
    bottom = max(np.iinfo(raw.dtype).min, round(-bzero / bscale))
    return float(np.mean(raw <= bottom))


def _some_rows(path: Path, image: Hdu, step: int) -> np.ndarray:
    """Every `step`-th row of the stored numbers; of a plain file no others are read."""
    if image.data is not None:
        return _raw_array(path, image)[::step]
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
    return hdu.data if hdu.data is not None else _read_array(path, "u1", hdu.size, hdu.offset)


def _read_array(path: Path, dtype: str, count: int, offset: int) -> np.ndarray:
    """Read numbers into memory; a memory map would kill the process if the file shrank meanwhile."""
    array = np.fromfile(path, dtype, count, offset=offset)
    if array.size < count:
        raise BadFrame("truncated", "the file became shorter while it was read")
    return array


def _merge(primary: Hdu, image: Hdu) -> fits.Header:
    """Build a clean header from the primary's and the image's cards, leaving out unparsable ones."""
    height, width = squeezed(image.shape)
    merged = fits.Header([("BITPIX", image.bitpix), ("NAXIS", 2), ("NAXIS1", width), ("NAXIS2", height)])
    for hdu in [primary] if image is primary else [primary, image]:
        text = "".join(chr(byte) if 32 <= byte < 127 else "?" for byte in hdu.raw)
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
