"""Walk the units of a FITS file by their declared sizes, before any library looks at them.

A truncated file, a size bomb or a table is recognised from the headers alone: nothing is allocated
that the header did not announce and the caller did not allow.
"""

import gzip
import io
import math
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from n2n.errors import BadFrame

BLOCK = 2880
CARD = 80
MAX_HEADER_BLOCKS = 1000
MAX_HDUS = 1000
#: numpy types of the values of BITPIX.
DTYPES = {8: ">u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}

_OTHER_PACKINGS = {b"\x1f\x9d": ".Z", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"PK\x03\x04": "zip"}


@dataclass
class Hdu:
    """One header-data unit as declared: where its bytes lie and what they claim to be."""

    index: int
    raw: bytes
    cards: dict[str, str]
    offset: int
    size: int
    shape: tuple[int, ...] = ()
    bitpix: int = 8
    compressed: bool = False
    is_image: bool = False
    data: bytes | None = None
    notes: list[str] = field(default_factory=list)


def walk(path: Path, max_bytes: int, keep: bool = False) -> list[Hdu]:
    """List the HDUs of a file and see that all declared bytes are there.

    A gzip stream can only be read forwards, so with `keep` the bytes of possible images are held.

    Parameters
    ----------
    path : path
        A plain or gzip-compressed FITS file.
    max_bytes : int
        Refuse files of which any unit declares more bytes than this.
    keep : bool
        Whether to hold the bytes of images of a gzip stream.
    """
    with open(path, "rb") as file:
        magic = file.read(6)
        for signature, name in _OTHER_PACKINGS.items():
            if magic.startswith(signature):
                raise BadFrame("unsupported", f"{name} files are not supported; unpack the file or use .gz")
        file.seek(0)
        if not magic.startswith(b"\x1f\x8b"):
            size = os.fstat(file.fileno()).st_size
            return list(_units(_PlainSource(file, size), max_bytes, keep=False))
        try:
            with gzip.GzipFile(fileobj=file) as stream:
                return list(_units(_GzipSource(stream), max_bytes, keep))
        except (zlib.error, gzip.BadGzipFile) as error:
            raise BadFrame("unreadable", f"damaged gzip file ({one_line(error)})") from error


def choose(hdus: list[Hdu], min_side: int) -> Hdu:
    """Pick the image: a 2-D primary, else the only 2-D image of the file."""
    filled = [hdu for hdu in hdus if (hdu.is_image or hdu.compressed) and hdu.shape and 0 not in hdu.shape]
    flat = [hdu for hdu in filled if len(squeezed(hdu.shape)) == 2]
    if not filled:
        raise BadFrame("no_image", "holds no image (only headers, tables or empty axes)")
    if not flat:
        size = " x ".join(str(side) for side in reversed(filled[0].shape))
        raise BadFrame("not_2d", f"the image is {size}: a spectrum, cube or colour planes, not one exposure")
    if len(flat) > 1 and flat[0].index != 0:
        raise BadFrame("several_images", f"holds {len(flat)} images, none of them primary; split the file")
    image = flat[0]
    height, width = squeezed(image.shape)
    if min(height, width) < min_side:
        raise BadFrame("too_small", f"the image is {width} x {height} pixels; {min_side} is the least side")
    return image


def squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Drop leading axes of length one: some programs write one plane as a cube."""
    while len(shape) > 2 and shape[0] == 1:
        shape = shape[1:]
    return shape


def integer(cards: dict[str, str], key: str, default: int | None = None) -> int:
    """Return a whole number from the cards, or raise `BadFrame`.

    Parameters
    ----------
    cards : dict of str to str
        Keyword to value, as text.
    key : str
        Keyword.
    default : int, optional
        Where the keyword is missing; without it that is an error.
    """
    if key not in cards and default is not None:
        return default
    try:
        return int(cards[key])
    except KeyError:
        raise BadFrame("unreadable", f"the header has no {key}") from None
    except ValueError:
        raise BadFrame("unreadable", f"{key} = {cards[key]!r} is not a whole number") from None


def number(cards: dict[str, str], key: str, default: float) -> float:
    """Return a number from the cards, or `default` where there is none.

    Parameters
    ----------
    cards : dict of str to str
        Keyword to value, as text.
    key : str
        Keyword.
    default : float
        Where the keyword is missing or empty.
    """
    text = cards.get(key, "")
    if not text:
        return default
    value = float(text.upper().replace("D", "E"))
    if key == "BSCALE" and value == 0:
        raise BadFrame("unreadable", "BSCALE = 0 leaves no image")
    return value


def one_line(error: BaseException) -> str:
    """Return an error's text on one line of bearable length."""
    return " ".join(str(error).split())[:200]


class _PlainSource:
    """Reads forwards from an ordinary file; skipping costs nothing."""

    def __init__(self, file: io.BufferedReader, size: int):
        self.file, self.size = file, size

    def read(self, count: int) -> bytes:
        return self.file.read(count)

    def skip(self, count: int) -> int:
        """Move forwards and return how many bytes there really were."""
        start = self.file.tell()
        self.file.seek(min(start + count, self.size))
        return self.file.tell() - start


class _GzipSource:
    """Reads forwards from a gzip stream; skipping unpacks a little at a time."""

    def __init__(self, stream: gzip.GzipFile):
        self.stream = stream

    def read(self, count: int) -> bytes:
        return self.stream.read(count)

    def skip(self, count: int) -> int:
        done = 0
        while done < count:
            piece = self.stream.read(min(1 << 20, count - done))
            if not piece:
                break
            done += len(piece)
        return done


def _units(source: _PlainSource | _GzipSource, max_bytes: int, keep: bool) -> Iterator[Hdu]:
    offset = total = 0
    for index in range(MAX_HDUS):
        raw = _header_bytes(source, index)
        if raw is None:
            return
        hdu = _declared(index, raw, offset + len(raw))
        total += max(hdu.size, _unpacked_bytes(hdu))
        if total > max_bytes:
            size = f"{total / 1e9:.3g} GB"
            raise BadFrame("too_large", f"declares {size} of data, more than max_image_bytes allows")
        if keep and (hdu.is_image or hdu.compressed):
            hdu.data = source.read(hdu.size)
            present = len(hdu.data)
        else:
            present = source.skip(hdu.size)
        if present < hdu.size:
            raise BadFrame("truncated", f"{present} of {hdu.size} declared data bytes are there; copy the file again")
        padding = -hdu.size % BLOCK
        if source.skip(padding) < padding:
            hdu.notes.append("padding missing at the end")
        offset = hdu.offset + hdu.size + padding
        yield hdu
    raise BadFrame("unsupported", f"more than {MAX_HDUS} units in one file")


def _header_bytes(source: _PlainSource | _GzipSource, index: int) -> bytes | None:
    """Read one header up to the block of its END card; None when no further unit follows."""
    raw = bytearray()
    start = b"XTENSION" if index else b"SIMPLE"
    for _ in range(MAX_HEADER_BLOCKS):
        block = source.read(BLOCK)
        if not raw and not block.startswith(start):
            if index:
                return None
            what = "the file is empty" if not block else "no SIMPLE card: not a FITS file"
            raise BadFrame("unreadable", what)
        begin = len(raw)
        raw += block
        ends = any(raw[at : at + CARD].rstrip() == b"END" for at in range(begin, len(raw), CARD))
        if ends:
            return bytes(raw)
        if len(block) < BLOCK:
            raise BadFrame("truncated", "the file ends within its header; copy it again")
    raise BadFrame("unreadable", f"no END card within {MAX_HEADER_BLOCKS} header blocks")


def _declared(index: int, raw: bytes, offset: int) -> Hdu:
    cards: dict[str, str] = {}
    for at in range(0, len(raw), CARD):
        card = raw[at : at + CARD]
        key = card[:8].rstrip().decode("latin-1")
        if key == "END":
            break
        if card[8:9] == b"=" and key not in cards:
            cards[key] = _bare_value(card[9:].decode("latin-1"))
    naxis = integer(cards, "NAXIS", 0)
    if not 0 <= naxis <= 999:
        raise BadFrame("unreadable", f"NAXIS = {naxis} is not allowed")
    axes = [integer(cards, f"NAXIS{n}") for n in range(1, naxis + 1)]
    bitpix = integer(cards, "BITPIX")
    pcount, gcount = integer(cards, "PCOUNT", 0), integer(cards, "GCOUNT", 1)
    if bitpix not in DTYPES or min([*axes, pcount, gcount]) < 0:
        raise BadFrame("unreadable", "BITPIX or an axis has a value that FITS does not allow")
    random_groups = index == 0 and cards.get("GROUPS") == "T" and axes[:1] == [0]
    counted = axes[1:] if random_groups else axes
    elements = math.prod(counted) if counted else 0
    extension = cards.get("XTENSION", "")
    hdu = Hdu(index, raw, cards, offset, abs(bitpix) // 8 * gcount * (pcount + elements))
    hdu.compressed = extension == "BINTABLE" and cards.get("ZIMAGE") == "T"
    hdu.is_image = not random_groups and (index == 0 or extension in ("IMAGE", "IUEIMAGE"))
    hdu.bitpix, hdu.shape = bitpix, tuple(reversed(axes))
    if hdu.compressed:
        hdu.bitpix = integer(cards, "ZBITPIX")
        hdu.shape = tuple(integer(cards, f"ZNAXIS{n}") for n in range(integer(cards, "ZNAXIS"), 0, -1))
        if hdu.bitpix not in DTYPES or min([*hdu.shape, 0]) < 0:
            raise BadFrame("unreadable", "ZBITPIX or ZNAXIS has a value that FITS does not allow")
    return hdu


def _unpacked_bytes(hdu: Hdu) -> int:
    """Bytes that unpacking a tile-compressed image, or its largest tile, would need."""
    if not hdu.compressed:
        return 0
    tile = math.prod(integer(hdu.cards, f"ZTILE{n}", 1) for n in range(1, len(hdu.shape) + 1))
    return abs(hdu.bitpix) // 8 * max(tile, math.prod(hdu.shape))


def _bare_value(text: str) -> str:
    text = text.strip()
    if text.startswith("'"):
        return text[1:].split("'")[0].rstrip()
    return text.split("/")[0].strip()
