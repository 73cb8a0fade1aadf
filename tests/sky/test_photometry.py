import numpy as np
import pytest
from scipy import ndimage

from n2n.sky.photometry import aperture_flux, find_stars, moment_width, robust_mean, star_variance

SHAPE = (240, 260)
FWHM = 3.5
RADIUS = 1.5 * FWHM
ROWS, COLUMNS = np.mgrid[: SHAPE[0], : SHAPE[1]]


def gaussian(x, y, flux, fwhm=FWHM):
    variance = (fwhm / 2.3548) ** 2
    return flux / (2 * np.pi * variance) * np.exp(-((COLUMNS - x) ** 2 + (ROWS - y) ** 2) / (2 * variance))


def moffat(x, y, flux, fwhm=FWHM, beta=4.0):
    alpha = fwhm / (2 * np.sqrt(2 ** (1 / beta) - 1))
    return flux * (beta - 1) / (np.pi * alpha**2) * (1 + ((COLUMNS - x) ** 2 + (ROWS - y) ** 2) / alpha**2) ** -beta


def grid(rng, step=40):
    """Positions off the pixels' centres."""
    x, y = np.meshgrid(np.arange(25, SHAPE[1] - 25, step), np.arange(25, SHAPE[0] - 25, step))
    return np.column_stack([x.ravel(), y.ravel()]) + rng.uniform(-0.5, 0.5, (x.size, 2))


@pytest.fixture(scope="module")
def field():
    rng = np.random.default_rng(0)
    points = grid(rng)
    flux = 10 ** rng.uniform(3.3, 5, len(points))
    return points, flux


def paint(points, flux, profile=gaussian, sky=0.0, **more):
    return sky + sum(profile(x, y, f, **more) for (x, y), f in zip(points, flux, strict=True))


@pytest.mark.parametrize("profile", [gaussian, moffat])
@pytest.mark.parametrize("ring", ["median", "mean"])
def test_flux_is_measured_within_a_percent(field, profile, ring):
    points, flux = field[0], np.full(len(field[0]), 1e4)
    found = aperture_flux(paint(points, flux, profile, sky=100.0), points, RADIUS, ring)
    expected = 1 - np.exp(-np.log(2) * (2 * RADIUS / FWHM) ** 2)  # within the circle, closed form
    if profile is moffat:
        alpha = FWHM / (2 * np.sqrt(2 ** (1 / 4) - 1))
        expected = 1 - (1 + (RADIUS / alpha) ** 2) ** -3
    np.testing.assert_allclose(found / flux, expected, rtol=0.01)


def test_a_neighbour_in_the_ring_does_not_count():
    points = np.array([[100.3, 100.6]])
    alone = gaussian(*points[0], 10_000)
    crowded = alone + gaussian(110.0, 100.0, 30_000)
    found = aperture_flux(crowded, points, RADIUS)
    assert found[0] == pytest.approx(aperture_flux(alone, points, RADIUS)[0], rel=0.03)


def test_no_star_no_flux():
    assert aperture_flux(np.zeros(SHAPE), np.empty((0, 2)), RADIUS).shape == (0,)


def crowded(seed=1):
    """Many faint stars: a sky whose mean lies far above its median."""
    rng = np.random.default_rng(seed)
    image = np.zeros(SHAPE)
    for x, y, flux in zip(
        rng.uniform(0, SHAPE[1], 1500), rng.uniform(0, SHAPE[0], 1500), rng.pareto(1.2, 1500) * 30, strict=True
    ):
        left, top = max(0, int(x) - 8), max(0, int(y) - 8)
        cut = (slice(top, top + 17), slice(left, left + 17))
        variance = (FWHM / 2.3548) ** 2
        image[cut] += (
            min(flux, 3000) / (2 * np.pi * variance)
            * np.exp(-((COLUMNS[cut] - x) ** 2 + (ROWS[cut] - y) ** 2) / (2 * variance))
        )  # fmt: skip
    return image


def test_the_difference_shows_no_change_where_there_is_none():
    """A perfect denoiser in a crowded field: flux of the difference is unbiased, difference of fluxes is not."""
    rng, truth = np.random.default_rng(2), crowded()
    points = grid(rng, step=30)
    truth += paint(points, np.full(len(points), 700.0))
    linear, separate = [], []
    for _ in range(5):
        noisy = truth + rng.normal(0, 12, SHAPE)
        flux = aperture_flux(truth, points, RADIUS)
        linear.append(aperture_flux(truth - noisy, points, RADIUS, ring="mean") / flux)
        separate.append((aperture_flux(truth, points, RADIUS) - aperture_flux(noisy, points, RADIUS)) / flux)
    mean, error, n = robust_mean(np.concatenate(linear))
    biased, its_error, _ = robust_mean(np.concatenate(separate))
    assert n > 100 and abs(mean) < 3 * error and error < 0.02
    assert biased > 0.03 and biased > 3 * its_error


def test_with_the_mean_of_the_ring_flux_is_linear(field):
    points, flux = field
    rng = np.random.default_rng(6)
    one, other = (rng.exponential(30, SHAPE) + paint(points, flux * share) for share in (1.0, 0.3))
    images = (one - other, one, other)
    mean, median = ([aperture_flux(image, points, RADIUS, ring) for image in images] for ring in ("mean", "median"))
    np.testing.assert_allclose(mean[0], mean[1] - mean[2], rtol=1e-9, atol=1e-6)
    assert np.abs(median[0] - (median[1] - median[2])).max() > 10


