from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from n2n.nets.sampling import Region, cut, draw_guide, draw_subset, fill, measure_band_noise
from n2n.nets.training import Layout

CPU = torch.device("cpu")


def generator(seed):
    return torch.Generator().manual_seed(seed)


@given(st.integers(2, 60), st.integers(0, 10_000))
@settings(max_examples=100, deadline=None)
def test_both_sides_have_exposures_and_the_draw_is_repeatable(k, seed):
    chosen = draw_subset(k, generator(seed))
    assert chosen.shape == (k,) and chosen.dtype == torch.bool
    assert 1 <= int(chosen.sum()) <= k - 1
    assert torch.equal(chosen, draw_subset(k, generator(seed)))


@given(st.integers(2, 60), st.integers(0, 10_000))
@settings(max_examples=50, deadline=None)
def test_the_guide_is_half_of_what_is_not_input(k, seed):
    chosen = draw_subset(k, generator(seed))
    guide = draw_guide(chosen, generator(seed))
    assert not (guide & chosen).any() and int(guide.sum()) == int((~chosen).sum()) // 2
    assert torch.equal(guide, draw_guide(chosen, generator(seed)))


def test_guide_and_witness_make_up_the_target(small):
    subsets = torch.tensor([[True, False, False, True, False]])
    guides = torch.tensor([[False, True, False, False, False]])
    corner = torch.tensor([3]), torch.tensor([4])
    found, plain = (cut(small.exposures, *corner, 16, subsets, more) for more in (guides, None))
    whole = sum(found[part] * found[f"{part}_depth"] for part in ("guide", "witness"))
    torch.testing.assert_close(whole, plain["target"] * plain["target_depth"])
    torch.testing.assert_close(found["guide_depth"] + found["witness_depth"], plain["target_depth"])
    there = torch.from_numpy(small.valid[1, 3:19, 4:20])
    torch.testing.assert_close(found["guide"][0, 0][there], torch.from_numpy(small.values[1, 3:19, 4:20])[there])


def test_every_depth_up_to_two_thirds_is_drawn():
    draws = torch.stack([draw_subset(12, g) for g in [generator(1)] for _ in range(1500)])
    sizes = draws.sum(dim=1)
    assert set(sizes.tolist()) == set(range(1, 9))
    assert 0.55 < float((sizes >= 4).float().mean()) < 0.8
    # Every exposure is as often input as any other.
    share = draws.float().mean(dim=0)
    assert float(share.max() - share.min()) < 0.1


@pytest.fixture(scope="module")
def small():
    """Five exposures of 40 x 50 pixels with holes, and their arrays."""
    rng = np.random.default_rng(4)
    values = rng.normal(10, 3, (5, 40, 50)).astype(np.float32)
    valid = rng.random(values.shape) > 0.3
    valid[:, 12:15, 20:22] = False  # covered by none
    valid[2:, 5, 5] = False  # by the first two alone
    values[~valid] = 0
    weights = np.array([1.0, 0.5, 2.0, 1.5, 0.7])
    saturated = np.zeros((40, 50), bool)
    saturated[20:24, 8:12] = True
    variance = rng.uniform(8, 10, (40, 50)).astype(np.float32)
    arrays = (values, valid, weights, variance, 9.0, saturated)
    return SimpleNamespace(
        exposures=Region.from_arrays(*arrays, device=CPU),
        values=values, valid=valid, weights=weights, variance=variance, saturated=saturated,
    )  # fmt: skip


@pytest.fixture(scope="module")
def crops(small):
    corners = [(3, 4), (8, 18)]
    subsets = torch.tensor([[True, True, False, False, False], [False, False, False, True, True]])
    tops, lefts = (torch.tensor(part) for part in zip(*corners, strict=True))
    pair = cut(small.exposures, tops, lefts, 32, subsets)
    windows = [(slice(top, top + 32), slice(left, left + 32)) for top, left in corners]
    return {name: tensor.numpy() for name, tensor in pair.items()}, windows, subsets.numpy()


def weighted(small, window, chosen):
    shares = small.weights[chosen, None, None] * small.valid[chosen][:, *window]
    depth = shares.sum(axis=0)
    total = (shares * small.values[chosen][:, *window]).sum(axis=0)
    return np.where(depth > 0, total / np.maximum(depth, 1e-9), np.nan), depth


