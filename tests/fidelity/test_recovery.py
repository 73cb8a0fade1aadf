import numpy as np
import pytest
from planted import BETA, EXPOSURE, FWHM, SHAPE, stars
from scipy import ndimage

from n2n.fidelity.injection import KINDS, Objects, observe
from n2n.fidelity.recovery import extended, shapes
from n2n.fidelity.recovery import star_photometry as photometry
from n2n.sky.psf import forced_error, star_model


@pytest.fixture(scope="module")
def night():
    objects, noise = stars(30.0), np.random.default_rng(5).normal(0, 1, SHAPE)
    return objects, observe(objects, EXPOSURE, SHAPE), noise


def measured(night, denoise):
    """Photometry where the denoised image is what `denoise` makes of light and noise."""
    objects, light, noise = night
    images = {"stack": (light + noise, noise), "denoised": (denoise(light, noise), denoise(0, noise))}
    (row,) = photometry(objects, images, FWHM, BETA)
    return row


def test_a_denoiser_that_keeps_stars_has_no_bias_and_less_scatter(night):
    row = measured(night, lambda light, noise: light + 0.3 * noise)
    for kind in ("aperture", "psf"):
        found = row["denoised"][kind]
        assert abs(found["bias_mmag"]) < 10
        assert found["scatter_mmag"] < 0.6 * row["stack"][kind]["scatter_mmag"]
    assert row["denoised"]["place_px"] < row["stack"]["place_px"]


def test_scatter_is_that_of_the_noise(night):
    """PSF photometry at S/N 30 scatters by 1 / 30, wherever the star's noise is known right."""
    row = measured(night, lambda light, noise: light)
    objects = night[0]
    model = star_model(FWHM, BETA)
    error = forced_error(np.ones(SHAPE), np.column_stack([objects.x, objects.y]), model, FWHM)
    expected = 1086 * np.median(error / objects.flux)
    assert row["stack"]["psf"]["scatter_mmag"] == pytest.approx(expected, rel=0.4)


@pytest.mark.parametrize("kind", ["aperture", "psf"])
def test_dimmed_stars_have_a_bias_of_that_size(night, kind):
    found = measured(night, lambda light, noise: 0.9 * light + 0.3 * noise)["denoised"][kind]
    assert found["bias_mmag"] == pytest.approx(-2500 * np.log10(0.9), abs=12)
    assert found["standard_error_mmag"] < 10


def test_bins_are_of_what_was_injected():
    """All stars have S/N 6; noise scatters what is measured over many bins, and there is one row."""
    objects, noise = stars(6.0), np.random.default_rng(5).normal(0, 1, SHAPE)
    light = observe(objects, EXPOSURE, SHAPE)
    rows = photometry(objects, dict.fromkeys(("stack", "denoised"), (light + noise, noise)), FWHM, BETA)
    assert [(row["low"], row["high"], row["n"]) for row in rows] == [(5.0, 10.0, len(objects.x))]


def test_a_blur_is_seen_in_the_width_and_nothing_where_there_is_none(night):
    objects, light, _ = night
    (row,) = shapes(objects, {"stack": light, "denoised": ndimage.gaussian_filter(light, 0.6)}, FWHM)
    assert 0.03 < row["width_change"] < 0.3
    (row,) = shapes(objects, {"stack": light, "denoised": 0.7 * light}, FWHM)
    assert row["width_change"] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("kind", ["blob", "filament"])
def test_light_and_width_of_nebulae(kind):
    y, x = (index.ravel() for index in np.mgrid[60:421:90, 60:421:90].astype(float))
    none = np.zeros(len(x))
    along = none + (12.0 if kind == "filament" else 5.0)
    across = none + (2.0 if kind == "filament" else 5.0)
    angle = np.linspace(0, np.pi, len(x))
    levels = np.linspace(0.3, 2, len(x))
    objects = Objects(none.astype(int) + KINDS.index(kind), x, y, 2 * np.pi * along * across * levels, levels, across,
                      along, angle)  # fmt: skip
    light = observe(objects, EXPOSURE, SHAPE)
    sigma = np.ones(SHAPE)
    rows = extended(objects, {"stack": light, "denoised": 0.8 * light}, light, sigma)
    assert [row["kind"] for row in rows] == [kind, kind] and rows[0]["high"] < rows[1]["low"]
    for row in rows:
        assert row["flux"] == pytest.approx(0.8, abs=1e-6) and row["width"] == pytest.approx(1, abs=1e-6)
    blurred = extended(objects, {"stack": light, "denoised": ndimage.gaussian_filter(light, 2)}, light, sigma)
    assert all(row["width"] > 1.01 and row["flux"] < 0.99 for row in blurred)
