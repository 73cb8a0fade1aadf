"""From raw counts to calibrated electrons, with a mask, in memory."""

import functools
from dataclasses import dataclass

import cv2
import numpy as np

from n2n.formats.flags import DEFECT, NO_DATA, SATURATED
from n2n.sky.order import masked_median, sort_samples

# Full-scale values of 12-, 14- and 16-bit converters, plain and shifted up to 16 bits.
FULL_SCALES = (4095, 16383, 65535, 4095 * 16, 16383 * 4)
# A flat below this fraction of its median holds too little light to divide by.
DARKEST_FLAT = 0.05
ROWS = 32  # rows worked on at once
PIECE = 200_000  # pixels filled at once: 40 MB
SAMPLE = 250_000  # values, at least, that a robust scatter rests on: it is then known to 0.2 %


@dataclass(frozen=True)
class Calibration:
    """What is applied to one exposure; every image is (height, width) or None.

    Attributes
    ----------
    zero : ndarray or None
        Master dark, or master bias where there is no dark, in ADU, free of any pedestal. The dark contains the bias.
    flat : ndarray or None
        Master flat, median 1.
    defects : ndarray of bool or None
        Hot, dead and unstable pixels.
    gain : float
        e-/ADU; 1 where it is unknown, and the unit is then ADU.
    unit : str
        ``"electron"`` or ``"adu"``.
    notes : tuple of str
        What a person should know about the choice of the gain.
    """

    zero: np.ndarray | None = None
    flat: np.ndarray | None = None
    defects: np.ndarray | None = None
    gain: float = 1.0
    unit: str = "adu"
    notes: tuple[str, ...] = ()

    @functools.cached_property
    def flags(self) -> np.ndarray | None:
        """DEFECT where a pixel is known to be bad or the flat too dark to divide by; uint8, shape (h, w)."""
        bad = self.defects
        if self.flat is not None:
            bad = self.flat < DARKEST_FLAT if bad is None else bad | (self.flat < DARKEST_FLAT)
        return None if bad is None else bad.view(np.uint8) * np.uint8(DEFECT)


def saturation_level(raw: np.ndarray, stated: float | None = None) -> float:
    """Return the ADU value from which `raw` is saturated; infinity when nothing is.

    The header's statement wins. Otherwise the frame counts as saturated where its
    maximum sits on the full scale of a 12-, 14- or 16-bit converter.
    """
    if stated:
        return 0.995 * stated
    top = float(raw.max())
    return next((0.995 * level for level in FULL_SCALES if 0.999 * level <= top <= level), np.inf)


