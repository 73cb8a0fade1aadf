"""The 32-bit ones' complement sum behind DATASUM and CHECKSUM, and what it says of a file."""

from pathlib import Path

import numpy as np

from n2n.errors import BadFrame, UserError
from n2n.formats import sealed
from n2n.formats.hdus import BLOCK, Hdu, walk

_PIECE = 1 << 22


def of_bytes(data: bytes | np.ndarray, start: int = 0) -> int:
    """Sum big-endian 32-bit words with end-around carry.

    Parameters
    ----------
    data : bytes or ndarray of uint8, shape (n,)
        Padded with zeros to whole words, as FITS blocks are.
    start : int
        Sum to go on from.

    Returns
    -------
    int
        The sum, below 2**32.
    """
    array = np.frombuffer(data, np.uint8) if isinstance(data, bytes) else data
    total = start
    for begin in range(0, array.size, _PIECE):
        piece = array[begin : begin + _PIECE]
        if piece.size % 4:
            piece = np.concatenate([piece, np.zeros(-piece.size % 4, np.uint8)])
        total = _fold(total + int(np.frombuffer(piece.tobytes(), ">u4").sum(dtype=np.uint64)))
    return total


def check(path: Path, *, edited: bool = False) -> list[Hdu]:
    """Read all of a FITS file that n2n wrote and compare it with its sums.

    Parameters
    ----------
    path : Path
        The FITS file.
    edited : bool
        Whether another program may have changed cards, as one that adds a WCS does.

    Returns
    -------
    list of Hdu

    Raises
    ------
    UserError
        When the file is missing or damaged.
    """
    try:
        hdus = walk(path, max_bytes=1 << 62)
        found = problems(path, hdus, edited=edited)
    except (OSError, BadFrame) as error:
        if Path(path).is_dir():
            raise UserError(f"{path} is a folder; give a file") from error
        if not Path(path).exists():
            raise sealed.missing(path) from error
        raise sealed.damaged(path, str(error)) from error
    if found:
        raise sealed.damaged(path, "; ".join(found))
    return hdus


def problems(path: Path, hdus: list[Hdu], *, edited: bool = False) -> list[str]:
    """HDUs that are missing or whose CHECKSUM or DATASUM is missing or wrong, and anything behind the last of them.

    Parameters
    ----------
    path : Path
        The FITS file.
    hdus : list of Hdu
        What `n2n.formats.hdus.walk` found.
    edited : bool
        As of `check`.
    """
    found, end = [], 0
    with open(path, "rb") as file:
        for hdu in hdus:
            name = hdu.cards.get("EXTNAME") or ("the primary image" if hdu.index == 0 else f"HDU {hdu.index}")
            end = hdu.offset + hdu.size + -hdu.size % BLOCK
            file.seek(hdu.offset)
            total, left = 0, end - hdu.offset
            while piece := file.read(min(_PIECE, left)):
                total, left = of_bytes(piece, total), left - len(piece)
            missing = [key for key in ("CHECKSUM", "DATASUM") if key not in hdu.cards]
            if missing and not edited:
                found.append(f"{name} has no {' and no '.join(missing)}")
            elif "DATASUM" in hdu.cards and hdu.cards["DATASUM"] != str(total):
                found.append(f"the data of {name} were changed (DATASUM differs)")
            elif not edited and not is_zero(of_bytes(hdu.raw, total)):
                found.append(f"the header of {name} was changed (CHECKSUM differs)")
        size = file.seek(0, 2)
    extensions, told = len(hdus) - 1, hdus[0].cards.get("NEXTEND", "")
    if told.isdigit() and int(told) > extensions:
        found.append(f"{int(told) - extensions} of {told} extensions are missing")
    if size != end:
        found.append(f"{abs(size - end)} bytes too {'many' if size > end else 'few'}")
    return found


def is_zero(total: int) -> bool:
    """Tell whether a sum is one of the two ones' complement zeros, as that of an intact HDU is."""
    return total in (0, 0xFFFFFFFF)


def _fold(total: int) -> int:
    while total >> 32:
        total = (total & 0xFFFFFFFF) + (total >> 32)
    return total
