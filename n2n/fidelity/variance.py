"""The error of the denoised image by place, inside the classes of brightness: what VAR of the product is spread with.

Where the network lets noise through, its image changes when exposures are added. What it takes off faint stars shows
nowhere. But a network that was trained on noise alone gives about the mean of all that the truth may be, and then the
squared error of a place, noise and loss together, is the covariance of the noise that it saw with the noise that it
gave (Tweedie's formula: Efron, J. Am. Stat. Assoc. 106, 1602, 2011). Both show when the held-out exposures are added
to the others. With S the stack, D the denoised image and d the depth

    error(D) = < P >,  P = k (S - S_AB) (D - D_AB),  k = d_AB / (d - d_AB)

Single pixels of P mean nothing. So it is fitted, class by class, with what has little noise of its own:

    V = A (a + b E + c E^2),  A = root < k (D - D_AB)^2 >,  E = < exp z >,  a, b, c >= 0

A is a root since of a signal that is shrunk to a share s the noise s^2 passes, and s is the error. z is S - D after a
filter of a star's width, in units of its noise and from 0 to `HIGHEST`: light that may be a star or not. The fit is of
sums over cells of z. These are chosen by the stack of all exposures, in which the noise of S - S_AB is by chance
neither high nor low.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.optimize import nnls

from n2n.fidelity.risk import BOX, box_sums
from n2n.fidelity.zones import BRIGHTNESSES
from n2n.sky.calibrate import robust_sigma

FEWEST = 500  # pixels of a class that tell an error
FEW = 50  # of a cell
LITTLE = 0.02  # share of the depth that held-out exposures add, at least
FLOOR = 0.03  # of the mean of A^2 in the faintest class: what no place is without
EDGES = (-0.7, 0.0, 0.7, 1.4, 2.1)  # of the cells of z
HIGHEST = 4.0  # of z
UTMOST = 9.0  # sigma by which a stack may change: more is a defect of an exposure
LEAST, MOST = 0.02, 50.0  # of an error over the mean of its class


@dataclass(frozen=True)
class Answer:
    """How the denoised image answers to more exposures.

    Attributes
    ----------
    place : float32 ndarray, shape (h, w)
        Expected squared error over VAR of the stack, relative to the mean of the class of brightness; 1 where nothing
        is known.
    share, error : ndarray, shape (classes,)
        Mean of a class: expected squared error over VAR of the stack, with its standard error; NaN where unknown.
    """

    place: np.ndarray
    share: np.ndarray
    error: np.ndarray


def answer_to_more(stacks, denoised, depths, variance, classes, usable, fwhm: float) -> Answer:
    """Find how the error of a denoised image is spread over places.

    Parameters
    ----------
    stacks, denoised, depths : pair of ndarray, shape (h, w)
        Of blocks A and B, and of all exposures; depths in standard exposures.
    variance : ndarray, shape (h, w)
        Of the stack of all exposures.
    classes : int ndarray, shape (h, w)
        Class of brightness of every pixel.
    usable : ndarray of bool, shape (h, w)
        Pixels that count.
    fwhm : float
        Of stars, px.
    """
    (part, stack), (judged, full), (some, depth) = stacks, denoised, depths
    count, added = len(BRIGHTNESSES) + 1, depth - some
    told = usable & np.isfinite(stack - part) & np.isfinite(full - judged) & (variance > 0) & (added > LITTLE * depth)
    if told.sum() < FEWEST:
        unknown = np.full(count, np.nan)
        return Answer(np.ones(variance.shape, np.float32), unknown, unknown)
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.sqrt(np.where(told, some / added, 0) / variance)
        seen, given = (
            np.where(told, np.clip(change * scale, -UTMOST, UTMOST), 0).astype(np.float32)
            for change in (stack - part, full - judged)
        )
        left = np.nan_to_num(np.clip((stack - full) / np.sqrt(variance), -5, 5)).astype(np.float32)
    product, width = seen * given, fwhm / 2.3548
    del seen
    passed = _around(given**2, told, width)
    del given
    sky = told & (classes == 0)
    if sky.sum() < FEWEST:
        sky = told
    passed = np.sqrt(passed + np.float32(FLOOR * np.mean(passed[sky])))
    left = ndimage.gaussian_filter(left, width)
    left /= max(robust_sigma(left[sky]), 1e-9)
    cells = np.digitize(ndimage.gaussian_filter(left, 1.0), EDGES).astype(np.int8)
    bump = ndimage.gaussian_filter(np.exp(np.clip(left, 0, HIGHEST)), 1.0)
    del left, sky
    place, shares, errors = np.ones(variance.shape, np.float32), np.full(count, np.nan), np.full(count, np.nan)
    for index in range(count):
        chosen = told & (classes == index)
        if chosen.sum() < FEWEST:
            continue
        shares[index], errors[index] = _mean(product, chosen)
        weights = _fitted(product[chosen], passed[chosen], bump[chosen], cells[chosen])
        if weights.any():
            expected = _expected(weights, passed[chosen], bump[chosen])
            place[chosen] = np.clip(expected / expected.mean(), LEAST, MOST)
    return Answer(place, shares, errors)


def _around(values, known, width):
    """Mean of the known values around a pixel; 0 where none is near."""
    near = ndimage.gaussian_filter(known.astype(np.float32), width)
    return ndimage.gaussian_filter(np.where(known, values, 0), width) / np.maximum(near, 0.01)


def _expected(weights, passed, bump):
    """V of the module's formula; a, b, c are `weights`."""
    return passed * (weights[0] + bump * (weights[1] + bump * weights[2]))


def _fitted(product, passed, bump, cells) -> np.ndarray:
    """The weights a, b, c of V, from sums over cells; arrays of shape (n,), one value a pixel."""
    count = len(EDGES) + 1
    sums, squares, *design = (
        np.bincount(cells, values, count)
        for values in (product, product**2, passed, passed * bump, passed * bump**2)
    )  # fmt: skip
    pixels = np.bincount(cells, minlength=count)
    enough = pixels > FEW
    error = np.sqrt(np.maximum(squares - sums**2 / np.maximum(pixels, 1), 1e-20))[enough]
    return nnls(np.transpose(design)[enough] / error[:, None], sums[enough] / error)[0]


def _mean(values, chosen) -> tuple[float, float]:
    """Mean over the chosen pixels with its standard error, from a jackknife over boxes."""
    sums, counts = box_sums(np.where(chosen, values, 0), BOX), box_sums(chosen.astype(np.float32), BOX)
    filled = counts > 0
    sums, counts = sums[filled], counts[filled]
    mean = sums.sum() / counts.sum()
    if len(sums) < 4:
        return float(mean), float("nan")
    left_out = (sums.sum() - sums) / (counts.sum() - counts)
    return float(mean), float(np.sqrt((len(sums) - 1) / len(sums) * np.sum((left_out - left_out.mean()) ** 2)))
