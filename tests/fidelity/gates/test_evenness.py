import numpy as np
import pytest
from observed import COLUMNS, ROWS, SETTINGS, SHAPE, Sky

from n2n.fidelity.gates.evenness import evenness_verdict
from n2n.fidelity.gates.gate import FAIL, INFO, PASS


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("left", [0.0, 0.3, 1.0])
def test_noise_is_even(seed, left):
    sky = Sky(seed)
    assert evenness_verdict(sky.images(sky.good(left)), SETTINGS).verdict == PASS


@pytest.mark.parametrize(
    "surface",
    [
        0.3 * (2 * COLUMNS / SHAPE[1] - 1),
        0.3 * (2 * ROWS / SHAPE[0] - 1),
        0.3 * np.cos(np.pi * COLUMNS / SHAPE[1]) * np.sin(np.pi * ROWS / SHAPE[0]),
    ],
    ids=["columns", "rows", "patch"],
)
def test_a_surface_is_measured(surface):
    sky = Sky(1)
    gate = evenness_verdict(sky.images(sky.good() + surface), SETTINGS)
    assert gate.verdict == FAIL and gate.value == pytest.approx(surface.std(), rel=0.2)


def test_a_level_and_an_erased_star_are_no_surface():
    sky = Sky(2)
    change = np.full(SHAPE, 0.5)
    change[100:104, 100:104] = -1000
    assert evenness_verdict(sky.images(sky.good() + change), SETTINGS).verdict == PASS


def test_a_tiny_image_cannot_be_judged():
    sky = Sky(0, np.zeros((100, 100)), off=False)
    assert evenness_verdict(sky.images(sky.good()), SETTINGS).verdict == INFO
