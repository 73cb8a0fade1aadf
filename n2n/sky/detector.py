"""What stays at one place of the detector: found in residuals of registered exposures, told from sky and noise.

An exposure i holds the sky T and, moved by its offset, a pattern P of the detector: ``d_i(x) = T(x) + P(x + s_i)``.
Its residual against the mean of its own half of the exposures, carried back to the detector and averaged over that
half, has no sky in it. At frequency k it is ``H P`` and noise, with ``H = 1 - |a|^2`` and a the mean of
``exp(2 pi i k s_i)``: what the mean has taken for sky is missing. Two halves have no noise in common, so their cross
spectrum over ``H1 H2`` is the power of the pattern, and their difference the noise. From both follows what may be
taken off (Wiener's factor), and what the pattern puts into the stack beyond noise: its power times ``|a|^2``.
Where nothing moved H is 0: there pattern and sky are one.
"""

import functools
from dataclasses import dataclass

import cv2
import numpy as np
from scipy import fft

from n2n.sky.distortion import distort

WIDTH, RADIAL = 0.05, 15  # of a ring of frequencies, cycles/px; rings up to the corner
LINES = 4  # bins of frequencies along the one axis, for patterns of rows, and of columns
CLIP = 4.0  # sigma of an exposure; what is farther off is a hit, or a star in other seeing
LIGHT = 0.5  # sigma of an exposure: stars above it would leave their seeing
NARROW, AROUND, GROWN = 1.2, 8.0, 3  # px; stars are told from what surrounds them, and grown by so much
BOX = 33  # px; what is wider changes with the sky
SURE = 3.0  # standard errors from which the halves agree on a bin
MOVED = 0.1  # H from which pattern and sky can be told apart
TOLD = 0.3  # mean H of a bin of rows or columns from which it stands for itself
STEADY = 0.2  # px by which offsets may differ over the field to be taken for one


@dataclass(frozen=True)
class Agreement:
    """What two halves of the exposures say of the detector's pattern, by bins of frequency (`bins`).

    Attributes
    ----------
    power, error : ndarray, shape (m,)
        Power of the pattern a mode, and its standard error; the last bin, the level, is 0.
    noise : ndarray, shape (m,)
        Variance a mode of the mean of both halves, per unit of H.
    transfer : float32 ndarray, shape (h, w // 2 + 1)
        H of the mean of both halves, on the grid of ``rfft2``.
    which : uint8 ndarray, shape (h, w // 2 + 1)
        The bin of a mode.
    """

    power: np.ndarray
    error: np.ndarray
    noise: np.ndarray
    transfer: np.ndarray
    which: np.ndarray

    @property
    def sure(self) -> np.ndarray:
        """Power where the halves agree on it beyond chance, else 0; ndarray, shape (m,)."""
        return np.where(self.power > SURE * self.error, self.power, 0)

    @property
    def moved(self) -> float:
        """Share of the modes in which pattern and sky can be told apart."""
        return float(np.mean(self.transfer > MOVED))

    @property
    def noise_of_mean(self) -> float:
        """Variance a mode of the mean of both halves, averaged over all modes."""
        return float(np.mean(self.noise[self.which]))

    @property
    def left(self) -> np.ndarray:
        """Power a mode of what `pattern_of` leaves of the pattern, its own noise included; shape (h, w // 2 + 1)."""
        power, noise = self.sure[self.which], self.noise[self.which]
        return _per(power * noise, power * self.transfer + noise)


def starless(mean: np.ndarray, sigma: float) -> np.ndarray:
    """Where an image has no stars whose seeing would show in residuals; bool, shape (h, w).

    Parameters
    ----------
    mean : ndarray, shape (h, w)
        Of many exposures; NaN where there is none.
    sigma : float
        Noise of the sky in one exposure.
    """
    known = np.isfinite(mean)
    light = np.where(known, mean, np.median(mean[known]) if known.any() else 0).astype(np.float32)
    narrow = cv2.GaussianBlur(light, (0, 0), NARROW) - cv2.GaussianBlur(light, (0, 0), AROUND)
    noise = 1.4826 * float(np.median(np.abs(narrow[::2, ::2])))
    stars = ~known | (np.abs(narrow) > max(LIGHT * sigma, 4 * noise))
    return cv2.dilate(stars.view(np.uint8), np.ones((2 * GROWN + 1,) * 2, np.uint8)) == 0