def calibrate(
    raw: np.ndarray,
    invalid: np.ndarray,
    calibration: Calibration,
    saturate_adu: float | None = None,
    pedestal_adu: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Calibrate one exposure: (raw - pedestal - zero) / flat * gain, never clipped.

    Parameters
    ----------
    raw : ndarray, shape (h, w)
        ADU.
    invalid : ndarray of bool, shape (h, w)
        Pixels the file marks as missing.
    calibration : Calibration
        Masters, defects and gain that suit the exposure.
    saturate_adu : float, optional
        Level from which a pixel is full; found from the numbers (`saturation_level`) where it is not given.
    pedestal_adu : float
        Contained in `raw` because the capture program added it; masters are kept free of theirs.

    Returns
    -------
    pixels : float32 ndarray, shape (h, w)
        In `calibration.unit`.
    flags : uint8 ndarray, shape (h, w)
    """
    flags = np.zeros(raw.shape, np.uint8) if calibration.flags is None else calibration.flags.copy()
    limit = saturation_level(raw, saturate_adu)
    some_invalid, zero = invalid.any(), calibration.zero
    pixels = np.empty(raw.shape, np.float32)
    for top in range(0, len(raw), ROWS):  # so that rows stay in the processor's cache
        rows = slice(top, top + ROWS)
        np.subtract(raw[rows], pedestal_adu if zero is None else zero[rows], out=pixels[rows], casting="same_kind")
        if zero is not None and pedestal_adu:
            pixels[rows] -= np.float32(pedestal_adu)
        pixels[rows] *= np.float32(calibration.gain)
        if calibration.flat is not None:  # what is darker is flagged
            pixels[rows] /= np.maximum(calibration.flat[rows], np.float32(DARKEST_FLAT))
        full = raw[rows] >= limit
        if full.any():
            flags[rows][full] |= SATURATED
        if some_invalid:
            flags[rows][invalid[rows]] |= NO_DATA
    return pixels, flags


def hot_pixels(dark: np.ndarray, nsigma: float = 5.0) -> np.ndarray:
    """Pixels of a master dark that stand `nsigma` above (or below) their surroundings.

    Returns
    -------
    ndarray of bool, shape (h, w)
    """
    residual = dark - median5(dark)
    return np.abs(residual) > nsigma * max(robust_sigma(residual), 1e-6)


def unstable_pixels(frames: np.ndarray, nsigma: float = 4.5, step: float = 0.0) -> np.ndarray:
    """Pixels that jump between frames in which nothing changes: telegraph noise.

    The second lowest and the second highest value lie far apart; a cosmic ray moves only one of them.

    Parameters
    ----------
    frames : ndarray, shape (n, h, w)
        Darks; fewer than six tell nothing.
    nsigma : float
        In units of the typical distance of those two.
    step : float
        Of the frames' numbers, ADU: that distance is no less, nor less than 1.

    Returns
    -------
    ndarray of bool, shape (h, w)
    """
    if len(frames) < 6:
        return np.zeros(frames.shape[1:], bool)
    spread = np.empty(frames.shape[1:], np.float32)
    for top in range(0, len(spread), ROWS):
        ranks = sort_samples(frames[:, top : top + ROWS].astype(np.float32))
        spread[top : top + ROWS] = ranks[-2] - ranks[1]
    return spread > nsigma * max(float(np.median(spread[::3, ::3])), step, 1.0)


def median5(image: np.ndarray) -> np.ndarray:
    """Median over 5 x 5 pixels; float32 ndarray of the same shape."""
    return cv2.medianBlur(np.ascontiguousarray(image, np.float32), 5)


def fill_flagged(pixels: np.ndarray, flags: np.ndarray) -> np.ndarray:
    """Replace pixels without a usable value by the median of good neighbours.

    Resampling would spread a bad value over its neighbours. The pixels stay flagged.

    Returns
    -------
    float32 ndarray, shape (h, w)
        The same array: it is changed in place.
    """
    bad = (flags & (NO_DATA | DEFECT)) > 0
    places = np.flatnonzero(bad)
    if len(places) == 0:
        return pixels
    rows, columns = np.divmod(places, pixels.shape[1])
    some = pixels[::5, ::5][~bad[::5, ::5]]
    level = np.median(some) if some.size else 0.0
    for start in range(0, len(rows), PIECE):
        piece = slice(start, start + PIECE)
        values = np.full(len(rows[piece]), np.nan, np.float32)
        for reach in (1, 2):  # the wider neighbourhood only where the nearer one tells too little
            left = np.flatnonzero(np.isnan(values))
            values[left] = _median_near(pixels, bad, rows[piece][left], columns[piece][left], reach)
        # Bad pixels are no neighbour's neighbours: it does not matter that some hold new values already.
        pixels[rows[piece], columns[piece]] = np.where(np.isfinite(values), values, level)
    return pixels


def _median_near(pixels, bad, rows, columns, reach: int) -> np.ndarray:
    """Median of the good neighbours of some pixels; NaN with fewer than three within 1 px, without any within 2."""
    height, width = pixels.shape
    steps = [(dy, dx) for dy in range(-reach, reach + 1) for dx in range(-reach, reach + 1) if dy or dx]
    place = (rows * width + columns).astype(np.int32)
    values = np.empty((len(steps), len(place)), np.float32)
    good = np.empty(values.shape, bool)
    inner = (rows >= reach) & (columns >= reach) & (rows < height - reach) & (columns < width - reach)
    for index, (dy, dx) in enumerate(steps):
        near = np.where(inner, place + (dy * width + dx), 0)
        np.take(pixels.ravel(), near, out=values[index])
        good[index] = inner & ~np.take(bad.ravel(), near)
    for edge in np.flatnonzero(~inner):
        y, x = rows[edge] + np.array(steps).T[0], columns[edge] + np.array(steps).T[1]
        seen = (y >= 0) & (x >= 0) & (y < height) & (x < width)
        values[seen, edge] = pixels[y[seen], x[seen]]
        good[seen, edge] = ~bad[y[seen], x[seen]]
    values[~good] = 0
    found = masked_median(values, good)
    return found if reach > 1 else np.where(good.sum(axis=0) >= 3, found, np.nan)


def robust_sigma(values: np.ndarray) -> float:
    """Standard deviation of a Gaussian from the median absolute deviation of up to half a million of the values."""
    values = np.asarray(values).ravel()
    if values.size == 0:
        return 0.0
    # A prime step walks through all columns of almost any image.
    steps = 1, 2, 3, 7, 17, 37, 79, 163, 331, 661
    values = values[:: next((step for step in steps if values.size <= 2 * step * SAMPLE), 1321)]
    return float(1.4826 * np.median(np.abs(values - np.median(values))))
