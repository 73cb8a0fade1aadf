"""Exposures of one sky by a detector that has a pattern of its own, for tests: no files, truth known."""

from types import SimpleNamespace

import numpy as np

from n2n.formats.flags import NO_DATA
from n2n.group.exposure import Placement
from n2n.group.split import blocks, pointings
from n2n.sky.warp import warp

SHAPE = (160, 192)


def drift(number, step=(0.6, 0.35)):
    """Offsets of a slow drift, px."""
    return np.outer(np.arange(number), step)


def dithered(number, seed, most=10.0):
    """Offsets of dithers, px."""
    return np.random.default_rng(seed).uniform(-most, most, (number, 2))


def night(offsets, strength, seed=0):
    """A group in memory: noise of 1, a pattern of `strength`, sky and stars; the parts of `Group` that are asked for.

    Parameters
    ----------
    offsets : ndarray, shape (n, 2)
        Of the exposures, px.
    strength : float
        rms of the detector's pattern.
    seed : int
        Of sky, pattern and noise.
    """
    rng = np.random.default_rng(seed)
    sky = rng.normal(0, 0.3, SHAPE).astype(np.float32)
    sky[rng.integers(0, SHAPE[0], 20), rng.integers(0, SHAPE[1], 20)] += 200
    pattern = rng.normal(0, strength, SHAPE).astype(np.float32)
    pixels, flags, exposures = [], [], []
    for index, (x, y) in enumerate(offsets):
        matrix = np.array([[1.0, 0, x], [0, 1.0, y]])
        by = None if index == 0 else "stars"
        placement = Placement(matrix, 0.1, 30, by, None, 1.0, 0.83, 0.1, 1.0, np.zeros(3))
        raw = pattern + rng.normal(0, 1, SHAPE).astype(np.float32)
        image, bad = warp(raw, np.zeros(SHAPE, np.uint8), matrix, SHAPE)
        pixels.append(np.where(bad & NO_DATA, 0, image + sky).astype(np.float32))
        flags.append(bad)
        exposures.append(SimpleNamespace(placement=placement, path=f"{index}.fits"))
    pixels, flags, labels = (
        np.array(pixels),
        np.array(flags),
        np.array(blocks([one.placement.matrix for one in exposures])),
    )
    ones = np.ones(len(offsets))

    def load(chosen, region):
        return np.array(pixels[chosen][:, *region]), (flags[chosen][:, *region] & NO_DATA) == 0

    return SimpleNamespace(
        pixels=pixels, flags=flags, exposures=exposures, load=load, shape=SHAPE, blocks=labels, weights=ones,
        sky_sigma=0.91 * ones, pointings=pointings([one.placement.matrix for one in exposures]),
        training=labels != "C", facts=SimpleNamespace(pattern={}), pattern=pattern, sky=sky,
    )  # fmt: skip
