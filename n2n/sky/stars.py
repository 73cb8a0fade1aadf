"""Find the stars of one exposure and say how good the exposure is."""

from dataclasses import dataclass

import cv2
import numpy as np
import sep

# sep's buffer for blended pixels; dense fields overflow its default.
sep.set_extract_pixstack(2_000_000)
MESH = 64  # background mesh in pixels: larger than stars, smaller than most gradients
MAX_STARS = 300
MAX_SHAPES = 400
LONGEST = 20  # times the length of most sources: what is longer is a trail
LARGE = 6_000_000  # pixels; larger images are searched for stars in blocks of 2 x 2


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
    step = 2 if pixels.size > LARGE else 1
    mesh, sources = _detect(pixels, bad, step, nsigma)
    # A pixel or a row is no star; neither is the trail of a satellite, whose shape would take seconds to measure.
    sources = sources[(sources["a"] > 0.5) & (sources["npix"] >= 5)]
    sources = sources[sources["a"] <= LONGEST * np.median(sources["a"])] if len(sources) else sources
    height, width = pixels.shape
    x, y = (step * sources[name] + (step - 1) / 2 for name in "xy")
    inside = (x > 4) & (y > 4) & (x < width - 5) & (y < height - 5)
    keep = inside & (sources["flux"] > 0)
    keep[keep] = _spread(sources[keep])
    sources, x, y = sources[keep], x[keep], y[keep]
    noise = step * mesh.globalrms
    if len(sources) == 0:
        return Quality(0, np.nan, np.nan, float(mesh.globalback), float(noise), np.empty((0, 3)))
    # Shapes of the brighter ones tell the seeing; of thousands, a few hundred do.
    order = np.argsort(-sources["flux"], kind="stable")[:MAX_SHAPES]
    count, sources, x, y = len(sources), sources[order], x[order], y[order]
    subtracted = _full(mesh.back(), step, pixels.shape)
    np.subtract(pixels, subtracted, out=subtracted)
    a, b = (np.sqrt(np.maximum(step**2 * (sources[axis] ** 2 - (step**2 - 1) / 12 / step**2), 0.1)) for axis in "ab")
    radius, _ = sep.flux_radius(subtracted, x, y, 6.0 * a, 0.5, normflux=step**2 * sources["flux"], subpix=5)
    fwhm = 2 * radius  # exact for a Gaussian: half the light lies within FWHM / 2
    clean = ~saturated[np.rint(y).astype(int), np.rint(x).astype(int)]
    clean &= (sources["flag"] & sep.OBJ_TRUNC) == 0
    bright = clean & (sources["peak"] > 10 * mesh.globalrms)
    chosen = bright if bright.sum() >= 5 else clean
    if not chosen.any():
        chosen = np.ones(len(sources), bool)
    found_x, found_y, _ = sep.winpos(subtracted, x, y, np.maximum(fwhm / 2.355, 0.6))
    moved = np.hypot(found_x - x, found_y - y) > 2
    x, y = np.where(moved, x, found_x), np.where(moved, y, found_y)
    flux, _, _ = sep.sum_circle(subtracted, x, y, max(2.0 * float(np.median(fwhm[chosen])), 3.0), subpix=5)
    order = np.argsort(-np.where(clean, flux, 0.5 * flux))[:MAX_STARS]
    return Quality(
        n_stars=count,
        fwhm_px=float(np.median(fwhm[chosen])),
        ellipticity=float(np.median(1 - b[chosen] / a[chosen])),
        background=float(mesh.globalback),
        background_rms=float(noise),
        stars=np.column_stack([x, y, flux])[order].astype(float),
    )


def _detect(pixels, bad, step: int, nsigma: float):
    """Sky and sources of an image in blocks of `step` pixels: of a large one in a quarter of the time."""
    if step > 1:
        size = (pixels.shape[1] // step, pixels.shape[0] // step)
        cut = np.s_[: size[1] * step, : size[0] * step]
        pixels = cv2.resize(pixels[cut], size, interpolation=cv2.INTER_AREA)
        # Defects are filled by then: a block is lost only where most of it is.
        bad = cv2.resize(bad[cut].view(np.uint8) * np.uint8(255), size, interpolation=cv2.INTER_AREA) > 127
    mesh = background_mesh(pixels, bad)
    # Large images have stars enough: plain smoothing, in half the time, loses a tenth of them, the faintest.
    smoothing = "matched" if step == 1 else "conv"
    sources = sep.extract(
        pixels - mesh.back(), nsigma, err=mesh.rms(), mask=bad, minarea=5, deblend_cont=0.01, filter_type=smoothing
    )
    return mesh, sources


def _full(image, step: int, shape):
    """Bring an image of blocks back to full size, smoothly."""
    return image if step == 1 else cv2.resize(image, shape[::-1], interpolation=cv2.INTER_LINEAR)


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