def test_input_and_target_are_weighted_means_of_disjoint_exposures(small, crops):
    pair, windows, subsets = crops
    for index, window in enumerate(windows):
        for image, depth, chosen in (
            ("image", "depth", subsets[index]),
            ("target", "target_depth", ~subsets[index]),
        ):
            mean, weight = weighted(small, window, chosen)
            known = weight > 0
            np.testing.assert_allclose(pair[image][index, 0][known], mean[known], rtol=1e-5)
            np.testing.assert_allclose(pair[depth][index, 0][known], weight[known], rtol=1e-5)
        np.testing.assert_array_equal(pair["variance"][index, 0], small.variance[window])
    assert all(tensor.shape == (2, 1, 32, 32) for tensor in pair.values())


def test_holes_of_the_input_are_filled_from_their_neighbours(small, crops):
    pair, windows, subsets = crops
    for index, window in enumerate(windows):
        _, weight = weighted(small, window, subsets[index])
        hole = weight == 0
        assert hole.sum() > 10
        assert np.isfinite(pair["image"]).all() and (pair["depth"] > 0).all()
        assert np.abs(pair["image"][index, 0][hole] - 10).max() < 6
        assert (pair["depth"][index, 0][hole] <= 0.3).all()


def test_saturated_and_uncovered_pixels_are_never_in_the_loss(small, crops):
    pair, windows, subsets = crops
    for index, window in enumerate(windows):
        _, weight = weighted(small, window, ~subsets[index])
        np.testing.assert_array_equal(pair["trusted"][index, 0], ~small.saturated[window] & (weight > 0))
    assert not pair["trusted"][0, 0, 5 - 3, 5 - 4]  # the target has no exposure there
    assert not pair["trusted"][1, 0, 12 - 8 : 15 - 8, 20 - 18 : 22 - 18].any()


def test_what_lies_under_a_mask_does_not_matter(small):
    """Only `valid` decides, as long as unusable values are 0 (which `Group.load` sees to)."""
    tops, lefts = torch.tensor([3]), torch.tensor([4])
    subset = torch.tensor([[True, False, True, False, False]])
    before = cut(small.exposures, tops, lefts, 32, subset)
    saturated = small.saturated.copy()
    saturated[:] = True
    arrays = (small.values, small.valid, small.weights, small.variance, 9.0, saturated)
    after = cut(Region.from_arrays(*arrays, device=CPU), tops, lefts, 32, subset)
    assert torch.equal(before["image"], after["image"]) and not after["trusted"].any()


def test_large_holes_are_finite():
    image = torch.full((1, 1, 80, 80), 5.0)
    known = torch.ones_like(image, dtype=torch.bool)
    known[..., 5:75, 5:75] = False
    image[~known] = float("nan")
    result = fill(image, known)
    assert bool(torch.isfinite(result).all())
    assert float(result[..., 5, 40]) == pytest.approx(5, abs=1e-3)
    assert torch.equal(result[known], image[known])


def test_the_noise_of_the_bands_needs_no_truth(small):
    rng = np.random.default_rng(0)
    weights = torch.tensor([0.5, 1.0, 2.0, 1.0])
    noise = rng.normal(0, 3, (4, 128, 128)) / np.sqrt(weights.numpy())[:, None, None]
    sky = rng.normal(0, 100, (128, 128))
    values = torch.from_numpy((sky + noise).astype(np.float32))
    found = measure_band_noise(values, torch.ones(values.shape, dtype=torch.bool), weights, 9.0)
    assert found[0] == pytest.approx(0.718, rel=0.05)
    assert measure_band_noise(values[:1], values[:1] > -1e9, weights[:1], 9.0).shape == (5,)


@given(st.integers(64, 700), st.integers(64, 300), st.sampled_from([32, 48, 64]))
@settings(max_examples=80, deadline=None)
def test_training_crops_never_touch_the_validation_strip(width, height, crop):
    layout = Layout.of(SimpleNamespace(values=np.empty((1, height, width))), crop)
    lefts = np.array([*layout.left, *layout.right])
    strips = np.array(layout.strip)
    assert layout.positions == (height - crop + 1) * len(lefts) > 0
    assert layout.height - 1 + crop <= height
    assert min(lefts.min(), strips.min()) >= 0 and max(lefts.max(), strips.max()) + crop <= width
    if width >= 4 * crop:
        assert (np.abs(lefts[:, None] - strips[None, :]) >= crop).all()
        assert len(layout.left) and len(layout.right)
