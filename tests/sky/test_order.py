import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from n2n.sky.order import masked_median, median_and_scatter, sort_samples


@given(n=st.integers(1, 40), seed=st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_the_network_sorts_any_number_of_samples(n, seed):
    values = np.random.default_rng(seed).integers(0, 9, (n, 50)).astype(np.float32)
    before = values.copy()
    np.testing.assert_array_equal(np.stack(sort_samples(values)), np.sort(values, axis=0))
    np.testing.assert_array_equal(values, before)


@pytest.mark.parametrize("n", [6, 9, 16, 24, 60])
def test_the_scatter_is_the_gaussians(n):
    values = np.random.default_rng(n).normal(3, 2.5, (n, 40_000)).astype(np.float32)
    median, scatter = median_and_scatter(values, np.ones(values.shape, bool))
    assert scatter.mean() == pytest.approx(2.5, rel=0.08)
    assert median.mean() == pytest.approx(3, abs=0.02)


def test_the_scatter_ignores_a_quarter_of_outliers():
    values = np.random.default_rng(1).normal(0, 1, (16, 5000)).astype(np.float32)
    values[:3] = 1e5
    assert median_and_scatter(values, np.ones(values.shape, bool))[1].mean() == pytest.approx(1.3, abs=0.2)


@given(n=st.integers(1, 9), share=st.floats(0, 1), seed=st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_the_masked_median_is_numpys(n, share, seed):
    rng = np.random.default_rng(seed)
    values, valid = rng.normal(size=(n, 6, 7)), rng.random((n, 6, 7)) < share
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        expected = np.nanmedian(np.where(valid, values, np.nan), axis=0)
    np.testing.assert_allclose(masked_median(values, valid), expected, rtol=1e-12)


def test_the_masked_median_ignores_what_invalid_samples_hold():
    values = np.array([1.0, np.nan, np.inf, 3.0])[:, None]
    assert masked_median(values, np.array([True, False, False, True])[:, None]) == [2.0]


def test_chosen_exposures_alone_decide():
    values = np.random.default_rng(2).normal(size=(7, 40, 3)).astype(np.float32)
    valid = np.random.default_rng(3).random(values.shape) < 0.8
    chosen = np.array([True, False, True, True, False, True, True])
    for found, expected in zip(
        median_and_scatter(values, valid, chosen), median_and_scatter(values[chosen], valid[chosen]), strict=True
    ):
        np.testing.assert_array_equal(found, expected)
