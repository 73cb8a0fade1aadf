"""What stays at one place of the detector in the exposures of a group: found, and taken off.

Only blocks A and B tell the pattern, so that C judges an image that it had no part in. It is taken off where the
stack's variance falls by `LEAST` with it: noise of few masters, bands. What moved so little that it cannot be told from
the sky is left, and said. Then `pairs` keeps the exposures anew; all others read them there.
"""

from collections.abc import Callable
from dataclasses import dataclass

import h5py
import numpy as np

from n2n.formats.flags import NO_DATA
from n2n.formats.store import Samples, create_rows, plain_rows, write_rows
from n2n.group.exposure import Exposure
from n2n.group.placing import displacement
from n2n.group.samples import usable
from n2n.sky.detector import (
    Agreement,
    Carried,
    agreement,
    pattern_of,
    shared_by,
    shared_of,
    starless,
    together,
)
from n2n.sky.warp import warp

WINDOW = 640  # px, in the middle: whether there is a pattern at all
LEAST = 0.005  # of the stack's variance: by so much it has to fall
FEWEST = 3  # pointings of a half: fewer tell nothing of a pattern that moves
MOVED = 0.5  # share of the frequencies in which pattern and sky must be told apart
BYTES = 60  # a pixel of the detector, to find the pattern
FEW, STILL = "too few pointings", "the telescope was hardly moved"
LARGE = "memory_gb is too small for frames of this size"


@dataclass(frozen=True, eq=False)
class Halves:
    """Two parts of the exposures, carried back to the detector.

    Attributes
    ----------
    found : Agreement
    carried : list of two float32 ndarrays, shape (h, w)
    counts : (float, float)
        Shares of the two in their common mean.
    shape : (int, int)
        Height and width of what was looked at.
    """

    found: Agreement
    carried: list[np.ndarray]
    counts: tuple[float, float]
    shape: tuple[int, int]


