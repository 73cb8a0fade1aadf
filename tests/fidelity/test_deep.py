"""Other exposures of the same sky, on another grid, scale and sky and in other air, tell the true gain."""

from types import SimpleNamespace

import numpy as np
import pytest
from observed import FWHM, NEBULA, PLACES, SHAPE, flux_of, light_of, noise
from scipy import ndimage

from n2n.errors import UserError
from n2n.fidelity.deep import brought, told_by
from n2n.fidelity.risk import true_gain

FLUXES = flux_of(np.geomspace(10, 120, len(PLACES)))
TRUTH = light_of(PLACES, FLUXES) + NEBULA
DEPTH, FEW = 12, 16  # standard exposures of the stack, of noise 1; exposures of the deep one
TURN, SHIFT, SCALE, SEEING = 0.004, (7.3, -4.6), 2.5, 1.04
ALL = np.ones(SHAPE, bool)


class Series:
    """What `told_by` asks of a group: exposures of one noise, all of one depth, and their mean."""

    def __init__(self, exposures, names, unit=1.0):
        self.images, self.shape, self.path = exposures, exposures[0].shape, f"{names}/pairs.h5"
        self.exposures = [
            SimpleNamespace(name=f"{names}{i}.fits", sha256=f"{names}{i}", date_obs="", filter="L")
            for i in range(len(exposures))
        ]
        self.pointings, self.saturated = np.arange(len(exposures)), np.zeros(self.shape, bool)
        self.variance = np.full(self.shape, DEPTH * unit**2)
        self.facts = SimpleNamespace(fwhm_px=FWHM, sky_variance=DEPTH * unit**2)

    def mean(self, chosen=slice(None)):
        images = [self.images[index] for index in np.arange(len(self.images))[chosen]]
        return np.mean(images, axis=0), np.full(self.shape, float(len(images)), np.float32), None


def deep_series(truth=TRUTH, seed=1, count=FEW):
    """Turned, moved, of other seeing and scale; every exposure a third as noisy as one of the stack."""
    rng = np.random.default_rng(seed)
    x, y = np.cos(TURN), np.sin(TURN)
    there = PLACES @ np.array([[x, -y], [y, x]]).T + SHIFT
    stars = light_of(there, FLUXES, FWHM * SEEING)
    back = np.array([[x, y], [-y, x]])
    rows, columns = np.indices(SHAPE)
    px, py = back @ np.stack([columns - SHIFT[0], rows - SHIFT[1]]).reshape(2, -1)
    wide = ndimage.map_coordinates(truth - light_of(PLACES, FLUXES), [py.reshape(SHAPE), px.reshape(SHAPE)], order=1)
    sky = SCALE * (0.3 + 0.002 * rows - 0.001 * columns)
    sigma = SCALE * np.sqrt(DEPTH) / np.sqrt(3)
    return Series([SCALE * (stars + wide) + sky + sigma * noise(rng, SHAPE) for _ in range(count)], "deep", SCALE)


@pytest.fixture(scope="module")
def night():
    stack = TRUTH + noise(np.random.default_rng(0), SHAPE)
    return SimpleNamespace(
        group=Series([stack], "few"), stack=stack, depth=np.full(SHAPE, float(DEPTH)), deep=deep_series()
    )


def told(night, image, deep=None, usable=ALL):
    return told_by(deep or night.deep, night.group, image, night.stack, night.depth, usable)[0]


@pytest.mark.parametrize("left", [0.6, 0.3])
def test_the_true_gain_is_told_in_every_zone(night, left):
    image = TRUTH + left * (night.stack - TRUTH)
    found = told(night, image)
    assert found["exposures"] == FEW and found["placed_px"] < 0.2 and 0.7 < found["area"] < 1
    for name, most in (("all", 0.08), ("background", 0.1), ("extended", 0.2), ("stars", 0.2)):
        gain = found[name]
        assert gain["standard_error"] < most * gain["value"], name
        # Few bright stars tell the seeing only so well, and no jackknife knows.
        error = gain["standard_error"] / gain["value"] ** 2 + (0.01 if name == "stars" else 0.0)
        assert abs(1 / gain["value"] - left**2) < 3 * error, name


