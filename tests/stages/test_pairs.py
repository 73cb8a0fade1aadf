import json
import shutil

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from n2n.errors import UserError
from n2n.formats.flags import DEFECT, NO_DATA, SATURATED
from n2n.formats.store import read_attributes
from n2n.group import group as stage
from n2n.group.combine import Exposures
from n2n.group.group import Pairs
from n2n.group.split import blocks, deciding
from n2n.group.weights import clipped_std
from n2n.simulate import recipe, simulate_late_frame
from n2n.sky.calibrate import robust_sigma
from n2n.sky.variance import sample_variance
from n2n.sky.warp import warp


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
    frames = [{"batch": str(batch)} for batch in [0] * early + list(range(1, late + 1))]
    before = blocks(matrices[:early], deciding(frames[:early]))
    for n in range(early, early + late + 1):
        assert blocks(matrices[:n], deciding(frames[:n]))[:early] == before


@pytest.mark.parametrize(
    ("batches", "expected"),
    [([0] * 5, 5), ([0] * 12 + [1] * 3, 12), ([0] * 3 + [1] * 6 + [2] * 4, 9), ([4], 1)],
)
def test_whole_batches_of_at_least_eight_decide(batches, expected):
    assert deciding([{"batch": str(batch)} for batch in batches]) == expected


def test_the_view_holds_every_accepted_exposure_without_a_copy(chain, pairs):
    parts = []
    for chunk in chain.group.chunks:
        with h5py.File(chain.folder / f"registered-{chunk}.h5") as file:
            parts.append(file["pixels"][:])
    np.testing.assert_array_equal(pairs.file["pixels"][:], np.concatenate(parts))
    assert len(pairs.frames) == 14 and len(pairs.left_out) == 2 and pairs.shape == (240, 256)
    # Maps of the group, but no exposure: 31 bytes a pixel, where the exposures have 56.
    assert (chain.folder / "pairs.h5").stat().st_size < 31 * parts[0][0].size
    assert all(entry["rejected"] for entry in pairs.left_out)


def test_blocks_follow_the_order_of_ingest(pairs):
    assert pairs.blocks.tolist() == blocks([frame["matrix"] for frame in pairs.frames])
    names = [frame["path"] for frame in pairs.frames]
    assert names == sorted(names) and (pairs.blocks == "C").sum() >= 2


def planted(chain, pairs):
    """Charge of the planted cosmic rays on the reference grid, in electrons; shape (n, h, w)."""
    result = []
    for frame in pairs.frames:
        image = np.zeros(pairs.shape, np.float32)
        for column, row, charge in chain.entry(frame["path"])["cosmic_rays"]:
            image[int(row), int(column)] += charge
        warped, _ = warp(image, np.zeros(pairs.shape, np.uint8), np.array(frame["matrix"]), pairs.shape)
        result.append(warped / frame["transparency"])
    return np.array(result)


@pytest.fixture(scope="module")
def samples(chain, pairs):
    flags, reject = pairs.file["flags"][:], pairs.file["reject"][:]
    sigma = np.array([frame["noise"] for frame in pairs.frames])[:, None, None]
    trail = np.array([chain.entry(frame["path"])["trail"] for frame in pairs.frames])
    covered = (flags & (NO_DATA | DEFECT)) == 0
    return planted(chain, pairs) / sigma, reject, covered, trail


def test_cosmic_rays_above_eight_sigma_are_rejected(samples):
    rays, reject, covered, _ = samples
    hit = (rays > 8) & covered
    assert hit.sum() > 100 and reject[hit].mean() >= 0.95


def test_fewer_than_one_in_two_thousand_good_samples_is_lost(samples):
    rays, reject, covered, trail = samples
    good = (np.abs(rays) < 0.3) & covered
    assert reject[~trail][good[~trail]].mean() < 3.5e-4  # rings of resampling around strong rays go with them
    assert reject[trail][good[trail]].mean() < 0.04  # the trail itself is 2 % of its exposure
    assert reject[good].mean() < 0.004


