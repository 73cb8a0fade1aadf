"""Read the numbers of FITS images, without trusting them.

`n2n.formats.hdus` finds the image and sees that it is complete; here its numbers are scaled. Only tile-compressed
images are handed to astropy, which every job that reads frames would else wait for. Whatever goes wrong comes out as
`BadFrame`.
"""

import functools
import io
import math
import os
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

from n2n.errors import BadFrame
from n2n.formats import checksum
from n2n.formats.hdus import BLOCK, DTYPES, Hdu, choose, integer, number, one_line, squeezed, walk

MAX_BYTES = 2**31
MIN_SIDE = 64


def guarded(function: Callable) -> Callable:
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


@guarded
def read_pixels(
    path: str | os.PathLike, max_bytes: int = MAX_BYTES, *, min_side: int = MIN_SIDE, counts: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Read the one 2-D image of a file in the file's physical units (ADU for a raw frame).

    Parameters
    ----------
    path : path
        A plain, gzip- or tile-compressed FITS file.
    max_bytes : int
        Refuse files of which any unit declares more bytes than this.
    min_side : int
        Refuse images with a side shorter than this many pixels.
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
    return pixels_of(path, choose(walk(path, max_bytes, keep=True), min_side), counts)


@guarded
def pixels_of(path: str | os.PathLike, image: Hdu, counts: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Pixels of an image that `n2n.formats.hdus.choose` found in a file; result as of `read_pixels`.

    Parameters
    ----------
    path : path
        A plain, gzip- or tile-compressed FITS file.
    image : Hdu
        The unit that holds the image.
    counts : bool
        Leave 16-bit whole numbers as uint16.
    """
    if counts and (found := _counts(path, image)) is not None:
        return found, np.zeros(found.shape, bool)
    return physical(path, image)


@guarded
def header_texts(path: str | os.PathLike, max_bytes: int = MAX_BYTES, *, min_side: int = MIN_SIDE) -> list[str]:
    """Cards of the primary header and, where it is another, of the image's, as `n2n.formats.fits.merge` takes them.

    Errors as of `read_pixels`.

    Parameters
    ----------
    path : path
        A plain, gzip- or tile-compressed FITS file.
    max_bytes : int
        Refuse files of which any unit declares more bytes than this.
    min_side : int
        Refuse images with a side shorter than this many pixels.
    """
    hdus = walk(path, max_bytes)
    image = choose(hdus, min_side)
    return [printable(hdu.raw) for hdu in ([image] if image.index == 0 else [hdus[0], image])]


def printable(raw: bytes) -> str:
    """Text of a header; what FITS does not allow becomes a question mark."""
    return "".join(chr(byte) if 32 <= byte < 127 else "?" for byte in raw)


def read_planes(path: Path, *extensions: str) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    """Read planes of a plain file n2n wrote, once all of it was found to be as it was written.

    Parameters
    ----------
    path : Path
        The FITS file.
    extensions : str
        Names of the planes; the primary image is ``"IMAGE"``. Those that the file lacks are left out.

    Returns
    -------
    cards : dict
        Of the primary header, values as text without quotes.
    arrays : dict
        In native byte order.

    Raises
    ------
    UserError
        When the file is missing or damaged.
    """
    hdus = checksum.check(path)
    hdus[0].cards.setdefault("EXTNAME", "IMAGE")
    wanted = {hdu.cards.get("EXTNAME"): hdu for hdu in hdus}
    return hdus[0].cards, {name: _native(raw_array(path, wanted[name])) for name in extensions if name in wanted}


def raw_array(path: Path, image: Hdu) -> np.ndarray:
    """Return the stored numbers of an image, not scaled, in the file's byte order."""
    shape = squeezed(image.shape)
    if image.compressed:
        source = path if image.data is None else io.BytesIO(_as_file(image))
        from astropy.io import fits

        with fits.open(source, memmap=False, do_not_scale_image_data=True) as opened:
            return np.asarray(opened[image.index if image.data is None else 1].data).reshape(shape)
    if image.data is not None:
        return np.frombuffer(image.data, DTYPES[image.bitpix], math.prod(shape)).reshape(shape)
    return read_array(path, DTYPES[image.bitpix], math.prod(shape), image.offset).reshape(shape)


def _as_file(image: Hdu) -> bytes:
    """Wrap one compressed HDU taken from a gzip stream into a FITS file of its own."""
    from astropy.io import fits

    primary = fits.PrimaryHDU().header.tostring().encode("ascii")
    return primary + image.raw + image.data + bytes(-len(image.data) % BLOCK)


def _counts(path: Path, image: Hdu) -> np.ndarray | None:
    """Numbers 0 ... 65535 as cameras write them, 16 bits from BZERO 32768 on; None where a file is otherwise."""
    plain = image.bitpix == 16 and "BLANK" not in image.cards and number(image.cards, "BSCALE", 1.0) == 1
    if not plain or number(image.cards, "BZERO", 0.0) != 32768:
        return None
    raw = raw_array(path, image)
    if raw.dtype.kind != "i" or raw.dtype.itemsize != 2:
        return None
    raw = _native(raw)
    # Adding 32768 to a signed number flips the highest bit of its unsigned twin.
    found = raw.view(np.uint16)
    found ^= np.uint16(32768)
    return found


def _native(raw: np.ndarray) -> np.ndarray:
    """The same numbers in the machine's byte order, in place where that is possible."""
    if not (raw.flags.writeable and raw.flags.c_contiguous):
        raw = raw.copy()
    return raw if raw.dtype.isnative else raw.byteswap(inplace=True).view(raw.dtype.newbyteorder())


def physical(path: Path, image: Hdu) -> tuple[np.ndarray, np.ndarray]:
    """Return (pixels, invalid) of an image as `read_pixels` does."""
    raw = raw_array(path, image)
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


def read_array(path: Path, dtype: str, count: int, offset: int) -> np.ndarray:
    """Read numbers into memory; a memory map would kill the process if the file shrank meanwhile.

    Parameters
    ----------
    path : Path
        An uncompressed file.
    dtype : str
        Of the numbers, byte order included.
    count : int
        How many numbers.
    offset : int
        Where they begin, bytes.
    """
    array = np.fromfile(path, dtype, count, offset=offset)
    if array.size < count:
        raise BadFrame("truncated", "the file became shorter while it was read")
    return array
