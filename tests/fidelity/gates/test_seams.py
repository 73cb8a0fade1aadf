import numpy as np
import pytest
from observed import ALL, COLUMNS, ROWS, SETTINGS, SHAPE, STARS, Sky
from scipy import ndimage

from n2n.fidelity.gates.gate import FAIL, INFO, PASS
from n2n.fidelity.gates.seams import seam_verdict

OVERLAPS = ([slice(104, 152)], [slice(136, 184)])
CALM = ~ndimage.binary_dilation(STARS > 0.3, iterations=2)


def gate(sky, denoised, overlaps=OVERLAPS, calm=CALM):
    return seam_verdict(sky.images(denoised), calm, overlaps, SETTINGS)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("left", [0.1, 0.3])
def test_no_seam(seed, left):
    sky = Sky(seed)
    assert gate(sky, sky.good(left)).verdict == PASS


@pytest.mark.parametrize(
    "seam",
    [COLUMNS > 160, ROWS > 128, COLUMNS > 136, np.clip((COLUMNS - 136) / 48, 0, 1)],
    ids=["columns", "rows", "edge", "feathered"],
)
def test_a_seam_is_measured(seam):
    sky = Sky(1)
    found = gate(sky, sky.good() + 0.25 * seam)
    assert found.verdict == FAIL and found.value == pytest.approx(0.25, abs=0.1)


def test_a_step_elsewhere_is_no_seam():
    sky = Sky(2)
    found = gate(sky, sky.good() + 0.2 * (COLUMNS > 240))
    assert found.verdict == INFO and "Not judged" in found.explanation  # nor could a seam be told beside it


def test_the_scene_is_no_seam():
    """A slope of the sky that is in the stack, too."""
    slope = np.where(COLUMNS > 160, 0.02 * (COLUMNS - 160), 0)
    sky = Sky(3, slope + STARS)
    assert gate(sky, sky.good()).verdict == PASS


@pytest.mark.parametrize("side", ["columns", "rows"])
def test_a_seam_is_found_where_no_sky_is_calm(side):
    """Stars shoulder to shoulder: D - S holds no scene and tells."""
    sky, step = Sky(4), COLUMNS > 160 if side == "columns" else ROWS > 128
    nowhere = np.zeros(SHAPE, bool)
    assert gate(sky, sky.good(), calm=nowhere).verdict == PASS
    assert gate(sky, sky.good() + 0.2 * step, calm=nowhere).verdict == FAIL


def test_without_tiles_there_is_nothing_to_judge():
    sky = Sky(4)
    assert gate(sky, sky.good(), ([], []), ALL).verdict == INFO
