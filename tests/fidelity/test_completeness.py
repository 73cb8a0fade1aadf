import numpy as np
import pytest
from observed import SETTINGS
from scipy import ndimage

from n2n.fidelity.completeness import (
    DENOISED,
    STACK,
    THRESHOLDS,
    Matched,
    Search,
    depths,
    limits,
    search,
    threshold,
)
from n2n.fidelity.gates.depth import depth_verdict

SHAPE, FWHM, STEP = (480, 480), 3.0, 16


def psf(half=9):
    v, u = np.mgrid[-half : half + 1, -half : half + 1]
    profile = np.exp(-0.5 * (u**2 + v**2) / (FWHM / 2.3548) ** 2)
    return profile / profile.sum()


class Sky:
    """Stars on a grid over a smooth nebula, seen through white noise; `control` has none of the stars."""

    def __init__(self, seed=1):
        rng = np.random.default_rng(seed)
        y, x = (index.ravel() for index in np.mgrid[24 : SHAPE[0] - 24 : STEP, 24 : SHAPE[1] - 24 : STEP])
        self.stars, self.ratio = np.column_stack([x, y]).astype(float), np.exp(rng.uniform(*np.log([2, 20]), len(x)))
        self.scene = 3 * ndimage.gaussian_filter(rng.normal(size=SHAPE), 60) * 60
        noise, other, third = rng.normal(size=(3, *SHAPE))
        self.allowed = np.zeros(SHAPE, bool)
        self.allowed[16:-16, 16:-16] = True
        self.matched = Matched(psf(), np.ones(SHAPE), third, self.allowed, FWHM)
        self.flux = self.ratio * self.matched.flux_error(*self.stars.T)
        self.light = self.painted(self.flux)
        self.stack, self.control = self.scene + self.light + noise, self.scene + other

    def painted(self, flux):
        points = np.zeros(SHAPE)
        points[self.stars[:, 1].astype(int), self.stars[:, 0].astype(int)] = flux
        return ndimage.convolve(points, psf())

    def depth(self, injected, control):
        """`depths` of a denoiser that makes these two images."""
        shown = {}
        for name, seen in (("denoised", self.matched.level), ("denoised_filtered", self.matched)):
            shown[name] = self.search(seen, injected, control)
        for name, seen in (("stack", self.matched.level), ("filter", self.matched)):
            shown[name] = self.search(seen, self.stack, self.control)
        return depths(self.ratio, shown, np.random.default_rng(0))

    def search(self, seen, injected, control):
        return search(seen(injected), seen(control), seen(self.scene), self.stars, self.allowed, 2.0)


@pytest.fixture(scope="module")
def sky():
    return Sky()


def verdict(depth):
    return depth_verdict(depth, SETTINGS).verdict


def test_the_matched_filter_gives_a_stars_signal_to_noise_ratio(sky):
    seen = sky.matched(sky.light)[sky.stars[:, 1].astype(int), sky.stars[:, 0].astype(int)]
    bright = sky.ratio > 5
    assert np.median(seen[bright] / sky.ratio[bright]) == pytest.approx(1, abs=0.05)
    assert sky.matched(sky.control - sky.scene)[sky.allowed].std() == pytest.approx(1, abs=0.05)


def test_a_perfect_denoiser_goes_deeper_and_passes(sky):
    depth = sky.depth(sky.scene + sky.light, sky.scene)
    assert depth["images"]["denoised"]["purity"] == 1 and depth["delta_m50"]["value"] > 0.3
    assert verdict(depth) == "PASS"


def test_a_filter_instead_of_a_denoiser_is_as_deep_as_the_filter(sky):
    images = (ndimage.convolve(image, psf()) for image in (sky.stack, sky.control))
    depth = sky.depth(*images)
    assert abs(depth["delta_m90"]["value"]) < 0.1 and verdict(depth) == "PASS"


def test_no_denoiser_at_all_is_as_deep_as_the_filter_because_it_can_still_be_applied(sky):
    depth = sky.depth(sky.stack, sky.control)
    assert (depth["searched"], depth["reference"]) == ("denoised_filtered", "filter")
    assert depth["delta_m90"]["value"] == pytest.approx(0, abs=1e-9) and verdict(depth) == "PASS"


