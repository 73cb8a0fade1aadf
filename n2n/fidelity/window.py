"""The window of the field into which objects are injected, and how every exposure sees it."""

from dataclasses import dataclass

import numpy as np

from n2n.fidelity.injection import Seen
from n2n.group.group import Group
from n2n.group.placing import displacement
from n2n.group.split import second_half
from n2n.sky.combine import weighted_mean
from n2n.sky.psf import moffat_beta

SIDE = 1024  # px of the window in the middle of the field: enough for a thousand stars
SAMPLES = 150_000_000  # of all exposures in the window; with more exposures it is smaller (12 bytes each)


@dataclass(frozen=True)
class Window:
    """The part of the field that is used; arrays of shape (h, w), sky subtracted.

    Attributes
    ----------
    rows, columns : slice
    exposures : list of Seen
    chosen : int ndarray
        Exposures of A and B.
    values, valid : ndarray, shape (n, h, w)
        Their registered pixels, and which of them count.
    stack, depth, variance, sigma : ndarray
        Mean of A and B, how many standard exposures it is worth, variance of one, and noise of the mean a pixel.
    noise : ndarray
        Another realisation of its noise.
    denoised, held_out : ndarray
        What the network made of it (in all orientations), and the mean of C in units of its own noise.
    """

    rows: slice
    columns: slice
    exposures: list
    chosen: np.ndarray
    values: np.ndarray
    valid: np.ndarray
    stack: np.ndarray
    depth: np.ndarray
    variance: np.ndarray
    sigma: np.ndarray
    noise: np.ndarray
    denoised: np.ndarray
    held_out: np.ndarray


def cut(group: Group, held_out: np.ndarray, judged: np.ndarray) -> Window:
    """Read the middle of the field.

    Parameters
    ----------
    group : Group
        The exposures and what is known of them.
    held_out : int ndarray, shape (n,)
        Exposures of C.
    judged : ndarray, shape (h, w)
        What the network made of A and B.
    """
    rest = np.setdiff1d(np.arange(len(group.exposures)), held_out)
    side = int(min(SIDE, np.sqrt(SAMPLES / len(rest))))
    rows, columns = (slice((length - side) // 2, (length - side) // 2 + side) if length > side else slice(0, length)
                     for length in group.shape)  # fmt: skip
    region = (rows, columns)
    values, valid = group.load(rest, region)
    stack, depth = weighted_mean(values, valid, group.weights[rest])
    part = second_half(group, rest)
    (one, its_depth), (other, others_depth) = (
        weighted_mean(values[half], valid[half], group.weights[rest][half]) for half in (~part, part)
    )
    judge, judge_depth = weighted_mean(*group.load(held_out, region), group.weights[held_out])
    variance = group.variance[region]
    with np.errstate(divide="ignore", invalid="ignore"):
        # The difference of the halves, brought to the noise of the whole.
        noise = (one - other) * np.sqrt(its_depth * others_depth) / (its_depth + others_depth)
        sigma, held_out = np.sqrt(variance / depth), judge * np.sqrt(judge_depth / variance)
    fwhm = group.facts.fwhm_px or 3.0
    beta = moffat_beta(np.nan_to_num(stack), sigma, group.saturated[region] | ~np.isfinite(stack), fwhm)
    exposures = [seen_by(group, index, (columns.start, rows.start), beta) for index in rest]
    return Window(rows, columns, exposures, rest, values, valid, stack, depth, variance, sigma, noise,
                  judged[region], held_out)  # fmt: skip


def seen_by(group: Group, index: int, corner: tuple[int, int], beta: float) -> Seen:
    """How an exposure of a group sees a window.

    Parameters
    ----------
    group : Group
        The exposures and what is known of them.
    index : int
        The exposure, by its place in the group.
    corner : (int, int)
        x and y of the window's first pixel.
    beta : float
        Exponent of the Moffat profile of its stars.
    """
    one = group.exposures[index]
    matrix, move = one.placement.matrix.copy(), displacement(one.placement)
    matrix[:, 2] += matrix[:, :2] @ corner
    moved = None if move is None else lambda x, y: move(np.asarray(x) + corner[0], np.asarray(y) + corner[1])
    width = one.fwhm_px or group.facts.fwhm_px or 3.0  # twice the radius of half the light: `n2n.sky.stars`
    return Seen(matrix, moved, one.placement.transparency, width / 2, beta, group.facts.unit == "electron")