def test_the_satellite_is_rejected(chain, pairs, samples):
    _, reject, _, trail = samples
    # Dead columns cut the trail.
    labels, number = ndimage.label(ndimage.binary_dilation(reject[trail][0], iterations=3))
    largest = 1 + int(np.argmax(ndimage.sum_labels(np.ones(labels.shape), labels, np.arange(1, number + 1))))
    rows, columns = np.nonzero(labels == largest)
    assert np.hypot(np.ptp(rows), np.ptp(columns)) > 200


def test_cores_of_stars_are_not_rejected(chain, pairs, samples):
    rays, reject, covered, trail = samples
    reference = chain.entry(pairs.meta["reference"])
    expected = chain.expected(reference["file"])
    core = (expected > 1000 + np.median(expected)) & ~pairs.saturated
    clean = (np.abs(rays) < 0.3) & covered & ~trail[:, None, None]
    assert core.sum() > 50
    assert not (reject & core & clean).any()


def test_weights_are_inverse_variances_before_resampling(chain, pairs):
    for frame in pairs.frames:
        truth = chain.entry(frame["path"])
        share = frame["noise"] * frame["transparency"] / np.sqrt(truth["sky"] * 0.93 + 3.0**2 * 7 / 6)
        assert 0.66 < share < 1.03  # resampling leaves 0.68 to 1 of the variance
    noise = np.array([frame["noise"] for frame in pairs.frames])
    fwhm, training = np.array([frame["fwhm_px"] for frame in pairs.frames]), pairs.blocks != "C"
    seeing = np.minimum(1, (np.median(fwhm[training]) / fwhm) ** 2)
    variance = noise**2 / np.array([frame["noise_kept"] for frame in pairs.frames])
    np.testing.assert_allclose(pairs.weights * variance, np.median(variance[training]) * seeing, rtol=1e-9)
    assert seeing.min() < 0.95
    # The reference is noisier in every pixel for not being resampled; it is no worse for it.
    itself = [frame["path"] for frame in pairs.frames].index(pairs.meta["reference"])
    assert noise[itself] > 1.03 * np.median(noise) and pairs.weights[itself] > 0.9 * np.median(pairs.weights)


def test_the_sky_is_the_level_between_the_stars(chain, pairs):
    expected = chain.expected(pairs.meta["reference"])
    assert pairs.meta["sky"] == pytest.approx(float(np.median(expected)), rel=0.02)


def altered(chain, tmp_path, change):
    """Run `pairs` again after changing the pixels of the held-out exposures."""
    folder = tmp_path / "changed"
    shutil.copytree(chain.folder, folder)
    where = {}
    for chunk in chain.group.chunks:
        path = folder / f"registered-{chunk}.h5"
        frames = [entry["path"] for entry in read_attributes(path)[0] if not entry["rejected"]]
        where |= {name: (path, index) for index, name in enumerate(frames)}
    before = Pairs(chain.folder / "pairs.h5")
    for frame in before.frames:
        if frame["block"] == "C":
            path, index = where[frame["path"]]
            with h5py.File(path, "r+") as file:
                change(file, index)
    paths = [folder / f"registered-{chunk}.h5" for chunk in chain.group.chunks]
    chain.call("pairs", *paths, "-o", folder / "pairs.h5")
    return before, Pairs(folder / "pairs.h5")


def brighten(file, index):
    noise = np.random.default_rng(index).normal(50, 400, file["pixels"].shape[1:])
    file["pixels"][index] += noise.astype(np.float32)


def flag(file, index):
    file["flags"][index, 20:60, 30:90] |= SATURATED
    file["flags"][index, 100:140] |= NO_DATA


