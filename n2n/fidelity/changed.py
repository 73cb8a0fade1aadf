"""Which single sources the denoiser changed, and whom the held-out exposures prove right."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import KDTree

from n2n.fidelity.astrometry import centroids
from n2n.fidelity.filtered import LOST, SEEING, Filtered, peaks
from n2n.sky.psf import forced_error, forced_flux, moffat_beta, moffat_fwhm, star_model

CHANGED = 3.0  # sigma of the stack
DECIDED = 1.0  # sigma of the held-out exposures from the middle between both
SHOWN, SIDE = 12, 25  # sources that are shown, and pixels a side of their cut-outs
COLUMNS = ("x", "y", "ra_deg", "dec_deg", "flux_stack", "flux_denoised", "flux_error", "change_sigma",
           "flux_held_out", "flux_held_out_error", "agrees_with")  # fmt: skip


@dataclass(frozen=True)
class Changed:
    """Changed sources, those changed most first; arrays of shape (n,).

    Attributes
    ----------
    places : ndarray, shape (n, 2)
        x, y in pixels, 0-based.
    stack, denoised, held_out : ndarray
        Flux by PSF photometry at that place.
    error, held_out_error : ndarray
        Of that of the stack and of the held-out exposures.
    """

    places: np.ndarray
    stack: np.ndarray
    denoised: np.ndarray
    error: np.ndarray
    held_out: np.ndarray
    held_out_error: np.ndarray

    @property
    def change(self) -> np.ndarray:
        """Change of the flux in sigma of the stack."""
        return (self.denoised - self.stack) / self.error

    def verdicts(self) -> list[str]:
        """``denoised``, ``stack`` or ``undecided``: with whom the held-out exposures agree, source by source."""
        noise = np.hypot(self.held_out_error, SEEING * np.maximum(np.abs(self.stack), np.abs(self.denoised)))
        middle = (self.stack + self.denoised) / 2
        sided = np.sign(self.denoised - self.stack) * (self.held_out - middle) / noise
        return np.select([sided > DECIDED, sided < -DECIDED], ["denoised", "stack"], "undecided").tolist()

    def counts(self) -> dict[str, int]:
        """How many there are, in all and by the word of the held-out exposures."""
        verdicts = self.verdicts()
        return {"n": len(verdicts)} | {word: verdicts.count(word) for word in ("denoised", "stack", "undecided")}


def changed_sources(light: Filtered, images, variances, half_light: float, bad: np.ndarray) -> Changed:
    """Sources of stack or denoised image whose flux the denoiser changed by more than `CHANGED`.

    Parameters
    ----------
    light : Filtered
        In which sources above `LOST` are looked for.
    images : three ndarray, shape (h, w)
        Stack, denoised image and held-out exposures, sky subtracted.
    variances : two ndarray, shape (h, w)
        Of the stack and of the held-out exposures.
    half_light : float
        Radius that holds half of a star's light, pixels.
    bad : ndarray of bool, shape (h, w)
        Saturated and missing pixels.
    """
    stack, denoised, held_out = map(np.nan_to_num, images)
    beta = moffat_beta(stack, np.sqrt(np.nan_to_num(variances[0], nan=1.0)), bad, 2 * half_light)
    fwhm = moffat_fwhm(half_light, beta)
    model = star_model(fwhm, beta)
    found = [np.column_stack(peaks(image, LOST, light.inside))[:, ::-1] for image in (light.stack, light.denoised)]
    places = found[0].astype(float)
    if len(found[1]):
        new = KDTree(places).query(found[1])[0] > fwhm if len(places) else np.ones(len(found[1]), bool)
        places = np.concatenate([places, found[1][new]])
    if len(places):
        # Of both images, lest the place favours one.
        centred = centroids((stack + denoised) / 2, places, fwhm)
        places = np.where(np.isfinite(centred), centred, places)
    flux = [forced_flux(image, places, model, fwhm) for image in (stack, denoised, held_out)]
    errors = [forced_error(np.nan_to_num(variance), places, model, fwhm) for variance in variances]
    result = Changed(places, flux[0], flux[1], errors[0], flux[2], errors[1])
    size = np.abs(result.change)
    order = np.argsort(-size)
    order = order[size[order] > CHANGED]
    return Changed(**{name: values[order] for name, values in vars(result).items()})


def cut_outs(images, places: np.ndarray) -> np.ndarray:
    """Pixels around the first `SHOWN` places in every image; ndarray, shape (images, n, SIDE, SIDE).

    Beyond the border the nearest ones are repeated.
    """
    result = np.zeros((len(images), min(len(places), SHOWN), SIDE, SIDE), np.float32)
    for image, cuts in zip(images, result, strict=True):
        for cut, (x, y) in zip(cuts, places[:SHOWN], strict=True):
            rows, columns = (np.arange(SIDE) - SIDE // 2 + round(place) for place in (y, x))
            cut[:] = image[np.ix_(np.clip(rows, 0, image.shape[0] - 1), np.clip(columns, 0, image.shape[1] - 1))]
    return result
