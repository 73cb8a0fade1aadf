"""A short look at a frame: how bright, how even, and whether its points of light are stars.

Made for frames of which nothing is known yet: raw or not, mosaic or not, whole numbers or fractions. A few windows
tell as much as the whole frame.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from n2n.sky.mosaic import XTRANS, pattern_in

ENOUGH = 900_000  # pixels that are searched; of larger frames, nine windows
WINDOW = 300
MESH = 24  # pixels of a background cell: larger than stars, smaller than the shadow of dust
MOST = 300  # peaks looked at in a window, brightest first
SAMPLE = 500  # pixels a side that tell the level
CELLS = 12  # a side, for the shape of the field
_NEAR = [(-1, 0), (1, 0), (0, -1), (0, 1)]
_CORNERS = [(-1, -1), (-1, 1), (1, -1), (1, 1)]
_NEXT = [(-2, 0), (2, 0), (0, -2), (0, 2)]
_RING = [(-4, 0), (4, 0), (0, -4), (0, 4), (-3, -3), (3, 3), (-3, 3), (3, -3)]


@dataclass(frozen=True)
class Look:
    """What is seen in one frame; levels are in the frame's own unit.

    Attributes
    ----------
    shape : (height, width)
    level, noise : float
        Median, and noise of a pixel.
    high : float
        Brightest pixel.
    step : float
        What all numbers are multiples of; 0 for fractions.
    n_stars : int
        Points of light whose neighbours are lit on all sides, as those of stars are.
    n_sharp : int
        Points of one pixel or one line: hot pixels, cosmic rays.
    shading : float
        Level of the field's brighter parts above that of the darker, in units of the level.
    unevenness : float
        Departure of the field from a smooth surface, in units of the level; dust does not count.
    pattern : str
        Of a colour mosaic (`n2n.sky.mosaic`), or ``''``.
    exptime_s : float or None
        Given by the caller: frames of one exposure time are compared.
    """

    shape: tuple[int, int]
    level: float
    noise: float
    high: float
    step: float
    n_stars: int
    n_sharp: int
    shading: float
    unevenness: float
    pattern: str = ""
    exptime_s: float | None = None


def look(pixels: np.ndarray, exptime_s: float | None = None) -> Look:
    """Look at a frame.

    Parameters
    ----------
    pixels : ndarray, shape (h, w)
        Any type; NaN counts as no data.
    exptime_s : float, optional
        Kept with the look.

    Returns
    -------
    Look
    """
    every = max(1, *(extent // SAMPLE for extent in pixels.shape)) | 1  # odd: all colours of a mosaic
    sample = pixels[::every, ::every].astype(np.float32)
    known = sample[np.isfinite(sample)]
    if known.size == 0:
        return Look(pixels.shape, 0.0, 0.0, 0.0, 0.0, 0, 0, 0.0, 0.0, "", exptime_s)
    level = float(np.median(known))
    pattern = pattern_in(pixels)
    stars, sharp, noises = 0, 0, []
    for window in _windows(pixels, {"": 1, XTRANS: 3}.get(pattern, 2), level):
        found, points, noise = _points(window)
        stars, sharp, noises = stars + found, sharp + points, [*noises, noise]
    shading, unevenness = _shape(sample, level)
    return Look(
        pixels.shape,
        level,
        float(np.median(noises)) if noises else 0.0,
        float(np.nanmax(pixels)),
        _step(pixels),
        stars,
        sharp,
        shading,
        unevenness,
        pattern,
        exptime_s,
    )


def _windows(pixels: np.ndarray, cell: int, level: float):
    """The frame, or windows of it; of a mosaic each cell becomes one pixel, or its colours would look like noise."""
    height, width = pixels.shape
    side = WINDOW * cell
    if height * width <= ENOUGH * cell**2:
        places = [np.s_[: height // cell * cell, : width // cell * cell]]
    else:
        tops, lefts = (
            np.unique(np.linspace(0, max(0, extent - side), 3).astype(int) // cell * cell) for extent in pixels.shape
        )
        places = [np.s_[top : top + side, left : left + side] for top in tops for left in lefts]
    for place in places:
        window = pixels[place]
        window = window[: window.shape[0] // cell * cell, : window.shape[1] // cell * cell].astype(np.float32)
        window[~np.isfinite(window)] = level
        if cell > 1:
            size = (window.shape[1] // cell, window.shape[0] // cell)
            window = cv2.resize(window, size, interpolation=cv2.INTER_AREA)
        if min(window.shape) >= 2 * MESH:
            yield window


def _points(image: np.ndarray) -> tuple[int, int, float]:
    """Count stars and sharp points of one window, and measure its noise."""
    image = image - _joined(image)
    noise = 1.4826 * float(np.median(np.abs(image[::2]))) or float(image.std())
    if not noise > 0:
        return 0, 0, 0.0
    # In a glow or a nebula the noise is larger; it is never smaller than that of most of the window.
    local = np.maximum(1.4826 * _joined(np.abs(image)), noise)
    image /= local
    smooth = cv2.blur(image, (3, 3))
    # Resampled frames have noise that smoothing leaves.
    spread = max(1.4826 * float(np.median(np.abs(smooth[::2] - np.median(smooth[::2])))), 0.25)
    peaks = (smooth == cv2.dilate(smooth, np.ones((7, 7), np.uint8))) & (smooth > 6 * spread)
    y, x = np.nonzero(peaks[6:-6, 6:-6])
    y, x = y + 6, x + 6
    order = np.argsort(-smooth[y, x], kind="stable")[:MOST]
    y, x = y[order], x[order]
    if len(y) == 0:
        return 0, 0, noise
    around = np.array([(0, 0), *_NEAR, *_CORNERS])
    best = np.argmax(_at(image, y, x, around), axis=0)
    y, x = y + around[best, 0], x + around[best, 1]
    peak = image[y, x]
    near, corners, next_, ring = (
        _at(image, y, x, np.array(places)) / peak for places in (_NEAR, _CORNERS, _NEXT, _RING)
    )
    lit = (near.min(axis=0) > np.maximum(0.06, 1.5 / peak)) & (corners.mean(axis=0) > 0.03)
    lit &= ring.mean(axis=0) < 0.5
    # Light falls off as a bell does; a cluster of hot pixels ends at once.
    bell = next_.mean(axis=0) > 0.4 * near.mean(axis=0) ** 4 - 1 / peak
    sharp = (near.mean(axis=0) < 0.12) & (peak > 8)
    stars = 0 if _centred(near[:, lit], peak[lit]) else int((lit & bell).sum())
    return stars, int(sharp.sum()), noise


def _centred(near: np.ndarray, height: np.ndarray) -> bool:
    """Tell points that are all centred alike upon their pixels: hot pixels that an interpolation has spread.

    A star falls anywhere between the pixels. Stars many pixels wide do not show where, and are not mistaken for such
    points.
    """
    clear = height > 15
    if clear.sum() < 5 or np.median(near[:, clear]) > 0.65:
        return False
    lean = np.concatenate([near[1, clear] - near[0, clear], near[3, clear] - near[2, clear]])
    limit = 0.05 + 2 / np.median(height[clear])
    return any(1.4826 * np.median(np.abs(values - np.median(values))) < limit for values in (lean, np.abs(lean)))


def _at(image: np.ndarray, y: np.ndarray, x: np.ndarray, places: np.ndarray) -> np.ndarray:
    return image[y + places[:, :1], x + places[:, 1:]]


def _joined(image: np.ndarray) -> np.ndarray:
    """Medians of cells of 24 pixels, smoothly joined."""
    rows, columns = image.shape[0] // MESH, image.shape[1] // MESH
    cells = image[: rows * MESH, : columns * MESH].reshape(rows, MESH, columns, MESH).transpose(0, 2, 1, 3)
    mesh = np.median(cells.reshape(rows, columns, -1)[..., ::5], axis=2).astype(np.float32)
    mesh = cv2.medianBlur(mesh, 3)
    # The cells cover whole multiples of 24 pixels: the strip beyond continues the last of them.
    full = cv2.resize(mesh, (columns * MESH, rows * MESH), interpolation=cv2.INTER_LINEAR)
    below, beside = image.shape[0] - rows * MESH, image.shape[1] - columns * MESH
    return cv2.copyMakeBorder(full, 0, below, 0, beside, cv2.BORDER_REPLICATE)


def _shape(sample: np.ndarray, level: float) -> tuple[float, float]:
    """Shading and unevenness of the field, from medians of 12 x 12 cells."""
    height, width = sample.shape
    if min(height, width) < 2 * CELLS or level <= 0:
        return 0.0, 0.0
    rows, columns = height // CELLS, width // CELLS
    cells = sample[: rows * CELLS, : columns * CELLS].reshape(CELLS, rows, CELLS, columns).transpose(0, 2, 1, 3)
    with np.errstate(all="ignore"):
        mesh = np.nan_to_num(np.nanmedian(cells.reshape(CELLS, CELLS, -1), axis=2), nan=level) / level
    y, x = (axis.ravel() for axis in np.mgrid[-1 : 1 : CELLS * 1j, -1 : 1 : CELLS * 1j])
    radius2 = x * x + y * y
    design = np.column_stack([np.ones_like(x), x, y, x * x, y * y, x * y, radius2 * x, radius2 * y, radius2**2])
    fit, *_ = np.linalg.lstsq(design, mesh.ravel(), rcond=None)
    rest = mesh.ravel() - design @ fit
    return float(np.ptp(np.percentile(mesh, [5, 95]))), 1.4826 * float(np.median(np.abs(rest)))


def _step(pixels: np.ndarray) -> float:
    """Greatest number that all pixels are multiples of, from a few rows; 0 where they are no whole numbers."""
    values = pixels[:: max(1, pixels.shape[0] // 16)].astype(np.float64).ravel()
    values = values[np.isfinite(values)]
    if values.size == 0 or (values != np.rint(values)).any() or np.abs(values).max() > 2**31:
        return 0.0
    return float(np.gcd.reduce(values.astype(np.int64)))