@pytest.mark.parametrize("change", [brighten, flag])
def test_the_held_out_exposures_change_nothing_about_the_others(chain, tmp_path, change):
    before, after = altered(chain, tmp_path, change)
    training = before.blocks != "C"
    assert (after.blocks == before.blocks).all() and (~training).sum() == 3
    np.testing.assert_array_equal(after.file["reject"][:][training], before.file["reject"][:][training])
    np.testing.assert_array_equal(after.variance, before.variance)
    np.testing.assert_array_equal(after.weights[training], before.weights[training])
    assert after.meta["sky"] == before.meta["sky"]
    assert after.meta["variance_background"] == before.meta["variance_background"]
    held = after.load(~training)
    assert not all(np.array_equal(a, b) for a, b in zip(held, before.load(~training), strict=True))


def test_loading_gives_signal_without_sky_and_zero_where_unusable(pairs):
    values, valid = pairs.load([0, 3], (slice(50, 90), slice(60, 100)))
    assert values.shape == valid.shape == (2, 40, 40) and values.dtype == np.float32
    assert (values[~valid] == 0).all()
    whole, usable = pairs.load(slice(None))
    assert abs(np.median(whole[usable])) < 2
    np.testing.assert_array_equal(whole[[0, 3]][:, 50:90, 60:100], values)


def test_means_of_disjoint_blocks_make_up_the_whole(pairs):
    mean, weight, count = pairs.mean()
    parts = [pairs.mean(pairs.blocks == block) for block in "ABC"]
    np.testing.assert_allclose(sum(part[1] for part in parts), weight, rtol=1e-5)
    np.testing.assert_array_equal(sum(part[2] for part in parts), count)
    total = sum(np.nan_to_num(part[0]) * part[1] for part in parts)
    covered = weight > 0
    np.testing.assert_allclose(total[covered] / weight[covered], mean[covered], rtol=1e-3, atol=0.05)


def test_the_quiet_variance_is_that_of_sky_and_photons(pairs, monkeypatch):
    mean, depth, _ = pairs.mean()
    found = pairs.quiet_variance(mean)
    assert found.dtype == np.float32 and (found <= pairs.variance).all()
    # What the stack's own variance, from sky and photons, says of one exposure.
    expected = pairs.file["stack/variance"][:] * depth
    sigma = np.sqrt(pairs.meta["variance_background"] / np.maximum(depth, 1e-6))
    star = np.isfinite(expected) & (mean > 10 * sigma) & ~pairs.saturated
    assert np.median((found / expected)[star]) == pytest.approx(1, abs=0.15)
    monkeypatch.setitem(pairs.meta, "unit", "adu")
    assert pairs.quiet_variance(mean) is pairs.variance, "nobody knows what photons do"


