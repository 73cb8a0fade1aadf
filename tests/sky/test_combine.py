import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from n2n.sky.combine import clipped_mean, outliers, weighted_mean

SHAPE = (100, 100)


def noise(n, shape=SHAPE, seed=0, sigma=1.0):
    return np.random.default_rng(seed).normal(0, sigma, (n, *shape)).astype(np.float32)


def reject(values, valid=None, judges=None, sigma=1.0, **settings):
    n = len(values)
    valid = np.ones(values.shape, bool) if valid is None else valid
    judges = np.ones(n, bool) if judges is None else judges
    return outliers(values, valid, judges, np.full(n, sigma), **settings)


@pytest.mark.parametrize("n", [2, 3, 5, 16])
def test_the_clipped_mean_is_unbiased(n):
    frames = noise(n, (200, 200), seed=n) * 5 + 500
    result = clipped_mean(frames)
    assert result.dtype == np.float32
    assert result.mean() == pytest.approx(500, abs=5 * 5 / np.sqrt(n * 40_000))
    assert result.std() == pytest.approx(5 / np.sqrt(n), rel=0.05)


@pytest.mark.parametrize("n", [3, 4, 12])
def test_the_clipped_mean_drops_a_cosmic_ray(n):
    frames = noise(n, seed=2) * 3 + 500
    clean = frames.mean(axis=0)
    frames[1, 40, 50] += 900
    result = clipped_mean(frames)
    assert result[40, 50] == pytest.approx(500, abs=12)
    assert (np.abs(result - clean)[:40] > 0.01).mean() < 5e-3


def test_the_clipped_mean_of_equal_frames_is_the_frame():
    frame = np.arange(10_000, dtype=np.float32).reshape(SHAPE)
    np.testing.assert_array_equal(clipped_mean(np.stack([frame] * 5)), frame)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("n", [3, 5, 10, 24])
def test_a_20_sigma_sample_is_rejected_and_the_others_are_kept(n, sign):
    values = noise(n, seed=n)
    places = [(10, 10), (30, 77), (60, 5), (99, 99), (0, 50)]
    for index, place in enumerate(places):
        values[(index % n, *place)] += sign * 20
    found = reject(values)
    for index, place in enumerate(places):
        assert found[(index % n, *place)]
        assert found[(slice(None), *place)].sum() == 1


@pytest.mark.parametrize("n", [3, 5, 10, 24])
def test_fewer_than_one_good_sample_in_ten_thousand_is_lost(n):
    found = reject(noise(n, (300, 300), seed=n))
    assert found.mean() < 1e-4


def test_two_exposures_cannot_contradict_each_other_three_can():
    values = noise(2, seed=3)
    values[0, 5, 5] = 1000
    assert not reject(values).any()
    valid = np.ones((3, *SHAPE), bool)
    valid[2, 5, 5] = False
    values = noise(3, seed=3)
    values[:2, 5, 5] = 0, 1000
    assert not reject(values, valid)[:, 5, 5].any()
    assert reject(values)[:, 5, 5].tolist() == [False, True, False]


def test_the_faint_rim_of_a_hit_goes_with_it():
    values = noise(8, seed=4)
    values[2, 50, 50:52] = 50, 4.5  # the second by itself below the limit, above half of it
    alone = noise(8, seed=4)
    alone[2, 50, 51] = 4.5
    assert reject(values)[2, 50, 51] and not reject(alone)[2, 50, 51]


def test_what_resampling_spreads_around_a_strong_hit_goes_with_it():
    """Rings two pixels away hide below the limit, and so do those four pixels away of a very strong one."""
    values = noise(8, seed=5)
    values[1, 20, 20], values[2, 60, 60] = 100, 3000
    found = reject(values)
    weak, strong = np.zeros((2, *SHAPE), bool)
    weak[18:23, 18:23], strong[56:65, 56:65] = True, True
    np.testing.assert_array_equal(found[1], weak)
    np.testing.assert_array_equal(found[2], strong)
    assert found.sum() == weak.sum() + strong.sum()


def test_three_frames_suffice_to_reject():
    values = noise(3, seed=6)
    hits = [(0, 10, 10), (1, 40, 70), (2, 80, 20), (1, 0, 0)]
    for place in hits:
        values[place] += 30
    found = reject(values)
    assert all(found[place] for place in hits)
    # The hits, and their neighbours where resampling may have spread them.
    kept = found.copy()
    for _, row, column in hits:
        kept[:, max(row - 2, 0) : row + 3, max(column - 2, 0) : column + 3] = False
    assert not kept.any()
    assert not found[1:, 10, 10].any() and not found[[0, 2], 40, 70].any()


def test_a_satellite_trail_is_rejected():
    values = noise(10, seed=5)
    rows, columns = np.arange(100), np.arange(100)
    values[4, rows, columns] += 15
    found = reject(values)
    assert found[4, rows, columns].mean() > 0.99 and np.delete(found, 4, axis=0).mean() < 1e-4


