"""What belongs to a group as a whole, found in one pass over its exposures: weights, outliers, mean and variance.

Rejection, weights and the variance map for training rest on the blocks A and B alone; the mean takes all exposures.
"""

from dataclasses import dataclass, replace

import cv2
import h5py
import numpy as np

from n2n.formats import flags as bits
from n2n.formats.store import TILE, create_rows, pack_rows, write_rows
from n2n.group.detector import find_pattern, keep_without
from n2n.group.exposure import Exposure, Weight
from n2n.group.samples import strips, usable
from n2n.group.split import blocks, deciding, pointings
from n2n.group.trails import on_rows, trails_of
from n2n.group.weights import blur, frame_noise, photon_noise, seeing_factor
from n2n.log import Progress, logger
from n2n.parallel import in_order, shared
from n2n.sky.combine import outliers, over, weighted_sums
from n2n.sky.variance import mean_variance, sample_variance, sky_variance, smooth_variance, standard_variance

OVERLAP = 8  # rows; what rejecting a strip has to know of its neighbours
KEPT = ("mean", "weight", "count", "mask")  # of the strips' maps, as the stack
MAP_BYTES = 48  # a pixel of the group's maps


@dataclass(frozen=True)
class Weighing:
    """What all strips of a group have in common; arrays have one element an exposure.

    Attributes
    ----------
    training : ndarray of bool
        Exposures of blocks A and B.
    sky_sigma, weights : ndarray
        Noise where there is only sky; inverse variance before resampling, times what seeing takes off.
    noise_kept : ndarray
        Share of the variance that resampling left in a pixel.
    blur : ndarray
        Variance of the star images, less that of the median exposure's [px^2].
    photon_noise : ndarray
        Variance that a unit of signal adds; 0 where the gain is unknown.
    pointings : int ndarray
    sky : float
    """

    training: np.ndarray
    sky_sigma: np.ndarray
    weights: np.ndarray
    noise_kept: np.ndarray
    blur: np.ndarray
    photon_noise: np.ndarray
    pointings: np.ndarray
    sky: float

    def noise_of_all(self) -> float:
        """Variance of the sky of one standard exposure of all over that of A and B, whose scatter it is known from."""
        if not self.training.any():
            return 1.0
        of_all, known = (standard_variance(self.weights[of], self.sky_sigma[of]) for of in (slice(None), self.training))
        return of_all / known


@dataclass(frozen=True)
class Resources:
    """How much a job may take.

    Attributes
    ----------
    processes : int
    memory_mb : float
    """

    processes: int = 2
    memory_mb: float = 4000


