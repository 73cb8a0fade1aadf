"""Flux, place and shape of injected objects, in the stack and in the denoised image.

Everything is binned by what was injected, never by what was measured: bins of a measured brightness hold more stars
that noise made brighter than fainter (Eddington).

*Bias* comes from the response to the injection, the image with the objects minus that without: the sky, its sources and
most of the noise cancel. Its mean over many objects is that of the measurement. *Scatter* is that of the measurement on
the image itself, as an observer would do it.
"""

from itertools import pairwise

import numpy as np
from astropy.nddata import Cutout2D

from n2n.fidelity.injection import Objects
from n2n.sky.photometry import aperture_flux, moment_width
from n2n.sky.psf import APERTURE, aperture_share, fit_stars, forced_flux, star_model

EDGES = (3.0, 5.0, 10.0, 20.0, 50.0, np.inf)  # S/N of the bins
FITTED = 30  # stars of a bin that get PSF photometry; of all it would take longer than everything else
FEW = 10  # objects; a bin with fewer is left out
FOOTPRINT = 0.05  # of an object's peak: the pixels whose light is summed up
TO_MMAG = 2500 / np.log(10)


def star_photometry(objects: Objects, images: dict, fwhm: float, beta: float) -> list[dict]:
    """Aperture and PSF photometry of the injected stars.

    Parameters
    ----------
    objects : Objects
        What is injected.
    images : dict of (with, without)
        For ``stack`` and ``denoised``: the image with the objects and that without; ndarrays, shape (h, w).
    fwhm, beta : float
        Of stars in the stack; half-maximum width of the Moffat profile, pixels.

    Returns
    -------
    list of dict
        A bin of S/N each: ``low``, ``high``, ``n``; for either image aperture's and PSF's ``bias_mmag`` with its
        standard error, ``scatter_mmag``, and of the PSF ``place_px``, the scatter of its places a coordinate.
    """
    star = objects.of("star") & (objects.level > EDGES[0])
    places, truth, level = np.column_stack([objects.x, objects.y])[star], objects.flux[star], objects.level[star]
    radius, measured = APERTURE * fwhm, {}
    model = star_model(fwhm, beta)
    whole = aperture_share(model, radius)
    bins = [np.flatnonzero((level > low) & (level <= high)) for low, high in pairwise(EDGES)]
    some = np.concatenate([chosen[:FITTED] for chosen in bins])
    for name, (after, before) in images.items():
        after, response = np.nan_to_num(after), np.nan_to_num(after - before)
        fitted = fit_stars(after, places[some], model, fwhm)
        flux, moved = np.full(len(places), np.nan), np.full(places.shape, np.nan)
        flux[some], moved[some, 0], moved[some, 1] = (fitted[key] for key in ("flux_fit", "x_fit", "y_fit"))
        moved -= places
        direct = aperture_flux(after, places, radius) / whole
        measured[name] = {
            "aperture": (aperture_flux(response, places, radius) / whole, direct),
            # The response where the star is known to be: its mean is the bias of the flux, not of fits gone astray.
            "psf": (forced_flux(response, places, model, fwhm), flux),
            "place": moved,
        }
    rows = []
    for (low, high), chosen in zip(pairwise(EDGES), bins, strict=True):
        if len(chosen) < FEW:
            continue
        row: dict = {"low": low, "high": high, "n": len(chosen)}
        for name, found in measured.items():
            row[name] = {}
            for kind in ("aperture", "psf"):
                response, direct = (flux[chosen] / truth[chosen] for flux in found[kind])
                bias, error = response.mean() - 1, response.std(ddof=1) / np.sqrt(len(response))
                row[name][kind] = {
                    "bias_mmag": float(-TO_MMAG * np.log1p(max(bias, -0.99))),
                    "standard_error_mmag": float(TO_MMAG * error),
                    "scatter_mmag": float(TO_MMAG * robust_scatter(direct)),
                }
            row[name]["place_px"] = robust_scatter(found["place"][chosen].ravel())
        rows.append(row)
    return rows


def robust_scatter(values: np.ndarray) -> float:
    """Half the range that holds the middle 68 %, without a bin's few that went astray."""
    low, high = np.nanpercentile(values, [15.87, 84.13])
    return float(high - low) / 2


