"""What is told of a single exposure, against a truth that is known."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import ndimage

from n2n.fidelity.errors import single_exposure
from n2n.fidelity.zones import divide
from n2n.group.exposure import Exposure

SIDE, SIGMA, FWHM = 384, 3.0, 3.0


class Night:
    """Ten exposures; poor seeing takes weight off some that are no noisier, and widens their stars."""

    def __init__(self, seed, noise=SIGMA):
        rng = np.random.default_rng(seed)
        impulses = np.zeros((SIDE, SIDE))
        impulses[tuple(rng.integers(10, SIDE - 10, (2, 60)))] = np.exp(rng.uniform(4, 9, 60))
        self.truths = [ndimage.gaussian_filter(impulses, FWHM / 2.3548 * (1.2 if i % 3 else 1.0)) for i in range(10)]
        self.images = [rng.normal(truth, noise) for truth in self.truths]
        self.weights = np.array([0.7 if i % 3 else 1.0 for i in range(10)])
        self.exposures = [Exposure.from_row({"path": f"{i}.fits"}) for i in range(10)]
        self.pointings, self.sky_sigma = np.arange(10), np.full(10, noise)
        self.variance = np.full((SIDE, SIDE), self.standard())
        self.facts = SimpleNamespace(fwhm_px=FWHM)

    def standard(self, held_out=()):
        """Variance of one standard exposure, as the scatter of those not held out tells it."""
        weights = np.delete(self.weights, held_out)
        return SIGMA**2 * np.sum(weights**2) / np.sum(weights)

    def mean(self, chosen):
        weights = self.weights[chosen]
        return (
            np.average(np.array(self.images)[chosen], axis=0, weights=weights),
            np.full((SIDE, SIDE), weights.sum()),
            None,
        )


@pytest.mark.parametrize("single", [0, 1])
@pytest.mark.parametrize("left", [0.1, 0.5])
def test_the_gain_of_a_single_exposure_is_that_of_the_truth(single, left):
    """Whether its seeing was good or poor, and however little of the noise is left."""
    for seed in range(2):
        night = Night(seed)
        denoised = night.truths[single] + left * (night.images[single] - night.truths[single])
        zones = divide(denoised, np.full((SIDE, SIDE), SIGMA), np.ones((SIDE, SIDE), bool))
        held_out = np.array([0, 1, 4, 6, 7, 9])
        scatter = np.full((SIDE, SIDE), night.standard(held_out))
        found = single_exposure(night, single, held_out, denoised, night.truths[0], night.truths[0], scatter, zones)
        assert found["filename"] == f"{single}.fits"
        for name in ("all", "background", "stars"):
            value, error = found[name]["value"], found[name]["standard_error"]
            # On the inverse: what is left over is measured, not how often it fits into the noise.
            assert abs(1 / value - left**2) < 3.5 * error / value**2 + 0.035 * left**2, (name, value, error)
        assert found["background"]["value"] == pytest.approx(left**-2, rel=0.25)


def test_without_two_other_exposures_the_noise_alone_tells():
    night = Night(3)
    denoised = night.truths[0] + 0.5 * (night.images[0] - night.truths[0])
    zones = np.zeros((SIDE, SIDE), np.int8)
    scatter = np.full((SIDE, SIDE), night.standard([0, 3]))
    truth = night.truths[0]
    found = single_exposure(night, 0, np.array([0, 3]), denoised, truth, truth, scatter, zones)
    assert found["all"]["value"] == pytest.approx(4, rel=0.15)
