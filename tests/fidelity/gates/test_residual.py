from dataclasses import replace

import numpy as np
import pytest
from observed import SETTINGS, SHAPE, STARS, Sky
from scipy import ndimage

from n2n.fidelity.gates.gate import FAIL, INFO, PASS
from n2n.fidelity.gates.residual import residual_verdict
from n2n.fidelity.spectra import rings


def gate(sky, denoised, limit=0.05):
    return residual_verdict(rings(sky.images(denoised)), replace(SETTINGS, max_overshoot=limit))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("left", [0.0, 0.3, 1.0])
def test_noise_alone_may_go(seed, left):
    sky = Sky(seed)
    found = gate(sky, sky.good(left))
    assert found.verdict == PASS or (found.verdict == INFO and found.uncertainty >= found.limit)


def test_the_best_filter_takes_noise_alone():
    """Wiener's filter of a sky of known spectrum: its residual is N - R exactly."""
    frequency = np.hypot(np.fft.fftfreq(SHAPE[0])[:, None], np.fft.fftfreq(SHAPE[1])[None])
    amplitude = 3 / (1 + (frequency / 0.05) ** 2)
    for seed in range(4):
        rng = np.random.default_rng(seed + 100)
        truth = np.fft.ifft2(np.fft.fft2(rng.normal(size=SHAPE)) * amplitude).real
        sky = Sky(seed, truth, off=False)
        power = np.abs(np.fft.fft2(sky.stack - truth)) ** 2
        noise = ndimage.gaussian_filter(power, 6, mode="wrap") / truth.size
        wiener = np.fft.ifft2(np.fft.fft2(sky.stack) * amplitude**2 / (amplitude**2 + noise)).real
        found = gate(sky, wiener)
        assert found.verdict == PASS or (found.verdict == INFO and found.uncertainty >= found.limit)


@pytest.mark.parametrize(
    "harm",
    [
        lambda image: image + ndimage.gaussian_filter(np.random.default_rng(1).normal(size=SHAPE), 1.5) * 3,
        lambda image: image - 0.7 * STARS,
        lambda image: ndimage.gaussian_filter(image, 2),
    ],
    ids=["texture", "stars", "blur"],
)
def test_light_that_went_with_the_noise_shows(harm):
    sky = Sky(7)
    found = gate(sky, harm(sky.good()), 0.5)
    assert found.verdict == FAIL and found.value > 50 and "pixels" in found.explanation


def test_a_tiny_image_cannot_be_judged():
    sky = Sky(0, np.zeros((80, 80)), off=False)
    assert gate(sky, sky.good()).verdict == INFO
