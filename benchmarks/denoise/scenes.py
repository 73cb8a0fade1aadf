"""Scenes whose truth is known, observed K times, registered and cleaned as n2n does it.

Six made-up scenes and one deep space telescope image; every seed draws another sky of the kind, other dithers and
other noise. Registration is exact: what is compared is what denoises. Sky and transparency are known.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from astropy.io import fits
from scipy import ndimage

from n2n.simulate.optics import Conditions, render, to_frame
from n2n.simulate.scene import Scene, canvas_shape, galaxies, nebula, stars
from n2n.sky.combine import outliers, weighted_mean
from n2n.sky.variance import sample_variance, sky_variance, smooth_variance
from n2n.sky.warp import noise_kept, warp

SHAPE = (512, 512)
HOT = 0.003  # share of the detector's pixels


@dataclass(frozen=True)
class Kind:
    """A scene: sky and read noise in e-/px per exposure, stars per 512 x 512 px, how its diffuse light is made."""

    sky: float
    read_noise: float
    stars: float
    star_flux: tuple[float, float]
    diffuse: str
    hot_e: float = 3.0


KINDS = {
    "nebula": Kind(0.9, 1.5, 150, (4, 2e4), "nebula"),
    "filaments": Kind(0.7, 1.5, 60, (4, 1e4), "filaments"),
    "galaxies": Kind(60, 3.0, 800, (15, 1e5), "galaxies", 20.0),
    "sparse": Kind(25, 2.0, 60, (15, 1e5), "none", 10.0),
    "dense": Kind(40, 3.0, 5000, (15, 1e5), "none", 15.0),
    "glow": Kind(20, 3.0, 400, (15, 5e4), "glow", 10.0),
    "jwst": Kind(15, 2.0, 0, (15, 1e5), "jwst", 10.0),
}
# Looked at for the final table only; nothing is chosen on them.
FINAL = ("dense", "glow", "jwst")


@dataclass(frozen=True)
class Group:
    """Registered exposures with their truth; arrays (k, h, w) or (h, w), sky subtracted, e- per exposure.

    Attributes
    ----------
    values, valid, weights, variance, sky_variance
        As in `n2n.nets.sampling.Region`.
    truths, starless : ndarray
        The exposures without noise; the same without stars.
    seen : ndarray of bool
        Where an exposure reaches; `valid` also lacks what was rejected.
    light_variance : float
        Variance that an electron of signal adds to one exposure.
    """

    values: np.ndarray
    valid: np.ndarray
    weights: np.ndarray
    variance: np.ndarray
    sky_variance: float
    truths: np.ndarray
    starless: np.ndarray
    seen: np.ndarray
    light_variance: float

    def part(self, chosen) -> "Group":
        """Some of the exposures; variance and sky_variance stay those of all."""
        of_each = ("values", "valid", "weights", "truths", "starless", "seen")
        return replace(self, **{name: getattr(self, name)[chosen] for name in of_each})

    def stack(self, chosen=slice(None)) -> tuple[np.ndarray, np.ndarray]:
        """Weighted mean and depth of some exposures."""
        return weighted_mean(self.values[chosen], self.valid[chosen], self.weights[chosen])

    def truth(self, chosen=slice(None)) -> tuple[np.ndarray, np.ndarray]:
        """What that mean would be without noise, and without stars either."""
        return tuple(
            weighted_mean(images[chosen], self.seen[chosen], self.weights[chosen])[0]
            for images in (self.truths, self.starless)
        )


def names(data: Path | None) -> list[str]:
    """All scenes; without `data`, those that need no file."""
    return [name for name in KINDS if name != "jwst" or data is not None]


def make(name: str, seed: int, exposures: int, data: Path | None = None, fwhm: float = 3.0) -> Group:
    """Observe a scene.

    Parameters
    ----------
    name : str
        A key of `KINDS`.
    data : Path, optional
        Folder of the shared frames; "jwst" takes its light from there.
    fwhm : float
        Of stars, in px; exposures differ from it by 6 %.
    """
    kind = KINDS[name]
    rng = np.random.default_rng([list(KINDS).index(name), seed])
    scene = Scene(diffuse(kind, rng, seed, data), *stars(SHAPE, rng, kind.stars, kind.star_flux, 0, (1, 2)))
    empty = Scene(scene.diffuse, *np.zeros((3, 0)))
    hot = np.where(rng.random(SHAPE) < HOT, rng.exponential(kind.hot_e, SHAPE), 0)
    values, flags, truths, starless, kept, photon_noise = [], [], [], [], [], []
    for _ in range(exposures):
        sight = Conditions(
            *rng.uniform(-12, 12, 2), 0.0, rng.uniform(0.95, 1.0), fwhm * (1 + 0.06 * rng.standard_normal()), kind.sky
        )
        clean, without = (render(light, SHAPE, sight) for light in (scene, empty))
        seen = rng.poisson(clean + hot) + rng.normal(0, kind.read_noise, SHAPE)
        x, y = to_frame(np.array([0.0, 1, 0]), np.array([0.0, 0, 1]), SHAPE, sight)
        matrix = np.array([[x[1] - x[0], x[2] - x[0], x[0]], [y[1] - y[0], y[2] - y[0], y[0]]])
        nothing = np.zeros(SHAPE, np.uint8)
        for image, into in ((seen, values), (clean, truths), (without, starless)):
            image = ((image - kind.sky) / sight.transparency).astype(np.float32)
            moved, marks = warp(image, nothing, matrix, SHAPE)
            into.append(moved)
        flags.append(marks)
        kept.append(noise_kept(matrix, SHAPE)[0])
        photon_noise.append(kept[-1] / sight.transparency)
    values, truths, starless = (np.array(images, np.float32) for images in (values, truths, starless))
    valid = np.array(flags) == 0
    sigma = np.array([1.4826 * np.median(np.abs(v[m] - np.median(v[m]))) for v, m in zip(values, valid, strict=True)])
    weights = np.median(sigma) ** 2 / sigma**2
    if exposures >= 3:
        judges = np.ones(exposures, bool)
        valid &= ~outliers(values, valid, judges, sigma, signal_variance=1.0, level=0.0, noise_kept=np.array(kept))
    values[~valid] = 0
    mean, _ = weighted_mean(values, valid, weights)
    of_sky = float(np.median(sigma) ** 2)
    variance = np.full(SHAPE, of_sky, np.float32)
    if exposures > 2:
        sample, everywhere = sample_variance(values, valid, weights, mean), np.ones(SHAPE, bool)
        of_sky = sky_variance(sample, everywhere, exposures)
        variance = smooth_variance(sample, everywhere, exposures, of_sky)
    seen = np.array(flags) == 0
    return Group(values, valid, weights, variance, of_sky, truths, starless, seen, float(np.mean(photon_noise)))


def diffuse(kind: Kind, rng, seed: int, data: Path | None) -> np.ndarray:
    """Light of a scene that is no star, float32, on its canvas."""
    shape = canvas_shape(SHAPE)
    more = max(1.0, SHAPE[0] * SHAPE[1] / 512**2)
    if kind.diffuse == "nebula":
        return nebula(shape, rng)
    if kind.diffuse == "filaments":
        return nebula(shape, rng, ceiling=2.5, peak=4.0)
    if kind.diffuse == "galaxies":
        return galaxies(shape, rng, round(20 * more))
    if kind.diffuse == "glow":  # a bright, smooth nebula with galaxies behind
        return ndimage.gaussian_filter(nebula(shape, rng, 60, 80), 6) + galaxies(shape, rng, round(10 * more))
    if kind.diffuse == "jwst":
        path = sorted((data / "truth").glob("jwst*.fits.gz"))[seed % 2]
        with fits.open(path) as file:
            image = next(hdu.data for hdu in file if hdu.data is not None and hdu.data.ndim == 2)
        image = np.nan_to_num(np.asarray(image, np.float64))
        image -= np.percentile(image, 20)
        turned = np.rot90(image, seed // 2)
        tiles = [-(-side // have) for side, have in zip(shape, turned.shape, strict=True)]
        turned = np.pad(turned, [(0, (n - 1) * side) for n, side in zip(tiles, turned.shape, strict=True)], "symmetric")
        turned = np.maximum(turned[: shape[0], : shape[1]], 0)
        return (turned * 400 / np.percentile(turned, 99.9)).clip(max=4000).astype(np.float32)
    return np.zeros(shape, np.float32)
