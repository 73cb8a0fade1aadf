"""What a group gives to a training: its exposures of blocks A and B, never those of C."""

import numpy as np

from n2n.group.group import Group

MIN_TRAINING = 6  # exposures in A and B together
REGION = 256  # px; side of the regions that large groups are trained on


def lacking(group: Group, crop: int) -> str:
    """Why a group cannot be trained on with crops of `crop` px; empty when it can."""
    exposures = int((group.blocks != "C").sum())
    if exposures < MIN_TRAINING:
        return f"only {exposures} usable exposures, {MIN_TRAINING} needed"
    if min(group.shape) < crop:
        return f"images of {group.shape[1]} x {group.shape[0]} pixels, smaller than train.crop, {crop}"
    return ""


def exposures_learned(groups: list[Group]) -> list[dict]:
    """The exposures that a training on some groups sees, as model.json lists them."""
    return [
        {"group": group.identity, "filename": one.path, "sha256": one.sha256, "block": one.weighed.block}
        for group in groups
        for one in group.exposures
        if one.weighed.block != "C"
    ]


def pixels_learned(groups: list[Group]) -> list[list]:
    """What tells their pixels apart: the same frames calibrated otherwise are measured otherwise by `n2n pairs`."""
    return [
        [group.facts.sky, group.facts.sky_variance, group.weights[group.blocks != "C"].tolist()] for group in groups
    ]


def load_regions(group: Group, crop: int, seed: int, memory: float):
    """Read blocks A and B: all of the image, or random regions of it where that would not fit.

    Parameters
    ----------
    group : Group
        The group to learn from.
    crop : int
        Side of the crops of the training, px; no region is smaller.
    seed : int
        Of the choice of regions.
    memory : float
        Bytes that the exposures may fill.

    Yields
    ------
    tuple
        Arguments of `n2n.nets.sampling.Region.from_arrays`, without the device.
    """
    training = np.flatnonzero(group.blocks != "C")
    height, width = group.shape
    if len(training) * height * width * 5 <= memory:
        windows = [(slice(0, height), slice(0, width))]
    else:
        rows = [slice(top, min(top + REGION, height)) for top in range(0, height - crop + 1, REGION)]
        columns = [slice(left, min(left + REGION, width)) for left in range(0, width - crop + 1, REGION)]
        cells = [(row, column) for row in rows for column in columns if row.stop - row.start >= crop]
        cells = [cell for cell in cells if cell[1].stop - cell[1].start >= crop]
        count = max(4, int(memory / (len(training) * REGION**2 * 5)))
        order = np.random.default_rng(seed).permutation(len(cells))[:count]
        windows = [cells[index] for index in sorted(order)]
    for window in windows:
        values, valid = group.load(training, window)
        facts = group.variance[window], group.facts.sky_variance, group.saturated[window]
        yield values, valid, group.weights[training], *facts
