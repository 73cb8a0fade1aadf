"""Groups made in memory: exposures of a sky by a detector with a pattern of its own, registered as `n2n register` does.

Seeing, transparency and the sky's gradient change from exposure to exposure, so that whatever of them stays in the
residuals is there, too.
"""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np

from n2n.formats.flags import NO_DATA
from n2n.group.exposure import Placement
from n2n.group.split import blocks, pointings
from n2n.sky.warp import noise_kept, warp

SHAPE, EXPOSURES = (240, 256), 24
STARS, FWHM = 60, 3.0
KINDS = {
    "dithered": "dithers of up to 12 px, pattern of 0.15 to 0.3 sigma of an exposure",
    "dithered, rarely": "the same, two exposures at each place",
    "dithered, no pattern": "the same as dithered, without a pattern",
    "drift": "0.3 to 0.6 px an exposure, always the same way, pattern of 0.15 to 0.3 sigma",
    "drift, no pattern": "the same without a pattern",
    "still": "within 0.1 px, pattern of 0.15 to 0.3 sigma",
}


@dataclass(frozen=True)
class Made:
    """Registered exposures, what they are made of, and what `n2n.group` asks of a group.

    Attributes
    ----------
    pixels, flags : ndarray, shape (n, h, w)
    exposures : list
    plain : ndarray, shape (n, h, w)
        The same without the pattern.
    sky : ndarray, shape (h, w)
        Truth of the mean of `plain`.
    strength : float
        rms of the pattern in sigma.
    """

    pixels: np.ndarray
    flags: np.ndarray
    exposures: list
    plain: np.ndarray
    sky: np.ndarray
    strength: float

    def group(self, pattern: dict):
        """As a `Group`, with what `pairs` said of the pattern."""
        matrices = [one.placement.matrix for one in self.exposures]
        labels = np.array(blocks(matrices))

        def load(chosen, region):
            return np.array(self.pixels[chosen][:, *region]), (self.flags[chosen][:, *region] & NO_DATA) == 0

        return SimpleNamespace(
            exposures=self.exposures, load=load, shape=SHAPE, blocks=labels, training=labels != "C",
            weights=np.ones(len(matrices)), sky_sigma=np.array([one.sigma for one in self.exposures]),
            pointings=pointings(matrices), facts=SimpleNamespace(pattern=pattern),
        )  # fmt: skip


def made(kind: str, seed: int) -> Made:
    """A group of one of `KINDS`."""
    rng = np.random.default_rng(seed)
    number = np.arange(EXPOSURES)
    if kind.startswith("drift"):
        angle, speed = rng.uniform(0, 2 * np.pi), rng.uniform(0.3, 0.6)
        way = np.outer(number, speed * np.array([np.cos(angle), np.sin(angle)]))
        offsets = way + rng.normal(0, 0.12, (EXPOSURES, 2))
    else:
        most = 0.1 if kind == "still" else 12.0
        offsets = rng.uniform(-most, most, (EXPOSURES, 2))
        if kind == "dithered, rarely":
            offsets = offsets[number // 2] + rng.normal(0, 0.1, (EXPOSURES, 2))
    offsets -= offsets[0]
    strength = 0.0 if kind.endswith("no pattern") else rng.uniform(0.15, 0.3)
    # Like the noise of a master of few frames: most of it of single pixels, some with a tail, a third of it rows.
    pattern = rng.standard_t(5, SHAPE) / np.sqrt(5 / 3) + rng.normal(0, 0.3, (SHAPE[0], 1))
    pattern = (strength * pattern / pattern.std()).astype(np.float32)
    places = rng.uniform(0, 1, (STARS, 2)) * SHAPE
    fluxes = 10 ** rng.uniform(1.0, 4.0, STARS)
    slope = rng.normal(0, 0.3, 2)
    pixels, flags, plain, skies, exposures = [], [], [], [], []
    for index, (x, y) in enumerate(offsets):
        matrix = np.array([[1.0, 0, x], [0, 1.0, y]])
        transparency = 1.0 if index == 0 else rng.uniform(0.85, 1.0)
        sky = field(places, fluxes, FWHM * (1 + 0.2 * index / EXPOSURES + rng.normal(0, 0.07)))
        noise = rng.normal(0, 1, SHAPE).astype(np.float32) * np.sqrt(1 + 0.02 * np.maximum(sky, 0))
        moved = [warp(image.astype(np.float32), np.zeros(SHAPE, np.uint8), matrix, SHAPE) for image in (noise, pattern)]
        bad = (moved[0][1] & NO_DATA) > 0
        down, across = np.mgrid[-0.5 : 0.5 : SHAPE[0] * 1j, -0.5 : 0.5 : SHAPE[1] * 1j]
        seen = sky + (moved[0][0] + slope[0] * np.sin(index / 4) * down + slope[1] * across) / transparency
        plain.append(np.where(bad, 0, seen).astype(np.float32))
        pixels.append(np.where(bad, 0, seen + moved[1][0] / transparency).astype(np.float32))
        flags.append(moved[0][1])
        skies.append(sky + slope[0] * np.sin(index / 4) * down / transparency + slope[1] * across / transparency)
        kept, beside = noise_kept(matrix, SHAPE)
        by = None if index == 0 else "stars"
        placement = Placement(matrix, 0.1, STARS, by, None, transparency, kept, beside, 1.0, np.zeros(3))
        exposures.append(SimpleNamespace(placement=placement, path=f"{index}.fits", sigma=np.sqrt(kept) / transparency))
    return Made(np.array(pixels), np.array(flags), exposures, np.array(plain), np.mean(skies, axis=0), strength)


def field(places, fluxes, fwhm: float) -> np.ndarray:
    """Stars as Gaussians of that width; shape `SHAPE`."""
    width = fwhm / 2.3548
    rows, columns = (np.arange(side)[:, None] for side in SHAPE)
    down = np.exp(-((rows - places[:, 0]) ** 2) / (2 * width**2))
    across = np.exp(-((columns - places[:, 1]) ** 2) / (2 * width**2))
    return (down * fluxes / (2 * np.pi * width**2)) @ across.T
