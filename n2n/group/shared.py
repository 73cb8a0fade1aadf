"""What all exposures of a group have in common and no held-out exposure can show: the pattern of their detector.

Where the telescope hardly moved between exposures, a pattern of the detector stays in the stack, in the part of it that
judges as in the part that is judged: noise of the masters, bands, glow. In the detector's frame it can be told from
the sky (`n2n.sky.detector`): residuals of blocks A and B, and those of C, have no noise in common there. Where
`n2n pairs` took a pattern off that it had found in A and B, they have nothing in common if it did right, and what it
had to leave is known.
"""

from dataclasses import dataclass

import numpy as np

from n2n.group.detector import FEW, FEWEST, MOVED, STILL, carried_halves, every_other, kept_between, least_of, middle
from n2n.group.group import Group
from n2n.sky.detector import shared_of

WINDOW = 1024  # px, in the middle: enough for any frame, since patterns are everywhere


@dataclass(frozen=True)
class SharedError:
    """Variance that the detector's pattern puts into a stack because different pointings share it.

    What the exposures of one pointing share, their scatter shows: they count as one there, and are in one block.

    Attributes
    ----------
    value, error : float
        Over the stack's variance, and its standard error; NaN where it cannot be told.
    left : float
        The part of `value` that `n2n pairs` knew it had to leave; 0 where it took nothing off.
    note : str
        Why it cannot be told; empty where it can.
    """

    value: float
    error: float
    left: float = 0.0
    note: str = ""

    def as_dict(self) -> dict:
        """As assessment.json holds it."""
        value, error = (float(number) if np.isfinite(number) else None for number in (self.value, self.error))
        return {"value": value, "standard_error": error, "left": self.left, "note": self.note}


def shared_in_stack(group: Group, chosen: np.ndarray | None = None) -> SharedError:
    """Measure the detector's pattern in the mean of some exposures.

    Parameters
    ----------
    group : Group
        Its exposures and what is known of them.
    chosen : int ndarray, optional
        Exposures of the mean, by their place in the group; all by default.
    """
    every = np.arange(len(group.exposures))
    chosen = every if chosen is None else np.asarray(chosen)
    taken, weights = group.facts.pattern, group.weights
    parts = [np.flatnonzero(group.blocks != "C"), np.flatnonzero(group.blocks == "C")]
    if _fewest(group, parts) < FEWEST:
        # Halves of all will do, but not of what a pattern found in them was taken from.
        second = every_other(group.pointings)
        parts = [every[~second], every[second]]
        if "rms_sigma" in taken or _fewest(group, parts) < FEWEST:
            return SharedError(np.nan, np.nan, note=FEW)

    def read(index, window):
        values, good = group.load([index], window)
        return values[0], good[0]

    halves = carried_halves(read, group.exposures, group.sky_sigma, weights, parts, middle(group.shape, WINDOW))
    if halves.found.moved < MOVED:
        return SharedError(np.nan, np.nan, note=STILL)
    own = least_of(weights[chosen])
    noise = halves.found.noise_of_mean * own / least_of(weights[np.concatenate(parts)])
    between = kept_between(group.exposures, weights, group.pointings, chosen, halves.shape)
    value, error = shared_of(halves.found, between, noise)
    # In units of the variance, which is larger where exposures are fewer.
    left = taken["left"] * least_of(weights) / own if "rms_sigma" in taken else 0.0
    return SharedError(value + left, error, left)


def _fewest(group: Group, parts: list[np.ndarray]) -> int:
    return min(len(set(group.pointings[part])) for part in parts)
