import math

import numpy as np
import pytest
import torch

from n2n.nets.losses import paired_loss


def pair(target, depth=3.0, target_depth=5.0, variance=4.0, trusted=None):
    full = torch.ones_like(target)
    return {
        "image": target,
        "target": target,
        "depth": depth * full,
        "target_depth": target_depth * full,
        "variance": variance * full,
        "trusted": full > 0 if trusted is None else trusted,
    }


def minimiser(target, **more):
    """The constant with the smallest loss."""
    low, high = target.mean().item() - 2, target.mean().item() + 2
    for _ in range(40):  # by halving: the loss is convex
        middle = 0.5 * (low + high)
        constant = torch.full_like(target, middle, requires_grad=True)
        paired_loss(constant, pair(target, **more)).backward()
        low, high = (middle, high) if constant.grad.sum() < 0 else (low, middle)
    return middle


@pytest.mark.parametrize("level", [-3.0, 0.0, 40.0])
@pytest.mark.parametrize("kind", ["normal", "laplace"])
def test_the_best_constant_is_the_mean(kind, level):
    # Sigma of the target as the noise model says: sqrt(4 / 5).
    sigma, n = math.sqrt(4 / 5), 200
    draw = getattr(np.random.default_rng(1), kind)
    values = level + draw(0, sigma / (math.sqrt(2) if kind == "laplace" else 1), (1, 1, n, n))
    assert minimiser(torch.from_numpy(values)) == pytest.approx(level, abs=3 * sigma / n)


def test_noise_within_three_sigma_is_averaged_exactly():
    values = torch.from_numpy(np.random.default_rng(2).uniform(-1.5, 1.5, (1, 1, 30, 30)) + 7)
    assert minimiser(values) == pytest.approx(float(values.mean()), abs=1e-6)


def test_only_the_difference_to_the_target_counts():
    """A variance made from the noisy target would make bright targets count less."""
    generator = torch.Generator().manual_seed(0)
    target = torch.randn((2, 1, 8, 8), generator=generator, dtype=torch.float64)
    gradients = []
    for shift in (0.0, 500.0):
        output = torch.full_like(target, shift, requires_grad=True)
        paired_loss(output, pair(target + shift)).backward()
        gradients.append(output.grad)
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-9, atol=1e-12)


def test_untrusted_pixels_have_no_say():
    target = torch.zeros((1, 1, 8, 8))
    trusted = torch.ones_like(target, dtype=torch.bool)
    trusted[..., 2:4, 2:4] = False
    output = torch.ones_like(target, requires_grad=True)
    loss = paired_loss(output, pair(target, trusted=trusted))
    loss.backward()
    assert (output.grad[~trusted] == 0).all() and (output.grad[trusted] > 0).all()
    wild = torch.where(trusted, target, 1e12)
    assert torch.equal(paired_loss(output, pair(wild, trusted=trusted)), loss)


def test_nothing_to_trust_is_no_loss():
    target = torch.zeros((1, 1, 4, 4))
    output = torch.ones_like(target, requires_grad=True)
    loss = paired_loss(output, pair(target, target_depth=0.0, trusted=torch.zeros_like(target, dtype=torch.bool)))
    loss.backward()
    assert float(loss.detach()) == 0 and bool((output.grad == 0).all())


def test_an_outlier_pulls_no_harder_than_three_sigma():
    sigma = math.sqrt(4 / 5)
    target = torch.tensor([[[[1.0, 3.5, 100.0]]]]) * sigma
    output = torch.zeros_like(target, requires_grad=True)
    paired_loss(output, pair(target)).backward()
    pull = -output.grad[0, 0, 0] / -output.grad[0, 0, 0, 0]
    assert pull.tolist() == pytest.approx([1, 3, 3], rel=1e-5)


def test_every_split_has_the_same_say():
    """An output with all its input's noise loses the same whatever the depths."""
    n, total, rng = 200, 10.0, np.random.default_rng(3)
    losses = []
    for depth in (1.0, 5.0, 9.0):
        # The output keeps the noise of its input: both sides of the loss are noise.
        image, target = (
            torch.from_numpy(rng.normal(0, math.sqrt(4 / d), (1, 1, n, n))) for d in (depth, total - depth)
        )
        losses.append(float(paired_loss(image, pair(target, depth, total - depth), delta=1e9)))
    np.testing.assert_allclose(losses, 0.5, rtol=0.03)
