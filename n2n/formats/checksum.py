"""The 32-bit ones' complement sum behind DATASUM and CHECKSUM."""

import numpy as np

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


def is_zero(total: int) -> bool:
    """Tell whether a sum is one of the two ones' complement zeros, as that of an intact HDU is."""
    return total in (0, 0xFFFFFFFF)


def _fold(total: int) -> int:
    while total >> 32:
        total = (total & 0xFFFFFFFF) + (total >> 32)
    return total
