import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from n2n.study.metrics import psnr, ssim


def photo(seed=0, side=64):
    """Eight-bit values, as a photograph has them, between 60 and 195."""
    y, x = np.mgrid[:side, :side] / side
    smooth = 127.5 + 45 * np.sin(7 * x) * np.cos(5 * y)
    detail = np.random.default_rng(seed).uniform(-20, 20, (3, side, side))
    return (np.rint(smooth + detail) / 255 - 0.5).astype(np.float32)


@given(st.integers(1, 60), st.sampled_from([-1, 1]))
@settings(max_examples=15, deadline=None)
def test_an_offset_has_a_known_psnr(steps, sign):
    clean = photo()
    image = clean + np.float32(sign * steps / 255)
    for quantised in (True, False):
        assert psnr(clean, image, quantised) == pytest.approx(20 * math.log10(255 / steps), abs=1e-3)


def test_white_noise_of_known_sigma():
    noise = np.random.default_rng(1).normal(0, 25 / 255, (3, 256, 256))
    clean = np.zeros_like(noise)
    assert psnr(clean, noise, quantised=False) == pytest.approx(20 * math.log10(255 / 25), abs=0.06)


def test_equal_images_are_infinitely_alike():
    assert psnr(photo(), photo(), quantised=True) == psnr(photo(), photo(), quantised=False) == math.inf
    assert ssim(photo(), photo()) == 1


def test_eight_bits_forgive_what_they_cannot_hold():
    white, beyond = np.full((3, 16, 16), 0.5), np.full((3, 16, 16), 0.9)
    assert psnr(white, beyond, quantised=True) == math.inf
    assert psnr(white, beyond, quantised=False) == pytest.approx(-20 * math.log10(0.4))
    near = photo() + np.float32(0.4 / 255)
    assert psnr(photo(), near, quantised=True) == math.inf
    assert psnr(photo(), near, quantised=False) == pytest.approx(20 * math.log10(255 / 0.4), abs=0.01)


def test_tensors_and_arrays_give_the_same():
    clean, image = photo(0), photo(1)
    tensors = torch.from_numpy(clean), torch.from_numpy(image).requires_grad_()
    for quantised in (True, False):
        assert psnr(*tensors, quantised) == psnr(clean, image, quantised)
    assert ssim(*tensors) == ssim(clean, image)


def test_flat_images_have_a_known_ssim():
    """Without structure only the term of brightness is left (Wang et al. 2004, equation 6)."""
    a, b, c = 100, 140, (0.01 * 255) ** 2
    one, other = (np.full((3, 32, 32), value / 255 - 0.5) for value in (a, b))
    assert ssim(one, other) == pytest.approx((2 * a * b + c) / (a**2 + b**2 + c), abs=1e-6)


def test_ssim_is_that_of_wang_et_al():
    """Their equation 13 with weights of sigma 1.5 on 11 x 11 pixels, where the weights fit in."""
    one, other = photo(0), photo(1)
    x, y = (np.rint((image.astype(float) + 0.5) * 255) for image in (one, other))

    def weighted(image):
        return ndimage.gaussian_filter(image, (0, 1.5, 1.5), radius=(0, 5, 5))[:, 5:-5, 5:-5]

    mx, my, c1, c2 = weighted(x), weighted(y), (0.01 * 255) ** 2, (0.03 * 255) ** 2
    vx, vy, cov = weighted(x * x) - mx**2, weighted(y * y) - my**2, weighted(x * y) - mx * my
    index = (2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
    assert ssim(one, other) == pytest.approx(index.mean(), abs=1e-6)


def test_more_noise_is_less_alike():
    noise = np.random.default_rng(2).normal(0, 1, photo().shape)
    found = [ssim(photo(), photo() + sigma / 255 * noise) for sigma in (2, 10, 40)]
    assert 1 > found[0] > found[1] > found[2] > 0


def test_images_of_different_shape_are_not_compared():
    for compare in (ssim, lambda a, b: psnr(a, b, quantised=False)):
        with pytest.raises(ValueError, match=r"\(3, 64, 64\) and \(3, 1, 64\)"):
            compare(photo(), photo()[:, :1])
