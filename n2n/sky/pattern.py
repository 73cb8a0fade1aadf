"""What the frames of a master dark or bias agree upon: its pattern, without their noise."""

import cv2
import numpy as np

from n2n.sky.calibrate import ROWS, median5, robust_sigma

NARROW_SCALES, WIDE_SCALES = (1.0, 2.0, 4.0), (8.0, 16.0, 32.0)  # pixels; bands that are judged one by one
SPIKE = 4.0  # sigma, above its neighbourhood: a pixel with a pattern of its own
MANY = 0.01  # share of such pixels from which they shift the level of the others


def noise_of_mean(frames: np.ndarray) -> np.ndarray | None:
    """The noise of the mean of all frames, without their pattern, from the difference of two halves.

    Parameters
    ----------
    frames : ndarray, shape (n, h, w)
        Dark or bias frames of one set, ADU.

    Returns
    -------
    float32 ndarray, shape (h, w)
        None of fewer than four frames.
    """
    if len(frames) < 4:
        return None
    odd = np.arange(len(frames)) % 2  # exact for halves of one size
    shares = ((0.5 - odd) / np.bincount(odd)[odd]).astype(np.float32)
    noise = np.empty(frames.shape[1:], np.float32)
    for top in range(0, len(noise), ROWS):
        noise[top : top + ROWS] = np.tensordot(shares, frames[:, top : top + ROWS].astype(np.float32), 1)
    return noise


def agreed_pattern(
    master: np.ndarray, noise: np.ndarray | None, nsigma: float = 4.0
) -> tuple[np.ndarray, float | None]:
    """Take from a master dark or bias the noise that its own frames contradict.

    A master subtracts its noise from every light, at the same place of the detector, where no held-out light can
    tell it from the sky. The level, rows and columns are kept. What remains is split into bands; of each, the
    share stays that two halves of the frames agree upon (Wiener's factor, its noise from the halves' difference),
    and whatever stands out by `nsigma` stays whole.

    Parameters
    ----------
    master : ndarray, shape (h, w)
        Mean of the frames, ADU.
    noise : float32 ndarray, shape (h, w)
        `noise_of_mean` of its frames; used up. Without it nothing is changed.
    nsigma : float
        What stands out of its surroundings by more, in units of the noise, is kept.

    Returns
    -------
    pattern : float32 ndarray, shape (h, w)
    left : float or None
        What is still wrong with it, rms of a pixel, ADU; None where it is unknown.
    """
    if noise is None:
        return master, None
    noise -= np.median(noise[::3, ::3])
    # The noise of a median is sqrt(pi / 2) times that of the mean.
    left = [np.pi / 2 * sum(1 / side for side in master.shape) * robust_sigma(noise) ** 2]
    thin = max(1, min(master.shape) // 1000)  # a thousand values are enough for the level of a line
    lines = np.median(master[::thin], axis=0, keepdims=True)
    lines = (lines + np.median(master[:, ::thin] - lines[:, ::thin], axis=1, keepdims=True)).astype(np.float32)
    pattern = master - lines
    top, ceiling = 5 * robust_sigma(pattern), 5 * robust_sigma(noise)
    # Hot pixels and cosmic rays must not leak into the wide bands. Where pixels are warm by the hundred, even what
    # clipping leaves of them adds up: there they stay as they are, and the bands see their surroundings.
    smooth = median5(pattern)
    spikes = pattern - smooth
    single = np.abs(spikes) > SPIKE * robust_sigma(spikes)
    many = single.mean() > MANY
    rest = np.clip(np.where(single, smooth, pattern) if many else pattern, -top, top)
    np.clip(noise, -ceiling, ceiling, out=noise)
    if many:
        noise[single] = 0
    del smooth, spikes  # large frames
    result = pattern
    result += lines
    result -= rest
    for sigma in NARROW_SCALES:
        rest, noise = _agree(result, rest, noise, sigma, nsigma, left)
    # What is left is so smooth that a fourth of the pixels a side holds it.
    wide = [cv2.resize(image, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA) for image in (rest, noise)]
    agreed = np.zeros_like(wide[0])
    for sigma in WIDE_SCALES:
        wide = _agree(agreed, *wide, sigma / 4, nsigma, left)
    agreed += wide[0]
    left.append(robust_sigma(wide[1]) ** 2)
    result += cv2.resize(agreed, master.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return result, float(np.sqrt(sum(left)))


def _agree(result, rest, noise, sigma: float, nsigma: float, left: list[float]):
    """Add to `result` what is true of the band narrower than `sigma`; return what is wider, and its noise.

    The mean square of what is wrong with the band goes into `left`.
    """
    smooth, smooth_noise = _smooth(rest, sigma), _smooth(noise, sigma)
    rest -= smooth
    noise -= smooth_noise
    total = max(robust_sigma(rest), 1e-9)
    own = robust_sigma(noise)
    share = np.float32(max(0.0, 1 - (own / total) ** 2))
    # Noise that stays and pattern that goes, together: share^2 own^2 + (1 - share)^2 (total^2 - own^2).
    left.append(float(share * own**2))
    for top in range(0, len(rest), ROWS):  # so that rows stay in the processor's cache
        part = rest[top : top + ROWS]
        result[top : top + ROWS] += np.where(np.abs(part) > nsigma * total, part, share * part)
    return smooth, smooth_noise


def _smooth(image: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian of `sigma` px; where it is wide three boxes of the same width do (variance (w^2 - 1) / 12 each)."""
    if sigma <= 4:
        side = 2 * int(3 * sigma + 0.5) + 1
        return cv2.GaussianBlur(image, (side, side), sigma, borderType=cv2.BORDER_REFLECT)
    side = 2 * round((np.sqrt(4 * sigma**2 + 1) - 1) / 2) + 1
    for _ in range(3):
        image = cv2.blur(image, (side, side), borderType=cv2.BORDER_REFLECT)
    return image
