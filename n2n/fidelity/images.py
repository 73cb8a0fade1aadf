"""All that the gates look at, built when a gate first asks for it and let go when none will ask again.

Images of large frames fill the memory: none is built before it is needed, and none kept longer.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from n2n.fidelity.evidence import Evidence, evidence
from n2n.fidelity.filtered import Filtered, filtered
from n2n.fidelity.isolated import Stars, isolated_stars
from n2n.fidelity.spectra import Rings, rings
from n2n.fidelity.zones import divide

# What an image may come without.
HELD_OUT, INJECTED, TILES, ALL = "held-out exposures", "injected stars", "the network's tiles", "the stack of all"
SHARED = "exposures on the detector"
# Of what the images that are built are made: these must stay until those are built.
_MADE_OF = {"parts": (), "evidence": ("parts",), "filtered": ("evidence",), "rings": ("evidence",)}


@dataclass(frozen=True)
class Shipped:
    """The image that is to be used and the stack it stands for; arrays of shape (h, w).

    Attributes
    ----------
    stack, denoised : ndarray
        As they are written, above `sky`.
    sky : float
    variance : ndarray or None
        Of the stack of all exposures. None where `denoised` and `stack` are those that are judged, as another program
        wrote them and brought to the scale of the group.
    """

    stack: np.ndarray
    denoised: np.ndarray
    sky: float = 0.0
    variance: np.ndarray | None = None


@dataclass(frozen=True)
class Images:
    """A denoised image and what is known of the exposures; arrays of shape (h, w), sky subtracted.

    Attributes
    ----------
    denoised, stack : ndarray
        D, and S, of which D was made: the mean of blocks A and B.
    depth : ndarray
        How many standard exposures S is worth.
    variance : ndarray
        Smooth variance of one standard exposure.
    sigma : ndarray
        Noise of the sky in S.
    usable, saturated : ndarray of bool
    fwhm : float
        Of stars, pixels.
    shipped : Shipped
    held_out : ndarray or None
        C, the mean of exposures that neither D nor the network has seen.
    halves : callable or None
        ``halves()``: mean and depth of two disjoint parts of C, two pairs of ndarray.
    weight : ndarray or None
        Inverse variance of S.
    gains : mapping or None
        Gain over ``all`` and in every zone, as assessment.json has them.
    tiles : two lists of slice
        Rows, and columns, that two tiles of the network share.
    injected : mapping or None
        inject.json; empty where nothing was injected, None where nobody could have.
    shared : callable or None
        ``shared()``: a `n2n.group.shared.SharedError`, what the detector's pattern puts into S.
    """

    denoised: np.ndarray
    stack: np.ndarray
    depth: np.ndarray
    variance: np.ndarray
    sigma: np.ndarray
    usable: np.ndarray
    saturated: np.ndarray
    fwhm: float
    shipped: Shipped
    held_out: np.ndarray | None = None
    halves: Callable | None = None
    weight: np.ndarray | None = None
    gains: Mapping | None = None
    tiles: tuple[list[slice], list[slice]] = ((), ())
    injected: Mapping | None = None
    shared: Callable | None = None

    @property
    def holds(self) -> set[str]:
        """Which of `HELD_OUT`, `INJECTED`, `TILES`, `ALL` and `SHARED` is there."""
        there = {
            HELD_OUT: self.held_out is not None,
            INJECTED: self.injected is not None,
            TILES: any(self.tiles),
            ALL: self.shipped.variance is not None,
            SHARED: self.shared is not None,
        }
        return {name for name, known in there.items() if known}

    @property
    def product(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Stack, its variance, and what was made of it: of all exposures where they were denoised, else of A and B."""
        shipped = self.shipped
        if shipped.variance is None:
            return self.stack, variance_of(self.variance, self.depth), self.denoised
        return shipped.stack - shipped.sky, shipped.variance, shipped.denoised - shipped.sky

    @cached_property
    def zones(self) -> np.ndarray:
        """Zones of D: what is compared with the held-out exposures must not be chosen by them."""
        return divide(np.nan_to_num(self.denoised), self.sigma, self.usable)

    @cached_property
    def parts(self):
        """Mean and depth of the two parts of C."""
        return self.halves()

    @cached_property
    def evidence(self) -> Evidence:
        """All in units of the stack's noise; without held-out exposures S stands for them, and no gate may look."""
        parts = ((self.stack, self.depth),) * 2 if self.held_out is None else self.parts
        return evidence(self.denoised, self.stack, self.depth, parts, self.variance, self.usable)

    @cached_property
    def filtered(self) -> Filtered:
        """The same after a filter of the stars' width."""
        return filtered(self.evidence, self.fwhm)

    @cached_property
    def rings(self) -> Rings:
        """Sums over rings of the Fourier transforms of the evidence."""
        return rings(self.evidence)

    @cached_property
    def stars(self) -> Stars:
        """Isolated stars."""
        return isolated_stars(self.stack, self.sigma, ~self.usable, self.product, self.fwhm)

    def keep(self, names: Iterable[str]) -> None:
        """Let go of what was built but for `names`, and what these are still to be built of."""
        needed, left = set(), list(names)
        while left:
            name = left.pop()
            needed.add(name)
            if name not in vars(self):
                left += _MADE_OF.get(name, ())
        for name in _MADE_OF.keys() - needed:
            vars(self).pop(name, None)


def variance_of(one: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Variance of a mean of that depth, from that of one standard exposure; NaN where nobody looked."""
    return np.where(depth > 0, one / np.maximum(depth, 1e-6), np.nan)
