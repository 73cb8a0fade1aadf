import numpy as np
import pytest

from n2n.sky.stars import MAX_STARS, measure_stars

SHAPE = (300, 320)
NONE = np.zeros(SHAPE, bool)
SIGMA = 5.0


def paint(image, x, y, flux, fwhm=3.0, ratio=1.0):
    """Add an elliptical Gaussian star, its long axis along x."""
    half = int(5 * fwhm / ratio) + 2
    rows = slice(max(0, int(y) - half), int(y) + half + 1)
    columns = slice(max(0, int(x) - half), int(x) + half + 1)
    v, u = np.mgrid[rows.start : min(rows.stop, image.shape[0]), columns.start : min(columns.stop, image.shape[1])]
    a, b = fwhm / ratio / 2.3548, fwhm / 2.3548
    profile = np.exp(-((u - x) ** 2) / 2 / a**2 - ((v - y) ** 2) / 2 / b**2) / (2 * np.pi * a * b)
    image[rows, columns] += flux * profile


def field(seed=0, number=40, fwhm=3.0, ratio=1.0, sky=100.0, slope=0.0):
    """Noisy image and the truth: x, y, flux, brightest first."""
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(np.arange(7), np.arange(7)), -1).reshape(-1, 2)[rng.permutation(49)[:number]]
    places = 25 + 40 * grid + rng.uniform(-8, 8, (number, 2))
    flux = np.sort(np.exp(rng.uniform(np.log(1500), np.log(40_000), number)))[::-1]
    image = rng.normal(sky, SIGMA, SHAPE) + slope * np.arange(SHAPE[1])
    for (x, y), light in zip(places, flux, strict=True):
        paint(image, x, y, light, fwhm, ratio)
    return image.astype(np.float32), np.column_stack([places, flux])


def test_every_star_is_found_once_and_in_its_place():
    image, truth = field()
    quality = measure_stars(image, NONE, NONE)
    assert quality.n_stars == len(quality.stars) == len(truth)
    distance = np.hypot(*(quality.stars[:, None, :2] - truth[None, :, :2]).T)
    assert sorted(distance.argmin(axis=0)) == list(range(len(truth)))
    assert np.sqrt(np.mean(distance.min(axis=0) ** 2)) < 0.06
    assert (np.diff(quality.stars[:, 2]) <= 0).all()


def test_fluxes_are_proportional_to_the_truth():
    image, truth = field(1)
    stars = measure_stars(image, NONE, NONE).stars
    partner = np.hypot(*(stars[:, None, :2] - truth[None, :, :2]).T).argmin(axis=0)
    ratio = stars[:, 2] / truth[partner, 2]
    assert np.median(ratio) == pytest.approx(1, abs=0.02) and ratio.std() < 0.05


@pytest.mark.parametrize("fwhm", [2.2, 3.0, 4.5, 7.0])
def test_the_fwhm_of_gaussian_stars_is_measured(fwhm):
    image, _ = field(2, fwhm=fwhm, number=30)
    assert measure_stars(image, NONE, NONE).fwhm_px == pytest.approx(fwhm, rel=0.08)


@pytest.mark.parametrize(("ratio", "ellipticity"), [(1.0, 0.03), (0.7, 0.3), (0.5, 0.5)])
def test_trailed_stars_have_an_ellipticity(ratio, ellipticity):
    image, _ = field(3, ratio=ratio)
    assert measure_stars(image, NONE, NONE).ellipticity == pytest.approx(ellipticity, abs=0.06)


def test_the_trail_of_a_satellite_is_no_star():
    image, truth = field(5)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    # From one edge to the other, between the rows of stars.
    image += np.float32(40 * SIGMA) * np.exp(-((y - 4 - 0.02 * x) ** 2) / 2).astype(np.float32)
    quality = measure_stars(image, NONE, NONE)
    assert quality.n_stars == len(quality.stars) == len(truth)
    assert quality.fwhm_px == pytest.approx(3.0, rel=0.08)


