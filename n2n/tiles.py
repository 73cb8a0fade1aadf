"""How an image is cut into overlapping tiles."""

from itertools import pairwise

MARGIN = 8  # pixels added all around, so that borders are tiles like any other


def padding(length: int) -> tuple[int, int]:
    """Pixels added before and after: the margin, and what is lacking to a multiple of 4."""
    return MARGIN, MARGIN + (-length) % 4


def spans(length: int, tile: int, overlap: int) -> list[slice]:
    """As few spans of one size as `tile` allows, on a grid of 4 pixels, overlapping by at least `overlap`."""
    if length <= tile:
        return [slice(0, length)]
    count = -(-(length - overlap) // (tile - overlap))
    size = -(-(length + (count - 1) * overlap) // count)
    size += -size % 4
    starts = [index * (length - size) // (count - 1) // 4 * 4 for index in range(count)]
    return [slice(start, start + size) for start in starts]


def overlaps(length: int, tile: int, overlap: int) -> list[slice]:
    """Where neighbouring tiles overlap, in pixels of the image without what was added."""
    parts = spans(length + sum(padding(length)), tile, overlap)
    return [slice(other.start - MARGIN, one.stop - MARGIN) for one, other in pairwise(parts)]