class Carried:
    """Mean of residuals in the detector's frame, to which exposure after exposure is added.

    Parameters
    ----------
    shape : (int, int)
        Height and width of the part of the reference's grid that is looked at, and of the detector.
    origin : (int, int)
        x and y of its first pixel.
    """

    def __init__(self, shape: tuple[int, int], origin: tuple[int, int] = (0, 0)):
        self._sum, self._share = np.zeros((2, *shape), np.float32)
        self._most, self._origin = 0.0, origin

    def add(self, residual: np.ndarray, good: np.ndarray, sigma: float, weight: float, placement) -> None:
        """Add an exposure.

        Parameters
        ----------
        residual : float32 ndarray, shape (h, w)
            Exposure less mean; changed in place.
        good : ndarray of bool, shape (h, w)
            Pixels that count; changed in place.
        sigma : float
            Noise of the exposure.
        weight : float
            What it counts.
        placement : object
            Where it is: its `matrix` and `distortion` lead from the reference to the frame, its light was divided by
            `transparency` (`n2n.group.exposure.Placement`).
        """
        residual[~good] = 0
        residual -= np.float32(residual.sum(dtype=float) / max(good.sum(), 1))
        good &= np.abs(residual) < CLIP * sigma
        residual *= good
        level(residual, good)
        residual *= np.float32(weight * placement.transparency / abs(np.linalg.det(placement.matrix[:, :2])))
        back = functools.partial(carried_back, matrix=placement.matrix, distortion=placement.distortion)
        self._sum += back(residual, kernel=cv2.INTER_LANCZOS4, origin=self._origin)
        self._share += np.float32(weight) * back(good.view(np.uint8), kernel=cv2.INTER_NEAREST, origin=self._origin)
        self._most += weight

    def mean(self) -> np.ndarray:
        """Mean residual; less where fewer than half of the exposures could be looked at."""
        return self._sum / np.maximum(self._share, np.float32(0.5 * max(self._most, 1e-9)))


def level(residual: np.ndarray, good: np.ndarray) -> None:
    """Take what is wider than `BOX` off a residual, in place: the sky's gradient is not what the mean's was.

    Where not all exposures count, at borders and beside stars, the detector would seem to have it.

    Parameters
    ----------
    residual : float32 ndarray, shape (h, w)
        0 where it does not count.
    good : ndarray of bool, shape (h, w)
        What counts.
    """
    around, share = (cv2.blur(image, (BOX, BOX)) for image in (residual, good.astype(np.float32)))
    residual -= good * around / np.maximum(share, np.float32(0.01))


def carried_back(image: np.ndarray, matrix, distortion, kernel: int, origin: tuple[int, int] = (0, 0)) -> np.ndarray:
    """An image on the reference's grid as it lay on the detector; shape as `image`, 0 outside.

    Parameters
    ----------
    image : ndarray, shape (h, w)
        On the grid of the reference.
    matrix, distortion : ndarray, shape (2, 3), and (2, 10) or None
        From the reference to the frame.
    kernel : int
        Interpolation, as opencv names it.
    origin : (int, int)
        x and y of the first pixel of `image`, and of what is returned.
    """
    x0, y0 = origin
    moved = np.array(matrix, float)
    moved[:, 2] += moved[:, :2] @ origin - origin
    back = cv2.invertAffineTransform(moved)
    if distortion is None:
        return cv2.warpAffine(image, back, image.shape[::-1], flags=kernel | cv2.WARP_INVERSE_MAP)
    y, x = np.mgrid[: image.shape[0], : image.shape[1]].astype(float)
    # The distortion changes by a thousandth a pixel: what it is at the place that the affine gives is enough.
    near = _through(back, x, y)
    dx, dy = distort(near[0] + x0, near[1] + y0, distortion)
    x, y = _through(back, x - dx, y - dy)
    return cv2.remap(image, x.astype(np.float32), y.astype(np.float32), kernel)


def _through(matrix, x, y):
    return matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2], matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2]


