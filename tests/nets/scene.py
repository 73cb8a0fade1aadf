"""A small field of repeated exposures with known truth."""

import numpy as np

SIGMA = 5.0  # noise of the sky in one exposure


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
    """Exposures as `pairs` gives them: values, valid, weights, variance, sky_variance, saturated."""
    rng = np.random.default_rng(seed)
    weights = np.linspace(0.8, 1.2, k)
    variance = SIGMA**2 + np.maximum(truth, 0)
    noise = rng.normal(0, 1, (k, *truth.shape)) * np.sqrt(variance / weights[:, None, None])
    valid = rng.random((k, *truth.shape)) > 0.01
    values = np.where(valid, truth + noise, 0).astype(np.float32)
    return values, valid, weights, variance.astype(np.float32), SIGMA**2, np.zeros(truth.shape, bool)