def test_a_filter_that_spreads_stars_is_found_as_bad_as_it_is(night):
    image = ndimage.gaussian_filter(night.stack, 1.0)
    found, chosen = told_by(night.deep, night.group, image, night.stack, night.depth, ALL)
    truth = true_gain(image, night.stack, TRUTH, np.ones(SHAPE), chosen)
    assert found["all"]["value"] == pytest.approx(truth.value, rel=0.1)
    assert found["background"]["value"] > 4 and found["stars"]["value"] < 0.9


def test_what_all_exposures_of_a_night_share_is_seen(night):
    """The detector's pattern: held-out exposures of the same night would agree with it."""
    pattern = 0.5 * noise(np.random.default_rng(5), SHAPE)
    series = SimpleNamespace(group=Series([night.stack + pattern], "few"), stack=night.stack + pattern,
                             depth=night.depth, deep=night.deep)  # fmt: skip
    image = TRUTH + pattern + 0.3 * (night.stack - TRUTH)
    expected = (1 + 0.25) / (0.09 + 0.25)
    assert told(series, image)["all"]["value"] == pytest.approx(expected, rel=0.06)


def test_a_smooth_difference_is_taken_off_and_told(night):
    rows = np.indices(SHAPE)[0]
    bowl = 0.8 * ((rows - SHAPE[0] / 2) / (SHAPE[0] / 2)) ** 2
    bent = Series([image + SCALE * bowl for image in night.deep.images], "deep", SCALE)
    image = TRUTH + 0.3 * (night.stack - TRUTH)
    plain, found = told(night, image), told(night, image, bent)
    assert found["smooth_sigma"] > 0.15 > 3 * plain["smooth_sigma"]
    assert found["all"]["value"] == pytest.approx(plain["all"]["value"], rel=0.15)


def test_parts_carry_no_noise_into_each_other(night):
    found = brought(night.deep, night.group, night.stack, night.depth, ALL)
    error, own = found.error(np.where(found.usable, TRUTH, 0)), (found.light - TRUTH) ** 2
    assert abs(error[found.usable].mean()) < 0.01 < own[found.usable].mean()


def test_too_few_exposures_and_another_sky_are_refused(night):
    with pytest.raises(UserError, match="3 exposures"):
        told(night, TRUTH, deep_series(count=3))
    empty = Series([noise(np.random.default_rng(i), SHAPE) for i in range(6)], "deep")
    with pytest.raises(UserError, match="another sky"):
        told(night, TRUTH, empty)


def test_the_surroundings_of_bright_stars_are_left_out(night):
    """A star of 60 sigma that is bent in the deep stack only: nothing is told of it."""
    star = light_of([(160.0, 128.0)], [2000.0])
    bent = Series([image + 1.1 * SCALE * star for image in deep_series(count=8).images], "deep", SCALE)
    x, y = np.linalg.inv([[np.cos(TURN), -np.sin(TURN)], [np.sin(TURN), np.cos(TURN)]]) @ (np.array([160, 128]) - SHIFT)
    own = light_of([(x, y)], [2000.0])
    group = SimpleNamespace(**vars(night.group))
    found, chosen = told_by(bent, group, night.stack + own, night.stack + own, night.depth, ALL)
    row, column = round(float(y)), round(float(x))
    assert not chosen[row - 6 : row + 7, column - 6 : column + 7].any() and found["area"] < 0.99
    assert found["all"]["value"] == pytest.approx(1)


def test_zones_may_be_given(night):
    zones = np.where(np.indices(SHAPE)[1] < 100, 2, 0)
    image = TRUTH + np.where(zones == 2, 1.0, 0.3) * (night.stack - TRUTH)
    found, _ = told_by(night.deep, night.group, image, night.stack, night.depth, ALL, zones)
    assert found["stars"]["value"] == pytest.approx(1, abs=0.02) and found["background"]["value"] > 8
