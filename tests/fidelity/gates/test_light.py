import numpy as np
import pytest
from observed import NEBULA, SETTINGS, SHAPE, STARS, TRUTH, Sky
from scipy import ndimage

from n2n.fidelity.gates.gate import FAIL, INFO, PASS
from n2n.fidelity.gates.light import light_verdicts

STAR = ndimage.binary_dilation(STARS > 0.3)


def gates(sky, denoised):
    found = light_verdicts(sky.images(denoised), STAR, SETTINGS)
    return dict(zip(("all", "faint", "middle", "bright", "diffuse"), found, strict=True))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("left", [0.0, 0.3, 0.7, 1.0])
def test_light_is_kept_however_much_noise_is_left(seed, left):
    """Though C's scale, sky and seeing are others."""
    sky = Sky(seed)
    for gate in gates(sky, sky.good(left)).values():
        assert gate.verdict in (PASS, INFO)
        if gate.value is not None:
            assert abs(gate.value) < 4 * gate.uncertainty + 1e-3


def test_the_error_is_the_scatter():
    values = [gates(sky, sky.truth)["diffuse"] for sky in map(Sky, range(20))]
    scatter = np.std([gate.value for gate in values], ddof=1)
    assert 0.6 < np.mean([gate.uncertainty for gate in values]) / scatter < 1.6


@pytest.mark.parametrize("share", [0.05, 0.3])
def test_lost_diffuse_light_is_measured(share):
    sky = Sky(1)
    found = gates(sky, sky.good() - share * NEBULA)["diffuse"]
    assert found.value == pytest.approx(-100 * share, abs=4 * found.uncertainty)
    assert share < 0.1 or found.verdict == FAIL


def test_every_class_tells_of_its_own_light():
    sky = Sky(2)
    level = TRUTH
    dimmed = sky.good() - 0.2 * np.where((level > 5) & (level < 20), level, 0)
    found = gates(sky, dimmed)
    assert found["middle"].verdict == FAIL and found["faint"].verdict == PASS and found["diffuse"].verdict == PASS


def test_another_scale_shows_everywhere():
    sky = Sky(3)
    for gate in gates(sky, 1.1 * sky.good()).values():
        assert gate.value is None or gate.value == pytest.approx(10, abs=4 * gate.uncertainty)


def test_an_empty_sky_tells_nothing():
    sky = Sky(0, np.zeros(SHAPE), off=False)
    assert {gate.verdict for gate in gates(sky, sky.good()).values()} == {INFO}