def test_a_denoiser_that_erases_faint_stars_fails(sky):
    kept = sky.painted(np.where(sky.ratio > 9, sky.flux, 0))
    depth = sky.depth(sky.scene + kept, sky.scene)
    gate = depth_verdict(depth, SETTINGS)
    assert gate.verdict == "FAIL" and gate.value < -0.3 and gate.name == "G4"
    assert depth["images"]["denoised"]["snr90"] == pytest.approx(9, rel=0.15)


def test_a_denoiser_that_dims_all_faint_stars_evenly_still_shows_them(sky):
    """Without noise a threshold may be low: flux is another gate's matter."""
    assert verdict(sky.depth(sky.scene + 0.6 * sky.light, sky.scene)) == "PASS"


def test_a_denoiser_that_makes_stars_of_noise_pays_with_a_higher_threshold(sky):
    def inventor(image):
        """Every peak of the noise above 2 sigma becomes a star twice as bright."""
        seen = sky.matched(image - sky.scene)
        peak = (seen == ndimage.maximum_filter(seen, 5)) & (seen > 2)
        return sky.scene + ndimage.convolve(
            np.where(peak, 2 * seen, 0), psf() * sky.matched.flux_error(*sky.stars[:1].T)
        )

    depth = sky.depth(inventor(sky.stack), inventor(sky.control))
    honest = sky.depth(sky.scene + sky.light, sky.scene)
    assert depth["images"]["denoised"]["threshold_sigma"] > 2 * honest["images"]["denoised"]["threshold_sigma"]
    assert depth["images"]["denoised"]["false"] > 20


def test_false_detections_are_those_the_scene_does_not_hold(sky):
    scene = sky.scene + sky.light
    one = search(sky.matched(scene), sky.matched(scene), sky.matched(scene), sky.stars, sky.allowed, 2.0)
    assert len(one.false) == 0
    none = search(sky.matched(scene), sky.matched(scene), sky.matched(sky.scene), sky.stars, sky.allowed, 2.0)
    assert len(none.false) > 0.8 * (sky.ratio > 3).sum()


def test_the_threshold_keeps_the_purity():
    value = np.full(900, 6.0)
    at, purity = threshold(Search(value, np.linspace(1, 5, 401)))
    assert purity >= 0.9 and at == pytest.approx(4.0, abs=0.1)
    assert threshold(Search(value, np.empty(0))) == (THRESHOLDS[0], 1.0)


def test_limits_are_where_the_completeness_says(sky):
    rng = np.random.default_rng(3)
    ratio = np.exp(rng.uniform(*np.log([2, 30]), 4000))
    found = 2.5 * np.log10(ratio) + rng.normal(0, 0.25, 4000) > 2.5 * np.log10(5)
    snr90, snr50 = limits(ratio, found)
    assert snr50 == pytest.approx(5, rel=0.02)
    assert snr90 == pytest.approx(5 * 10 ** (0.4 * 1.2816 * 0.25), rel=0.03)


def test_a_limit_that_is_not_reached_is_the_brightest_and_one_beyond_reach_the_faintest():
    ratio = np.linspace(2, 30, 400)
    assert limits(ratio, np.arange(400) % 2 == 0)[0] == pytest.approx(30)
    assert limits(ratio, np.zeros(400, bool)) == pytest.approx((30, 30))
    assert limits(ratio, np.ones(400, bool)) == pytest.approx((2, 2))


def test_a_denoiser_that_leaves_nothing_fails(sky):
    assert verdict(sky.depth(sky.scene, sky.scene)) == "FAIL"


def test_the_error_of_the_depth_is_that_between_realisations():
    found = []
    for seed in range(6):
        sky = Sky(seed)
        left = [sky.scene + light + 0.3 * (image - sky.scene - light)
                for image, light in ((sky.stack, sky.light), (sky.control, 0))]  # fmt: skip
        found.append(sky.depth(*left)["delta_m90"])
    spread = np.std([depth["value"] for depth in found], ddof=1)
    claimed = np.mean([depth["standard_error"] for depth in found])
    assert 0.4 * spread < claimed < 2.5 * spread


def test_ways_of_searching_have_names(sky):
    assert set(sky.depth(sky.stack, sky.control)["images"]) == {*DENOISED, *STACK}
