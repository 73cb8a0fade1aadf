"""Find the stars of one exposure and say how good the exposure is."""

from dataclasses import dataclass

import numpy as np
import sep

# sep's buffer for blended pixels; dense fields overflow its default.
sep.set_extract_pixstack(2_000_000)
MESH = 64  # background mesh in pixels: larger than stars, smaller than most gradients
MAX_STARS = 300


@dataclass(frozen=True)
class Quality:
    """What is measured on one exposure.

    Attributes
    ----------
    n_stars : int
        Detections above 5 sigma with the shape of a star.
    fwhm_px, ellipticity : float
        Medians over unsaturated stars (NaN without stars); ellipticity is 1 - b/a.
    background, background_rms : float
        Sky level and noise a pixel, in the image's unit.
    stars : ndarray, shape (n, 3)
        x, y (pixels, 0-based) and flux of up to 300 stars, brightest first.
    """

    n_stars: int
    fwhm_px: float
    ellipticity: float
    background: float
    background_rms: float
    stars: np.ndarray


def background_mesh(pixels: np.ndarray, bad: np.ndarray) -> sep.Background:
    """Sky level and noise on a mesh; `bad` pixels (bool) are left out."""
    mesh = min(MESH, *(max(side // 4, 8) for side in pixels.shape))
    return sep.Background(np.ascontiguousarray(pixels, np.float32), mask=bad, bw=mesh, bh=mesh)


def measure_stars(pixels: np.ndarray, bad: np.ndarray, saturated: np.ndarray, nsigma: float = 5.0) -> Quality:
    """Detect stars and grade the exposure.

    Parameters
    ----------
    pixels : float32 ndarray, shape (h, w)
        Calibrated, `bad` pixels filled with something plausible.
    bad, saturated : ndarray of bool, shape (h, w)
        Detector defects and missing pixels; pixels at full scale.
    nsigma : float
        Detection threshold in units of the local noise, after matched filtering.

    Returns
    -------
    Quality
    """
    mesh = background_mesh(pixels, bad)
    subtracted = np.ascontiguousarray(pixels - mesh.back(), np.float32)
    sources = sep.extract(subtracted, nsigma, err=mesh.rms(), mask=bad, minarea=5, deblend_cont=0.01)
    # A pixel or a row is no star; neither is a galaxy-sized blob without a core.
    sources = sources[(sources["a"] > 0.5) & (sources["npix"] >= 5)]
    height, width = pixels.shape
    inside = (sources["x"] > 4) & (sources["y"] > 4) & (sources["x"] < width - 5) & (sources["y"] < height - 5)
    sources = sources[inside & (sources["flux"] > 0)]
    sources = sources[_spread(sources)]
    if len(sources) == 0:
        return Quality(0, np.nan, np.nan, float(mesh.globalback), float(mesh.globalrms), np.empty((0, 3)))
    radius, _ = sep.flux_radius(
        subtracted, sources["x"], sources["y"], 6.0 * sources["a"], 0.5, normflux=sources["flux"], subpix=5
    )
    fwhm = 2 * radius  # exact for a Gaussian: half the light lies within FWHM / 2
    clean = ~saturated[np.rint(sources["y"]).astype(int), np.rint(sources["x"]).astype(int)]
    clean &= (sources["flag"] & sep.OBJ_TRUNC) == 0
    bright = clean & (sources["peak"] > 10 * mesh.globalrms)
    chosen = bright if bright.sum() >= 5 else clean
    if not chosen.any():
        chosen = np.ones(len(sources), bool)
    x, y, _ = sep.winpos(subtracted, sources["x"], sources["y"], np.maximum(fwhm / 2.355, 0.6))
    moved = np.hypot(x - sources["x"], y - sources["y"]) > 2
    x, y = np.where(moved, sources["x"], x), np.where(moved, sources["y"], y)
    flux, _, _ = sep.sum_circle(subtracted, x, y, max(2.0 * float(np.median(fwhm[chosen])), 3.0), subpix=5)
    order = np.argsort(-np.where(clean, flux, 0.5 * flux))[:MAX_STARS]
    return Quality(
        n_stars=len(sources),
        fwhm_px=float(np.median(fwhm[chosen])),
        ellipticity=float(np.median(1 - sources["b"][chosen] / sources["a"][chosen])),
        background=float(mesh.globalback),
        background_rms=float(mesh.globalrms),
        stars=np.column_stack([x, y, flux])[order].astype(float),
    )


def _spread(sources: np.ndarray) -> np.ndarray:
    """Sources whose light is as spread out as that of the frame's stars: no cosmic rays, no hot pixels.

    sep's 3x3 smoothing leaves 0.25 of a single pixel's peak, 0.3 to 0.45 of a cosmic ray's track, 0.55 and
    more of a star's, less only where stars are undersampled. The frame's upper quartile therefore says what
    its stars are like, even where half of the detections are none.
    """
    blunt = sources["cpeak"] / np.maximum(sources["peak"], 1e-9)
    if len(blunt) < 3:
        return np.ones(len(blunt), bool)
    return blunt > 0.7 * np.percentile(blunt, 75)