def together(matrices: list[np.ndarray], weights: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """How much of a pattern stays in the mean of exposures, |a|^2 of the module's formula, on the grid of ``rfft2``.

    Exposures of before and after a meridian flip see the pattern turned, and have nothing in common of it.

    Parameters
    ----------
    matrices : list of ndarray, shape (2, 3)
        Reference to frame.
    weights : ndarray, shape (n,)
        What the exposures count in the mean.
    shape : (int, int)
        Height and width of the frames.

    Returns
    -------
    float32 ndarray, shape (h, w // 2 + 1)
        From 1 where nothing moved to sum(weights^2) / sum(weights)^2 where the offsets are everywhere.
    """
    matrices, weights = np.array(matrices, float), np.asarray(weights, float) / np.sum(weights)
    flipped = matrices[:, 0, 0] < 0
    x, y = (np.tile(np.array([0.17, 0.5, 0.83]) * side, 3) for side in shape[::-1])
    places = np.stack([x, np.sort(y), np.ones(9)])
    offsets = matrices @ places - np.where(flipped, -1, 1)[:, None, None] * places[:2]
    if np.ptp(offsets - offsets.mean(axis=2, keepdims=True), axis=2).max() < STEADY:
        offsets = offsets.mean(axis=2, keepdims=True)
    down, across = fft.fftfreq(shape[0]), fft.rfftfreq(shape[1])
    total = np.zeros((len(down), len(across)), np.float32)
    for offset, side in ((offsets[:, :, place], side) for place in range(offsets.shape[2]) for side in (False, True)):
        if (chosen := flipped == side).any():
            rows = np.exp(2j * np.pi * np.outer(down, offset[chosen, 1])) * weights[chosen]
            columns = np.exp(2j * np.pi * np.outer(offset[chosen, 0], across))
            mean = rows.astype(np.complex64) @ columns.astype(np.complex64)
            total += mean.real**2 + mean.imag**2
    return total / np.float32(offsets.shape[2])


def bins(shape: tuple[int, int], transfer: np.ndarray) -> np.ndarray:
    """Which bin a frequency is of: a ring, rows alone, columns alone, or (the last) the level.

    Rows under a drift along them, or columns, cannot be told from the sky; they are taken for a part of their rings.

    Parameters
    ----------
    shape : (int, int)
        Height and width of the image.
    transfer : ndarray, shape (h, w // 2 + 1)
        H of the module's formula.

    Returns
    -------
    uint8 ndarray, shape (h, w // 2 + 1)
    """
    down, across = np.abs(fft.fftfreq(shape[0]))[:, None], fft.rfftfreq(shape[1])[None]
    found = np.minimum(np.hypot(down, across) / WIDTH, RADIAL - 1).astype(np.uint8)
    for first, frequency, line in ((RADIAL, down, np.s_[:, :1]), (RADIAL + LINES, across, np.s_[:1])):
        own = np.minimum(frequency * 2 * LINES, LINES - 1).astype(np.uint8)
        for number in range(LINES):
            if transfer[line][own == number].mean() > TOLD:
                found[line][own == number] = first + number
    found[0, 0] = RADIAL + 2 * LINES
    return found


def agreement(carried: list[np.ndarray], kept: list[np.ndarray], counts: tuple[float, float]) -> Agreement:
    """What two halves agree upon.

    Parameters
    ----------
    carried : two ndarrays, shape (h, w)
        `Carried.mean` of either half.
    kept : two ndarrays, shape (h, w // 2 + 1)
        `together` of either.
    counts : (float, float)
        Shares of the two in their common mean, 1 together.
    """
    first, second = (_spectrum(image) for image in carried)
    cross = (first * second.conj()).real
    # The noise of the one mean less the other, brought to that of their common mean.
    apart = np.abs(first - second) ** 2 * np.float32(counts[0] * counts[1])
    transfers = [1 - one for one in kept]
    both = transfers[0] * transfers[1]
    common = np.float32(counts[0]) * transfers[0] + np.float32(counts[1]) * transfers[1]
    which = bins(carried[0].shape, common)
    norm = np.maximum(_summed(both**2, which), 1e-9)
    power = _summed(both * cross, which) / norm
    error = np.sqrt(_summed((both * (cross - power[which] * both)) ** 2, which)) / norm
    noise = _summed(apart, which) / np.maximum(_summed(common, which), 1e-9)
    power[-1] = error[-1] = noise[-1] = 0
    return Agreement(power, error, noise, common, which)


def pattern_of(carried: list[np.ndarray], counts: tuple[float, float], found: Agreement) -> np.ndarray:
    """The pattern that residuals show, without their noise; float32, shape (h, w).

    Parameters
    ----------
    carried : two ndarrays, shape (h, w)
        `Carried.mean` of either half.
    counts : (float, float)
        Shares of the two in their common mean.
    found : Agreement
        Of the same.
    """
    mean = np.float32(counts[0]) * carried[0] + np.float32(counts[1]) * carried[1]
    power = found.sure[found.which]
    share = _per(power, power * found.transfer + found.noise[found.which])
    return fft.irfft2(fft.rfft2(mean) * share.astype(np.float32), mean.shape).astype(np.float32)


def shared_by(power: np.ndarray, kept: np.ndarray, noise: float) -> float:
    """Variance that a pattern puts into a mean, over that of the mean's noise.

    Parameters
    ----------
    power, kept : ndarray, shape (h, w // 2 + 1)
        Power of the pattern a mode, and `together` of the exposures of the mean, or a part of it.
    noise : float
        Variance of the mean a mode.
    """
    return float(np.mean(power * kept) / noise)


def shared_of(found: Agreement, kept: np.ndarray, noise: float, sure: bool = False) -> tuple[float, float]:
    """The same from what halves agree upon, with its standard error.

    Parameters
    ----------
    found : Agreement
        Tells the power.
    kept : ndarray, shape (h, w // 2 + 1)
        As for `shared_by`.
    noise : float
        As for `shared_by`.
    sure : bool
        Whether only bins count on which the halves agree beyond chance.
    """
    counts = _summed(kept, found.which) / kept.size / noise
    if sure:
        counts *= found.sure > 0
    return float(np.sum(counts * found.power)), float(np.sqrt(np.sum((counts * found.error) ** 2)))


def _spectrum(image: np.ndarray) -> np.ndarray:
    return fft.rfft2(image) * np.float32(1 / np.sqrt(image.size))


def _summed(values: np.ndarray, which: np.ndarray) -> np.ndarray:
    return np.bincount(which.ravel(), values.ravel(), RADIAL + 2 * LINES + 1)


def _per(value: np.ndarray, norm: np.ndarray) -> np.ndarray:
    return np.where(norm > 0, value / np.where(norm > 0, norm, 1), 0)
