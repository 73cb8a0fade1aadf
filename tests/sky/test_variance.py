import numpy as np
import pytest

from n2n.sky.combine import weighted_mean
from n2n.sky.variance import mean_variance, sample_variance, sky_variance, smooth_variance, without_seeing

SHAPE = (100, 100)


def noise(n, shape=SHAPE, seed=0, sigma=1.0):
    return np.random.default_rng(seed).normal(0, sigma, (n, *shape)).astype(np.float32)


@pytest.mark.parametrize("n", [2, 3, 8])
def test_the_sample_variance_is_unbiased_for_unequal_exposures(n):
    weights = np.linspace(0.5, 2, n)
    values = noise(n, (300, 300), seed=n) * 2 / np.sqrt(weights)[:, None, None].astype(np.float32)
    valid = np.ones(values.shape, bool)
    mean, _ = weighted_mean(values, valid, weights)
    assert sample_variance(values, valid, weights, mean).mean() == pytest.approx(4, rel=0.02)


def test_one_sample_has_no_variance():
    values, valid = noise(3), np.ones((3, *SHAPE), bool)
    valid[1:, 4, 4] = False
    mean, _ = weighted_mean(values, valid, np.ones(3))
    found = sample_variance(values, valid, np.ones(3), mean)
    assert np.isnan(found[4, 4]) and np.isnan(found).sum() == 1


@pytest.mark.parametrize("n", [4, 10, 24])
def test_the_smooth_variance_is_flat_on_sky_and_follows_stars(n):
    rng = np.random.default_rng(n)
    true = np.full((256, 256), 9.0)
    true[100:120, 100:120] = 400
    values = (rng.normal(size=(n, 256, 256)) * np.sqrt(true)).astype(np.float32)
    valid = np.ones(values.shape, bool)
    sample = sample_variance(values, valid, np.ones(n), values.mean(axis=0))
    background = sky_variance(sample, np.ones(true.shape, bool), n)
    variance = smooth_variance(sample, np.ones(true.shape, bool), n, background)
    assert background == pytest.approx(9, rel=0.04)
    assert np.median(variance[:90]) == pytest.approx(9, rel=0.04)
    assert variance[104:116, 104:116].mean() == pytest.approx(400, rel=0.2)
    assert (variance > 0).all()


def test_the_smooth_variance_is_usable_where_nothing_is_known():
    nothing = np.full(SHAPE, np.nan, np.float32)
    assert sky_variance(nothing, np.ones(SHAPE, bool), 5) == 1
    assert (smooth_variance(nothing, np.ones(SHAPE, bool), 5, 1.0) == 1).all()


def test_exposures_that_share_noise_count_as_one_unit():
    """Six units of two exposures; half of an exposure's variance is its unit's."""
    rng = np.random.default_rng(8)
    units = np.repeat(np.arange(6), 2)
    shared = rng.normal(0, np.sqrt(2), (6, 60, 60))[units]
    values = (shared + rng.normal(0, np.sqrt(2), (12, 60, 60))).astype(np.float32)
    valid, weights = np.ones(values.shape, bool), np.ones(12)
    mean = values.mean(axis=0)
    truth = mean.var()  # of the mean, whose expectation is 0
    alone = sample_variance(values, valid, weights, mean).mean() / 12
    together = sample_variance(values, valid, weights, mean, units).mean() / 12
    assert together == pytest.approx(truth, rel=0.05)
    assert alone < 0.75 * truth


def stars_and_nebula(shape, nebula):
    """Light of a crowded field in electrons; the nebula is as bright as the sky and fills much of the frame."""
    y, x = np.indices(shape)
    light = nebula * np.exp(-((x - 120) ** 2 + (y - 100) ** 2) / 2 / 25**2)
    rng = np.random.default_rng(0)
    for _ in range(40):
        cx, cy, flux = rng.uniform(8, 180), rng.uniform(8, 150), 10 ** rng.uniform(2, 5)
        light += flux * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / 2 / 1.4**2) / (2 * np.pi * 1.4**2)
    return light


@pytest.mark.parametrize(("nebula", "sky"), [(0, 30.0), (40, 30.0), (10, 3.0)])
def test_the_variance_of_a_stack_is_its_scatter_over_many_nights(nebula, sky):
    """Exposures of unequal transparency, one of them cut off; a vignette, which the flat turns into noise."""
    shape, nights, read = (160, 192), 100, 2.0
    light = stars_and_nebula(shape, nebula)
    y, x = np.indices(shape)
    out = (x - 96) ** 2 + (y - 80) ** 2
    flat = 1 - 0.35 * out / (96**2 + 80**2)
    flat /= np.median(flat)
    transparency = np.linspace(0.7, 1.0, 10)
    sigma = np.sqrt(sky + read**2) / transparency
    weights = np.median(sigma) ** 2 / sigma**2
    valid = np.ones((10, *shape), bool)
    valid[3, :20] = False
    means, claimed = [], []
    for night in range(nights):
        draw = np.random.default_rng([1, night])
        values = np.empty(valid.shape, np.float32)
        for value, seen in zip(values, transparency, strict=True):
            value[:] = draw.poisson((light * seen + sky) * flat) + draw.normal(0, read, shape)
            value[:] = (value / flat - sky) / seen
        mean, weight = weighted_mean(values, valid, weights)
        means.append(mean)
        if night % 10 == 0:
            sample = sample_variance(values, valid, weights, mean)
            background = sky_variance(sample, np.ones(shape, bool), len(values))
            each = np.broadcast_to((weights / transparency).astype(np.float32)[:, None, None], values.shape)
            photon, _ = weighted_mean(each, valid, weights)
            claimed.append(mean_variance(mean, weight, photon, sample, background))
    scatter, claimed = np.var(means, axis=0, ddof=1), np.mean(claimed, axis=0)
    zones = {
        "sky": light < 1,
        "uncovered by one": (light < 1) & (y < 20),
        "corners": (light < 1) & (out > 95**2),
        "faint light": (light > 3) & (light < 20),
        "bright light": light > 50,
    }
    found = {name: claimed[zone].sum() / scatter[zone].sum() for name, zone in zones.items()}
    assert found == pytest.approx(dict.fromkeys(zones, 1.0), rel=0.05)


def test_exposures_without_weight_do_not_count():
    values, valid = noise(6, seed=9), np.ones((6, *SHAPE), bool)
    valid[1, :50], weights = False, np.array([1.0, 2.0, 0.0, 1.5, 0.0, 1.0])
    some = weights > 0
    mean, _ = weighted_mean(values, valid, weights)
    expected = sample_variance(values[some], valid[some], weights[some], mean)
    np.testing.assert_allclose(sample_variance(values, valid, weights, mean), expected, rtol=1e-6)


def test_without_seeing_no_pixel_varies_by_more_than_sky_and_photons():
    light = stars_and_nebula((160, 192), 20).astype(np.float32)
    noise = 30 + 0.5 * light
    scatter = np.float32(30 + 5 * light)  # seeing: ten times the photons
    scatter[:20] = 25.0
    image = light + noise_image(light.shape) * np.sqrt(noise)
    image[100:104, 100:104] = np.nan
    found = without_seeing(scatter, image, 30.0, 0.5)
    bright = light > 200
    assert np.mean(found[bright] / noise[bright]) == pytest.approx(1, abs=0.1)
    assert (found <= scatter).all() and (found[:20] == 25).mean() > 0.99 and np.isfinite(found).all()


def noise_image(shape):
    return noise(1, shape, seed=4)[0]
