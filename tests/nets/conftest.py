"""A small field of repeated exposures with known truth."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from n2n.nets.sampling import Exposures

SIGMA, ELECTRONS = 5.0, 25.0  # noise of the sky in one exposure


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def light(height, width, seed=0, stars=40):
    """A nebula and stars above a sky of zero, in electrons."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    image = 8 * np.exp(-((x - 0.4 * width) ** 2 + (y - 0.6 * height) ** 2) / (2 * (0.2 * height) ** 2))
    for _ in range(stars):
        cx, cy = rng.uniform(0, width), rng.uniform(0, height)
        image += rng.pareto(1.0) * 10 * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * 1.4**2))
    return image.astype(np.float32)


def expose(truth, k=8, seed=1):
    """Exposures as `pairs` gives them: values, valid, weights, variance, background, saturated."""
    rng = np.random.default_rng(seed)
    weights = np.linspace(0.8, 1.2, k)
    variance = SIGMA**2 + np.maximum(truth, 0)
    noise = rng.normal(0, 1, (k, *truth.shape)) * np.sqrt(variance / weights[:, None, None])
    valid = rng.random((k, *truth.shape)) > 0.01
    values = np.where(valid, truth + noise, 0).astype(np.float32)
    return values, valid, weights, variance.astype(np.float32), SIGMA**2, np.zeros(truth.shape, bool)


@pytest.fixture(scope="session")
def field():
    """Truth and exposures of 96 x 192 pixels."""
    truth = light(96, 192)
    arrays = expose(truth)
    region = Exposures.from_arrays(*arrays, device=torch.device("cpu"))
    return SimpleNamespace(truth=truth, region=region, arrays=arrays)
