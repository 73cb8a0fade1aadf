"""What is told of a single exposure, against a truth that is known."""

import numpy as np
import pytest
from scipy import ndimage

from n2n.fidelity.errors import single_exposure
from n2n.fidelity.zones import divide

SIDE, SIGMA, FWHM = 384, 3.0, 3.0


class Night:
    """Ten exposures; poor seeing takes weight off some that are no noisier, and widens their stars."""

    def __init__(self, seed, noise=SIGMA):
        rng = np.random.default_rng(seed)
        impulses = np.zeros((SIDE, SIDE))
        impulses[tuple(rng.integers(10, SIDE - 10, (2, 60)))] = np.exp(rng.uniform(4, 9, 60))
        self.truths = [ndimage.gaussian_filter(impulses, FWHM / 2.3548 * (1.2 if i % 3 else 1.0)) for i in range(10)]
        self.exposures = [rng.normal(truth, noise) for truth in self.truths]
        self.weights = np.array([0.7 if i % 3 else 1.0 for i in range(10)])
        self.frames = [{"noise": noise, "pointing": i, "path": f"{i}.fits"} for i in range(10)]
        self.variance = np.full((SIDE, SIDE), self.standard())
        self.meta = {"fwhm_px": FWHM}

    def standard(self, held_out=()):
        """Variance of one standard exposure, as the scatter of those not held out tells it."""
        weights = np.delete(self.weights, held_out)
        return SIGMA**2 * np.sum(weights**2) / np.sum(weights)

    def mean(self, chosen):
        weights = self.weights[chosen]
        return (
            np.average(np.array(self.exposures)[chosen], axis=0, weights=weights),
            np.full((SIDE, SIDE), weights.sum()),
            None,
        )


@pytest.mark.parametrize("single", [0, 1])
@pytest.mark.parametrize("left", [0.1, 0.5])
def test_the_gain_of_a_single_exposure_is_that_of_the_truth(single, left):
    """Whether its seeing was good or poor, and however little of the noise is left."""
    for seed in range(2):
        night = Night(seed)
        denoised = night.truths[single] + left * (night.exposures[single] - night.truths[single])
        zones = divide(denoised, np.full((SIDE, SIDE), SIGMA), np.ones((SIDE, SIDE), bool))
        held_out = np.array([0, 1, 4, 6, 7, 9])
        attributes = {"single": single, "held_out": held_out}
        scatter = np.full((SIDE, SIDE), night.standard(held_out))
        found = single_exposure(night, denoised, night.truths[0], night.truths[0], attributes, scatter, zones)
        assert found["filename"] == f"{single}.fits"
        for name in ("all", "background", "stars"):
            value, error = found[name]["value"], found[name]["standard_error"]
            # On the inverse: what is left over is measured, not how often it fits into the noise.
            assert abs(1 / value - left**2) < 3.5 * error / value**2 + 0.035 * left**2, (name, value, error)
        assert found["background"]["value"] == pytest.approx(left**-2, rel=0.25)


def test_without_two_other_exposures_the_noise_alone_tells():
    night = Night(3)
    denoised = night.truths[0] + 0.5 * (night.exposures[0] - night.truths[0])
    zones = np.zeros((SIDE, SIDE), np.int8)
    attributes = {"single": 0, "held_out": np.array([0, 3])}
    scatter = np.full((SIDE, SIDE), night.standard([0, 3]))
    found = single_exposure(night, denoised, night.truths[0], night.truths[0], attributes, scatter, zones)
    assert found["all"]["value"] == pytest.approx(4, rel=0.15)
