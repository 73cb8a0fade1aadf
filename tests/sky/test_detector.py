from types import SimpleNamespace

import numpy as np
import pytest

from n2n.sky.detector import Carried, agreement, pattern_of, shared_by, shared_of, together
from n2n.sky.warp import warp

SHAPE = (192, 224)
COUNTS = (0.5, 0.5)
DRIFT = [(0.45 * number, 0.3 * number) for number in range(16)]


def placed(offset):
    matrix = np.array([[1.0, 0, offset[0]], [0, 1.0, offset[1]]])
    return SimpleNamespace(matrix=matrix, distortion=None, transparency=1.0)


def halves(offsets, pattern, seed=0, turned=()):
    """Sky, noise of 1 and a pattern of the detector in exposures at `offsets`, carried back to it in two halves."""
    rng = np.random.default_rng(seed)
    sky = rng.normal(0, 3, SHAPE).astype(np.float32)
    carried, kept = [], []
    for half in (0, 1):
        places = [placed(offset) for offset in offsets[half::2]]
        seen = [sky + warp(pattern + rng.normal(0, 1, SHAPE).astype(np.float32), np.zeros(SHAPE, np.uint8),
                           place.matrix, SHAPE)[0] for place in places]  # fmt: skip
        mean, back = np.mean(seen, axis=0), Carried(SHAPE)
        for image, place in zip(seen, places, strict=True):
            back.add(image - mean, np.ones(SHAPE, bool), 1.0, 1.0, place)
        carried.append(back.mean())
        kept.append(together([place.matrix for place in places], np.ones(len(places)), SHAPE))
    return carried, agreement(carried, kept, COUNTS)


def white(strength, seed=9):
    return np.random.default_rng(seed).normal(0, strength, SHAPE).astype(np.float32)


def share(offsets, found):
    kept = together([placed(offset).matrix for offset in offsets], np.ones(len(offsets)), SHAPE) - 1 / len(offsets)
    return shared_of(found, kept, found.noise_of_mean)


def true_share(offsets, pattern):
    """Variance of the mean of the moved pattern, beyond that of as much noise, over that of noise of 1."""

    def mean_of(image_of):
        none = np.zeros(SHAPE, np.uint8)
        return np.mean([warp(image_of(), none, placed(o).matrix, SHAPE)[0] for o in offsets], axis=0)[16:-16, 16:-16]

    rng = np.random.default_rng(5)
    noise = np.var(mean_of(lambda: rng.normal(0, 1, SHAPE).astype(np.float32)))
    return np.var(mean_of(lambda: pattern)) / noise - np.var(pattern)


def test_what_a_drift_leaves_of_a_pattern_in_the_stack_is_measured():
    pattern = white(0.3)
    _, found = halves(DRIFT, pattern)
    value, error = share(DRIFT, found)
    assert error < 0.02 and value == pytest.approx(true_share(DRIFT, pattern), abs=3 * error + 0.02)


def test_dithers_leave_next_to_nothing_of_it():
    offsets = np.random.default_rng(1).uniform(-12, 12, (16, 2))
    pattern = white(0.3)
    value, error = share(offsets, halves(offsets, pattern)[1])
    assert value == pytest.approx(true_share(offsets, pattern), abs=0.01) and value < 0.02 and error < 0.01


def test_without_a_pattern_the_halves_agree_on_nothing():
    for seed in range(4):
        carried, found = halves(DRIFT, np.zeros(SHAPE, np.float32), seed)
        value, error = share(DRIFT, found)
        assert abs(value) < 3.5 * error and pattern_of(carried, COUNTS, found).std() < 0.03


def test_the_pattern_comes_out_without_the_sky():
    pattern = white(1.0) + np.where(np.arange(SHAPE[0]) % 7 == 0, 1.0, 0)[:, None].astype(np.float32)
    carried, found = halves(DRIFT, pattern)
    off = pattern_of(carried, COUNTS, found)
    inside = np.s_[16:-16, 16:-16]
    assert np.corrcoef(off[inside].ravel(), pattern[inside].ravel())[0, 1] > 0.85
    assert np.var((off - pattern)[inside]) < 0.4 * np.var(pattern)


def test_what_stays_of_a_pattern_is_known():
    """Where the drift was short, sky and pattern are one; what of it is left in the stack is told."""
    pattern = white(0.5)
    carried, found = halves(DRIFT, pattern)
    left = pattern - pattern_of(carried, COUNTS, found)
    kept = together([placed(offset).matrix for offset in DRIFT], np.ones(16), SHAPE) - 1 / 16
    told = shared_by(found.left, kept, found.noise_of_mean)
    assert told == pytest.approx(true_share(DRIFT, left), rel=0.25)
    assert 0 < told < 0.9 * share(DRIFT, found)[0]


def test_where_nothing_moved_pattern_and_sky_are_one():
    still = [(0.01 * number, 0.0) for number in range(12)]
    assert halves(still, white(0.5))[1].moved < 0.01 and halves(DRIFT, white(0.5))[1].moved > 0.9


def test_before_and_after_a_flip_exposures_have_nothing_in_common():
    matrices = [np.array([[1.0, 0, 0], [0, 1, 0]]), np.array([[-1.0, 0, SHAPE[1] - 1], [0, -1, SHAPE[0] - 1]])] * 4
    np.testing.assert_allclose(together(matrices, np.ones(8), SHAPE), 0.5, atol=1e-5)