def test_sky_and_noise_are_those_of_the_pixels_between_the_stars():
    image, _ = field(4, sky=-20.0)
    quality = measure_stars(image, NONE, NONE)
    assert quality.background == pytest.approx(-20, abs=0.5)
    assert quality.background_rms == pytest.approx(SIGMA, rel=0.05)


def test_a_gradient_of_the_sky_makes_no_stars():
    image, truth = field(5, slope=0.5)
    assert measure_stars(image, NONE, NONE).n_stars == len(truth)


def test_pure_noise_has_no_stars():
    image = np.random.default_rng(6).normal(0, SIGMA, SHAPE).astype(np.float32)
    quality = measure_stars(image, NONE, NONE)
    assert quality.n_stars == 0 and quality.stars.shape == (0, 3)
    assert np.isnan(quality.fwhm_px) and np.isnan(quality.ellipticity)


def test_hot_pixels_and_cosmic_rays_are_no_stars():
    image, truth = field(7, number=12)
    rng = np.random.default_rng(7)
    places = rng.uniform(20, 280, (60, 2))
    places = places[np.hypot(*(places[:, None] - truth[None, :, :2]).T).min(axis=0) > 15]
    for x, y in places[:12]:  # tracks of four to eight pixels, as bright as the stars
        angle = rng.uniform(0, np.pi)
        for step in range(rng.integers(4, 9)):
            place = int(y + step * np.sin(angle)), int(x + step * np.cos(angle))
            image[place] += rng.exponential(600) + 100
    for x, y in places[12:24].astype(int):
        image[y, x] += 3000
    stars = measure_stars(image, NONE, NONE).stars
    near = np.hypot(*(stars[:, None, :2] - truth[None, :, :2]).T).min(axis=0) < 1
    assert near.sum() == len(truth) and len(stars) - near.sum() <= 1


def test_undersampled_stars_are_stars():
    image, truth = field(8, fwhm=1.6)
    assert measure_stars(image, NONE, NONE).n_stars >= 0.95 * len(truth)


def test_bad_pixels_are_left_out():
    image, truth = field(9)
    bad = NONE.copy()
    bad[:, 150:153] = True
    image[:, 150:153] = 5000
    quality = measure_stars(image, bad, NONE)
    assert quality.background == pytest.approx(100, abs=0.5)
    clear = np.abs(truth[:, 0] - 151) > 12
    assert quality.n_stars == pytest.approx(int(clear.sum()), abs=int((~clear).sum()))


def test_a_saturated_star_grades_nothing_and_does_not_lead_the_list():
    image, _ = field(10)
    wide = image.copy()
    paint(wide, 160.0, 150.0, 1e7, fwhm=12)
    saturated = wide > 20_000
    wide = np.minimum(wide, 20_000)
    quality = measure_stars(wide, NONE, saturated)
    assert saturated.any() and quality.fwhm_px == pytest.approx(3, rel=0.08)


def test_no_more_stars_are_kept_than_matching_needs():
    rng = np.random.default_rng(11)
    image = rng.normal(0, 1, (400, 400)).astype(np.float32)
    for x in range(12, 390, 18):
        for y in range(12, 390, 18):
            paint(image, x, y, 500)
    none = np.zeros(image.shape, bool)
    quality = measure_stars(image, none, none)
    assert quality.n_stars > 400 and len(quality.stars) == MAX_STARS


def test_a_frame_smaller_than_the_mesh_is_measured():
    image, _ = field(12)
    none = np.zeros((40, 50), bool)
    assert measure_stars(np.ascontiguousarray(image[:40, :50]), none, none).background == pytest.approx(100, abs=2)


def test_the_image_is_not_changed():
    image, _ = field(13)
    before = image.copy()
    measure_stars(image, NONE, NONE)
    np.testing.assert_array_equal(image, before)
