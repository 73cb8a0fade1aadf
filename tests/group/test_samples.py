import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from n2n.formats.flags import BYPASS, DEFECT, NO_DATA, SATURATED
from n2n.group.samples import strips, usable


@given(
    height=st.integers(1, 500),
    width=st.integers(1, 300),
    exposures=st.integers(0, 40),
    budget=st.integers(1, 10**7),
    overlap=st.integers(0, 9),
)
@settings(max_examples=60, deadline=None)
def test_strips_cover_every_row_once_and_fit_their_reads(height, width, exposures, budget, overlap):
    rows = np.arange(height)
    written = []
    for outer, inner, within in strips(height, width, exposures, budget, overlap):
        np.testing.assert_array_equal(rows[outer][within], rows[inner])
        assert outer.start == max(0, inner.start - overlap) and outer.stop == min(height, inner.stop + overlap)
        written.extend(rows[inner])
    np.testing.assert_array_equal(written, rows)


def test_strips_stay_within_their_budget():
    sizes = [outer.stop - outer.start for outer, _, _ in strips(4000, 6000, 100, 2**30)]
    assert max(sizes) * 6000 * 100 * 4 < 2**30 and len(sizes) > 1


@pytest.mark.parametrize("flag", [0, BYPASS, NO_DATA, DEFECT, SATURATED, SATURATED | DEFECT])
@pytest.mark.parametrize("keep", [True, False])
def test_what_may_be_averaged(flag, keep):
    found = usable(np.array([flag], np.uint8), keep_saturated=keep)
    assert found.tolist() == [flag in ((0, BYPASS, SATURATED) if keep else (0, BYPASS))]
