"""Stars by their profile: its shape, and their flux and place by fitting it."""

import warnings

import numpy as np
from astropy.table import Table
from photutils.background import LocalBackground, MedianBackground
from photutils.psf import MoffatPSF, PSFPhotometry

from n2n.sky.photometry import aperture_flux, find_stars

APERTURE = 1.5  # FWHM; radius
PIECE = 2000  # stars measured at a time
BETA, BETAS = 3.0, (1.5, 8.0)  # Moffat's exponent where no star tells, and what is believed of a fit


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
        Sky subtracted.
    stars : ndarray, shape (n, 2)
        x, y in pixels, 0-based.
    model : MoffatPSF
        A star; its place and flux are found.
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
        Whether its shape is fitted, too.
    """
    model = MoffatPSF(alpha=fwhm / 2 / np.sqrt(2 ** (1 / beta) - 1), beta=beta)
    model.alpha.fixed = model.beta.fixed = not free
    return model


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
        Sky subtracted.
    places : ndarray, shape (n, 2)
        x, y in pixels, 0-based.
    model : MoffatPSF
        A star; its place and flux are found.
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
        Of a pixel.
    places : ndarray, shape (n, 2)
        x, y in pixels, 0-based.
    model : MoffatPSF
        A star; its place and flux are found.
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
