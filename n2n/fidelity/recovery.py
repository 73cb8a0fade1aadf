"""Flux, place and shape of injected objects, in the stack and in the denoised image.

Everything is binned by what was injected, never by what was measured: bins of a measured brightness hold more stars
that noise made brighter than fainter (Eddington).

*Bias* comes from the response to the injection, the image with the objects minus that without: the sky, its sources and
most of the noise cancel. Its mean over many objects is that of the measurement. *Scatter* is that of the measurement on
the image itself, as an observer would do it.
"""

import warnings
from itertools import pairwise

import numpy as np
from astropy.nddata import Cutout2D
from astropy.table import Table
from photutils.background import LocalBackground, MedianBackground
from photutils.psf import MoffatPSF, PSFPhotometry

from n2n.fidelity.injection import Objects
from n2n.fidelity.photometry import aperture_flux, find_stars, moment_width

EDGES = (3.0, 5.0, 10.0, 20.0, 50.0, np.inf)  # S/N of the bins
APERTURE = 1.5  # FWHM; radius
FITTED = 30  # stars of a bin that get PSF photometry; of all it would take longer than everything else
PIECE = 2000  # stars measured at a time
FEW = 10  # objects; a bin with fewer is left out
FOOTPRINT = 0.05  # of an object's peak: the pixels whose light is summed up
BETA, BETAS = 3.0, (1.5, 8.0)  # Moffat's exponent where no star tells, and what is believed of a fit
TO_MMAG = 2500 / np.log(10)


def moffat_beta(image: np.ndarray, sigma: np.ndarray, bad: np.ndarray, fwhm: float, most: int = 30) -> float:
    """Exponent of the stars' profile, from the brightest isolated ones of a stack.

    Parameters
    ----------
    image, sigma : ndarray, shape (h, w)
        The stack, sky subtracted, and its noise a pixel.
    bad : ndarray of bool, shape (h, w)
        Saturated or missing pixels.
    fwhm : float
        Of stars, pixels.
    most : int
        How many stars are looked at.
    """
    stars = find_stars(image, sigma, bad)
    flux = aperture_flux(image, stars, APERTURE * fwhm)
    stars = stars[np.argsort(-flux)[:most]]
    if len(stars) < 3:
        return BETA
    found = fit_stars(image, stars, star_model(fwhm, BETA, free=True), fwhm)
    beta = np.asarray(found["beta_fit"])
    beta = beta[(beta > BETAS[0]) & (beta < BETAS[1])]
    return float(np.median(beta)) if len(beta) >= 3 else BETA


