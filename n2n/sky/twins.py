"""Is a frame another copy of one exposure? Its pixels tell, whatever was done to the file.

Two exposures of a field share the sky and the camera's pattern; only copies of one exposure share the noise. What
is compared is the finest detail of a frame, which lenses and atmosphere keep free of stars.
"""

import hashlib
from collections.abc import Sequence

import cv2
import numpy as np

ROWS = 64  # rows that go into an identity: two exposures differ in every one of them
SIDE = 512  # pixels of the middle of a frame that are compared
TWINS = 0.6  # likeness from which two frames are one exposure (tests/real/test_pixel_evidence.py measures both sides)
FINEST = np.array([1, -2, 1], np.float32)  # along rows and columns: sees nothing that is two pixels wide
CUT = 4.0  # sigma; hot pixels, cosmic rays and cores of stars lie beyond
LEAST = 2000  # pixels in common, below which nothing is said
TURNS = {"": np.s_[:, :], "rows": np.s_[::-1], "columns": np.s_[:, ::-1], "both": np.s_[::-1, ::-1]}


def pixel_id(pixels: np.ndarray) -> str:
    """Short identity of an exposure by its numbers, however they are stored or packed.

    Parameters
    ----------
    pixels : ndarray, shape (h, w)
        In physical units (``BZERO`` and ``BSCALE`` applied): integers or floats of any width.

    Returns
    -------
    str
        16 hexadecimal digits of the shape and of 64 whole rows. NaN equals NaN, 0 equals -0.
    """
    height = pixels.shape[0]
    rows = np.unique(np.linspace(0, height - 1, min(height, ROWS)).astype(int))
    digest = hashlib.blake2b(repr(tuple(pixels.shape)).encode(), digest_size=8)
    digest.update(_canonical(pixels[rows]))
    return digest.hexdigest()


def same_pixels(a: np.ndarray, b: np.ndarray) -> bool:
    """Tell whether two frames hold the same numbers, in whatever type; NaN equals NaN."""
    return a.shape == b.shape and all(
        np.array_equal(_canonical(a[top : top + ROWS]), _canonical(b[top : top + ROWS]))
        for top in range(0, a.shape[0], ROWS)
    )


def noise_likeness(a: np.ndarray, b: np.ndarray, others: Sequence[np.ndarray] = ()) -> float:
    """Correlation of the noise of two frames: near 1 for copies of one exposure, near 0 for two exposures.

    Offsets, scales, darks, biases and flats leave it high; turned and mirrored copies are tried.

    Parameters
    ----------
    a, b : ndarray, shape (h, w)
        Frames as they were stored, in any units.
    others : two or more ndarrays, shape (h, w), optional
        Other exposures of the camera. The pattern they share with `a` and `b` then does not count, which matters
        where it outweighs the noise: flats (0.55 without them), long exposures of a warm camera.

    Returns
    -------
    float
        0 where the sizes differ, or too little is left to compare.
    """
    return noise_twin(a, b, others)[0]


def noise_twin(a: np.ndarray, b: np.ndarray, others: Sequence[np.ndarray] = ()) -> tuple[float, str]:
    """Likeness as of `noise_likeness`, and how `b` is turned: '', 'rows', 'columns' or 'both' (180 degrees).

    Parameters
    ----------
    a, b : ndarray, shape (h, w)
        As of `noise_likeness`.
    others : sequence of ndarray, shape (h, w)
        As of `noise_likeness`.
    """
    if a.shape != b.shape or min(a.shape) < 16:
        return 0.0, ""
    first, second = _noise(_middle(a)), _noise(_middle(b))
    found = [(_correlation(first, second[turn]), name) for name, turn in TURNS.items()]
    likeness, name = max(found, key=lambda item: item[0])
    beside = [_noise(_middle(other)) for other in others if other.shape == a.shape]
    if len(beside) >= 2:
        likeness = _without_pattern(likeness, first, second[TURNS[name]], beside)
    return likeness, name


def are_twins(a: np.ndarray, b: np.ndarray, others: Sequence[np.ndarray] = ()) -> bool:
    """Tell whether two frames are copies of one exposure.

    Parameters
    ----------
    a, b : ndarray, shape (h, w)
        As of `noise_likeness`.
    others : sequence of ndarray, shape (h, w)
        As of `noise_likeness`.
    """
    return noise_likeness(a, b, others) >= TWINS


