import shutil
from dataclasses import replace

import numpy as np
import pytest

from n2n.errors import UserError
from n2n.group import group as stage
from n2n.group.group import Group


def test_loading_gives_signal_without_sky_and_zero_where_unusable(group):
    values, valid = group.load([0, 3], (slice(50, 90), slice(60, 100)))
    assert values.shape == valid.shape == (2, 40, 40) and values.dtype == np.float32
    assert (values[~valid] == 0).all()
    whole, usable = group.load(slice(None))
    assert abs(np.median(whole[usable])) < 2
    np.testing.assert_array_equal(whole[[0, 3]][:, 50:90, 60:100], values)


def test_means_of_disjoint_blocks_make_up_the_whole(group):
    mean, weight, count = group.mean()
    parts = [group.mean(group.blocks == block) for block in "ABC"]
    np.testing.assert_allclose(sum(part[1] for part in parts), weight, rtol=1e-5)
    np.testing.assert_array_equal(sum(part[2] for part in parts), count)
    total = sum(np.nan_to_num(part[0]) * part[1] for part in parts)
    covered = weight > 0
    np.testing.assert_allclose(total[covered] / weight[covered], mean[covered], rtol=1e-3, atol=0.05)


def test_the_full_stack_is_kept_with_its_depth_and_no_exposure_is_read_for_it(group, monkeypatch):
    """The file holds what all exposures give once more, but for the rounding of numbers that hold the sky's level."""
    every = np.concatenate([np.flatnonzero(group.blocks == block) for block in "ABC"])
    made = group.mean(every)  # in another order than the file's
    monkeypatch.setattr(group, "load", lambda *_, **__: pytest.fail("an exposure was read"))
    mean, depth, count = group.mean()
    np.testing.assert_allclose(depth, made[1], rtol=1e-6)
    np.testing.assert_array_equal(count, made[2])
    np.testing.assert_array_equal(group.depth(), depth)
    rounding = 4 * np.finfo(np.float32).eps * (np.nanmax(np.abs(mean)) + group.facts.sky)
    np.testing.assert_allclose(mean, made[0], rtol=1e-6, atol=rounding)


def test_some_exposures_are_a_group_of_their_own(group):
    held_out = np.flatnonzero(group.blocks == "C")
    part = group.only(group.blocks == "C")
    assert [one.path for one in part.exposures] == [group.exposures[index].path for index in held_out]
    assert (part.identity, part.shape, part.blocks.tolist()) == (group.identity, group.shape, ["C"] * len(held_out))
    for one, other in zip(part.mean(), group.mean(held_out), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(part.depth(), group.mean(held_out)[1])
    second = part.only([1])
    for one, other in zip(second.load(), group.load([held_out[1]]), strict=True):
        np.testing.assert_array_equal(one, other)
    assert len(group.exposures) == 14, "the group itself stays as it was"


def test_the_quiet_variance_is_that_of_sky_and_photons(group, monkeypatch):
    mean, depth, _ = group.mean()
    found = group.quiet_variance(mean)
    assert found.dtype == np.float32 and (found <= group.variance).all()
    # What the stack's own variance, from sky and photons, says of one exposure.
    expected = group.file["stack/variance"][:] * depth
    sigma = np.sqrt(group.facts.sky_variance / np.maximum(depth, 1e-6))
    star = np.isfinite(expected) & (mean > 10 * sigma) & ~group.saturated
    assert np.median((found / expected)[star]) == pytest.approx(1, abs=0.15)
    monkeypatch.setattr(group, "facts", replace(group.facts, unit="adu"))
    assert group.quiet_variance(mean) is group.variance, "nobody knows what photons do"


def test_a_mean_does_not_depend_on_the_strips_it_is_made_in(group, monkeypatch):
    some = group.blocks != "C"
    whole = group.mean(some)
    real = stage.strips
    monkeypatch.setattr(stage, "strips", lambda h, w, n, **kw: real(h, w, n, budget_bytes=1, **kw))
    for one, other in zip(whole, group.mean(some), strict=True):
        np.testing.assert_array_equal(one, other)


def test_missing_registered_exposures_are_one_clear_line_and_no_zeros(chain, group, tmp_path):
    shutil.copy(group.path, tmp_path / "pairs.h5")
    with pytest.raises(UserError, match=r"registered-0\d\d.h5 is missing.*delete pairs.h5"):
        Group(tmp_path / "pairs.h5")
