"""Isolated stars of the stack, and what became of their flux in the image that is to be used."""

from dataclasses import dataclass

import numpy as np

from n2n.sky.photometry import aperture_flux, find_stars, star_variance

BRIGHT, FAINT = (
    50,
    20,
)  # S/N: above the one, and from the other to it, fluxes are judged; places and widths above BRIGHT


@dataclass(frozen=True)
class Stars:
    """Isolated stars; arrays of shape (n,).

    Attributes
    ----------
    points : ndarray, shape (n, 2)
        x, y in pixels, 0-based.
    radius : float
        Of the aperture, pixels.
    ratio : ndarray
        S/N of their flux in the stack.
    expected : ndarray
        Variance that relative measures of them should have.
    change : ndarray
        Of their flux, as a share of it; NaN where the stack has none.
    """

    points: np.ndarray
    radius: float
    ratio: np.ndarray
    expected: np.ndarray
    change: np.ndarray

    @property
    def bright(self) -> np.ndarray:
        """Those whose places and widths are judged; ndarray of bool."""
        return self.ratio > BRIGHT


def isolated_stars(stack, sigma, bad, product, fwhm: float) -> Stars:
    """Find stars in the stack of A and B, never in C, and measure them in the image that is to be used.

    Parameters
    ----------
    stack, sigma : ndarray, shape (h, w)
        Mean of A and B, sky subtracted, and the noise of its sky.
    bad : ndarray of bool, shape (h, w)
        Saturated and missing pixels.
    product : three ndarray, shape (h, w)
        The stack that is to be replaced, its variance, and what was made of it; sky subtracted.
    fwhm : float
        Of stars, pixels.
    """
    points = find_stars(np.nan_to_num(stack), sigma, bad)
    radius = max(1.5 * fwhm, 3.0)
    before, variance, after = map(np.nan_to_num, product)
    flux = aperture_flux(before, points, radius)
    noise = np.sqrt(np.abs(aperture_flux(variance, points, radius)) + 1e-12)
    area_noise = np.sqrt(np.nanmedian(product[1]) * np.pi * radius**2)
    ratio = flux / np.maximum(noise, area_noise)
    change = aperture_flux(after - before, points, radius, ring="mean") / np.where(flux > 0, flux, np.nan)
    return Stars(points, radius, ratio, star_variance(ratio), change)
