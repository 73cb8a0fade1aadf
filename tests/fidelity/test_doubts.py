from types import SimpleNamespace

import numpy as np
import pytest

from n2n.fidelity.doubts import doubts_of, is_unseen
from n2n.group.shared import SharedError

NOTHING = SharedError(0.0, 0.001)


def night(shifts, stage="raw", **row):
    """A group of exposures that were moved by so much."""
    exposures = [
        SimpleNamespace(row=row, stage=stage, placement=SimpleNamespace(matrix=np.array([[1.0, 0, x], [0, 1.0, y]])))
        for x, y in shifts
    ]
    count = len(exposures)
    return SimpleNamespace(exposures=exposures, weights=np.ones(count), pointings=np.arange(count), shape=(100, 120))


STILL = np.random.default_rng(0).normal(0, 0.1, (16, 2))
DITHERED = np.random.default_rng(0).uniform(-20, 20, (16, 2))
FOUR_PLACES = np.repeat([[0, 0], [9, 3], [-4, 8], [6, -7]], 4, axis=0) + STILL


@pytest.mark.parametrize("shifts", [STILL, FOUR_PLACES], ids=["none", "four"])
def test_a_night_without_dithers_and_darks_is_doubted(shifts):
    assert is_unseen(night(shifts))
    (said,) = doubts_of(night(shifts), NOTHING, "", 4)
    assert "hardly moved" in said and "dither, and take darks" in said


@pytest.mark.parametrize(
    "group",
    [
        night(DITHERED), night(STILL, dark="dark-x"), night(STILL, bias="bias-x"), night(STILL, done="bf"),
        night(STILL, "registered"), night(np.outer(np.arange(16), [2.0, 1.0])),
    ],
    ids=["dithered", "darks", "bias", "done", "registered", "drifting"],
)  # fmt: skip
def test_others_are_not(group):
    assert not is_unseen(group) and doubts_of(group, NOTHING, "", 4) == []


def test_all_doubts_are_told():
    said = doubts_of(night(STILL), SharedError(0.05, 0.01), "only 9 exposures", 2)
    assert len(said) == 3 and "5.0%" in said[0] and "only 9 exposures" in said[2] and "2 held-out" in said[2]
