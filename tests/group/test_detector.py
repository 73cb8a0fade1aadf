import h5py
import numpy as np
import pytest
from drifting import dithered, drift, night

from n2n.formats.flags import NO_DATA
from n2n.group import detector
from n2n.group.detector import FEW, LARGE, STILL, find_pattern, keep_without, middle


def found(sky, memory_mb=4000):
    return find_pattern((sky.pixels, sky.flags), sky.exposures, sky, memory_mb)


def error_of(pixels, sky):
    """Variance of the mean's error against the sky, beside stars and borders."""
    error = (pixels.mean(axis=0) - sky.sky)[24:-24, 24:-24]
    return np.var(error[np.abs(sky.sky[24:-24, 24:-24]) < 2])


def test_a_pattern_under_a_slow_drift_is_taken_off(tmp_path):
    sky = night(drift(20), 0.6)
    pattern, facts = found(sky)
    assert facts["share"] > 0.2 and facts["share"] > 20 * facts["share_error"] and facts["left"] < facts["share"]
    with h5py.File(tmp_path / "pairs.h5", "w") as file:
        file["pixels"] = 0
        kept = keep_without(file, (sky.pixels, sky.flags), sky.exposures, pattern)
        after = np.array([kept[index] for index in range(20)])
        np.testing.assert_array_equal(after, file["pixels"][:])
    assert not after[(sky.flags & NO_DATA) > 0].any()
    before, least = error_of(sky.pixels, sky), error_of(night(drift(20), 0.0).pixels, night(drift(20), 0.0))
    assert error_of(after, sky) - least < 0.65 * (before - least)


def test_the_held_out_exposures_have_no_part_in_it():
    sky = night(drift(20), 0.6)
    before, _ = found(sky)
    sky.pixels[~sky.training] += 50
    np.testing.assert_array_equal(found(sky)[0], before)


@pytest.mark.parametrize("offsets", [dithered(16, 1), dithered(16, 2), drift(16)])
@pytest.mark.parametrize("strength", [0.0, 0.05])
def test_where_there_is_next_to_no_pattern_the_exposures_stay_as_they_are(offsets, strength):
    pattern, facts = found(night(offsets, strength, seed=3))
    assert pattern is None and facts["drop"] < detector.LEAST and "rms_sigma" not in facts


def test_why_nothing_could_be_found_is_said(monkeypatch):
    assert found(night(drift(6), 0.6)) == (None, {"note": FEW})
    assert found(night(drift(16, (0.02, 0.01)), 0.6)) == (None, {"note": STILL})
    monkeypatch.setattr(detector, "WINDOW", 64)
    monkeypatch.setattr(detector.middle, "__defaults__", (64,))
    pattern, facts = found(night(drift(20), 0.8), memory_mb=1)
    assert pattern is None and facts["note"] == LARGE and facts["share"] > 0.1


def test_a_window_lies_in_the_middle():
    assert middle((101, 640), 64) == (slice(18, 82), slice(288, 352)) and middle((50, 40), 64) == (
        slice(0, 50),
        slice(0, 40),
    )
