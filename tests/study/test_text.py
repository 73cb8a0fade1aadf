import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from n2n.study.text import COVERED, NONE, TextBank

CPU = torch.device("cpu")
SIDE = 256
BLANK = 2.0  # no colour of a string: what is still blank was not covered


@pytest.fixture(scope="module")
def bank():
    return TextBank.of(0, CPU, layers=6)


def paste(bank, share, seed=0, shape=(SIDE, SIDE)):
    share = torch.as_tensor(share)
    clean = torch.full((len(share), 3, *shape), BLANK)
    return bank.paste(clean, share, torch.Generator().manual_seed(seed))


def covered(noisy):
    """Bool tensor (n, h, w); a string covers all channels or none."""
    marked = noisy != BLANK
    assert (marked == marked[:, :1]).all()
    return marked[:, 0]


def test_every_layer_holds_enough_text(bank):
    assert bank.layers.shape == (6, SIDE, SIDE) and bank.layers.dtype == torch.int16
    assert ((bank.layers != NONE).float().mean((1, 2)) >= COVERED).all()
    assert (torch.diff(bank.between, dim=1) >= 0).all()


def test_a_seed_gives_the_same_bank_again():
    one, again, other = (TextBank.of(seed, CPU, layers=1, size=128) for seed in (1, 1, 2))
    assert torch.equal(one.layers, again.layers) and not torch.equal(one.layers, other.layers)


@given(st.lists(st.floats(0, 0.5), min_size=1, max_size=8), st.integers(0, 2**31))
@settings(max_examples=15, deadline=None)
def test_as_much_is_covered_as_was_asked_for(bank, shares, seed):
    noisy = paste(bank, shares, seed)
    found = covered(noisy).float().mean((1, 2))
    assert (found - torch.tensor(shares)).abs().max() < 0.03
    colours = noisy[noisy != BLANK]
    assert ((colours >= -0.5) & (colours < 0.5)).all()


def test_on_average_the_share_is_met(bank):
    shares = torch.linspace(0, 0.5, 200)
    assert float((covered(paste(bank, shares)).float().mean((1, 2)) - shares).mean()) == pytest.approx(0, abs=0.002)


def test_no_text_leaves_the_image_alone(bank):
    assert (paste(bank, [0.0, 0.0]) == BLANK).all()


def test_pixels_between_the_letters_are_untouched(bank):
    clean = torch.rand((3, 3, SIDE, SIDE), generator=torch.Generator().manual_seed(5)) - 0.5
    share = torch.tensor([0.1, 0.3, 0.5])
    noisy = bank.paste(clean, share, torch.Generator().manual_seed(1))
    free = ~covered(paste(bank, share, seed=1))[:, None].expand_as(clean)
    assert torch.equal(noisy[free], clean[free])


def test_every_string_has_its_own_colour(bank):
    noisy = paste(bank, [0.4], seed=2)[0]
    colours = noisy.flatten(1).T.unique(dim=0)
    assert 20 < len(colours) - 1 <= bank.between.shape[1]
    assert colours[:-1].std(0).min() > 0.2  # uniform: 0.29


def test_more_text_is_added_to_what_is_there(bank):
    few, many = (paste(bank, [share], seed=3) for share in (0.1, 0.4))
    text = few != BLANK
    assert torch.equal(few[text], many[text]) and (many != BLANK).sum() > 2 * text.sum()


def test_samples_differ(bank):
    marked = covered(paste(bank, [0.25] * 8))
    for i in range(8):
        for j in range(i):
            assert (marked[i] != marked[j]).float().mean() > 0.2


def test_an_image_larger_than_a_layer_is_tiled(bank):
    noisy = paste(bank, [0.3, 0.5], shape=(2 * SIDE + 10, SIDE + 7))
    assert torch.equal(noisy[:, :, SIDE:], noisy[:, :, : SIDE + 10])
    assert torch.equal(noisy[..., SIDE:], noisy[..., :7])
    found = covered(noisy)[:, :SIDE, :SIDE].float().mean((1, 2))
    assert (found - torch.tensor([0.3, 0.5])).abs().max() < 0.03


def test_strings_go_on_beyond_the_border(bank):
    """The border of a layer is crossed by as many edges of letters as any other row and column."""
    marked = (bank.layers != NONE).float()
    for dim in (1, 2):
        changes = (marked - marked.roll(1, dim)).abs().mean((0, 3 - dim))
        assert changes[0] < changes.mean() + 4 * changes.std()


def test_the_seed_decides(bank):
    one, again, other = (paste(bank, [0.2, 0.4], seed=seed) for seed in (7, 7, 8))
    assert torch.equal(one, again) and not torch.equal(one, other)
