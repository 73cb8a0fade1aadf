import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from n2n.study.crops import Photographs

CPU = torch.device("cpu")
PADDING = 255  # a value that no test image holds


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def places(height, width, index=0):
    """An image that says of every pixel where it is: row, column, image."""
    y, x = np.mgrid[:height, :width]
    return np.stack([y, x, np.full_like(y, index)], axis=-1).astype(np.uint8)


def on_device(sizes, smallest=1):
    """Images of the given sizes, with padding that can be told from them."""
    photos = Photographs.of([(f"{i}", places(*size, i)) for i, size in enumerate(sizes)], CPU, smallest)
    for pixels, (height, width) in zip(photos.pixels, photos.sizes.tolist(), strict=True):
        pixels[:, height:] = pixels[:, :, width:] = PADDING
    return photos


def as_bytes(crops):
    return ((crops + 0.5) * 255).round().long()


def test_photographs_of_different_size_lie_side_by_side():
    photos = Photographs.of([("a", places(40, 60)), ("b", places(70, 30, 1))], CPU, 30)
    assert photos.pixels.shape == (2, 3, 70, 60) and photos.pixels.dtype == torch.uint8
    assert photos.sizes.tolist() == [[40, 60], [70, 30]] and photos.sizes.dtype == torch.int64
    assert photos.names == ["a", "b"] and photos.smallest == 30
    np.testing.assert_array_equal(photos.pixels[0, :, :40].permute(1, 2, 0).numpy(), places(40, 60))
    assert not photos.pixels[0, :, 40:].any() and not photos.pixels[1, :, :, 30:].any()


@given(st.integers(1, 200), st.integers(1, 200), st.integers(1, 128))
@settings(max_examples=15, deadline=None)
def test_small_photographs_are_enlarged(height, width, smallest):
    photos = Photographs.of([("a", np.full((height, width, 3), (10, 20, 30), np.uint8))], CPU, smallest)
    h, w = photos.sizes[0].tolist()
    assert min(h, w) == max(smallest, min(height, width))
    # Half a pixel of rounding.
    assert h * width == pytest.approx(w * height, abs=0.5 * max(width, height) + 1e-6)
    assert (photos.pixels[0].permute(1, 2, 0) == torch.tensor([10, 20, 30])).all()


@given(
    st.lists(st.tuples(st.integers(12, 40), st.integers(12, 40)), min_size=1, max_size=5),
    st.integers(1, 12),
    st.integers(0, 2**31),
)
@settings(max_examples=15, deadline=None)
def test_crops_stay_inside_and_show_one_piece(sizes, size, seed):
    crops = on_device(sizes).crops(20, size, seeded(seed))
    assert crops.shape == (20, 3, size, size) and crops.dtype == torch.float32
    assert crops.min() >= -0.5 and crops.max() <= 0.5
    values = as_bytes(crops)
    assert (values != PADDING).all()
    assert (values[:, 2] == values[:, 2, :1, :1]).all()  # of one photograph
    for row_or_column in (values[:, 0], values[:, 1]):
        # As many rows and columns as the crop is wide, each next to the last.
        span = row_or_column.amax((1, 2)) - row_or_column.amin((1, 2))
        assert (span == size - 1).all()
        assert (torch.diff(row_or_column, dim=1).abs() + torch.diff(row_or_column, dim=2).abs().mT <= 1).all()


def test_every_photograph_and_position_is_as_likely():
    sizes, size, count = [(12, 20), (30, 11)], 8, 4000
    values = as_bytes(on_device(sizes).crops(count, size, seeded()))
    for index, (height, width) in enumerate(sizes):
        chosen = values[values[:, 2, 0, 0] == index]
        assert len(chosen) == pytest.approx(count / 2, abs=5 * count**0.5 / 2)
        for channel, side in ((0, height), (1, width)):
            counts = torch.bincount(chosen[:, channel].amin((1, 2)), minlength=side - size + 1)
            expected = len(chosen) / (side - size + 1)
            assert len(counts) == side - size + 1
            assert ((counts - expected).abs() < 5 * expected**0.5).all()


def test_all_eight_orientations_occur_one_for_a_batch():
    photos, generator, seen = on_device([(20, 20)]), seeded(), set()
    for _ in range(80):
        values = as_bytes(photos.crops(3, 4, generator))
        steps = {
            tuple(v)
            for v in torch.stack([values[:, :2, 1, 0], values[:, :2, 0, 1]], 1)
            .sub(values[:, None, :2, 0, 0])
            .flatten(1)
            .tolist()
        }
        assert len(steps) == 1
        seen |= steps
    assert len(seen) == 8


def test_a_seed_gives_the_same_crops_again():
    photos = on_device([(30, 40), (50, 20)])
    one, again, other = (photos.crops(6, 16, seeded(seed)) for seed in (3, 3, 4))
    assert torch.equal(one, again) and not torch.equal(one, other)


def test_too_large_a_crop_is_refused():
    with pytest.raises(ValueError, match="21 pixels do not fit into photographs of 20"):
        on_device([(50, 20), (40, 40)]).crops(1, 21, seeded())
