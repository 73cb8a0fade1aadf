import numpy as np
import pytest
from observed import SETTINGS, SHAPE, Sky

from n2n.fidelity.gates.gate import FAIL, PASS
from n2n.fidelity.gates.saturated import ALONE, SATURATED
from n2n.fidelity.images import Shipped

FULL = np.zeros(SHAPE, bool)
FULL[10:14, 20:24] = True
STACK = np.where(FULL, 1000.0, 5.0)


def verdict(image, variance=None):
    sky = Sky(0)
    shipped = Shipped(STACK, image, 0.0, variance)
    return ALONE.judge(sky.seen(sky.good(), saturated=FULL, shipped=shipped), SETTINGS)[0]


@pytest.mark.parametrize(("factor", "own", "foreign"), [(1.0, PASS, PASS), (1.001, FAIL, PASS), (1.1, FAIL, FAIL)])
def test_full_pixels_are_the_stack_s(factor, own, foreign):
    """n2n's own bit by bit, those of another program, which were rescaled, nearly."""
    image = np.where(FULL, factor * STACK, 3.0)
    assert (verdict(image, np.ones(SHAPE)).verdict, verdict(image).verdict) == (own, foreign)


def test_pixels_that_the_stack_does_not_know_are_not_counted():
    image = STACK.copy()
    image[11, 21] = np.nan
    sky = Sky(0)
    shipped = Shipped(image, image.copy(), 0.0, np.ones(SHAPE))
    assert ALONE.judge(sky.seen(sky.good(), saturated=FULL, shipped=shipped), SETTINGS)[0].verdict == PASS


def test_one_pixel_is_told_as_one():
    assert SATURATED.wrong(1.0) == "1 saturated pixel was changed"
    assert SATURATED.wrong(16.0) == "16 saturated pixels were changed"