def fit_stars(image: np.ndarray, stars: np.ndarray, model: MoffatPSF, fwhm: float) -> Table:
    """PSF photometry by photutils, places free, above the median of a ring around; one row a star.

    Parameters
    ----------
    image : ndarray, shape (h, w)
    stars : ndarray, shape (n, 2)
        x, y in pixels, 0-based.
    model : MoffatPSF
    fwhm : float
        Of stars, pixels.
    """
    side = 2 * int(np.ceil(1.5 * fwhm)) + 1
    ring = LocalBackground(2.5 * fwhm, 4.5 * fwhm, bkg_estimator=MedianBackground())
    fitter = PSFPhotometry(model, side, aperture_radius=APERTURE * fwhm, local_bkg_estimator=ring, xy_bounds=2.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # stars whose fit did not converge are told by their numbers
        return fitter(image, init_params=Table({"x": stars[:, 0], "y": stars[:, 1]}))


def moffat_fwhm(half_light: float, beta: float) -> float:
    """Width at half maximum of a Moffat profile that holds half its light within a radius."""
    return 2 * half_light * float(np.sqrt((2 ** (1 / beta) - 1) / (2 ** (1 / (beta - 1)) - 1)))


def star_model(fwhm: float, beta: float, free: bool = False) -> MoffatPSF:
    """A star; its shape is fitted as well where it is `free`.

    Parameters
    ----------
    fwhm : float
        Half-maximum width, pixels.
    beta : float
        Exponent of the Moffat profile.
    free : bool
    """
    model = MoffatPSF(alpha=fwhm / 2 / np.sqrt(2 ** (1 / beta) - 1), beta=beta)
    model.alpha.fixed = model.beta.fixed = not free
    return model


def star_photometry(objects: Objects, images: dict, fwhm: float, beta: float) -> list[dict]:
    """Aperture and PSF photometry of the injected stars.

    Parameters
    ----------
    objects : Objects
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


def aperture_share(model: MoffatPSF, radius: float) -> float:
    """Share of a star's light that `aperture_flux` finds: what its ring takes for sky is lost."""
    half = int(np.ceil(radius)) + 10
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    image = model.copy()
    image.flux = 1.0
    return float(aperture_flux(image(x, y), np.array([[half, half]]), radius)[0])


def forced_flux(image: np.ndarray, places: np.ndarray, model: MoffatPSF, fwhm: float) -> np.ndarray:
    """Least-squares flux of stars at known places, and of a level beneath; ndarray, shape (n,).

    Parameters
    ----------
    image : ndarray, shape (h, w)
    places : ndarray, shape (n, 2)
        x, y in pixels, 0-based.
    model : MoffatPSF
    fwhm : float
        Of stars, pixels.
    """
    stamps = _stamps(image, places, model, fwhm)
    return _joined((profile * cut).sum(axis=(1, 2)) / (profile**2).sum(axis=(1, 2)) for cut, profile in stamps)


def forced_error(variance: np.ndarray, places: np.ndarray, model: MoffatPSF, fwhm: float) -> np.ndarray:
    """Standard deviation of `forced_flux` in an image of that variance a pixel; ndarray, shape (n,).

    Parameters
    ----------
    variance : ndarray, shape (h, w)
    places : ndarray, shape (n, 2)
        x, y in pixels, 0-based.
    model : MoffatPSF
    fwhm : float
        Of stars, pixels.
    """
    stamps = _stamps(variance, places, model, fwhm)
    return _joined(
        np.sqrt((profile**2 * cut).sum(axis=(1, 2))) / (profile**2).sum(axis=(1, 2)) for cut, profile in stamps
    )


def _joined(pieces) -> np.ndarray:
    return np.concatenate([np.empty(0), *pieces])


def _stamps(image, places, model, fwhm):
    """Pixels around many places at a time, and a star of flux 1 there, its mean subtracted; 0 outside the image, both.

    Yields
    ------
    cut, profile : ndarray, shape (n, side, side)
    """
    side = 2 * int(np.ceil(1.5 * fwhm)) + 1
    unit = model.copy()
    unit.flux = 1.0
    for start in range(0, len(places), PIECE):
        x, y = np.asarray(places[start : start + PIECE], float).T[:, :, None]
        columns, rows = (np.ceil(place - side / 2).astype(int) + np.arange(side) for place in (x, y))
        seen = [(lines >= 0) & (lines < size) for lines, size in zip((rows, columns), image.shape, strict=True)]
        down, along = (np.where(known, lines, 0) for lines, known in zip((rows, columns), seen, strict=True))
        within = seen[0][:, :, None] & seen[1][:, None, :]
        profile = unit(*np.broadcast_arrays((columns - x)[:, None, :], (rows - y)[:, :, None]))
        profile -= profile.mean(axis=(1, 2), keepdims=True, where=within)
        yield image[down[:, :, None], along[:, None, :]] * within, profile * within


def robust_scatter(values: np.ndarray) -> float:
    """Half the range that holds the middle 68 %, without a bin's few that went astray."""
    low, high = np.nanpercentile(values, [15.87, 84.13])
    return float(high - low) / 2


def shapes(objects: Objects, responses: dict, fwhm: float) -> list[dict]:
    """Change of width of the injected stars: of the sum of a bin's stars, so that faint ones count, too.

    Parameters
    ----------
    objects : Objects
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
