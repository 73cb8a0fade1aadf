"""How an image is cut into overlapping tiles."""

from itertools import pairwise

from n2n.errors import UserError

BLOCK = 8  # pixels the network works on as one: sides and places of tiles are multiples of it
MARGIN = 8  # pixels added all around, so that borders are tiles like any other
SIDES = (4096, 2048, 1024, 512, 256)  # px, of tiles that n2n chooses: few, so that a GPU's load seldom changes them
SMALLEST = 64  # px, of tiles that anybody chooses


def check_tiles(tile: int, overlap: int) -> None:
    """Raise UserError where a tile would hold nothing but what it shares; 0 stands for one of `SIDES`."""
    smallest = tile or min(SIDES)
    if 0 < tile < SMALLEST:
        raise UserError(f"denoise.tile, {tile}, must be at least {SMALLEST}, or 0 to let n2n choose")
    if overlap >= smallest:
        raise UserError(f"denoise.overlap, {overlap}, must be smaller than denoise.tile, {smallest}")


def padding(length: int) -> tuple[int, int]:
    """Pixels added before and after: the margin, and what is lacking to whole blocks.

    Half of that on either side, so that a flipped image falls into the same blocks.
    """
    lacking = -length % BLOCK
    return MARGIN + lacking // 2, MARGIN + (lacking + 1) // 2


def spans(length: int, tile: int, overlap: int) -> list[slice]:
    """As few spans of one size as `tile` allows, in whole blocks, overlapping by at least `overlap`.

    Parameters
    ----------
    length : int
        Side of the image, margins included, px.
    tile : int
        Longest span, px.
    overlap : int
        Least overlap of neighbours, px.
    """
    if length <= tile:
        return [slice(0, length)]
    count = -(-(length - overlap) // (tile - overlap))
    size = -(-(length + (count - 1) * overlap) // count)
    size += -size % BLOCK
    starts = [index * (length - size) // (count - 1) // BLOCK * BLOCK for index in range(count)]
    return [slice(start, start + size) for start in starts]


def overlaps(length: int, tile: int, overlap: int) -> list[slice]:
    """Where neighbouring tiles overlap, in pixels of the image without what was added.

    Parameters
    ----------
    length : int
        Side of the image, without margins, px.
    tile, overlap : int
        As of `spans`.
    """
    before, after = padding(length)
    parts = spans(before + length + after, tile, overlap)
    return [slice(other.start - before, one.stop - before) for one, other in pairwise(parts)]
