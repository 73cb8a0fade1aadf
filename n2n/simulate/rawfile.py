"""Write a raw frame byte by byte, as cameras do."""

from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from n2n.formats.atomic import atomic_path


def write_raw(path: Path, pixels: NDArray[np.uint16], cards: fits.Header, share: float = 1.0) -> None:
    """Write an unsigned 16-bit frame byte by byte as cameras do; only the first `share` of its bytes.

    astropy would rewrite values in its own style and insert BSCALE.

    Parameters
    ----------
    path : Path
        The file.
    pixels : uint16 ndarray, shape (h, w)
        ADU.
    cards : Header
        All of the header.
    share : float
        Of the bytes that are written, from 0 to 1.
    """
    shifted = (pixels.astype(np.int32) - 32768).astype(">i2")
    content = cards.tostring().encode("ascii") + shifted.tobytes()
    content += bytes(-len(content) % 2880)
    with atomic_path(path) as temporary:
        temporary.write_bytes(content[: int(share * len(content))])
