"""Stage `pairs`: one view over all registered exposures, split into A, B and the held-out C.

No pixel is copied: the HDF5 file is a virtual dataset over the chunks, with what belongs to the group as
a whole: blocks, weights, rejected samples, and the variance map that training uses (made without C).
"""

import contextlib
import json
import tempfile
from pathlib import Path

import h5py
import numpy as np

from n2n.config import add_settings
from n2n.errors import UserError
from n2n.formats.atomic import atomic_path
from n2n.formats.store import TILE, open_store, read_attributes, strips, usable, virtual
from n2n.log import Progress, logger
from n2n.sky.background import sky_level
from n2n.sky.calibrate import robust_sigma
from n2n.sky.combine import masked_median, outliers, sample_variance, smooth_variance, weighted_mean

# Eight dither positions: three each for A and B, two for C, spread so that each block sees the whole night.
PATTERN = "ABACBABC"
SAME_POINTING_PX = 1.0  # exposures closer than this share the detector's pattern


def add_arguments(parser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("registered", type=Path, nargs="+", help="chunks of `n2n register`, in order")
    parser.add_argument("-o", "--output", type=Path, required=True, help="pairs.h5 to write")
    add_settings(parser, "pairs")


def run(args) -> None:
    """Execute the stage."""
    chunks = [read_attributes(path) for path in args.registered]
    meta = chunks[0][1]
    everything = [entry for frames, _ in chunks for entry in frames]
    frames = [entry for entry in everything if not entry["rejected"]]
    if not frames:
        raise UserError(f"no exposure of {args.output.parent.name} was accepted; see its frames in the report")
    matrices, first = [entry["matrix"] for entry in frames], deciding(frames)
    for entry, unit, block in zip(frames, pointings(matrices, first), blocks(matrices, first), strict=True):
        entry["pointing"], entry["block"] = int(unit), block
    with (
        atomic_path(args.output) as temporary,
        reading_view(args.registered, args.output.parent) as source,
        h5py.File(temporary, "w") as file,
    ):
        link(file, args.registered, args.output)
        analyse(source, file, frames, args, meta)
        file.attrs["frames"] = json.dumps(frames)
        file.attrs["left_out"] = json.dumps([entry for entry in everything if entry["rejected"]])
        file.attrs["meta"] = json.dumps(meta)
    counts = {block: sum(f["block"] == block for f in frames) for block in "ABC"}
    logger.info("%d exposures: %s", len(frames), ", ".join(f"{n} in {b}" for b, n in counts.items()))


def link(file: h5py.File, chunks: list[Path], final: Path) -> None:
    """Make the virtual datasets; links are relative to the folder of `final`."""
    for name in ("pixels", "flags"):
        file.create_virtual_dataset(name, virtual(chunks, name, final))


@contextlib.contextmanager
def reading_view(chunks: list[Path], folder: Path):
    """A passing file with the same virtual datasets, open for reading only.

    A virtual dataset that is open for writing opens its sources for writing too, and touches them.
    """
    with tempfile.NamedTemporaryFile(prefix=".pairs.", suffix=".part", dir=folder) as passing:
        with h5py.File(passing.name, "w") as file:
            link(file, chunks, Path(passing.name))
        with open_store(passing.name) as file:
            yield file


def deciding(frames: list[dict]) -> int:
    """How many of the first exposures decide whether the telescope was moved: whole batches, at least 8."""
    batches = [int(entry["batch"]) for entry in frames]
    last = batches[min(len(batches), len(PATTERN)) - 1]
    return sum(batch <= last for batch in batches)


def blocks(matrices: list, first: int | None = None) -> list[str]:
    """Assign every exposure to block A, B or C; exposures at one pointing stay together.

    Parameters
    ----------
    matrices, first
        See `pointings`.
    """
    return [PATTERN[unit % len(PATTERN)] for unit in pointings(matrices, first)]


def pointings(matrices: list, first: int | None = None) -> np.ndarray:
    """Number the pointings of the telescope; exposures within a pixel of each other share one.

    They share the detector's pattern and the noise of its master dark, and would confirm each other's
    errors (0.03 of the variance on the simulated night). The order is the order of ingest and the rule looks
    only backwards, so that a late exposure changes no earlier assignment. Where the telescope was hardly ever
    moved, every exposure counts as its own.

    Parameters
    ----------
    matrices : list of (2, 3) arrays
        Reference to frame.
    first : int, optional
        Only that many exposures decide whether the telescope was moved; all by default.

    Returns
    -------
    int ndarray, shape (n,)
    """
    shifts = np.array([np.asarray(matrix)[:, 2] for matrix in matrices], float).reshape(-1, 2)
    units = np.zeros(len(shifts), int)
    for index in range(1, len(shifts)):
        distance = np.hypot(*(shifts[:index] - shifts[index]).T)
        nearest = int(np.argmin(distance))
        units[index] = units[nearest] if distance[nearest] < SAME_POINTING_PX else units[:index].max() + 1
    if len(set(units[:first])) < min(len(shifts[:first]), len(PATTERN)):
        units = np.arange(len(shifts))
    return units


def analyse(source: h5py.File, file: h5py.File, frames: list[dict], settings, meta: dict) -> None:
    """Find weights, rejected samples and the variance map in `source`; add them to `file`."""
    pixels, flags = source["pixels"], source["flags"]
    n, height, width = pixels.shape
    training = np.array([entry["block"] != "C" for entry in frames])
    if training.sum() < 2:
        training[:] = True
    sigma, sky = frame_noise(pixels, flags, training)
    # Inverse variance relative to a typical exposure.
    weights = np.median(sigma[training]) ** 2 / sigma**2
    for entry, weight, noise in zip(frames, weights, sigma, strict=True):
        entry["weight"], entry["noise"] = float(weight), float(noise)
    meta["sky"] = sky
    reject = file.create_dataset(
        "reject", (n, height, width), bool, chunks=(1, min(TILE, height), width), compression="gzip", compression_opts=1
    )
    sample = np.full((height, width), np.nan, np.float32)
    units = np.array([entry["pointing"] for entry in frames])[training]
    shot = 1.0 if meta["unit"] == "electron" else 0.0
    for outer, inner, within in Progress(strips(height, width, n, overlap=4), "reject outliers"):
        values, mask = pixels[:, outer], flags[:, outer]
        valid = usable(mask, np.zeros(mask.shape, bool), keep_saturated=True)
        found = outliers(
            values, valid, training, sigma, nsigma=settings.nsigma, slope=settings.slope, signal_variance=shot
        )
        reject[:, inner] = found[:, within]
        good = (valid & ~found)[training]
        mean, _ = weighted_mean(values[training], good, weights[training])
        variance = sample_variance(values[training], good, weights[training], mean, units)
        sample[inner] = variance[within]
    saturated, judged = np.zeros((height, width), bool), np.zeros((height, width), bool)
    for outer, inner, _ in strips(height, width, n):
        full = (flags[:, outer] & 2) > 0
        saturated[inner], judged[inner] = full.any(axis=0), full[training].any(axis=0)
    variance, background = smooth_variance(sample, ~judged, len(set(units)))
    meta["variance_background"] = background if training.sum() > 1 else float(np.median(sigma) ** 2)
    if training.sum() < 2:
        variance[:] = meta["variance_background"]
    file["variance"] = variance
    file["saturated"] = saturated
    logger.info("rejected %.3f %% of the samples", 100 * rejected_share(reject, height, width, n))


def rejected_share(reject, height: int, width: int, n: int) -> float:
    """Share of samples rejected across the stack."""
    total = sum(int(reject[:, outer].sum()) for outer, _, _ in strips(height, width, n))
    return total / (n * height * width)


def frame_noise(pixels, flags, training: np.ndarray, sample_rows: int = 256):
    """Noise of every exposure where there is only sky, against the median of the training exposures.

    Returns
    -------
    sigma : ndarray, shape (n,)
    sky : float
        Level of the group's sky.
    """
    n, height, _ = pixels.shape
    rows = np.unique(np.linspace(0, height - 1, min(height, sample_rows)).astype(int))
    values, mask = pixels[:, rows], flags[:, rows]
    valid = usable(mask, np.zeros(mask.shape, bool), keep_saturated=False)
    centre = masked_median(values[training], valid[training])
    known = np.isfinite(centre)
    sky = sky_level(np.nan_to_num(centre).astype(np.float32), known)
    spread = robust_sigma(centre[known])
    # Only places near the sky level: stars would add their own noise.
    dark = known & (np.nan_to_num(centre) < sky + 3 * max(spread, 1e-9))
    sigma = np.empty(n)
    if n == 1:
        sigma[0] = robust_sigma(np.diff(values[0], axis=1)) / np.sqrt(2)
        return np.maximum(sigma, 1e-9), sky
    count = int(training.sum())
    for index in range(n):
        chosen = dark & valid[index]
        residual = values[index][chosen] - centre[chosen]
        # Variance of the difference to a median (its own is 1.57 / count) the exposure is part of, or not.
        shrink = 1 - 0.43 / count if training[index] else 1 + 1.57 / count
        sigma[index] = robust_sigma(residual) / np.sqrt(max(shrink, 0.25)) if residual.size > 50 else np.nan
    sigma[~np.isfinite(sigma) | (sigma <= 0)] = np.nanmedian(sigma) if np.isfinite(sigma).any() else 1.0
    return np.maximum(sigma, 1e-9), sky


class Pairs:
    """An open pairs file: exposures, blocks, weights and masks of one group.

    Attributes
    ----------
    frames : list of dict
        Accepted exposures, in order.
    left_out : list of dict
        The others, each with its reasons.
    meta : dict
        Facts about the group: header, unit, sky level, background variance.
    blocks, weights : ndarray, shape (n,)
    variance : float32 ndarray, shape (h, w)
        Variance of one standard exposure (weight 1), from A and B alone.
    saturated : ndarray of bool, shape (h, w)
    """

    def __init__(self, path: Path):
        self.path = Path(path)
        self.file = open_store(path)
        self.frames = json.loads(self.file.attrs["frames"])
        self.left_out = json.loads(self.file.attrs["left_out"])
        self.meta = json.loads(self.file.attrs["meta"])
        self.blocks = np.array([entry["block"] for entry in self.frames])
        self.weights = np.array([entry["weight"] for entry in self.frames])
        self.variance = self.file["variance"][:]
        self.saturated = self.file["saturated"][:]

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the reference grid."""
        return tuple(self.file["pixels"].shape[1:])

    def load(self, chosen=slice(None), region=(slice(None), slice(None))):
        """Read exposures `chosen` (indices or mask) in `region`, the sky subtracted.

        Returns
        -------
        values : float32 ndarray, shape (n, h, w)
            Unusable samples are 0.
        valid : ndarray of bool, shape (n, h, w)
        """
        index = np.arange(len(self.frames))[chosen]
        values = self.file["pixels"][index.tolist(), region[0], region[1]]
        flags = self.file["flags"][index.tolist(), region[0], region[1]]
        reject = self.file["reject"][index.tolist(), region[0], region[1]]
        valid = usable(flags, reject, keep_saturated=True)
        values -= np.float32(self.meta["sky"])
        values[~valid] = 0
        return values, valid

    def mean(self, chosen=slice(None)):
        """Weighted mean of exposures `chosen`, strip by strip.

        Returns
        -------
        mean : float32 ndarray, shape (h, w)
            Sky subtracted; NaN where no exposure is valid.
        weight : float32 ndarray, shape (h, w)
            Number of standard exposures each pixel is worth.
        count : uint16 ndarray, shape (h, w)
        """
        index = np.arange(len(self.frames))[chosen]
        mean = np.full(self.shape, np.nan, np.float32)
        weight = np.zeros(self.shape, np.float32)
        count = np.zeros(self.shape, np.uint16)
        for rows, _, _ in strips(*self.shape, len(index)):
            values, valid = self.load(index, (rows, slice(None)))
            mean[rows], weight[rows] = weighted_mean(values, valid, self.weights[index])
            count[rows] = valid.sum(axis=0)
        return mean, weight, count

    def scatter(self, chosen, mean: np.ndarray) -> np.ndarray:
        """Unsmoothed, unbiased variance of one standard exposure from exposures `chosen`; shape (h, w)."""
        index = np.arange(len(self.frames))[chosen]
        units = np.array([entry["pointing"] for entry in self.frames])[index]
        result = np.full(self.shape, np.nan, np.float32)
        for rows, _, _ in strips(*self.shape, len(index)):
            values, valid = self.load(index, (rows, slice(None)))
            result[rows] = sample_variance(values, valid, self.weights[index], mean[rows], units)
        return result
