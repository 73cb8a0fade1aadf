from itertools import pairwise

import numpy as np
import pytest

from n2n.nets.tiles import BLOCK, overlaps, padding, spans


@pytest.mark.parametrize("length", [64, 200, 500, 1000, 1023])
def test_spans_cover_everything_and_overlap(length):
    total = length + sum(padding(length))
    assert total % BLOCK == 0
    parts = spans(total, 256, 48)
    covered = np.zeros(total, int)
    for part in parts:
        assert part.start % BLOCK == 0 and part.stop - part.start == parts[0].stop
        covered[part] += 1
    assert covered.min() == 1 and parts[-1].stop == total
    for one, other in pairwise(parts):
        assert one.stop - other.start >= 48


def test_overlaps_are_in_pixels_of_the_image():
    before, after = padding(1003)
    parts, found = spans(before + 1003 + after, 512, 48), overlaps(1003, 512, 48)
    assert len(found) == len(parts) - 1 > 0
    for part, one, other in zip(found, parts[:-1], parts[1:], strict=True):
        assert (part.start + before, part.stop + before) == (other.start, one.stop)
    assert overlaps(300, 512, 48) == []
