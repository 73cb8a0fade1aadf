import json
import shutil

import h5py
import numpy as np
import pytest
from chain import rewriting

from n2n.formats.flags import NO_DATA, SATURATED
from n2n.formats.store import read_attributes
from n2n.group import combine
from n2n.group.group import Group
from n2n.group.split import blocks
from n2n.simulate import recipe, simulate_late_frame


def test_the_view_holds_every_accepted_exposure_without_a_copy(chain, group):
    parts = []
    for chunk in chain.group.chunks:
        with h5py.File(chain.folder / f"registered-{chunk}.h5") as file:
            parts.append(file["pixels"][:])
    np.testing.assert_array_equal(group.file["pixels"][:], np.concatenate(parts))
    assert len(group.exposures) == 14 and len(group.left_out) == 2 and group.shape == (240, 256)
    # Maps of the group, but no exposure: 31 bytes a pixel, where the exposures have 56.
    assert (chain.folder / "pairs.h5").stat().st_size < 31 * parts[0][0].size
    assert all(exposure.rejected for exposure in group.left_out)


def test_blocks_follow_the_order_of_ingest(group):
    assert group.blocks.tolist() == blocks([exposure.placement.matrix for exposure in group.exposures])
    names = [exposure.path for exposure in group.exposures]
    assert names == sorted(names) and (group.blocks == "C").sum() >= 2


def altered(chain, tmp_path, change):
    """Run `pairs` again after changing the pixels of the held-out exposures."""
    folder = tmp_path / "changed"
    shutil.copytree(chain.folder, folder)
    where = {}
    for chunk in chain.group.chunks:
        path = folder / f"registered-{chunk}.h5"
        frames = [entry["path"] for entry in read_attributes(path)[0] if not entry["rejected"]]
        where |= {name: (path, index) for index, name in enumerate(frames)}
    before = Group(chain.folder / "pairs.h5")
    for exposure in before.exposures:
        if exposure.weighed.block == "C":
            path, index = where[exposure.path]
            with rewriting(path) as file:
                change(file, index)
    paths = [folder / f"registered-{chunk}.h5" for chunk in chain.group.chunks]
    chain.call("pairs", *paths, "-o", folder / "pairs.h5")
    return before, Group(folder / "pairs.h5")


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
    assert (after.facts.sky, after.facts.sky_variance) == (before.facts.sky, before.facts.sky_variance)
    held = after.load(~training)
    assert not all(np.array_equal(a, b) for a, b in zip(held, before.load(~training), strict=True))


def test_the_same_chunks_give_the_same_bytes_whatever_the_strips(chain, group, tmp_path, monkeypatch):
    real, cut = combine.strips, []

    def small(height, width, exposures, budget_bytes, overlap):
        cut.extend(real(height, width, exposures, budget_bytes=1, overlap=overlap))
        return cut

    monkeypatch.setattr(combine, "strips", small)
    shutil.copytree(chain.folder, tmp_path / "again")
    paths = [tmp_path / "again" / f"registered-{chunk}.h5" for chunk in chain.group.chunks]
    chain.call("pairs", *paths, "-o", tmp_path / "again" / "pairs.h5")
    again = Group(tmp_path / "again" / "pairs.h5")
    assert len(cut) > 20
    np.testing.assert_array_equal(again.variance, group.variance)
    assert (again.file["reject"][:] != group.file["reject"][:]).mean() < 1e-5


def test_no_accepted_exposure_is_one_clear_line(chain, tmp_path, capsys):
    copy = chain.copy(tmp_path / "copy")
    for chunk in chain.group.chunks:
        with rewriting(copy.folder / f"registered-{chunk}.h5") as file:
            frames, _ = read_attributes(chain.folder / f"registered-{chunk}.h5")
            for frame in frames:
                frame["rejected"] = ["clouds"]
            file.attrs["exposures"] = json.dumps(frames)
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


def test_a_late_frame_leaves_every_earlier_result_as_it_was(chain, group, tmp_path):
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
    assert changed == {"frames.csv", ".frames.csv", ".ingest-cache.json", "002.csv"}
    copy.measure("002")
    copy.register("002")
    copy.pairs()
    grown = Group(copy.folder / "pairs.h5")
    assert len(grown.exposures) == 15
    assert (grown.blocks[:14] == group.blocks).all()
    for name in ("pixels", "flags"):
        np.testing.assert_array_equal(grown.file[name][:14], group.file[name][:])
