"""A sky with stars and a nebula, a stack of it and two held-out parts, for the gates' tests."""

from types import SimpleNamespace

import numpy as np
from scipy import ndimage

from n2n.config import load_config, settings_of
from n2n.fidelity.evidence import evidence
from n2n.fidelity.images import Images, Shipped

SHAPE = (256, 320)
FWHM = 3.0
SETTINGS = settings_of(SimpleNamespace(**load_config()["gates"]), "gates")
ROWS, COLUMNS = np.indices(SHAPE)
ALL = np.ones(SHAPE, bool)


def light_of(places, fluxes, fwhm=FWHM, shape=SHAPE):
    """Gaussian stars; a flux of 2 sqrt(pi) width is a signal-to-noise ratio of 1 in white noise of 1."""
    image = np.zeros(shape)
    width = fwhm / 2.3548
    rows, columns = np.indices(shape)
    for (x, y), flux in zip(places, fluxes, strict=True):
        image += flux / (2 * np.pi * width**2) * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * width**2))
    return image


def flux_of(ratio, fwhm=FWHM):
    """Flux of a star of that signal-to-noise ratio."""
    return ratio * 2 * np.sqrt(np.pi) * fwhm / 2.3548


def scattered(number, seed, margin=20):
    """Places at least 16 px apart."""
    rng, places = np.random.default_rng(seed), []
    while len(places) < number:
        place = rng.uniform(margin, np.array(SHAPE[::-1]) - margin)
        if all(np.hypot(*(place - other)) > 16 for other in places):
            places.append(place)
    return np.array(places)


PLACES = scattered(60, 0)
STARS = light_of(PLACES, flux_of(np.geomspace(7, 60, len(PLACES))))
NEBULA = 4 * np.exp(-((COLUMNS - 90) ** 2 + (ROWS - 150) ** 2) / (2 * 35**2))
TRUTH = STARS + NEBULA


class Sky:
    """Noise of 1 a pixel in the stack, correlated with the neighbours; C a third as deep, in two halves.

    C's sky is brighter and slanting, its seeing worse and its scale off: none of that may matter.
    """

    def __init__(self, seed, truth=TRUTH, off=True):
        rng = np.random.default_rng(seed)
        self.truth = truth
        self.stack = truth + noise(rng, truth.shape)
        theirs = (
            truth if not off else 1.02 * ndimage.gaussian_filter(truth, 0.3) + 0.3 + 0.001 * np.indices(truth.shape)[0]
        )
        self.parts = [(theirs + noise(rng, truth.shape) * np.sqrt(6), np.full(truth.shape, 2.0)) for _ in range(2)]
        self.noise_of_c = (self.parts[0][0] + self.parts[1][0]) / 2 - theirs

    def images(self, denoised, usable=None):
        """Evidence about a denoised image."""
        usable = np.ones(self.truth.shape, bool) if usable is None else usable
        twelve = np.full(self.truth.shape, 12.0)
        return evidence(denoised, self.stack, twelve, self.parts, twelve, usable)

    def seen(self, denoised, **more):
        """All that the gates look at; `more` takes the place of a part."""
        full, twelve = np.ones(self.truth.shape, bool), np.full(self.truth.shape, 12.0)
        return Images(**{
            "denoised": denoised, "stack": self.stack, "depth": twelve, "variance": twelve,
            "sigma": np.ones(self.truth.shape), "usable": full, "saturated": ~full, "fwhm": FWHM,
            "shipped": Shipped(self.stack, denoised), "held_out": (self.parts[0][0] + self.parts[1][0]) / 2,
            "halves": lambda: self.parts, "weight": np.ones(self.truth.shape),
        } | more)  # fmt: skip

    def good(self, left=0.3):
        """The truth and a part of the noise."""
        return self.truth + left * (self.stack - self.truth)


def noise(rng, shape):
    """Standard deviation 1, a fifth of it shared with each neighbour."""
    white = ndimage.gaussian_filter(rng.normal(size=shape), 0.5, mode="wrap")
    return white / white.std()
