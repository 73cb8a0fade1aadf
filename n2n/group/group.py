"""A group: the registered exposures of one target through one filter, their blocks, weights and masks."""

import functools
import json
from pathlib import Path

import numpy as np

from n2n.errors import UserError
from n2n.formats.store import open_store, strips, usable
from n2n.group.weights import photon_noise
from n2n.sky.combine import weighted_mean
from n2n.sky.variance import sample_variance, without_seeing


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
