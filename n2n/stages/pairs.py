"""Stage `pairs`: one view over all registered exposures, split into A, B and the held-out C.

No pixel is copied: the HDF5 file is a virtual dataset over the chunks, with what belongs to the group as
a whole: blocks, weights, rejected samples, and the variance map that training uses (made without C).
"""

import functools
import json
from pathlib import Path

import h5py
import numpy as np

from n2n.config import add_settings
from n2n.errors import UserError
from n2n.formats.atomic import atomic_path
from n2n.formats.store import open_store, read_attributes, reading_registered, strips, usable, virtual
from n2n.log import logger
from n2n.sky.combine import weighted_mean
from n2n.sky.variance import sample_variance, standard_variance, without_seeing

# Eight dither positions: three each for A and B, two for C, spread so that each block sees the whole night.
PATTERN = "ABACBABC"
SAME_POINTING_PX = 1.0  # exposures closer than this share the detector's pattern


def add_arguments(parser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("registered", type=Path, nargs="+", help="chunks of `n2n register`, in order")
    parser.add_argument("-o", "--output", type=Path, required=True, help="pairs.h5 to write")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads (default: 2)")
    parser.add_argument("--memory-mb", type=int, default=4000, help="memory to stay within [MB] (default: 4000)")
    add_settings(parser, "pairs")


def run(args) -> None:
    """Execute the stage."""
    from n2n.group.combine import analyse  # those who only read the file need none of it

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
        reading_registered(args.registered) as source,
        h5py.File(temporary, "w") as file,
    ):
        link(file, args.registered, args.output)
        analyse(source, file, frames, meta, args)
        file.attrs["frames"] = json.dumps(frames)
        file.attrs["left_out"] = json.dumps([entry for entry in everything if entry["rejected"]])
        file.attrs["meta"] = json.dumps(meta)
    counts = {block: sum(f["block"] == block for f in frames) for block in "ABC"}
    logger.info("%d exposures: %s", len(frames), ", ".join(f"{n} in {b}" for b, n in counts.items()))


def link(file: h5py.File, chunks: list[Path], final: Path) -> None:
    """Make the virtual datasets; links are relative to the folder of `final`."""
    for name in ("pixels", "flags", "small"):
        file.create_virtual_dataset(name, virtual(chunks, name, final))


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


def photon_noise(frames: list[dict]) -> np.ndarray:
    """Variance that an electron of signal adds to a pixel of every exposure; ndarray, shape (n,).

    A unit of signal in a dimmed exposure stands for fewer electrons; resampling averages some noise away.
    """
    return np.array([entry["noise_kept"] / entry["transparency"] for entry in frames])


def noise_for_its_weight(pairs: "Pairs", chosen: np.ndarray, others=slice(None)) -> float:
    """Variance of chosen exposures of weight 1 over that of others: below 1 where seeing took more off their weight."""
    weights, noise = pairs.weights, np.array([frame["noise"] for frame in pairs.frames])
    return standard_variance(weights[chosen], noise[chosen]) / standard_variance(weights[others], noise[others])


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

    Raises
    ------
    UserError
        When a file that it is a view of is gone: HDF5 would give zeros for its pixels.
    """

    def __init__(self, path: Path):
        self.path = Path(path)
        self.file = open_store(path)
        sources = {self.path.parent / source.file_name for source in self.file["pixels"].virtual_sources()}
        for source in sorted(sources):
            if not source.exists():
                raise UserError(
                    f"{source} is missing, and {path} only points to its exposures; delete {self.path.name}, too, "
                    "and run snakemake again"
                )
        self.frames = json.loads(self.file.attrs["frames"])
        self.left_out = json.loads(self.file.attrs["left_out"])
        self.meta = json.loads(self.file.attrs["meta"])
        self.blocks = np.array([entry["block"] for entry in self.frames])
        self.weights = np.array([entry["weight"] for entry in self.frames])

    @functools.cached_property
    def variance(self) -> np.ndarray:
        """Variance of one standard exposure (weight 1), from A and B alone; float32, shape (h, w)."""
        return self.file["variance"][:]

    def quiet_variance(self, mean: np.ndarray) -> np.ndarray:
        """`variance` without what seeing does to the stars of `mean`, where the gain is known; float32, shape (h, w).

        For the prior, which has learned what noise is, and takes the scatter of moving stars for it.
        """
        if self.meta["unit"] != "electron":
            return self.variance
        photon = float(np.sum(self.weights**2 * photon_noise(self.frames)) / np.sum(self.weights))
        return without_seeing(self.variance, mean, self.meta["variance_background"], photon)

    @functools.cached_property
    def saturated(self) -> np.ndarray:
        """Pixels saturated in any exposure; bool, shape (h, w)."""
        return self.file["saturated"][:]

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
        values, flags, reject = (self._read(name, index, region) for name in ("pixels", "flags", "reject"))
        valid = usable(flags, reject, keep_saturated=True)
        values -= np.float32(self.meta["sky"])
        values[~valid] = 0
        return values, valid

    def _read(self, name: str, index: np.ndarray, region) -> np.ndarray:
        """One exposure after another: h5py takes forty times as long for a list of them (measured on 14)."""
        dataset = self.file[name]
        sides = (len(range(*part.indices(side))) for part, side in zip(region, self.shape, strict=True))
        result = np.empty((len(index), *sides), dataset.dtype)
        for place, exposure in enumerate(index):
            dataset.read_direct(result, np.s_[exposure, region[0], region[1]], np.s_[place])
        return result

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
