"""How the exposures of a group are split into blocks, and blocks into parts."""

import numpy as np

from n2n.group.group import Group

# Eight dither positions: three each for A and B, two for C, spread so that each block sees the whole night.
PATTERN = "ABACBABC"
SAME_POINTING_PX = 1.0  # exposures closer than this share the detector's pattern


def deciding(batches: list[int]) -> int:
    """How many of the first exposures decide whether the telescope was moved: whole batches, at least 8."""
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


def halves_of(group: Group, chosen: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Mean and depth of two disjoint parts of some exposures; those of one pointing stay together."""
    other = second_half(group, chosen)
    return [group.mean(part)[:2] for part in (chosen[~other], chosen[other])]


def second_half(group: Group, chosen: np.ndarray) -> np.ndarray:
    """Which exposures, of some, are in the second of two halves: every other pointing; ndarray of bool, shape (n,)."""
    pointing = group.pointings[chosen]
    rank = {unit: number for number, unit in enumerate(dict.fromkeys(pointing))}
    other = np.array([rank[unit] % 2 for unit in pointing], bool)
    return other if other.any() else np.arange(len(chosen)) % 2 == 1


def parts_of(group: Group, held_out: np.ndarray, rest: np.ndarray, most: int = 8):
    """Divide the held-out exposures and the others into at most `most` parts each.

    Exposures of one pointing share noise and stay together.

    Parameters
    ----------
    group : Group
        Tells pointings.
    held_out, rest : int ndarray, shape (k,)
        Exposures by their place in the group.
    most : int
        Parts of either.

    Yields
    ------
    part : int ndarray
    judging : bool
    """
    for chosen, judging in ((held_out, True), (rest, False)):
        pointing = group.pointings[chosen]
        rank = {unit: number % most for number, unit in enumerate(dict.fromkeys(pointing))}
        label = np.array([rank[unit] for unit in pointing])
        for number in range(min(len(rank), most)):
            yield chosen[label == number], judging


def held_out_exposures(group: Group, trained_on: set[str]) -> np.ndarray:
    """Places of the exposures of block C, without any whose SHA-256 is among those a network was trained on."""
    held_out = group.blocks == "C"
    fresh = [exposure.sha256 not in trained_on for exposure in group.exposures]
    return np.flatnonzero(held_out & np.array(fresh, bool))