def test_a_mean_does_not_depend_on_the_strips_it_is_made_in(pairs, monkeypatch):
    whole = pairs.mean()
    real = stage.strips
    monkeypatch.setattr(stage, "strips", lambda h, w, n, **kw: real(h, w, n, budget_bytes=1, **kw))
    for one, other in zip(whole, pairs.mean(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_same_chunks_give_the_same_bytes_whatever_the_strips(chain, pairs, tmp_path, monkeypatch):
    real = stage.strips
    monkeypatch.setattr(stage, "strips", lambda h, w, n, **kw: real(h, w, n, budget_bytes=6_000_000, **kw))
    shutil.copytree(chain.folder, tmp_path / "again")
    paths = [tmp_path / "again" / f"registered-{chunk}.h5" for chunk in chain.group.chunks]
    chain.call("pairs", *paths, "-o", tmp_path / "again" / "pairs.h5")
    again = Pairs(tmp_path / "again" / "pairs.h5")
    np.testing.assert_array_equal(again.variance, pairs.variance)
    assert (again.file["reject"][:] != pairs.file["reject"][:]).mean() < 1e-5


def test_no_accepted_exposure_is_one_clear_line(chain, tmp_path, capsys):
    copy = chain.copy(tmp_path / "copy")
    for chunk in chain.group.chunks:
        with h5py.File(copy.folder / f"registered-{chunk}.h5", "r+") as file:
            frames, _ = read_attributes(chain.folder / f"registered-{chunk}.h5")
            for frame in frames:
                frame["rejected"] = ["clouds"]
            file.attrs["frames"] = json.dumps(frames)
            shape = (0, *file["pixels"].shape[1:])
            for name in ("pixels", "flags"):
                kind = file[name].dtype
                del file[name]
                file.create_dataset(name, shape, kind)
    (copy.folder / "pairs.h5").unlink()
    paths = [copy.folder / f"registered-{chunk}.h5" for chunk in chain.group.chunks]
    chain.call("pairs", *paths, "-o", copy.folder / "pairs.h5", expect=1)
    assert "no exposure of M31_L was accepted" in capsys.readouterr().err
    assert not (copy.folder / "pairs.h5").exists()


def test_missing_registered_exposures_are_one_clear_line_and_no_zeros(chain, pairs, tmp_path):
    shutil.copy(pairs.path, tmp_path / "pairs.h5")
    with pytest.raises(UserError, match=r"registered-0\d\d.h5 is missing.*delete pairs.h5"):
        Pairs(tmp_path / "pairs.h5")


def test_a_late_frame_leaves_every_earlier_result_as_it_was(chain, pairs, tmp_path):
    copy = chain.copy(tmp_path / "copy")
    recipe.PRESETS["tests"] = recipe.Preset((256, 240), (recipe.LUM,), (16,), 6, 6, 6, ())
    try:
        simulate_late_frame(copy.raw / "2026-10-03", copy.truth, "M31_L", 18)
    finally:
        del recipe.PRESETS["tests"]
    before = {path: path.stat().st_mtime_ns for path in copy.results.rglob("*") if path.is_file()}
    copy.prepare()
    after = {path: path.stat().st_mtime_ns for path in copy.results.rglob("*") if path.is_file()}
    changed = {path.name for path, time in after.items() if before.get(path) != time}
    assert changed == {"frames.csv", ".ingest-cache.json", "002.csv"}
    copy.measure("002")
    copy.register("002")
    copy.pairs()
    grown = Pairs(copy.folder / "pairs.h5")
    assert len(grown.frames) == 15
    assert (grown.blocks[:14] == pairs.blocks).all()
    for name in ("pixels", "flags"):
        np.testing.assert_array_equal(grown.file[name][:14], pairs.file[name][:])


def test_an_exposures_noise_is_not_underestimated_where_it_takes_part_in_the_median():
    """A median absolute deviation is: with ten exposures every tenth sample is the median itself."""
    values = np.random.default_rng(0).normal(0, 2, (10, 400_000))
    residual = values[0] - np.median(values, axis=0)
    true = 2 * np.sqrt(1 - 0.43 / 10)
    assert robust_sigma(residual) == pytest.approx(0.894 * true, rel=0.01)
    assert clipped_std(residual) == pytest.approx(true, rel=0.01)
    residual[:400] += 500
    assert clipped_std(residual) == pytest.approx(true, rel=0.02)


def test_the_variance_of_the_stack_is_that_of_all_its_exposures():
    """It is known from the scatter of A and B; the held-out exposures' weights say less of their noise: poor seeing."""
    rng = np.random.default_rng(2)
    training = np.arange(16) % 4 > 0
    sigma = rng.uniform(0.8, 1.3, 16)
    weights = np.where(training, 1.0, 0.5) / sigma**2
    nothing = np.zeros(16)
    exposures = Exposures(training, sigma, weights, nothing, nothing, nothing, np.arange(16), 0.0)
    pixels = rng.normal(0, sigma[:, None, None], (16, 300, 300)).astype(np.float32)
    mean = np.average(pixels[training], axis=0, weights=weights[training])
    scatter = sample_variance(pixels[training], np.ones((12, 300, 300), bool), weights[training], mean)
    told = scatter.mean() * exposures.noise_of_all() / weights.sum()
    assert told == pytest.approx(np.average(pixels, axis=0, weights=weights).var(), rel=0.02)
    assert exposures.noise_of_all() < 0.95
