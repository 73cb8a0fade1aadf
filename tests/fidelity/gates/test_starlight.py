import numpy as np
import pytest
from observed import FWHM, SETTINGS, SHAPE, STARS, Sky
from scipy import ndimage

from n2n.fidelity.filtered import filtered
from n2n.fidelity.gates.gate import FAIL, INFO, PASS
from n2n.fidelity.gates.starlight import starlight_verdicts


def light(sky, denoised):
    return filtered(sky.images(denoised), FWHM)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("left", [0.0, 0.3, 1.0])
def test_a_good_image_passes(seed, left):
    sky = Sky(seed)
    assert [one.verdict for one in starlight_verdicts(light(sky, sky.good(left)), SETTINGS)] == [PASS] * 2


@pytest.mark.parametrize("share", [-0.3, -0.1, 0.15])
def test_the_star_stack_measures_the_light_that_is_gone(share):
    sky = Sky(5)
    faint, bright = starlight_verdicts(light(sky, sky.truth + share * STARS), SETTINGS)
    for gate in (faint, bright):
        assert gate.value == pytest.approx(100 * share, abs=4 * gate.uncertainty + 1)
    assert bright.verdict == FAIL and (faint.verdict == FAIL) == (share == -0.3)


def test_a_blur_takes_light_from_the_stars():
    sky = Sky(6)
    assert starlight_verdicts(light(sky, ndimage.gaussian_filter(sky.truth, 0.7)), SETTINGS)[1].verdict == FAIL


def test_without_stars_nothing_is_judged():
    sky = Sky(0, np.zeros(SHAPE), off=False)
    assert starlight_verdicts(light(sky, np.zeros(SHAPE)), SETTINGS)[1].verdict == INFO
    nothing = filtered(sky.images(sky.good(), np.zeros(SHAPE, bool)), FWHM)
    assert [one.value for one in starlight_verdicts(nothing, SETTINGS)] == [None] * 2
