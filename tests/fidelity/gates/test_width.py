import numpy as np
import pytest
from observed import SETTINGS, SHAPE, Sky, flux_of, light_of, scattered
from scipy import ndimage

from n2n.fidelity.gates.gate import FAIL, INFO, PASS
from n2n.fidelity.gates.width import WIDTH

STARS = light_of(scattered(60, 5, margin=24), flux_of(np.geomspace(300, 900, 60)))


def verdict(seed, harm=lambda image: image, truth=STARS):
    sky = Sky(seed, truth)
    return WIDTH.judge(sky.seen(harm(sky.good())), SETTINGS)[0]


@pytest.mark.parametrize("seed", range(4))
def test_stars_that_keep_their_width_pass(seed):
    assert verdict(seed).verdict == PASS


def test_a_blur_is_found():
    found = verdict(1, lambda image: ndimage.gaussian_filter(image, 0.5))
    assert found.verdict == FAIL and found.value > 1


def test_an_empty_sky_tells_nothing():
    assert verdict(0, truth=np.zeros(SHAPE)).verdict == INFO