def test_seeing_and_small_shifts_spare_the_cores_of_stars():
    rng = np.random.default_rng(6)
    y, x = np.indices((60, 60))
    frames = []
    for _ in range(12):
        sigma = 1.3 * rng.normal(1, 0.06)
        cx, cy = 30 + rng.normal(0, 0.1, 2)
        star = 20_000 * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / 2 / sigma**2) / (2 * np.pi * sigma**2)
        frames.append(rng.poisson(star + 50) - 50 + rng.normal(0, 2, star.shape))
    values = np.array(frames, np.float32)
    found = reject(values, sigma=np.sqrt(54.0), signal_variance=1.0)
    assert found[:, 22:39, 22:39].mean() < 2e-3 and not found[:, 29:32, 29:32].any()


def test_an_exposure_that_judges_nothing_changes_nothing_about_the_others():
    values = noise(9, seed=7)
    values[2, 20, 20] += 30
    judges = np.arange(9) < 6
    first = reject(values, judges=judges)
    changed = values.copy()
    changed[6:] = 1e5
    second = reject(changed, judges=judges)
    np.testing.assert_array_equal(first[:6], second[:6])
    assert first[2, 20, 20] and second[6:].all()


def test_invalid_samples_are_neither_judged_nor_judges():
    values, valid = noise(6, seed=8), np.ones((6, *SHAPE), bool)
    values[0, :50], valid[0, :50] = 1e6, False
    found = reject(values, valid)
    assert not found[0, :50].any() and found.mean() < 1e-3


def test_more_noise_than_the_model_says_widens_the_limit():
    values = noise(12, seed=9, sigma=3.0)
    assert reject(values, sigma=1.0).mean() < 2e-3


@given(seed=st.integers(0, 1000))
@settings(max_examples=15, deadline=None)
def test_the_weighted_mean_is_numpys_and_nan_where_nothing_is(seed):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(5, 8, 9)).astype(np.float32)
    valid, weights = rng.random((5, 8, 9)) < 0.6, rng.uniform(0.2, 3, 5)
    mean, weight = weighted_mean(values, valid, weights)
    shares = valid * weights[:, None, None]
    np.testing.assert_allclose(weight, shares.sum(axis=0), rtol=1e-5)
    covered = shares.sum(axis=0) > 0
    assert np.isnan(mean[~covered]).all()
    expected = (values * shares).sum(axis=0)[covered] / shares.sum(axis=0)[covered]
    np.testing.assert_allclose(mean[covered], expected, rtol=1e-4, atol=1e-5)


def test_weak_parts_of_a_track_go_with_the_strong_hit_beside_them():
    values = noise(12, seed=5)
    values[3, 50, 50] += 30
    values[3, 50, 51] -= 2  # the ring of resampling hides that this pixel was hit, too
    found = reject(values)
    assert found[3, 49:52, 49:52].all() and found[3].sum() == 9
    assert found[:, 49:52, 49:52].sum() == 9


def test_chance_scatter_of_a_few_pixels_does_not_hide_a_hit():
    values = noise(12, seed=6)
    values[::2, 39:42, 39:42] += 1.6  # scatters by 1.9 sigma there
    values[1, 40, 40] = values[:, 40, 40].mean() + 8
    assert reject(values)[1, 40, 40]


def test_a_hit_whose_charge_resampling_shares_between_four_pixels_is_found():
    values = noise(8, seed=9)
    values[3, 40:42, 60:62] = 3.5  # each by itself below the limit, and their mean 7 sigma of its own noise
    values[4, 70, 20] = 3.5
    found = reject(values)
    assert found[3, 40:42, 60:62].all() and not found[4, 70, 20]
    # Resampled noise is common to neighbours: the mean of four then scatters more.
    assert not reject(values, noise_kept=np.full(8, 0.3))[3, 40:42, 60:62].any()


def test_a_faint_track_is_followed_from_where_it_is_strong():
    values = noise(8, seed=10)
    values[5, 50, 50:53] = 30, 4, 4
    assert reject(values)[5, 50, 50:53].all()


def test_the_stars_of_a_sharper_exposure_that_does_not_judge_are_kept():
    rng = np.random.default_rng(11)
    y, x = np.indices((60, 60))
    widths = np.array([1.5] * 9 + [1.3])
    stars = [100_000 * np.exp(-((x - 30.3) ** 2 + (y - 29.8) ** 2) / 2 / s**2) / (2 * np.pi * s**2) for s in widths]
    values = np.array([rng.poisson(star + 50) - 50 for star in stars], np.float32)
    judges, sigma = np.arange(10) < 9, np.full(10, np.sqrt(50.0))
    valid = np.ones(values.shape, bool)
    blur = 1.5**2 * (1 - (1.5 / widths) ** 2)
    assert outliers(values, valid, judges, sigma, signal_variance=1.0)[9, 25:35, 25:35].any()
    assert not outliers(values, valid, judges, sigma, signal_variance=1.0, blur=blur)[:, 22:39, 22:39].any()
    values[9, 30, 30] += 4000  # a cosmic ray on that star, half of its peak
    assert outliers(values, valid, judges, sigma, signal_variance=1.0, blur=blur)[9, 30, 30]
