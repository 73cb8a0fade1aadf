from types import SimpleNamespace

import numpy as np
import pytest

from n2n.study.comparisons import differences, matched

FIGURE = [("test_psnr", "test PSNR", "dB", True, 2)]


def pair(difference):
    return [(SimpleNamespace(test_psnr=30 + difference), SimpleNamespace(test_psnr=30.0))]


def test_the_limit_is_students():
    """Three seeds: t = 4.303 at 95 %, 2 degrees of freedom."""
    (row,) = differences("one less other", "gaussian", [pair(0.1), pair(0.2), pair(0.3)], FIGURE)
    assert row["difference"] == pytest.approx(0.2) and row["standard_error"] == pytest.approx(0.1 / np.sqrt(3))
    assert row["limit"] == pytest.approx(4.302653 * 0.1 / np.sqrt(3), rel=1e-5) and not row["decided"]


def test_one_seed_says_nothing():
    assert differences("one less other", "gaussian", [pair(0.1)], FIGURE) == []


def test_runs_of_one_seed_are_one_sample():
    (row,) = differences("one less other", "gaussian", [pair(0.1) + pair(0.3), pair(0.2) + pair(0.4)], FIGURE)
    assert row["pairs"] == 2 and row["difference"] == pytest.approx(0.25)


def test_pairs_differ_in_one_thing():
    runs = [
        SimpleNamespace(activation=activation, targets=targets, seed=seed)
        for activation in ("elu", "leaky_relu")
        for targets in ("noisy", "clean")
        for seed in (1, 2)
        if (activation, targets, seed) != ("leaky_relu", "clean", 2)
    ]
    groups = matched(runs, "activation", "elu", "leaky_relu", "targets")
    assert sorted(len(group) for group in groups) == [1, 2]
    for one, other in (pair for group in groups for pair in group):
        assert (one.activation, other.activation) == ("elu", "leaky_relu")
        assert (one.targets, one.seed) == (other.targets, other.seed)
