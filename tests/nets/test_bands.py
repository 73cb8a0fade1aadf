import numpy as np
import pytest
import torch

from n2n.nets.bands import SMOOTHING, band_noise, smooth, split


def kernel(sigma):
    radius = max(1, int(3 * sigma + 0.5))
    values = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    return values / values.sum()


def plane(sigma, side=81):
    """The kernel of a level on a square; a single pixel for the image itself."""
    line = np.ones(1) if sigma is None else kernel(sigma)
    line = np.pad(line, (side - len(line)) // 2)
    return np.outer(line, line)


ANALYTIC = [
    float(np.sqrt(((plane(fine) - plane(coarse)) ** 2).sum()))
    for fine, coarse in zip([None, *SMOOTHING[:-1]], SMOOTHING, strict=True)
]


def white(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape).astype(np.float32))


def test_bands_and_rest_add_up_to_the_image():
    image = white(2, 1, 50, 70).double() * 1000
    bands, rest = split(image)
    assert bands.shape == (2, len(SMOOTHING), 50, 70) and rest.shape == image.shape
    torch.testing.assert_close(bands.sum(dim=1, keepdim=True) + rest, image, rtol=0, atol=1e-10)


def test_a_smooth_sky_is_left_in_the_rest():
    image = torch.full((1, 1, 40, 44), 17.0, dtype=torch.float64)
    bands, rest = split(image)
    assert float(bands.abs().max()) < 1e-12
    torch.testing.assert_close(rest, image)


@pytest.mark.parametrize("sigma", SMOOTHING)
def test_smoothing_spreads_a_point_by_sigma(sigma):
    image = torch.zeros((1, 1, 61, 61), dtype=torch.float64)
    image[..., 30, 30] = 1
    spread = smooth(image, sigma)[0, 0].numpy()
    x = np.arange(61) - 30
    assert spread.sum() == pytest.approx(1)
    # Cut at three sigma.
    assert np.sqrt((spread.sum(axis=0) * x**2).sum()) == pytest.approx(sigma, rel=0.03, abs=0.01)


def test_the_noise_of_the_bands_is_that_of_white_noise():
    found = band_noise(white(12, 256, 256))
    np.testing.assert_allclose(found.numpy(), ANALYTIC, rtol=0.03)


def test_pixels_without_a_difference_do_not_count():
    differences = white(10, 128, 256, seed=1)
    differences[:, :, :150] = 0
    np.testing.assert_allclose(band_noise(differences).numpy()[:3], ANALYTIC[:3], rtol=0.05)


def test_stars_left_in_a_difference_hardly_change_the_noise():
    differences = white(8, 128, 128, seed=2)
    differences[:, ::32, ::32] += 50
    np.testing.assert_allclose(band_noise(differences).numpy()[:2], ANALYTIC[:2], rtol=0.1)
