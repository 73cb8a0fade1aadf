import numpy as np
import pytest
from observed import FWHM, PLACES, SHAPE, Sky

from n2n.fidelity.filtered import filtered, peaks


def test_values_are_signal_to_noise_ratios():
    """Noise is shared between neighbours: the ratio in white noise is lowered by what the filter then sees."""
    sky = Sky(0)
    found = filtered(sky.images(sky.truth), FWHM)
    assert 1.4826 * np.median(np.abs((found.stack - found.denoised)[found.inside])) == pytest.approx(1, rel=0.05)
    values = found.denoised[tuple(np.rint(PLACES[:, ::-1]).astype(int).T)]
    assert 0.6 < np.median(values / np.geomspace(7, 60, len(PLACES))) < 0.95
    np.testing.assert_allclose(found.noise, np.sqrt(3))


def test_nothing_usable_is_an_image_of_nothing():
    sky = Sky(0)
    found = filtered(sky.images(sky.good(), np.zeros(SHAPE, bool)), FWHM)
    assert not found.inside.any() and not found.stack.any()


def test_peaks_are_the_highest_of_their_neighbours():
    image, inside = np.zeros((20, 20)), np.ones((20, 20), bool)
    image[5, 6], image[5, 7], image[12, 12], image[2, 2] = 9, 8, 7, 6
    inside[2, 2] = False
    assert [part.tolist() for part in peaks(image, 5.0, inside)] == [[5, 12], [6, 12]]
