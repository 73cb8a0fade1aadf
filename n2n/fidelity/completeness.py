"""Which injected stars are found, at what price in false ones: G4.

Images are searched in the same way: the stack after a filter matched to its stars, the stack as it is, the denoised
image as it is and after that filter, too. A denoised image is filtered already, and a second time may blur it; one that
leaves much of the noise wants the filter. The better of the two counts, of the stack as well: among many stars a filter
may lose more by blending than it gains. Thresholds are in units of the *stack's*
noise: a denoised image has hardly any of its own. Each image has its own, at which `PURITY` of all found is real.
"""

from dataclasses import dataclass

import numpy as np
import sep
from scipy import ndimage, optimize, signal, special
from scipy.spatial import KDTree

PURITY = 0.9
THRESHOLDS = np.geomspace(0.5, 8, 186)  # sigma of the stack; what is fainter than the lowest is not called found
REAL = 0.5  # share of a detection's light that the known scene must hold there for it to be no false one
MESH = 12  # FWHM; side of a square of the mesh that tells the level around
SPREAD = 5  # px; side of the square whose highest pixel is a detection
BIN = 0.25  # mag
BOOTSTRAPS = 40
DENOISED, STACK = ("denoised", "denoised_filtered"), ("stack", "filter")  # ways of searching either image
TO_MAG = 2.5 / np.log(10)


@dataclass(frozen=True)
class Search:
    """What one way of looking finds.

    Attributes
    ----------
    value : ndarray, shape (n,)
        Of every injected star: the detection there, in sigma of the stack; -inf without one.
    false : ndarray, shape (m,)
        Of every false detection.
    """

    value: np.ndarray
    false: np.ndarray


