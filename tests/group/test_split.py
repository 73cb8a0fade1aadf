import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from n2n.group.split import blocks, deciding


def at(*shifts):
    return [[[1, 0, x], [0, 1, y]] for x, y in shifts]


def dithered(n, seed=0, every=1):
    rng = np.random.default_rng(seed)
    places = 4.0 * np.stack(np.divmod(rng.permutation(31 * 31)[:n], 31), axis=1) - 60  # no two of them near
    return at(*(places[i // every] + rng.normal(0, 0.1, 2) for i in range(n)))


def test_a_dithered_night_is_spread_over_the_blocks():
    labels = blocks(dithered(24))
    assert "".join(labels) == "ABACBABC" * 3
    assert labels.count("C") / len(labels) >= 0.1


@given(st.integers(0, 10_000), st.integers(1, 4), st.integers(20, 60))
@settings(max_examples=30, deadline=None)
def test_exposures_at_one_pointing_share_a_block(seed, every, n):
    n = max(n, 9 * every)
    matrices = dithered(n, seed, every)
    labels = blocks(matrices)
    shifts = np.array(matrices)[:, :, 2]
    for i in range(n):
        for j in range(i):
            if np.hypot(*(shifts[i] - shifts[j])) < 0.9:
                assert labels[i] == labels[j]
    assert set(labels) == set("ABC")


def test_two_exposures_are_a_pair_and_four_have_a_judge():
    assert blocks(at((0, 0), (9, 9))) == ["A", "B"]
    assert blocks(at((0, 0), (0, 0))) == ["A", "B"]
    assert "".join(blocks(at((0, 0), (9, 0), (0, 9), (9, 9)))) == "ABAC"
    assert blocks(at((0, 0))) == ["A"]


def test_without_dither_single_exposures_are_the_units():
    assert "".join(blocks(at(*[(0, 0)] * 12))) == "ABACBABCABAC"


@given(st.integers(0, 10_000), st.integers(1, 5), st.integers(8, 30), st.integers(1, 30), st.booleans())
@settings(max_examples=60, deadline=None)
def test_late_exposures_change_no_earlier_label(seed, every, early, late, still):
    matrices = dithered(early + late, seed, every)
    if still:
        matrices = at(*[(0, 0)] * early) + matrices[early:]
    batches = [0] * early + list(range(1, late + 1))
    before = blocks(matrices[:early], deciding(batches[:early]))
    for n in range(early, early + late + 1):
        assert blocks(matrices[:n], deciding(batches[:n]))[:early] == before


@pytest.mark.parametrize(
    ("batches", "expected"),
    [([0] * 5, 5), ([0] * 12 + [1] * 3, 12), ([0] * 3 + [1] * 6 + [2] * 4, 9), ([4], 1)],
)
def test_whole_batches_of_at_least_eight_decide(batches, expected):
    assert deciding(batches) == expected
