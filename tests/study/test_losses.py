import numpy as np
import pytest
import torch

from n2n.study.losses import annealed_l0, hdr, l1, l2, photo_loss

# Skewed samples of one pixel: mean, median and mode differ.
SAMPLES = torch.tensor([1.0] * 40 + [2.0] * 15 + [3.0] * 15 + [10.0] * 30)


def optimum(loss):
    """The constant that a loss likes best, on a fine grid."""
    grid = torch.linspace(0.5, 11, 1051)
    values = [
        float(loss(torch.full_like(SAMPLES, float(x))[:, None, None, None], SAMPLES[:, None, None, None])) for x in grid
    ]
    return float(grid[int(np.argmin(values))])


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (l2, float(SAMPLES.mean())),
        (l1, float(SAMPLES.median())),
        (lambda f, y: annealed_l0(f, y, 0.0), float(SAMPLES.mean())),
        (lambda f, y: annealed_l0(f, y, 0.5), float(SAMPLES.median())),
        (lambda f, y: annealed_l0(f, y, 0.95), 1.0),
    ],
    ids=["l2: mean", "l1: median", "l0 begins: mean", "l0 halfway: median", "l0 ends: mode"],
)
def test_the_optimum_is_mean_median_or_mode(loss, expected):
    assert optimum(loss) == pytest.approx(expected, abs=0.011)


def test_the_hdr_gradient_vanishes_at_the_mean():
    """With the denominator detached; otherwise it would vanish elsewhere."""
    output = torch.full((100, 1, 1, 1), float(SAMPLES.mean()), requires_grad=True)
    hdr(output, SAMPLES[:, None, None, None]).backward()
    assert float(output.grad.sum()) == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize("name", ["masked_l2", "l1", "hdr", "annealed_l0"])
def test_masked_pixels_have_no_say(name):
    generator = torch.Generator().manual_seed(0)
    output, target = torch.rand((2, 2, 3, 8, 8), generator=generator)
    mask = torch.rand((2, 1, 8, 8), generator=generator) > 0.5
    before = photo_loss(name, output, target, mask, 0.3)
    spoiled = torch.where(mask, target, 1e6)
    assert torch.equal(before, photo_loss(name, output, spoiled, mask, 0.3))
    chosen = mask.expand_as(output)
    alone = photo_loss(name, output[chosen][None, :, None, None], target[chosen][None, :, None, None], None, 0.3)
    assert float(before) == pytest.approx(float(alone), rel=1e-5)


def test_an_empty_mask_costs_nothing():
    output = torch.ones((1, 3, 4, 4), requires_grad=True)
    loss = l2(output, output.detach() + 1, torch.zeros((1, 1, 4, 4), dtype=torch.bool))
    loss.backward()
    assert float(loss.detach()) == 0 and torch.isfinite(output.grad).all()