class Matched:
    """A filter matched to stars of the stack, in units of the stack's noise after it.

    The level around is taken off by a mesh, as detection programs do it. A filter that ignores it by itself would dig
    moats around bright stars, in which faint ones are lost.

    Parameters
    ----------
    psf : ndarray, shape (k, k)
        A star of flux 1; k is odd.
    root : ndarray, shape (h, w)
        Inverse of the stack's noise a pixel; 0 where unknown.
    noise : ndarray, shape (h, w)
        A realisation of the stack's noise.
    clean : ndarray of bool, shape (h, w)
        Empty sky.
    fwhm : float
        Of stars, pixels.
    """

    def __init__(self, psf, root, noise, clean, fwhm):
        self.psf, self.root = psf, root.astype(np.float32)
        self.mesh = max(8, min(round(MESH * fwhm), *(side // 4 for side in root.shape)))
        self.unit = 1.0
        self.unit = robust_sigma(self(noise)[clean])

    def level(self, image: np.ndarray) -> np.ndarray:
        """An image, sky subtracted, in units of the stack's noise a pixel, above the level around; 0 where unknown."""
        known = self.root > 0
        scaled = np.where(known, image, 0).astype(np.float32) * self.root
        return np.where(known, scaled - sep.Background(scaled, mask=~known, bw=self.mesh, bh=self.mesh).back(), 0)

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Apply it to an image, sky subtracted."""
        return signal.fftconvolve(self.level(image), self.psf[::-1, ::-1], mode="same") / self.unit

    def flux_error(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Noise of the flux of a star at (x, y); ndarray, shape (n,)."""
        root = self.root[np.rint(y).astype(int), np.rint(x).astype(int)]
        return self.unit / (np.maximum(root, 1e-9) * (self.psf**2).sum())


def robust_sigma(values: np.ndarray) -> float:
    """Standard deviation of the bulk."""
    return 1.4826 * float(np.median(np.abs(values - np.median(values)))) if values.size else float("nan")


def peaks(image: np.ndarray, allowed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Local maxima above the lowest threshold: places (n, 2) as x, y, and values (n,)."""
    top = (image == ndimage.maximum_filter(image, SPREAD)) & (image > THRESHOLDS[0]) & allowed
    y, x = np.nonzero(top)
    return np.column_stack([x, y]).astype(float), image[y, x]


def search(injected, control, scene, stars: np.ndarray, allowed: np.ndarray, radius: float) -> Search:
    """Look for the injected stars in one image, and for false ones in another whose scene is known.

    Parameters
    ----------
    injected : ndarray, shape (h, w)
        Image with the stars, in sigma of the stack.
    control : ndarray, shape (h, w)
        Image of the known scene with other noise, treated alike.
    scene : ndarray, shape (h, w)
        That scene without noise.
    stars : ndarray, shape (n, 2)
        x, y.
    allowed : ndarray of bool, shape (h, w)
        Where a star may be.
    radius : float
        Of a match, pixels.
    """
    value = np.full(len(stars), -np.inf)
    # The peak of a star at the border may lie just beyond.
    allowed = ndimage.binary_dilation(allowed, iterations=int(np.ceil(radius)))
    places, found = peaks(injected, allowed)
    if len(places) and len(stars):
        for index, near in enumerate(KDTree(places).query_ball_point(stars, radius)):
            value[index] = found[near].max(initial=-np.inf)
    places, found = peaks(control, allowed)
    reach = int(np.ceil(radius))
    v, u = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    light = ndimage.maximum_filter(scene, footprint=u**2 + v**2 <= radius**2)
    column, row = places.astype(int).T
    return Search(value, found[light[row, column] < REAL * found])


def threshold(found: Search) -> tuple[float, float]:
    """Lowest threshold from which on `PURITY` is kept, and the purity there."""
    real, false = ((values[:, None] > THRESHOLDS).sum(axis=0) for values in (found.value, found.false))
    purity = np.where(real + false > 0, real / np.maximum(real + false, 1), 1.0)
    low = np.flatnonzero(purity < PURITY)
    index = min(low[-1] + 1 if len(low) else 0, len(THRESHOLDS) - 1)
    return float(THRESHOLDS[index]), float(purity[index])


def limits(ratio: np.ndarray, found: np.ndarray) -> tuple[float, float]:
    """S/N at which 90 % and 50 % of the stars are found.

    The share is fitted by ``(1 - l) Phi((m - m0) / w)`` of the magnitude m = 2.5 log10(S/N), by maximum likelihood over
    the single stars; l, at most 0.2, are those lost whatever their brightness.

    Parameters
    ----------
    ratio : ndarray, shape (n,)
        S/N of the stars.
    found : ndarray of bool, shape (n,)
        Which of them were.

    Returns
    -------
    float, float
        That of the faintest where even it is found, that of the brightest where not even that is.
    """
    magnitude = TO_MAG * np.log(ratio)
    if min(found.sum(), (~found).sum()) < 5:
        return (float(ratio.min() if found.sum() >= 5 else ratio.max()),) * 2

    def share(parameters, at):
        middle, width, lost = parameters
        return (1 - 0.2 * special.expit(lost)) * special.ndtr((at - middle) / np.exp(width))

    def unlikely(parameters):
        p = np.clip(share(parameters, magnitude), 1e-4, 1 - 1e-4)
        return -np.log(np.where(found, p, 1 - p)).sum()

    start = [np.median(magnitude[found]) - 1, np.log(0.3), -4.0]
    best = optimize.minimize(unlikely, start, method="Nelder-Mead", options={"xatol": 5e-3, "fatol": 1e-2}).x
    middle, width, lost = best
    wanted = np.array([0.9, 0.5]) / (1 - 0.2 * special.expit(lost))
    at = np.where(wanted < 1, middle + np.exp(width) * special.ndtri(np.minimum(wanted, 1 - 1e-9)), np.inf)
    return tuple(np.exp(np.clip(at, magnitude.min(), magnitude.max()) / TO_MAG).tolist())


def depths(ratio: np.ndarray, searches: dict[str, Search], rng: np.random.Generator) -> dict:
    """Thresholds, limits and completeness of all images, and how much deeper the denoised one goes than the stack.

    Parameters
    ----------
    ratio : ndarray, shape (n,)
        S/N of the injected stars.
    searches : dict
        Those of `DENOISED` and `STACK`.
    rng : numpy.random.Generator
        For the errors: stars and false detections are drawn again, the same stars for all images.

    Returns
    -------
    dict
        As inject.json holds it.
    """
    edges = np.arange(TO_MAG * np.log(ratio.min()), TO_MAG * np.log(ratio.max()) + BIN, BIN)
    middle = np.exp((edges[:-1] + BIN / 2) / TO_MAG)
    which = np.digitize(TO_MAG * np.log(ratio), edges) - 1
    injected = np.bincount(which, minlength=len(middle))
    result: dict = {"bins_snr": middle, "injected": injected, "images": {}}
    for name, search in searches.items():
        at, purity = threshold(search)
        found = search.value > at
        snr90, snr50 = limits(ratio, found)
        result["images"][name] = {
            "threshold_sigma": at,
            "purity": purity,
            "false": int((search.false > at).sum()),
            "snr90": snr90,
            "snr50": snr50,
            "found": np.bincount(which[found], minlength=len(middle)),
        }
    best, reference = (min(ways, key=lambda name: result["images"][name]["snr90"]) for ways in (DENOISED, STACK))
    result |= {"searched": best, "reference": reference}
    draws = [_drawn(ratio, (searches[best], searches[reference]), rng) for _ in range(BOOTSTRAPS)]
    for index, name in enumerate(("delta_m90", "delta_m50")):
        key = f"snr{name[-2:]}"
        deeper = gained(*(result["images"][image][key] for image in (best, reference)))
        result[name] = {"value": deeper, "standard_error": float(np.std([draw[index] for draw in draws], ddof=1))}
    return result


def gained(denoised: float, stack: float) -> float:
    """Magnitudes by which the limit of the denoised image is fainter."""
    return float(TO_MAG * np.log(stack / denoised))


def _drawn(ratio, searches, rng) -> list[float]:
    stars = rng.integers(len(ratio), size=len(ratio))
    reached = []
    for search in searches:
        value, false = search.value[stars], search.false
        drawn = Search(value, rng.choice(false, rng.poisson(len(false))) if len(false) else false)
        reached.append(limits(ratio[stars], value > threshold(drawn)[0]))
    return [gained(*pair) for pair in zip(*reached, strict=True)]
