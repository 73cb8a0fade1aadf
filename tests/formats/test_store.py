import shutil
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from n2n.errors import UserError
from n2n.formats import sealed
from n2n.formats.flags import DEFECT, NO_DATA, SATURATED
from n2n.formats.store import (
    create_rows,
    in_blocks,
    open_store,
    pack_rows,
    plain_rows,
    read_attributes,
    reading_registered,
    small_step,
    virtual,
    write_rows,
    writing_registered,
)


def chunk(path, n, seed, shape=(70, 80)):
    pixels = np.random.default_rng(seed).normal(size=(n, *shape)).astype(np.float32)
    flags = np.random.default_rng(seed).integers(0, 4, (n, *shape)).astype(np.uint8)
    frames = [{"path": f"{path.stem}/{i}.fits", "rejected": []} for i in range(n)] + [
        {"path": "bad", "rejected": ["why"]}
    ]
    with writing_registered(path, shape) as store:
        for one, marks in zip(pixels, flags, strict=True):
            store.append(one, marks)
        store.describe(frames, {"unit": "electron", "sky": 1.5})
    return pixels, flags, frames


def test_a_chunk_comes_back_as_it_was(tmp_path):
    pixels, flags, frames = chunk(tmp_path / "a.h5", 3, 0)
    assert read_attributes(tmp_path / "a.h5") == (frames, {"unit": "electron", "sky": 1.5})
    with open_store(tmp_path / "a.h5") as file:
        np.testing.assert_array_equal(file["pixels"], pixels)
        np.testing.assert_array_equal(file["flags"], flags)
        assert file["pixels"].dtype == np.float32 and file["flags"].dtype == np.uint8


@pytest.mark.parametrize("shape", [(70, 80), (64, 33), (5, 40)])
def test_several_chunks_are_read_as_one(tmp_path, shape):
    parts = [chunk(tmp_path / f"{name}.h5", n, n, shape)[:2] for name, n in (("a", 3), ("b", 0), ("c", 2))]
    pixels, flags = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    with reading_registered([tmp_path / f"{name}.h5" for name in "abc"]) as source:
        assert source["pixels"].shape == pixels.shape
        for rows in (slice(None), slice(8, 24), slice(3, 21), slice(64, 70), slice(0, 1)):
            np.testing.assert_array_equal(source["pixels"][:, rows], pixels[:, rows])
            np.testing.assert_array_equal(source["flags"][:, rows], flags[:, rows])
        np.testing.assert_array_equal(source["pixels"][4], pixels[4])


def test_the_same_chunk_has_the_same_bytes(tmp_path):
    chunk(tmp_path / "a.h5", 2, 0)
    first = (tmp_path / "a.h5").read_bytes()
    chunk(tmp_path / "a.h5", 2, 0)
    assert (tmp_path / "a.h5").read_bytes() == first


@pytest.mark.parametrize(("shape", "step"), [((240, 256), 2), ((2048, 1500), 2), ((2049, 100), 3), ((4096, 4096), 4)])
def test_small_blocks_fit_a_thousand_a_side(shape, step):
    assert small_step(shape) == step and max(shape) / step <= 1024


@given(height=st.integers(2, 40), width=st.integers(2, 40), step=st.integers(2, 5), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_blocks_hold_the_mean_of_their_pixels(height, width, step, seed):
    height, width = max(height, step), max(width, step)
    image = np.random.default_rng(seed).normal(100, 30, (height, width)).astype(np.float32)
    rows, columns = height // step, width // step
    cut = image[: rows * step, : columns * step].astype(float)
    expected = cut.reshape(rows, step, columns, step).mean(axis=(1, 3))
    np.testing.assert_allclose(in_blocks(image, step), expected, rtol=1e-5, atol=1e-3)


def test_small_images_are_nan_where_most_of_a_block_is_missing_or_saturated(tmp_path):
    pixels, flags = np.full((9, 12), 7, np.float32), np.zeros((9, 12), np.uint8)
    flags[0:2, 0:2] = NO_DATA
    flags[2:4, 2:4] = SATURATED
    flags[4, 4:6] = NO_DATA, SATURATED  # half of a block
    flags[6:8, 6:8] = DEFECT  # filled in by its neighbours
    with writing_registered(tmp_path / "a.h5", pixels.shape) as store:
        store.append(pixels, flags)
        store.append(pixels + 1, np.zeros_like(flags))
        store.describe([], {})
    with open_store(tmp_path / "a.h5") as file:
        small = file["small"][:]
    assert small.shape == (2, 4, 6) and small.dtype == np.float32
    assert np.argwhere(np.isnan(small)).tolist() == [[0, 0, 0], [0, 1, 1]]
    assert (small[0][np.isfinite(small[0])] == 7).all() and (small[1] == 8).all()


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("height", [5, 16, 67, 130])
def test_rows_written_strip_by_strip_come_back(tmp_path, height, packed):
    image = np.random.default_rng(height).integers(0, 255, (2, height, 30)).astype(np.uint8)
    with sealed.writing(tmp_path / "a.h5") as file:
        dataset = create_rows(file, "rows", np.uint8, (3, *image.shape[1:]), packed=packed)
        for inner in (slice(top, min(top + 64, height)) for top in range(0, height, 64)):
            cut = pack_rows if packed else plain_rows
            part = {2 * index: cut(image[index, inner], dataset.chunks[1]) for index in (0, 1)}
            write_rows(dataset, inner.start, part)
    with open_store(tmp_path / "a.h5") as file:
        dataset = file["rows"]
        np.testing.assert_array_equal(dataset[::2], image)
        assert not dataset[1].any()
        # Whole chunks, also the last one: what else read them might run past their end.
        chunks = [dataset.id.read_direct_chunk((0, top, 0))[1] for top in range(0, height, dataset.chunks[1])]
        sizes = {len(zlib.decompress(chunk) if packed else chunk) for chunk in chunks}
        assert sizes == {np.prod(dataset.chunks)}


def join(paths, target):
    target.parent.mkdir(exist_ok=True)
    with sealed.writing(target) as file:
        file.create_virtual_dataset("pixels", virtual(paths, "pixels", target))


def test_chunks_are_seen_as_one_in_order_without_a_copy(tmp_path):
    paths = [tmp_path / f"{name}.h5" for name in "abc"]
    parts = [chunk(path, n, seed)[0] for path, n, seed in zip(paths, (3, 0, 2), (1, 2, 3), strict=True)]
    join(paths, tmp_path / "pairs.h5")
    with open_store(tmp_path / "pairs.h5") as file:
        np.testing.assert_array_equal(file["pixels"], np.concatenate(parts))
    assert (tmp_path / "pairs.h5").stat().st_size < 20_000


def test_a_folder_of_results_can_be_moved(tmp_path):
    parts = [chunk(tmp_path / "here" / f"{name}.h5", 2, 1)[0] for name in "ab"]
    join([tmp_path / "here" / f"{name}.h5" for name in "ab"], tmp_path / "here" / "pairs.h5")
    shutil.move(tmp_path / "here", tmp_path / "there")
    with open_store(tmp_path / "there" / "pairs.h5") as file:
        np.testing.assert_array_equal(file["pixels"], np.concatenate(parts))


@pytest.mark.parametrize("content", [None, b"", b"no HDF5"])
def test_a_missing_or_damaged_store_is_named_with_the_remedy(tmp_path, content):
    if content is not None:
        (tmp_path / "a.h5").write_bytes(content)
    with pytest.raises(UserError, match=r"a\.h5 is (missing; run snakemake again|damaged .*delete it.*: rm .*a\.h5)"):
        open_store(tmp_path / "a.h5")
