"""From raw counts to calibrated electrons, with a mask, in memory."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from n2n.formats.flags import DEFECT, NO_DATA, SATURATED

# Full-scale values of 12-, 14- and 16-bit converters, plain and shifted up to 16 bits.
FULL_SCALES = (4095, 16383, 65535, 4095 * 16, 16383 * 4)
# A flat below this fraction of its median holds too little light to divide by.
DARKEST_FLAT = 0.05
PATTERN_SCALES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)  # pixels; bands of `agreed_pattern`


@dataclass(frozen=True)
class Calibration:
    """What is applied to one exposure; every image is (height, width) or None.

    Attributes
    ----------
    zero : ndarray or None
        Master dark, or master bias where there is no dark, in ADU. The dark contains the bias.
    flat : ndarray or None
        Master flat, median 1.
    defects : ndarray of bool or None
        Hot, dead and unstable pixels.
    gain : float
        e-/ADU; 1 where it is unknown, and the unit is then ADU.
    unit : str
        ``"electron"`` or ``"adu"``.
    """

    zero: np.ndarray | None = None
    flat: np.ndarray | None = None
    defects: np.ndarray | None = None
    gain: float = 1.0
    unit: str = "adu"


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
    """Calibrate one exposure: (raw - zero) / flat * gain, never clipped.

    Parameters
    ----------
    raw : ndarray, shape (h, w)
        ADU.
    invalid : ndarray of bool, shape (h, w)
        Pixels the file marks as missing.
    pedestal_adu : float
        Added by the capture program; subtracted only where no dark or bias holds it already.

    Returns
    -------
    pixels : float32 ndarray, shape (h, w)
        In `calibration.unit`.
    flags : uint8 ndarray, shape (h, w)
    """
    flags = np.where(invalid, NO_DATA, 0).astype(np.uint8)
    flags[raw >= saturation_level(raw, saturate_adu)] |= SATURATED
    zero = pedestal_adu if calibration.zero is None else calibration.zero
    pixels = np.subtract(raw, zero, dtype=np.float32)
    if calibration.flat is not None:
        too_dark = calibration.flat < DARKEST_FLAT
        flags[too_dark] |= DEFECT
        pixels /= np.where(too_dark, 1, calibration.flat).astype(np.float32)
    if calibration.defects is not None:
        flags[calibration.defects] |= DEFECT
    if calibration.gain != 1:
        pixels *= np.float32(calibration.gain)
    return pixels, flags


def hot_pixels(dark: np.ndarray, nsigma: float = 5.0) -> np.ndarray:
    """Pixels of a master dark that stand `nsigma` above (or below) their surroundings.

    Returns
    -------
    ndarray of bool, shape (h, w)
    """
    residual = dark - ndimage.median_filter(dark, 5, mode="mirror")
    return np.abs(residual) > nsigma * max(robust_sigma(residual), 1e-6)


def agreed_pattern(frames: np.ndarray, master: np.ndarray, nsigma: float = 4.0) -> np.ndarray:
    """Take from a master dark or bias the noise that its own frames contradict.

    A master subtracts its noise from every light, at the same place of the detector, where no held-out light can
    tell it from the sky. The level, rows and columns are kept. What remains is split into bands; of each, the
    share stays that two halves of the frames agree upon (Wiener's factor, its noise from the halves' difference),
    and whatever stands out by `nsigma` stays whole.

    Parameters
    ----------
    frames : ndarray, shape (n, h, w)
        What the master was made of; fewer than four change nothing.
    master : ndarray, shape (h, w)

    Returns
    -------
    float32 ndarray, shape (h, w)
    """
    if len(frames) < 4:
        return master
    halves = [np.mean(frames[start::2], axis=0, dtype=np.float32) for start in (0, 1)]
    # Noise of the mean of all frames, without their pattern; exact for halves of one size.
    noise = 0.5 * (halves[0] - halves[1])
    noise -= np.median(noise)
    lines = np.median(master, axis=0, keepdims=True)
    lines = lines + np.median(master - lines, axis=1, keepdims=True)
    pattern = (master - lines).astype(np.float32)
    # Hot pixels and cosmic rays must not leak into the wide bands.
    top, ceiling = 5 * robust_sigma(pattern), 5 * robust_sigma(noise)
    rest, noise = np.clip(pattern, -top, top), np.clip(noise, -ceiling, ceiling)
    result = lines + (pattern - rest)
    for sigma in PATTERN_SCALES:
        smooth, smooth_noise = (ndimage.gaussian_filter(image, sigma, truncate=3.0) for image in (rest, noise))
        band, band_noise = rest - smooth, noise - smooth_noise
        total = max(robust_sigma(band), 1e-9)
        share = max(0.0, 1 - (robust_sigma(band_noise) / total) ** 2)
        result += np.where(np.abs(band) > nsigma * total, 1.0, share) * band
        rest, noise = smooth, smooth_noise
    return (result + rest).astype(np.float32)


def persistent_defects(frames: np.ndarray, nsigma: float = 6.0) -> np.ndarray:
    """Find detector defects from lights alone, for nights without a dark.

    A pixel that stands out from its neighbourhood in the *median* over exposures
    belongs to the detector: stars move with the dither or drift, defects stay. What is
    weaker than the noise of one exposure is left to the average.

    Parameters
    ----------
    frames : ndarray, shape (n, h, w)
        Raw lights in detector coordinates, ADU.

    Returns
    -------
    ndarray of bool, shape (h, w)
    """
    residual = np.empty_like(frames, dtype=np.float32)
    for index, frame in enumerate(frames):
        residual[index] = frame - ndimage.median_filter(frame, 5, mode="mirror")
    centre = np.median(residual, axis=0)
    limit = max(nsigma * robust_sigma(centre), 0.8 * robust_sigma(residual[0]), 1e-6)
    # The borders of many sensors are shaded or unread: judge them against the whole, row- and column-wise.
    found = np.abs(centre) > limit
    # Stars that never moved stay in the median, too. They are broad: their neighbours stand out with them.
    if found.any() and (_neighbour_peak(found.astype(np.float32))[found] > 0).mean() > 0.4:
        found &= _neighbour_peak(np.abs(centre)) < 0.3 * np.abs(centre)
    return found | _bad_border(frames)


def _neighbour_peak(image: np.ndarray) -> np.ndarray:
    """What a pixel's neighbours reach both beside and above or below it: 0 for points and for bad columns."""
    beside = ndimage.maximum_filter(image, footprint=np.array([[1, 0, 1]], bool), mode="constant")
    above = ndimage.maximum_filter(image, footprint=np.array([[1], [0], [1]], bool), mode="constant")
    return np.minimum(beside, above)


