import numpy as np
import pytest
from observed import SHAPE, Sky

from n2n.fidelity.evidence import evidence


def test_everything_is_in_units_of_the_stacks_noise():
    sky = Sky(0, np.zeros(SHAPE), off=False)
    images = sky.images(sky.good())
    assert images.stack.std() == pytest.approx(1, rel=0.02) and images.denoised.std() == pytest.approx(0.3, rel=0.02)
    assert images.held_out.std() == pytest.approx(np.sqrt(3), rel=0.02)
    assert images.noise.std() == pytest.approx(1, rel=0.02)
    np.testing.assert_allclose(images.ratio, 3)
    assert images.usable.all()


def test_the_noise_image_has_no_light():
    sky = Sky(1)
    images = sky.images(sky.good())
    assert np.corrcoef(images.noise.ravel(), sky.truth.ravel())[0, 1] < 0.02
    assert images.noise.std() == pytest.approx(1, rel=0.02)


def test_parts_count_by_their_depth():
    one, other, depth = np.full((4, 4), 3.0), np.full((4, 4), 9.0), np.full((4, 4), 8.0)
    parts = ((one, np.full((4, 4), 2.0)), (other, np.full((4, 4), 1.0)))
    images = evidence(one, one, depth, parts, np.full((4, 4), 8.0), np.ones((4, 4), bool))
    np.testing.assert_allclose(images.held_out, 5, rtol=1e-6)
    np.testing.assert_allclose(images.ratio, 8 / 3, rtol=1e-6)
    # Variances 8/2 + 8/1 of the difference of the parts, in units of 8/8.
    np.testing.assert_allclose(images.noise, (3 - 9) / np.sqrt(12), rtol=1e-6)


@pytest.mark.parametrize("where", ["denoised", "part", "depth"])
def test_what_is_unknown_anywhere_counts_nowhere(where):
    sky = Sky(2)
    denoised, depth = sky.good(), np.full(SHAPE, 12.0)
    target = {"denoised": denoised, "part": sky.parts[1][0], "depth": depth}[where]
    target[5, 7] = 0 if where == "depth" else np.nan
    images = evidence(denoised, sky.stack, depth, sky.parts, np.full(SHAPE, 12.0), np.ones(SHAPE, bool))
    assert (~images.usable).sum() == 1 and not images.usable[5, 7]
    for image in (images.denoised, images.stack, images.held_out, *images.halves, images.noise, images.ratio):
        assert image[5, 7] == 0 and np.isfinite(image).all()
