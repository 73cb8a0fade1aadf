"""The error of a denoised image by place, on fields whose truth is known, denoised as is best for them."""

import numpy as np
import pytest
from scipy import ndimage

from n2n.fidelity.variance import FEWEST, answer_to_more

SHAPE, SOME, DEPTH, FWHM = (480, 480), 18.0, 24.0, 4.0
FLAT, ALL = np.ones(SHAPE, np.float32), np.ones(SHAPE, bool)
ONE_CLASS = np.zeros(SHAPE, np.int8)


def stacks_of(truth, rng):
    """Stacks of 18 and of 24 exposures, six of which are held out; noise of one is 5."""
    part, held_out = (truth + rng.normal(0, 5 / np.sqrt(depth), SHAPE) for depth in (SOME, DEPTH - SOME))
    return part, (SOME * part + (DEPTH - SOME) * held_out) / DEPTH


def answer(stacks, denoised, classes=ONE_CLASS, usable=ALL, depths=(SOME * FLAT, DEPTH * FLAT)):
    return answer_to_more(stacks, denoised, depths, 25 / DEPTH * FLAT, classes, usable, FWHM)


def test_what_passes_and_what_is_lost_are_told_together():
    """Light of a known spread, shrunk as is best: the error of the mean is a quarter noise, three quarters loss."""
    rng = np.random.default_rng(1)
    truth = rng.normal(0, np.sqrt(25 / DEPTH / 3), SHAPE)
    part, stack = stacks_of(truth, rng)
    found = answer((part, stack), (part / 4, stack / 4))
    assert found.share[0] == pytest.approx(np.mean((stack / 4 - truth) ** 2) * DEPTH / 25, rel=0.1)
    assert found.error[0] < 0.05 * found.share[0] and np.isnan(found.share[1:]).all()


def test_places_where_more_noise_passes_have_the_larger_error():
    """Patches in which a smooth, a medium and a rough sky are each shrunk as is best."""
    rng = np.random.default_rng(2)
    kind = np.digitize(ndimage.gaussian_filter(rng.normal(size=SHAPE), 20), [-0.007, 0.007])
    share = np.array([0.04, 0.1, 0.3])[kind]
    truth = rng.normal(size=SHAPE) * np.sqrt(share / (1 - share) * 25 / DEPTH)
    part, stack = stacks_of(truth, rng)
    found = answer((part, stack), (share * part, share * stack))
    chi2 = (share * stack - truth) ** 2 / (25 / DEPTH * found.share[0] * found.place)
    for index in range(3):
        inside = ndimage.binary_erosion(kind == index, iterations=6)
        assert np.mean(chi2[inside]) == pytest.approx(1, abs=0.25)
        assert np.median(chi2[inside]) / 0.4549 == pytest.approx(1, abs=0.25)


def test_light_that_may_be_a_star_has_the_larger_error_though_the_image_shows_none():
    """Faint stars at a tenth of known places; what is given is their light times the chance that there is one."""
    rng = np.random.default_rng(3)
    star = np.zeros((16, 16))
    star[8, 8] = 1
    star = ndimage.gaussian_filter(star, FWHM / 2.3548)
    power, flux, share = np.sum(star**2), 14.0, 0.1
    there = rng.random((30, 30)) < share
    truth = flux * np.kron(there, star)
    stacks = stacks_of(truth, rng)

    def denoised(stack, depth):
        seen = np.einsum("aibj,ij->ab", stack.reshape(30, 16, 30, 16), star)
        odds = share / (1 - share) * np.exp((flux * seen - flux**2 * power / 2) * depth / 25)
        return flux * np.kron(odds / (1 + odds), star), seen * np.sqrt(depth / 25 / power)

    (judged, _), (full, strength) = (denoised(*pair) for pair in zip(stacks, (SOME, DEPTH), strict=True))
    found = answer(stacks, (judged, full))
    error, told = (full - truth) ** 2 * DEPTH / 25, found.share[0] * found.place
    assert np.mean(told) == pytest.approx(np.mean(error), rel=0.3)
    core = np.kron(np.ones((30, 30)), star > 0.3 * star.max()) > 0
    likely = core & np.kron(strength > 1.5, np.ones((16, 16), bool))
    assert np.mean(error[likely]) > 5 * np.mean(told[~likely]), "or there is nothing to find"
    assert np.mean(told[likely]) > 5 * np.mean(told[~likely])


def test_nothing_is_told_where_no_exposures_were_added_or_few_pixels_are():
    rng = np.random.default_rng(4)
    part, stack = stacks_of(np.zeros(SHAPE), rng)
    found = answer((part, part), (part / 4, part / 4), depths=(SOME * FLAT, SOME * FLAT))
    assert np.isnan(found.share).all() and (found.place == 1).all()
    few = ONE_CLASS.copy()
    few.flat[: FEWEST - 1] = 3
    part[50:60], stack[50:60] = np.nan, np.nan
    found = answer((part, stack), (part / 4, stack / 4), few)
    assert np.isfinite(found.share[0]) and np.isnan(found.share[3]) and (found.place[few == 3] == 1).all()
    assert np.isfinite(found.place).all() and (found.place > 0).all() and (found.place[50:60] == 1).all()
