"""A group: the registered exposures of one target through one filter, their blocks, weights and masks."""

import copy
import functools
import json
from pathlib import Path

import numpy as np
from astropy.io import fits

from n2n.errors import UserError
from n2n.formats import sealed
from n2n.formats.products import reference_header
from n2n.group.exposure import Exposure
from n2n.group.facts import Facts
from n2n.group.samples import strips, usable
from n2n.group.weights import photon_noise
from n2n.sky.combine import weighted_mean
from n2n.sky.variance import sample_variance, without_seeing


class Group:
    """The registered exposures of one group, opened from its pairs.h5, or some of them (`only`).

    Attributes
    ----------
    exposures : list of Exposure
        Those that are used, in order.
    left_out : list of Exposure
        The others, each with its reasons.
    facts : Facts
    blocks, weights, pointings, sky_sigma : ndarray, shape (n,)
        `Weight` of the exposures, part by part.

    Raises
    ------
    UserError
        When the file is damaged; when one that it is a view of is gone, damaged or another one: HDF5 would give
        zeros, or its pixels.
    """

    def __init__(self, path: Path):
        self.path = Path(path)
        self.file, self.seal = sealed.opened(path), sealed.seal_of(path)
        if "registered" not in self.file.attrs:
            raise sealed.damaged(path, "another file is in its place")
        made_of = json.loads(self.file.attrs["registered"])
        self.sources = {self.path.parent / name: seal for name, seal in made_of.items()}
        for source, seal in self.sources.items():
            if not source.exists():
                raise UserError(
                    f"{source} is missing, and {path} only points to its exposures; delete {self.path.name}, too, "
                    f"and run snakemake again, with its name: {sealed.making(path)}"
                )
            if sealed.seal_of(source, self.path) != seal:
                raise sealed.damaged(source, f"it is not the file that {self.path} was made of", self.path)
        self._unchecked = list(self.sources)
        self.exposures, self.left_out = (
            [Exposure.from_json(content) for content in json.loads(self.file.attrs[name])]
            for name in ("exposures", "left_out")
        )
        self.facts = Facts.from_json(json.loads(self.file.attrs["facts"]))
        self._places = np.arange(len(self.exposures))  # in the file
        self._describe()

    def _describe(self) -> None:
        weighed = [exposure.weighed for exposure in self.exposures]
        self.blocks, self.weights, self.pointings, self.sky_sigma = (
            np.array([getattr(one, name) for one in weighed]) for name in ("block", "weight", "pointing", "sky_sigma")
        )

    @property
    def night(self) -> str:
        """The night of the group."""
        return self.facts.night

    @property
    def name(self) -> str:
        """The group's name, unique in its night."""
        return self.facts.group

    @property
    def identity(self) -> str:
        """``night/group``: what models and reports call the group by."""
        return f"{self.night}/{self.name}"

    @property
    def everything(self) -> list[Exposure]:
        """All exposures of the group, used or left out, in the order of their paths."""
        return sorted([*self.exposures, *self.left_out], key=lambda exposure: exposure.path)

    def header(self) -> fits.Header:
        """WCS and cards of the camera for images on the group's grid; every product takes them here."""
        return reference_header(self.facts.header)

    def only(self, chosen) -> "Group":
        """Some exposures as a group of their own, on the same file; what is known of the whole group stays as it is.

        Parameters
        ----------
        chosen : slice, or int or bool array
            By their place among `exposures`.
        """
        part = copy.copy(self)
        index = np.arange(len(self.exposures))[chosen]
        part.exposures, part._places = [self.exposures[i] for i in index], self._places[index]
        part._describe()
        return part

    @property
    def whole(self) -> bool:
        """Whether these are all exposures of the file, in its order."""
        return np.array_equal(self._places, np.arange(len(self.file["pixels"])))

    @property
    def checked(self) -> bool:
        """True once all registered files have been read and found whole: once, and only by who reads their pixels."""
        while self._unchecked:
            sealed.check(self._unchecked[0], self.path)
            del self._unchecked[0]  # of `only`, too, which has the same list
        return True

    def check_made(self, path: Path, seal: str) -> None:
        """Raise UserError unless the file `path`, which bears the seal of the pairs it was made from, is of these."""
        if seal != self.seal:
            raise sealed.damaged(path, f"it was not made from {self.path} as that is now")

    def check_stack(self, path: Path, image: np.ndarray) -> None:
        """Raise UserError unless the image of `path`, shape (h, w), is the mean of these exposures."""
        mean = self.file["stack/mean"][:] + np.float32(self.facts.sky)
        if not np.array_equal(mean, image, equal_nan=True):
            raise sealed.damaged(path, f"it was not made from {self.path} as that is now")

    @functools.cached_property
    def variance(self) -> np.ndarray:
        """Variance of one standard exposure (weight 1), from A and B alone; float32, shape (h, w)."""
        return self.file["variance"][:]

    def quiet_variance(self, mean: np.ndarray) -> np.ndarray:
        """`variance` without what seeing does to the stars of `mean`, where the gain is known; float32, shape (h, w).

        For the prior, which has learned what noise is, and takes the scatter of moving stars for it.
        """
        if self.facts.unit != "electron":
            return self.variance
        photon = float(np.sum(self.weights**2 * photon_noise(self.exposures)) / np.sum(self.weights))
        return without_seeing(self.variance, mean, self.facts.sky_variance, photon)

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
        index = self._places[chosen]
        values, flags, reject = (self._read(name, index, region) for name in ("pixels", "flags", "reject"))
        valid = usable(flags, keep_saturated=True) & ~reject
        values -= np.float32(self.facts.sky)
        values[~valid] = 0
        return values, valid

    def _read(self, name: str, index: np.ndarray, region) -> np.ndarray:
        """One exposure after another: h5py takes forty times as long for a list of them (measured on 14)."""
        assert self.checked
        dataset = self.file[name]
        sides = (len(range(*part.indices(side))) for part, side in zip(region, self.shape, strict=True))
        result = np.empty((len(index), *sides), dataset.dtype)
        for place, exposure in enumerate(index):
            dataset.read_direct(result, np.s_[exposure, region[0], region[1]], np.s_[place])
        return result

    def depth(self) -> np.ndarray:
        """Number of standard exposures that each pixel of the mean is worth; float32, shape (h, w)."""
        return self.file["stack/weight"][:] if self.whole else self.mean()[1]

    def mean(self, chosen=slice(None)):
        """Weighted mean of exposures `chosen`, strip by strip; that of all comes from the file, where `pairs` put it.

        Returns
        -------
        mean : float32 ndarray, shape (h, w)
            Sky subtracted; NaN where no exposure is valid.
        weight : float32 ndarray, shape (h, w)
            Number of standard exposures each pixel is worth.
        count : uint16 ndarray, shape (h, w)
        """
        group = self.only(chosen)
        if group.whole:
            return tuple(self.file["stack"][name][:] for name in ("mean", "weight", "count"))
        mean = np.full(self.shape, np.nan, np.float32)
        weight = np.zeros(self.shape, np.float32)
        count = np.zeros(self.shape, np.uint16)
        for rows, _, _ in strips(*self.shape, len(group.exposures)):
            values, valid = group.load(region=(rows, slice(None)))
            mean[rows], weight[rows] = weighted_mean(values, valid, group.weights)
            count[rows] = valid.sum(axis=0)
        return mean, weight, count

    def scatter(self, chosen, mean: np.ndarray) -> np.ndarray:
        """Unsmoothed, unbiased variance of one standard exposure from exposures `chosen`; shape (h, w)."""
        group = self.only(chosen)
        result = np.full(self.shape, np.nan, np.float32)
        for rows, _, _ in strips(*self.shape, len(group.exposures)):
            values, valid = group.load(region=(rows, slice(None)))
            result[rows] = sample_variance(values, valid, group.weights, mean[rows], group.pointings)
        return result