def shifted_twin(a: np.ndarray, b: np.ndarray) -> tuple[float, tuple[int, int]]:
    """Look for a copy that was cropped, or shifted by whole pixels.

    Parameters
    ----------
    a, b : ndarray, of any two sizes
        Frames as they were stored, in any units.

    Returns
    -------
    likeness : float
        As of `noise_likeness`, over the common area of the best shift; 0 where that is too small.
    (dy, dx) : int
        Pixel (y, x) of `b` is pixel (y + dy, x + dx) of `a`.
    """
    if min(*a.shape, *b.shape) < 16:
        return 0.0, (0, 0)
    first, second = (_noise(np.asarray(image)) for image in (a, b))
    piece, (top, left) = second, (0, 0)
    if max(second.shape) > SIDE:  # a piece of b is enough to find its place
        top, left = (max(0, (extent - SIDE) // 2) for extent in second.shape)
        piece = second[top : top + SIDE, left : left + SIDE]
    shape = [cv2.getOptimalDFTSize(first.shape[axis] + piece.shape[axis] - 1) for axis in (0, 1)]
    spectrum = np.fft.rfft2(np.nan_to_num(first), shape) * np.conj(np.fft.rfft2(np.nan_to_num(piece), shape))
    map_ = np.fft.irfft2(spectrum, shape)
    peak = np.unravel_index(int(np.argmax(map_)), map_.shape)
    dy, dx = (int(at if at < first.shape[axis] else at - shape[axis]) for axis, at in enumerate(peak))
    dy, dx = dy - top, dx - left
    rows = max(0, dy), min(first.shape[0], second.shape[0] + dy)
    columns = max(0, dx), min(first.shape[1], second.shape[1] + dx)
    if rows[0] >= rows[1] or columns[0] >= columns[1]:
        return 0.0, (0, 0)
    part = first[rows[0] : rows[1], columns[0] : columns[1]]
    twin = second[rows[0] - dy : rows[1] - dy, columns[0] - dx : columns[1] - dx]
    return _correlation(part, twin), (dy, dx)


def _canonical(rows: np.ndarray) -> np.ndarray:
    """The numbers as little-endian float32, whichever way they were stored: what every reader here makes of them."""
    with np.errstate(over="ignore", invalid="ignore"):
        numbers = rows.astype("<f4")
    numbers += np.float32(0)  # -0 becomes 0
    numbers[np.isnan(numbers)] = np.nan
    return np.ascontiguousarray(numbers).view("<u4")


def _middle(image: np.ndarray) -> np.ndarray:
    """The middle of a frame, as far from both edges, so that a mirrored frame shows the same part."""
    cuts = [(extent - SIDE) // 2 if extent > SIDE else 0 for extent in image.shape]
    return image[cuts[0] : image.shape[0] - cuts[0], cuts[1] : image.shape[1] - cuts[1]]


def _noise(image: np.ndarray) -> np.ndarray:
    """Finest detail in units of its own spread, NaN where stars, hot pixels or gaps are."""
    image = image.astype(np.float32)
    gaps = ~np.isfinite(image)
    # Exact zeros are what programs write where there is nothing; of a frame full of them nothing would be left.
    gaps |= (image == 0) if (image == 0).mean() < 0.5 else False
    if gaps.all():
        return np.full(image.shape, np.nan, np.float32)
    image[gaps] = np.median(image[~gaps])
    fine = cv2.sepFilter2D(image, -1, FINEST, FINEST, borderType=cv2.BORDER_REFLECT_101)
    for place in ((0, 0), (0, 1), (1, 0), (1, 1)):  # the colours of a mosaic
        plane = fine[place[0] :: 2, place[1] :: 2]
        plane -= np.median(plane)
    spread = 1.4826 * np.median(np.abs(fine))
    fine /= spread if spread > 0 else (fine.std() or 1.0)
    beyond = (np.abs(fine) > CUT) | gaps | _starlight(image)
    fine[cv2.dilate(beyond.view(np.uint8), np.ones((3, 3), np.uint8)) > 0] = np.nan
    for start in (0, 1):  # what columns and rows have in common is the readout's
        for part, axis in ((fine[start::2], 0), (fine[:, start::2], 1)):
            part -= _mean(part, axis)
    return fine


def _starlight(image: np.ndarray) -> np.ndarray:
    """Pixels that stand out of their surroundings by more than noise, when looked at coarsely."""
    near = cv2.GaussianBlur(image, (0, 0), 1.5) - cv2.GaussianBlur(image, (0, 0), 6)
    near -= np.median(near)
    return near > 4 * max(1.4826 * float(np.median(np.abs(near))), 1e-12)


def _mean(values: np.ndarray, axis: int) -> np.ndarray:
    known = np.isfinite(values)
    return np.where(known, values, 0).sum(axis=axis, keepdims=True) / np.maximum(known.sum(axis=axis, keepdims=True), 1)


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's correlation of pixels that are known in both; 0 where they are too few."""
    known = np.isfinite(a) & np.isfinite(b)
    if known.sum() < LEAST:
        return 0.0
    x, y = a[known].astype(np.float64), b[known].astype(np.float64)
    x, y = x - x.mean(), y - y.mean()
    power = np.sqrt((x @ x) * (y @ y))
    return float(x @ y / power) if power > 0 else 0.0


def _without_pattern(likeness: float, a: np.ndarray, b: np.ndarray, others: Sequence[np.ndarray]) -> float:
    """Correlation of what is no fixed pattern.

    The pattern's share s of the variance of two others is their own correlation; `a` shares sqrt(s_a s) with them,
    and of the likeness sqrt(s_a s_b) is pattern.
    """
    share = _correlation(others[0], others[1])
    if share < 0.02:
        return likeness
    along, across = (max(0.0, np.mean([_correlation(frame, other) for other in others])) for frame in (a, b))
    rest = (1 - min(along**2 / share, 0.95)) * (1 - min(across**2 / share, 0.95))
    return float(np.clip((likeness - along * across / share) / np.sqrt(rest), -1, 1))
