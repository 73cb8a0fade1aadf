import numpy as np
import pytest
from drifting import dithered, drift, night

from n2n.group.detector import FEW, STILL, find_pattern, on_grid
from n2n.group.shared import shared_in_stack


def test_every_untreated_drift_shows_and_no_dithered_night_does():
    for seed in range(3):
        drifting, still = (
            shared_in_stack(night(drift(24), 0.3, seed)),
            shared_in_stack(night(dithered(24, seed), 0.3, seed)),
        )
        assert drifting.value > 0.04 and drifting.value > 6 * drifting.error
        assert abs(still.value) < 0.02 and not drifting.note + still.note


def test_without_a_pattern_there_is_nothing():
    found = [shared_in_stack(night(drift(24), 0.0, seed)) for seed in range(4)]
    assert max(abs(one.value) / one.error for one in found) < 3.5


def test_behind_the_treatment_what_was_left_is_told_and_no_more():
    sky = night(drift(24), 0.5)
    before = shared_in_stack(sky)
    pattern, sky.facts.pattern = find_pattern((sky.pixels, sky.flags), sky.exposures, sky, 4000)
    for image, exposure in zip(sky.pixels, sky.exposures, strict=True):
        image -= on_grid(pattern, exposure, exposure.placement.aligned_by is None, sky.shape)
    after = shared_in_stack(sky)
    assert after.left == pytest.approx(sky.facts.pattern["left"])
    assert after.value == pytest.approx(after.left, abs=4 * after.error + 0.1 * before.value)
    assert after.value < before.value
    # Of fewer exposures the mean has more variance, and the pattern a smaller share.
    assert shared_in_stack(sky, np.flatnonzero(sky.training)).left < after.left


def test_what_cannot_be_told_says_why():
    assert shared_in_stack(night(drift(16, (0.02, 0.01)), 0.5)).note == STILL
    few = shared_in_stack(night(drift(5), 0.5))
    assert few.note == FEW and np.isnan(few.value) and few.as_dict()["value"] is None
