import numpy as np
import pytest
from observed import SETTINGS, SHAPE, Sky
from scipy import ndimage

from n2n.fidelity.gates.agreement import agreement_verdicts
from n2n.fidelity.gates.gate import FAIL, INFO, PASS
from n2n.fidelity.spectra import rings


def gates(sky, denoised):
    return agreement_verdicts(rings(sky.images(denoised)), SETTINGS)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "denoise",
    [
        lambda sky: sky.truth,
        lambda sky: sky.good(0.3),
        lambda sky: sky.stack,
        lambda sky: ndimage.gaussian_filter(sky.stack, 1.0),  # on the floor: filters do not change the correlation
    ],
    ids=["truth", "mixed", "stack", "filter"],
)
def test_who_invents_nothing_passes(seed, denoise):
    sky = Sky(seed)
    floor, ceiling = gates(sky, denoise(sky))
    # So small a scene tells the ceiling to 2 to 4 %: what could hide a leak of the limit's size passes nothing.
    assert floor.verdict == PASS
    assert ceiling.verdict == PASS or (ceiling.verdict == INFO and ceiling.uncertainty >= ceiling.limit)


def test_invented_texture_lies_below_the_floor():
    sky = Sky(1)
    texture = ndimage.gaussian_filter(np.random.default_rng(9).normal(size=SHAPE), 1.5)
    floor, ceiling = gates(sky, sky.good() + 0.6 * texture / texture.std())
    assert floor.verdict == FAIL and ceiling.verdict != FAIL


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_a_leak_lies_above_the_ceiling(share):
    sky = Sky(2)
    floor, ceiling = gates(sky, sky.good() + share * sky.noise_of_c)
    assert ceiling.verdict == FAIL and ceiling.value > 10 and floor.verdict == PASS


def test_bounds_of_flat_spectra():
    """Flat spectra, a signal of 0.43 / 0.57 of the noise: floor 0.43, ceiling 0.656 at equal depth."""
    rng = np.random.default_rng(0)
    truth = rng.normal(size=SHAPE) * np.sqrt(0.43 / 0.57)
    white = [rng.normal(size=SHAPE) for _ in range(3)]
    sky = Sky(0)
    sky.truth, sky.stack = truth, truth + white[0]
    sky.parts = [(truth + np.sqrt(2) * part, np.full(SHAPE, 6.0)) for part in white[1:]]
    found = rings(sky.images(truth))
    sums = {name: getattr(found, name).sum() for name in ("dd", "ss", "cc", "dc", "sc", "common")}
    assert sums["sc"] / np.sqrt(sums["ss"] * sums["cc"]) == pytest.approx(0.430, abs=0.01)
    assert np.sqrt(sums["common"] / sums["cc"]) == pytest.approx(0.656, abs=0.01)
    assert sums["dc"] / np.sqrt(sums["dd"] * sums["cc"]) == pytest.approx(0.655, abs=0.01)
