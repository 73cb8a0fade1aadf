"""Which samples of a group's exposures count, and in which pieces they are worked on."""

import numpy as np

from n2n.formats.flags import DEFECT, NO_DATA, SATURATED
from n2n.formats.store import TILE

MAX_STRIP = 128  # rows worked on at once: fewer would be read and sorted twice, as neighbours of the next strip
BYTES_A_SAMPLE = 12  # value, flags, masks and what they are computed with


def usable(flags: np.ndarray, *, keep_saturated: bool) -> np.ndarray:
    """Samples that may be averaged: covered, no defect, and not saturated unless those are kept; bool."""
    bad = NO_DATA | DEFECT | (0 if keep_saturated else SATURATED)
    return (flags & bad) == 0


def strips(height: int, width: int, exposures: int, budget_bytes: int = 256 * 2**20, overlap: int = 0):
    """Cut an image into row strips whose exposures fit `budget_bytes`, working arrays included.

    Parameters
    ----------
    height, width : int
        Of the image, px.
    exposures : int
        Read at a time.
    budget_bytes : int
        Memory they may take.
    overlap : int
        Rows to read beyond the strip on either side.

    Yields
    ------
    (outer, inner, within) : slices
        Rows to read (with `overlap` more on both sides), rows to write, and those rows within the read.
    """
    rows = int(budget_bytes / (max(exposures, 1) * width * BYTES_A_SAMPLE)) - 2 * overlap
    rows = max(TILE, min(rows, MAX_STRIP) // TILE * TILE)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        first, last = max(0, top - overlap), min(height, bottom + overlap)
        yield slice(first, last), slice(top, bottom), slice(top - first, bottom - first)