@pytest.mark.parametrize("change", [0.95, 0.99, 1.02])
def test_the_difference_shows_a_change_of_flux(field, change):
    points, flux = field
    before = paint(points, flux)
    found = aperture_flux(before * change - before, points, RADIUS, ring="mean") / aperture_flux(before, points, RADIUS)
    np.testing.assert_allclose(found, change - 1, rtol=0.05)


@pytest.mark.parametrize("blur", [0.97, 1.0, 1.03])
def test_a_blur_of_three_percent_shows(field, blur):
    points, flux = field
    rng = np.random.default_rng(4)
    before, after = (paint(points, flux, fwhm=FWHM * factor) + rng.normal(0, 1, SHAPE) + 100 for factor in (1.0, blur))
    change = moment_width(after, points, RADIUS) / moment_width(before, points, RADIUS) - 1
    mean, error, n = robust_mean(change)
    assert n > 15 and error < 0.004
    # The window damps a change of width.
    assert abs(mean) < 0.004 if blur == 1 else 0.3 * abs(blur - 1) < mean / np.sign(blur - 1) < abs(blur - 1)


def test_the_width_grows_with_the_star(field):
    points, flux = field
    widths = [np.median(moment_width(paint(points, flux, fwhm=fwhm), points, RADIUS)) for fwhm in (2.5, 3.5, 4.5)]
    assert widths == sorted(widths) and widths[0] > 1.5


def test_a_star_at_the_border_has_no_width():
    image = gaussian(3, 100, 1e4) + gaussian(100, 237, 1e4) + gaussian(100, 100, 1e4)
    widths = moment_width(image, np.array([[3.0, 100.0], [100.0, 237.0], [100.0, 100.0]]), RADIUS)
    assert np.isnan(widths).tolist() == [True, True, False]


def test_planted_stars_are_found(field):
    points, flux = field
    sky = 50 + 0.05 * COLUMNS
    image = paint(points, flux) + sky + np.random.default_rng(3).normal(0, 5, SHAPE)
    found = find_stars(image, np.full(SHAPE, 5.0), np.zeros(SHAPE, bool))
    distance = np.hypot(*(points[:, None] - found[None]).transpose(2, 0, 1))
    assert len(found) == len(points) and distance.min(axis=1).max() < 0.3


def test_only_clean_and_isolated_stars_are_taken():
    places = np.array([[60, 60], [66, 60], [130, 60], [60, 150], [130, 150], [5, 100], [200, 180]], float)
    image = paint(places, np.full(len(places), 20_000.0)) + np.random.default_rng(1).normal(0, 5, SHAPE)
    image += sum(gaussian(190 + i, 60, 2000) for i in range(20))  # an elongated thing
    bad = np.zeros(SHAPE, bool)
    bad[150, 134] = True
    found = find_stars(image, np.full(SHAPE, 5.0), bad)
    kept = {tuple(place) for place in places if len(found) and np.hypot(*(found - place).T).min() < 1}
    assert kept == {(130, 60), (60, 150), (200, 180)} and len(found) == 3


def test_an_empty_sky_has_no_star():
    image = np.random.default_rng(0).normal(0, 5, SHAPE)
    assert find_stars(image, np.full(SHAPE, 5.0), np.zeros(SHAPE, bool)).shape == (0, 2)


def test_smoothing_shows_in_width_and_flux(field):
    points, flux = field
    before = paint(points, flux)
    after = ndimage.gaussian_filter(before, 0.6)
    assert robust_mean(moment_width(after, points, RADIUS) / moment_width(before, points, RADIUS) - 1)[0] > 0.02


def test_the_robust_mean():
    rng = np.random.default_rng(0)
    values = rng.normal(3, 1, 400)
    mean, error, n = robust_mean(values)
    assert abs(mean - 3) < 0.15 and error == pytest.approx(0.05, rel=0.15) and n > 390
    spoilt = np.concatenate([values, np.full(20, 1e6), [np.nan, np.inf]])
    assert abs(robust_mean(spoilt)[0] - mean) < 0.01 and robust_mean(spoilt)[2] <= 400
    assert robust_mean(np.full(10, 2.0)) == (2.0, 0.0, 10)
    nothing = robust_mean(np.array([1.0, 2.0, np.nan]))
    assert np.isnan(nothing[0]) and np.isnan(nothing[1]) and nothing[2] == 2


def test_few_values_lean_on_what_is_expected():
    rng = np.random.default_rng(1)
    expected = star_variance(np.array([20.0, 50.0, 100.0, 1000.0]))
    np.testing.assert_allclose(np.sqrt(expected), [0.05, 0.02, 0.01, 0.005])
    values = rng.normal(0, np.sqrt(expected), (4000, 4))
    found = np.array([robust_mean(row, expected)[:2] for row in values])
    assert (np.abs(found[:, 0]) < 2.3 * found[:, 1]).mean() > 0.95
    assert found[:, 1].min() > 0.5 * found[:, 1].mean(), "three that happen to agree are not sure of it"
    assert np.median(found[:, 1]) == pytest.approx(1 / np.sqrt((1 / expected).sum()), rel=0.25)


def test_many_values_speak_for_themselves():
    values = np.random.default_rng(2).normal(0, 0.1, 1000)
    assert robust_mean(values, np.full(1000, 0.01**2))[1] == pytest.approx(0.1 / np.sqrt(1000), rel=0.1)
