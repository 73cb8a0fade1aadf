import numpy as np
import pytest
from observed import SETTINGS
from scipy import ndimage

from n2n.fidelity.gates.all_light import all_light_verdicts, change

SIZE, SIGMA = 320, 1.3
THIRDS = (0.06, 0.88, 0.06)  # a kernel of variance 0.12
ALL = np.ones((SIZE, SIZE), bool)


def field(seed, stars=120):
    """Stars and a nebula that scale, move and widen as a whole; stack and two held-out halves with their noise."""
    rng = np.random.default_rng(seed)
    impulses = np.zeros((SIZE, SIZE))
    impulses[tuple(rng.integers(10, SIZE - 10, (2, stars)))] = rng.uniform(50, 900, stars)
    y, x = np.mgrid[:SIZE, :SIZE]
    truth = ndimage.gaussian_filter(impulses, SIGMA) + 4 * np.exp(-((x - 100) ** 2 + (y - 90) ** 2) / (2 * 30**2))
    stack, one, other = (truth + rng.normal(0, noise, truth.shape) for noise in (1.0, 2.4, 2.4))
    return truth, stack, [(one, ALL * 3.0), (other, ALL * 3.0)]


def measured(denoised, stack, parts):
    return change(denoised, stack, parts, np.ones(stack.shape), ALL, SIGMA)[0]


HARMS = {
    "none": (lambda truth: truth, (0, 0, 0, 0)),
    "scale": (lambda truth: 1.03 * truth, (0.03, 0, 0, 0)),
    "right": (lambda truth: ndimage.shift(truth, (0, 0.05), order=5), (0, 0.05, 0, 0)),
    "up": (lambda truth: ndimage.shift(truth, (0.05, 0), order=5), (0, 0, 0.05, 0)),
    "blur": (lambda truth: ndimage.convolve1d(ndimage.convolve1d(truth, THIRDS, 0), THIRDS, 1), (0, 0, 0, 0.06)),
}


@pytest.mark.parametrize("name", HARMS)
def test_what_was_done_to_all_light_is_measured_with_its_error(name):
    harm, expected = HARMS[name]
    pulls = []
    for seed in range(10):
        truth, stack, parts = field(seed)
        value, error = measured(harm(truth) + 0.3 * (stack - truth), stack, parts)
        # The formula is the first term of a series: large blurs come out a little small.
        wrong = np.maximum(np.abs(value - expected) - 0.1 * np.max(expected), 0)
        pulls.append(wrong / error)
        assert value == pytest.approx(expected, abs=0.015)
    assert (np.array(pulls) < 3).mean() > 0.9


def test_noise_of_the_held_out_exposures_does_not_weaken_what_is_found():
    found = []
    for seed in range(10):
        truth, stack, parts = field(seed, stars=25)
        found.append(measured(1.1 * truth + 0.3 * (stack - truth), stack, parts)[0][0])
    assert np.mean(found) == pytest.approx(0.1, abs=3 * np.std(found) / np.sqrt(10))


@pytest.mark.parametrize(("name", "refused"), [("none", set()), ("scale", {"G6"}), ("right", {"G7"}), ("blur", {"G8"})])
def test_gates_refuse_what_was_changed_and_nothing_else(name, refused):
    truth, stack, parts = field(0)
    denoised = HARMS[name][0](truth) + 0.3 * (stack - truth)
    gates = all_light_verdicts(denoised, stack, parts, np.ones(stack.shape), ALL, 2.3548 * SIGMA, SETTINGS)
    assert {gate.name for gate in gates if gate.verdict == "FAIL"} == refused


def test_fine_detail_lost_in_faint_light_is_no_blur():
    """Every denoiser takes some of what hardly stands out of the noise; G2 and G9 say how much."""
    truth, stack, parts = field(0)
    texture = ndimage.gaussian_filter(np.random.default_rng(9).normal(size=truth.shape), 1.2)
    texture *= 2 / texture.std()
    stack, parts = stack + texture, [(mean + texture, depth) for mean, depth in parts]
    denoised = truth + ndimage.gaussian_filter(texture, 0.9)
    gates = all_light_verdicts(denoised, stack, parts, np.ones(stack.shape), ALL, 2.3548 * SIGMA, SETTINGS)
    assert "FAIL" not in {gate.verdict for gate in gates}


def test_an_empty_field_judges_nothing():
    truth, stack, parts = field(0, stars=0)
    empty = [(mean - truth, depth) for mean, depth in parts]
    gates = all_light_verdicts(truth, stack, empty, np.ones(stack.shape), ALL, 2.3548 * SIGMA, SETTINGS)
    assert {gate.verdict for gate in gates} == {"INFO"}