def middle(shape: tuple[int, int], most: int = WINDOW) -> tuple[slice, slice]:
    """Rows and columns of a window in the middle; whole where the image is not larger."""
    sides = (min(side, most) // 2 * 2 for side in shape)
    return tuple(
        slice((whole - side) // 2, (whole - side) // 2 + side) for whole, side in zip(shape, sides, strict=True)
    )


def carried_halves(
    read: Callable, exposures: list[Exposure], sigma, weights, parts: list[np.ndarray], window: tuple[slice, slice]
) -> Halves:
    """Carry residuals of two parts of the exposures, each against its own mean, back to the detector.

    Parameters
    ----------
    read : callable
        ``read(index, window)`` gives values, float32, and which of them count, both of the window's shape; new arrays.
    exposures : list of Exposure
        All of the group.
    sigma, weights : ndarray, shape (n,)
        Noise and weight of each.
    parts : two int ndarrays
        Places among the exposures.
    window : (slice, slice)
        Rows and columns of the reference, and of the detector.
    """
    shape, origin = tuple(side.stop - side.start for side in window), (window[1].start, window[0].start)
    means = []
    for part in parts:
        total, depth = np.zeros((2, *shape), np.float32)
        for index in part:
            values, good = read(index, window)
            values *= good
            values *= np.float32(weights[index])
            total += values
            depth += np.float32(weights[index]) * good
        with np.errstate(divide="ignore", invalid="ignore"):
            means.append(total / depth)
    counts = tuple(float(weights[part].sum() / sum(weights[part].sum() for part in parts)) for part in parts)
    dark = starless(np.float32(counts[0]) * means[0] + np.float32(counts[1]) * means[1], np.median(sigma))
    carried = []
    for part, mean in zip(parts, means, strict=True):
        back = Carried(shape, origin)
        for index in part:
            values, good = read(index, window)
            values -= mean
            back.add(values, good & dark, sigma[index], weights[index], exposures[index].placement)
        carried.append(back.mean())
    kept = [kept_of(exposures, weights, part, shape) for part in parts]
    return Halves(agreement(carried, kept, counts), carried, counts, shape)


def kept_of(exposures: list[Exposure], weights, part, shape: tuple[int, int]) -> np.ndarray:
    """`n2n.sky.detector.together` of some exposures.

    Parameters
    ----------
    exposures : list of Exposure
        All of the group.
    weights : ndarray, shape (n,)
        What they count.
    part : int ndarray, shape (k,)
        Places among them.
    shape : (int, int)
        Height and width of what is looked at.
    """
    return together([exposures[index].placement.matrix for index in part], weights[part], shape)


def kept_between(exposures: list[Exposure], weights, pointings, part, shape: tuple[int, int]) -> np.ndarray:
    """What of `kept_of` comes of pairs of exposures at different pointings.

    What those of one pointing share, the scatter of pointings shows, and they are in one block.

    Parameters
    ----------
    exposures : list of Exposure
        All of the group.
    weights, pointings : ndarray, shape (n,)
        What they count, and where they are.
    part : int ndarray, shape (k,)
        Places among them.
    shape : (int, int)
        Height and width of what is looked at.
    """
    kept, whole = kept_of(exposures, weights, part, shape), weights[part].sum()
    for pointing in np.unique(pointings[part]):
        own = part[pointings[part] == pointing]
        share = np.float32((weights[own].sum() / whole) ** 2)
        kept -= share if len(own) == 1 else share * kept_of(exposures, weights, own, shape)
    return kept


def least_of(weights: np.ndarray) -> float:
    """Share of independent noise that stays in a weighted mean."""
    return float(np.sum(weights**2) / np.sum(weights) ** 2)


def find_pattern(samples: tuple[Samples, Samples], placed: list[Exposure], weighing, memory_mb: float):
    """The detector's pattern, where the stack's variance falls by `LEAST` without it.

    Parameters
    ----------
    samples : two Samples, shape (n, h, w)
        Registered exposures and their flags.
    placed : list of Exposure
        The same exposures.
    weighing : n2n.group.combine.Weighing
        Noise, weights, pointings and blocks.
    memory_mb : float
        What the job may take.

    Returns
    -------
    pattern : float32 ndarray, shape (h, w), or None
        In the unit of the exposures, on the detector.
    facts : dict
        ``note``: why nothing could be found. Else as `shares` gives them; of a pattern that is to be taken off
        ``rms_sigma``, in units of an exposure's noise.
    """
    pixels, flags = samples
    sigma, weights = weighing.sky_sigma, weighing.weights
    known = np.flatnonzero(weighing.training)
    second = every_other(weighing.pointings[known])
    parts = [known[~second], known[second]]
    if min(len(set(weighing.pointings[part])) for part in parts) < FEWEST:
        return None, {"note": FEW}

    def read(index, window):
        rows, columns = window
        known = usable(flags[index, rows][:, columns], keep_saturated=False)
        return np.array(pixels[index, rows][:, columns]), known

    window = middle(pixels.shape[1:])
    halves = carried_halves(read, placed, sigma, weights, parts, window)
    if halves.found.moved < MOVED:
        return None, {"note": STILL}
    facts = shares(halves, placed, weighing, known)
    if facts["drop"] < LEAST:
        return None, facts
    if halves.shape != tuple(pixels.shape[1:]):
        if BYTES * pixels.shape[1] * pixels.shape[2] > memory_mb * 2**20:
            return None, facts | {"note": LARGE}
        halves = carried_halves(read, placed, sigma, weights, parts, tuple(slice(0, side) for side in pixels.shape[1:]))
        facts = shares(halves, placed, weighing, known)
    pattern = pattern_of(halves.carried, halves.counts, halves.found)
    return pattern, facts | {"rms_sigma": float(np.std(pattern) / np.median(sigma))}


def shares(halves: Halves, placed: list[Exposure], weighing, known) -> dict:
    """What the pattern is to the stack of all exposures, over the variance of its noise.

    Parameters
    ----------
    halves : Halves
        Of the exposures `known`.
    placed : list of Exposure
        All of them.
    weighing : n2n.group.combine.Weighing
        Weights and pointings.
    known : int ndarray, shape (k,)
        Those that tell the pattern.

    Returns
    -------
    dict
        ``share`` and ``share_error`` of what different pointings share of the pattern; ``left`` of it when it is taken
        off; ``drop``, by which the stack's variance falls then.
    """
    found, weights, every = halves.found, weighing.weights, np.arange(len(placed))
    noise = found.noise_of_mean * least_of(weights) / least_of(weights[known])
    between = kept_between(placed, weights, weighing.pointings, every, halves.shape)
    share, error = shared_of(found, between, noise, sure=True)
    drop = shared_by(found.sure[found.which] - found.left, kept_of(placed, weights, every, halves.shape), noise)
    return {"share": share, "share_error": error, "left": shared_by(found.left, between, noise), "drop": drop}


def every_other(pointings: np.ndarray) -> np.ndarray:
    """Which exposures are of every other pointing; ndarray of bool, shape (n,)."""
    rank = {unit: number for number, unit in enumerate(dict.fromkeys(pointings.tolist()))}
    return np.array([rank[unit] % 2 for unit in pointings.tolist()], bool)


def on_grid(pattern: np.ndarray, exposure: Exposure, reference: bool, shape: tuple[int, int]) -> np.ndarray:
    """The pattern as a registered exposure has it; float32, shape `shape`.

    Parameters
    ----------
    pattern : float32 ndarray, shape (h, w)
        On the detector.
    exposure : Exposure
        Placed.
    reference : bool
        Whether it is the reference, which is not resampled.
    shape : (int, int)
        Of the reference.
    """
    if reference:
        return pattern
    placement = exposure.placement
    moved, _ = warp(pattern, np.zeros(pattern.shape, np.uint8), placement.matrix, shape, displacement(placement))
    moved /= np.float32(placement.transparency)
    return moved


def keep_without(file: h5py.File, samples: tuple[Samples, Samples], placed: list[Exposure], pattern) -> Samples:
    """Write the exposures without the pattern in place of the view of them; the file's own pixels.

    Parameters
    ----------
    file : h5py.File
        The ``pairs.h5`` that is being written.
    samples : two Samples, shape (n, h, w)
        Registered exposures and their flags.
    placed : list of Exposure
        The same exposures.
    pattern : float32 ndarray, shape (h, w)
        On the detector.
    """
    pixels, flags = samples
    if "pixels" in file:
        del file["pixels"]
    kept = create_rows(file, "pixels", np.float32, pixels.shape)
    for index, exposure in enumerate(placed):
        reference = exposure.placement.aligned_by is None
        values = pixels[index] - on_grid(pattern, exposure, reference, pixels.shape[1:])
        values[(flags[index] & NO_DATA) > 0] = 0
        write_rows(kept, 0, {index: plain_rows(values, kept.chunks[1])})
    file.flush()
    file["pattern"] = pattern
    return Samples([kept])