def analyse(source: dict, file: h5py.File, placed: list[Exposure], electrons: bool, settings, resources: Resources):
    """Find weights, rejected samples, mean and variances; write the images to `file`.

    Parameters
    ----------
    source : dict
        See `store.reading_registered`.
    file : h5py.File
        The ``pairs.h5`` that is being written.
    placed : list of Exposure
        The accepted exposures, in the order of `source`.
    electrons : bool
        Whether the gain is known, so that the noise of photons follows from the light.
    settings : object
        Settings of the section `pairs`.
    resources : Resources
        What the job may take.

    Returns
    -------
    exposures : list of Exposure
        With the weight of each.
    facts : dict
        ``sky``, ``sky_variance`` and ``pattern``, as `n2n.group.facts.Facts` has them.
    """
    cv2.setNumThreads(1)  # strips run side by side, in processes of their own
    pixels, flags = source["pixels"], source["flags"]
    n, height, width = pixels.shape
    matrices = [exposure.placement.matrix for exposure in placed]
    first = deciding([exposure.batch for exposure in placed])
    units, labels = pointings(matrices, first), blocks(matrices, first)
    how = {"electrons": electrons, "seeing": settings.seeing}
    weighing = weigh(pixels, flags, placed, units, labels, **how)
    pattern, told = None, {}
    if settings.pattern:
        pattern, told = find_pattern((pixels, flags), placed, weighing, resources.memory_mb)
    if pattern is not None:
        pixels = keep_without(file, (pixels, flags), placed, pattern)
        weighing = weigh(pixels, flags, placed, units, labels, **how)
    reject = create_rows(file, "reject", bool, (n, height, width), packed=True)
    kinds = {"sample": np.float32, "mean": np.float32, "weight": np.float32, "photon": np.float32}
    kinds |= {"count": np.uint16, "mask": np.uint8, "judged": bool}
    maps = {name: shared((height, width), kind) for name, kind in kinds.items()}
    stack = file.create_group("stack")
    kept = {name: stack.create_dataset(name, maps[name].shape, maps[name].dtype) for name in KEPT}
    spare = resources.memory_mb * 2**20 - MAP_BYTES * height * width
    processes = max(1, resources.processes)
    budget = max(spare // (processes + 2), 2**24)
    parts = list(strips(height, width, n, budget_bytes=budget, overlap=OVERLAP))

    trails = trails_of(source["small"], weighing.training, weighing.sky_sigma, processes)

    def of_strip(part):
        outer, inner, within = part
        lines = on_rows(trails, inner, (height, width), n)
        found, results = strip(pixels[:, outer], flags[:, outer], within, lines, weighing, settings)
        for name, values in results.items():
            maps[name][inner] = values
        rows = {index: pack_rows(marks, min(TILE, height)) for index, marks in enumerate(found) if marks.any()}
        return int(found.sum()), rows

    rejected = 0
    found = in_order(of_strip, parts, processes)
    for (_, inner, _), (count, rows) in zip(Progress(parts, "combine"), found, strict=True):
        # While others work on the next strips.
        write_rows(reject, inner.start, rows)
        for name, dataset in kept.items():
            dataset.write_direct(maps[name], np.s_[inner], np.s_[inner])
        rejected += count
    variance = finish(file, maps, weighing, processes)
    logger.info("rejected %.3f %% of the samples", 100 * rejected / (n * height * width))
    facts = {"sky": weighing.sky, "sky_variance": variance, "pattern": told}
    return weighed(placed, weighing, labels), facts


def weighed(placed: list[Exposure], weighing: "Weighing", labels: list[str]) -> list[Exposure]:
    """Exposures with their weights.

    Parameters
    ----------
    placed : list of Exposure
        The accepted exposures.
    weighing : Weighing
        Of the same exposures.
    labels : list of str
        Their blocks.
    """
    columns = weighing.weights, weighing.sky_sigma, weighing.blur, weighing.pointings
    return [
        replace(exposure, weighed=Weight(float(weight), float(sigma), float(wider), int(unit), label))
        for exposure, weight, sigma, wider, unit, label in zip(placed, *columns, labels, strict=True)
    ]


def weigh(pixels, flags, placed: list[Exposure], units, labels, *, electrons: bool, seeing: bool) -> Weighing:
    """Noise, weights and sky of a group's exposures.

    Parameters
    ----------
    pixels, flags : n2n.formats.store.Samples, shape (n, h, w)
        Registered exposures, and bits of `n2n.formats.flags`.
    placed : list of Exposure
        The same exposures.
    units : int ndarray, shape (n,)
        Their pointings.
    labels : list of str
        Their blocks.
    electrons : bool
        Whether the gain is known.
    seeing : bool
        Whether poor seeing takes something off a weight.
    """
    training = np.array([label != "C" for label in labels])
    if training.sum() < 2:
        training[:] = True
    sky_sigma, sky = frame_noise(pixels, flags, training)
    # Inverse variance relative to a typical exposure, before resampling: that averages noise away, but tells no more
    # about a star. The reference, never resampled, would count least.
    noise_kept = np.array([exposure.placement.noise_kept for exposure in placed])
    variance = sky_sigma**2 / noise_kept
    weights = np.median(variance[training]) / variance
    fwhm = np.array([exposure.fwhm_px or np.nan for exposure in placed], float)
    if seeing:
        weights *= seeing_factor(fwhm, training)
    photons = photon_noise(placed) if electrons else np.zeros(len(placed))
    return Weighing(training, sky_sigma, weights, noise_kept, blur(fwhm, training), photons, units, sky)


def strip(values, flags, within, trails, weighing: Weighing, settings) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Everything about one strip of rows.

    Parameters
    ----------
    values : float32 ndarray, shape (n, h, w)
        Registered exposures.
    flags : uint8 ndarray, shape (n, h, w)
        Bits of `n2n.formats.flags`.
    within : slice
        Rows that are wanted; the others only tell about them.
    trails : ndarray of bool, shape (n, rows wanted, w), or None
        Samples to reject whatever the others say.
    weighing : Weighing
        What all strips have in common.
    settings : object
        Settings of the section `pairs`.

    Returns
    -------
    rejected : ndarray of bool, shape (n, rows wanted, w)
    results : dict of ndarray, shape (rows wanted, w)
    """
    training = weighing.training
    valid = usable(flags, keep_saturated=True)
    found = outliers(
        values,
        valid,
        training,
        weighing.sky_sigma,
        nsigma=settings.nsigma,
        slope=settings.slope,
        signal_variance=float(weighing.photon_noise.any()),
        level=weighing.sky,
        noise_kept=weighing.noise_kept,
        blur=weighing.blur,
    )[:, within]
    if trails is not None:
        found = found | (trails & valid[:, within])
    values, flags, valid = values[:, within], flags[:, within], valid[:, within] & ~found
    # No exposure is copied for being, or not being, among those that judge.
    weights, judging = weighing.weights, weighing.weights * training
    share, total = weighted_sums(values, valid, np.stack([weights, judging, weights**2 * weighing.photon_noise]))
    mask = np.bitwise_or.reduce(flags, axis=0) & (bits.SATURATED | bits.DEFECT)
    judged = np.zeros(mask.shape, bool)
    if (mask & bits.SATURATED).any():
        judged = ((flags & bits.SATURATED) > 0)[training].any(axis=0)
    mask[found.any(axis=0)] |= bits.OUTLIER
    count = valid.sum(axis=0, dtype=np.uint16)
    mask[count == 0] |= bits.NO_DATA
    return found, {
        "sample": sample_variance(values, valid, judging, over(total[1], share[1]), weighing.pointings),
        "mean": over(total[0], share[0]) - np.float32(weighing.sky),
        "weight": share[0],
        "photon": over(share[2], share[0]),
        "count": count,
        "mask": mask,
        "judged": judged,
    }


def finish(file: h5py.File, maps: dict, weighing: Weighing, processes: int) -> float:
    """Turn the strips' maps into what the file keeps.

    Parameters
    ----------
    file : h5py.File
        The ``pairs.h5`` that is being written.
    maps : dict of ndarray, shape (h, w)
        From all strips.
    weighing : Weighing
        What all strips have in common.
    processes : int
        Most processes at a time.

    Returns
    -------
    float
        Variance of one standard exposure where there is only sky.
    """
    training = weighing.training
    units, usable = len(set(weighing.pointings[training])), ~maps["judged"]
    scatter = sky_variance(maps["sample"], usable, units)
    of_sky = scatter if training.sum() > 1 else float(np.median(weighing.sky_sigma) ** 2)
    of_one, of_mean = (shared(maps["mean"].shape, np.float32) for _ in range(2))

    def one():
        of_one[:] = of_sky
        if training.sum() > 1:
            of_one[:] = smooth_variance(maps["sample"], usable, units, scatter)

    def mean():
        every = weighing.noise_of_all()
        sky = maps["sample"] * np.float32(every), scatter * every
        of_mean[:] = mean_variance(maps["mean"], maps["weight"], maps["photon"], *sky)

    tasks = [one, mean] if weighing.photon_noise.any() else [one]
    for _ in in_order(lambda index: tasks[index](), range(len(tasks)), processes):
        pass
    if mean not in tasks:
        with np.errstate(divide="ignore"):
            of_mean[:] = np.where(maps["weight"] > 0, of_one / maps["weight"], np.nan)
    file["variance"] = of_one
    file["saturated"] = (maps["mask"] & bits.SATURATED) > 0
    file["stack/variance"] = of_mean
    return of_sky