def _bad_border(frames: np.ndarray, width: int = 16, nsigma: float = 8.0) -> np.ndarray:
    """Rows and columns at the border whose level departs from the interior's trend."""
    level = np.median(frames, axis=0)
    bad = np.zeros(level.shape, bool)
    for axis in (0, 1):
        profile = np.median(level, axis=1 - axis)
        step = np.abs(profile - ndimage.median_filter(profile, 4 * width + 1, mode="mirror"))
        scatter = max(robust_sigma(np.diff(profile[width:-width])), 0.25 * robust_sigma(frames[0] - level), 1e-6)
        odd = step > nsigma * scatter
        near = np.zeros(profile.size, bool)
        # Only an unbroken run from the edge inwards is a border.
        near[:width] = np.logical_and.accumulate(odd[:width])
        near[-width:] |= np.logical_and.accumulate(odd[::-1][:width])[::-1]
        bad |= near[:, None] if axis == 0 else near[None, :]
    return bad


def fill_flagged(pixels: np.ndarray, flags: np.ndarray) -> np.ndarray:
    """Replace pixels without a usable value by the median of good neighbours.

    Keeps interpolation from spreading them; they stay flagged.

    Returns
    -------
    float32 ndarray, shape (h, w)
    """
    bad = (flags & (NO_DATA | DEFECT)) > 0
    filled = pixels.copy()
    if not bad.any():
        return filled
    rows, columns = np.nonzero(bad)
    padded = np.pad(np.where(bad, np.nan, pixels), 2, constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (5, 5))[rows, columns].reshape(len(rows), 25)
    usable = np.isfinite(windows).any(axis=1)
    values = np.full(len(rows), np.median(pixels[~bad]) if (~bad).any() else 0.0)
    values[usable] = np.nanmedian(windows[usable], axis=1)
    filled[rows, columns] = values
    return filled


def robust_sigma(values: np.ndarray) -> float:
    """Standard deviation of a Gaussian from the median absolute deviation."""
    values = np.asarray(values).ravel()
    if values.size == 0:
        return 0.0
    return float(1.4826 * np.median(np.abs(values - np.median(values))))