def shapes(objects: Objects, responses: dict, fwhm: float) -> list[dict]:
    """Change of width of the injected stars: of the sum of a bin's stars, so that faint ones count, too.

    Parameters
    ----------
    objects : Objects
        What is injected.
    responses : dict
        For ``stack`` and ``denoised``: what the injection changed; ndarray, shape (h, w).
    fwhm : float
        Of stars, pixels.

    Returns
    -------
    list of dict
        ``low``, ``high``, ``n`` and ``width_change`` (a share), with its standard error from halves of the bin.
    """
    half, rows = int(np.ceil(3 * fwhm)), []
    places = np.column_stack([objects.x, objects.y])
    for low, high in pairwise(EDGES):
        chosen = np.flatnonzero(objects.of("star") & (objects.level > low) & (objects.level <= high))
        if len(chosen) < FEW:
            continue
        changes = []
        for part in (chosen, chosen[::2], chosen[1::2]):
            widths = {}
            for name, image in responses.items():
                cuts = [Cutout2D(image, places[i], 2 * half + 1, mode="partial", fill_value=0.0).data for i in part]
                # The brightest of a bin should not be all of it.
                total = np.sum([cut / objects.flux[i] for cut, i in zip(cuts, part, strict=True)], axis=0)
                widths[name] = moment_width(total, np.array([[half, half]]), 1.5 * fwhm)[0]
            changes.append(widths["denoised"] / widths["stack"] - 1)
        error = abs(changes[1] - changes[2]) / 2
        rows.append({"low": low, "high": high, "n": len(chosen), "width_change": changes[0], "standard_error": error})
    return rows


def extended(objects: Objects, responses: dict, templates: np.ndarray, sigma: np.ndarray) -> list[dict]:
    """Flux and width of blobs and filaments, of the denoised image over the stack.

    Parameters
    ----------
    objects : Objects
        What is injected.
    responses : dict
        For ``stack`` and ``denoised``: what the injection changed; ndarray, shape (h, w).
    templates : ndarray, shape (h, w)
        The injected light without noise.
    sigma : ndarray, shape (h, w)
        Noise of the stack a pixel.

    Returns
    -------
    list of dict
        A row for either kind, of the fainter and the brighter half of them: ``kind``, ``low`` and ``high`` (peak in
        sigma a pixel), ``n``, ``flux`` and ``width`` with their standard errors.
    """
    rows = []
    for kind in ("blob", "filament"):
        chosen = np.flatnonzero(objects.of(kind))
        chosen = chosen[np.argsort(objects.level[chosen])]
        for part in np.array_split(chosen, 2):
            if len(part) < 3:
                continue
            found = np.array([_extended(objects, index, responses, templates, sigma) for index in part])
            (flux, width), (flux_error, width_error) = _mean(found)
            low, high = objects.level[part].min(), objects.level[part].max()
            rows.append({"kind": kind, "low": low, "high": high, "n": len(part), "flux": flux, "width": width,
                         "flux_error": flux_error, "width_error": width_error})  # fmt: skip
    return rows


def _extended(objects, index, responses, templates, sigma) -> list[float]:
    """Light and second moment across the object within its footprint, of either image, in sigma of the stack."""
    x, y = objects.x[index], objects.y[index]
    side = 2 * int(np.ceil(4 * objects.along[index])) + 1
    cut = Cutout2D(templates, (x, y), side, mode="trim")
    own = cut.data > FOOTPRINT * cut.data.max()
    v, u = np.mgrid[cut.slices_original]
    across = (v - y) * np.cos(objects.angle[index]) - (u - x) * np.sin(objects.angle[index])
    values = []
    for name in ("stack", "denoised"):
        light = responses[name][cut.slices_original] / sigma[cut.slices_original]
        values += [light[own].sum(), (light * across**2)[own].sum()]
    return values


def _mean(found: np.ndarray) -> tuple[tuple[float, float], tuple[float, float]]:
    """Ratios of sums over objects, flux and width, and their jackknife errors."""

    def ratios(part):
        flux, moment, its_flux, its_moment = part.sum(axis=0)
        spread = (its_moment / its_flux) / (moment / flux)
        return np.array([its_flux / flux, np.sqrt(max(spread, 0.0))])

    n = len(found)
    left = np.array([ratios(np.delete(found, index, axis=0)) for index in range(n)])
    error = np.sqrt((n - 1) / n * ((left - left.mean(axis=0)) ** 2).sum(axis=0))
    return tuple(ratios(found).tolist()), tuple(error.tolist())
