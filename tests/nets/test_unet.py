import numpy as np
import pytest
import torch

from n2n.nets import prior
from n2n.nets.bands import band_noise
from n2n.nets.inference import REACH
from n2n.nets.tiles import BLOCK
from n2n.nets.unet import ACTIVATIONS, MOST, MULTIPLE, Denoiser, parameters

BACKGROUND = torch.full((1, 1, 1, 1), 25.0)


@pytest.fixture(scope="module")
def white():
    return band_noise(torch.from_numpy(np.random.default_rng(5).normal(size=(8, 128, 128)).astype(np.float32)))


def noise(height, width, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(1, 1, height, width)).astype(np.float32))


def untrained(**more):
    torch.manual_seed(0)
    return Denoiser(**more).eval()


def trained_somehow(**more):
    """A network whose head does something, as after training."""
    model = untrained(**more)
    with torch.no_grad():
        for parameter in model.unet.head.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(3)))
    return model


@torch.no_grad()
def apply(model, image, white, depth=4.0, variance=None):
    variance = BACKGROUND.expand_as(image) if variance is None else variance
    return model(image, torch.full_like(image, depth), BACKGROUND, variance, white)


def test_untrained_it_takes_pure_noise_away(white):
    sigma = 2.5  # of the mean of four exposures
    result = apply(untrained(), sigma * noise(128, 128), white) / sigma
    assert float(result.std()) < 0.25


def test_untrained_it_keeps_a_star(white):
    y, x = np.mgrid[:64, :64]
    star = 50 * np.exp(-((x - 31) ** 2 + (y - 33) ** 2) / (2 * 1.5**2))
    image = 2.5 * (noise(64, 64, 1) + torch.from_numpy(star.astype(np.float32)))
    change = (apply(untrained(), image, white) - image)[0, 0].numpy() / 2.5
    core = star > 5
    assert np.abs(change[core]).max() < 0.5
    assert change[~core].std() > 0.75


def test_a_defect_beside_which_the_exposures_scatter_does_not_become_a_star(white):
    clean = 2.5 * noise(96, 96, 4)
    image, variance = clean.clone(), BACKGROUND.repeat(1, 1, 96, 96)
    # A cosmic ray in one of a few exposures: its light in two pixels, the scatter smoothed over its surroundings.
    image[..., 48, 48:50] += 2.5 * torch.tensor([15.0, 23.0])
    variance[..., 45:52, 46:53] *= 50
    for model in (prior.network(), trained_somehow()):
        change = apply(model, image, white, variance=variance) - image
        assert float(change[..., 42:55, 42:56].abs().max()) < MOST * 2.5 * np.sqrt(1 + 23)
    result = apply(prior.network(), image, white, variance=variance)
    light = float((result - apply(prior.network(), clean, white)).sum())
    assert float(result.max()) < float(image.max())
    assert light < 1.3 * 2.5 * 38


def test_far_above_the_noise_pixels_pass_unchanged_whatever_the_network(white):
    image = 2.5 * noise(64, 64, 2)
    image[..., 30, 30] += 2.5 * 3000
    change = apply(trained_somehow(), image, white) - image
    assert float(change[..., 30, 30].abs()) < 0.01 * 2.5
    assert float(change.abs().max()) > 0.5 * 2.5


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
@pytest.mark.parametrize("shape", [(24, 40), (64, 64), (104, 48)])
def test_the_image_keeps_its_shape(white, activation, shape):
    result = apply(trained_somehow(width=8, activation=activation), noise(*shape), white)
    assert result.shape == (1, 1, *shape) and bool(torch.isfinite(result).all())


def test_the_activation_makes_a_difference(white):
    results = [apply(trained_somehow(width=8, activation=name), noise(40, 40), white) for name in sorted(ACTIVATIONS)]
    assert float((results[0] - results[1]).abs().max()) > 0.01


def test_tiles_are_whole_blocks_of_the_network():
    assert BLOCK % MULTIPLE == 0 and REACH % BLOCK == 0


def test_the_network_is_small():
    assert parameters(Denoiser()) < 400_000


@pytest.mark.parametrize("factor", [1e-4, 0.01, 300.0])
def test_the_unit_does_not_matter(white, factor):
    model, image = trained_somehow(width=8), 2.5 * noise(64, 64, 4)
    image[..., 20:24, 20:24] += 30
    variance = 25.0 + image.abs()
    depth = 1.0 + noise(64, 64, 6).abs()
    with torch.no_grad():
        one = model(image, depth, BACKGROUND, variance, white)
        other = model(factor * image, depth, factor**2 * BACKGROUND, factor**2 * variance, white)
    torch.testing.assert_close(other / factor, one, rtol=1e-4, atol=1e-4)


def test_more_exposures_keep_fainter_light(white):
    y, x = np.mgrid[:64, :64]
    star = torch.from_numpy((5.0 * np.exp(-((x - 32) ** 2 + (y - 32) ** 2) / 8)).astype(np.float32))[None, None]
    shallow, deep = (apply(untrained(), star, white, depth)[..., 32, 32] for depth in (0.5, 50.0))
    assert float(deep) > 4 and float(shallow) < 2.5
