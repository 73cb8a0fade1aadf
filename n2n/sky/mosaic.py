"""Does a frame come from a colour camera? The four pixels of every 2 x 2 cell tell, where no header does.

Behind a mosaic of filters the two pixels of one diagonal see green and agree; the other diagonal sees red and blue.
What else repeats every second pixel does not look so: a second amplifier shifts whole columns or rows, and four
channels of a readout differ all, by amounts that do not follow the light.
"""

import cv2
import numpy as np

SIDE = 96  # pixels of a window; a multiple of 2 and of 6
WINDOWS = 7  # a side: 49 windows are enough, of whatever frame
LEAST = 0.25  # difference of the diagonals in units of a pixel's noise; channels of real mono cameras reach 0.13
AGREE = 0.03  # the greens differ by less than this share of what the colours differ by; in real frames by 0.01
STRONG = 1.0  # the same, where only one diagonal's pixels differ and the light does not tell
LEAST_SHARE = 0.3  # of the windows; a nebula in a narrow band lights a part of the field only
PERIODIC = np.array([1, 2, 1], np.float32) / 4  # blind to whatever alternates from pixel to pixel
RGGB, GRBG, EITHER, XTRANS = "RGGB/BGGR", "GRBG/GBRG", "2x2", "X-Trans"
_XTRANS = ["GBGGRG", "RGRBGB", "GBGGRG", "GRGGBG", "BGBRGR", "GRGGBG"]


def pattern_in(pixels: np.ndarray) -> str:
    """Find the colour mosaic in a flat, or in the sky of a light.

    Parameters
    ----------
    pixels : ndarray, shape (h, w)
        As read from the camera, whole numbers or not. Best a flat; a dark has no colours.

    Returns
    -------
    str
        ``'RGGB/BGGR'`` or ``'GRBG/GBRG'`` by the place of the greens, ``'2x2'`` where red and blue are as alike as
        the greens, ``'X-Trans'``, or ``''``: no mosaic, or none that shows (equal colours, a dark).
    """
    windows = _windows(pixels)
    if windows is None:
        return ""
    # Of whole cells: the median of a mosaic's own numbers jumps from colour to colour.
    level = np.median(sum(windows[:, y::2, x::2] for y in (0, 1) for x in (0, 1)) / 4, axis=(1, 2))
    high = _alternating(windows)
    means, noise = _phases(high, 2)
    if not (noise > 0).any():
        return ""
    m00, m01, m10, m11 = means.T
    diagonal, first, second = (m00 + m11 - m01 - m10) / 2, m00 - m11, m01 - m10
    # Where green is the mean of red and blue both diagonals are as bright: then red and blue tell. Two amplifiers in
    # both directions can look so, by chance: what is weak has to follow the light.
    for contrast, strong in ((diagonal, LEAST), (first, STRONG), (second, STRONG)):
        if _colours(contrast, noise, level, strong):
            voters = np.abs(contrast) > LEAST * noise
            return _place_of_greens(*(values[voters] for values in (diagonal, first, second, noise)))
    return _xtrans(high)


def _windows(pixels: np.ndarray) -> np.ndarray | None:
    """Windows spread over the frame, each beginning at an even row and column, or None of a frame too small."""
    height, width = pixels.shape
    side = min(SIDE, min(height, width) // 12 * 6)
    if side < 24:
        return None
    tops, lefts = (np.unique(np.linspace(0, (extent - side) // 6, WINDOWS).astype(int)) * 6 for extent in pixels.shape)
    windows = np.stack([pixels[top : top + side, left : left + side] for top in tops for left in lefts])
    windows = np.nan_to_num(windows.astype(np.float32), copy=False, nan=0.0, posinf=0.0, neginf=0.0)
    lit = np.ptp(windows[:, ::5, ::5], axis=(1, 2)) > 0  # not the empty margin of a registered frame
    return windows[lit] if lit.sum() >= 4 else None


def _alternating(windows: np.ndarray) -> np.ndarray:
    """What alternates from pixel to pixel, and noise; gradients and stars' wings are gone."""
    return np.stack(
        [image - cv2.sepFilter2D(image, -1, PERIODIC, PERIODIC, borderType=cv2.BORDER_REFLECT_101) for image in windows]
    )


def _phases(high: np.ndarray, period: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean of each place of the period in each window, without stars and hot pixels, and the noise of a pixel."""
    count, side, _ = high.shape
    cells = high.reshape(count, side // period, period, side // period, period)
    planes = cells.transpose(0, 2, 4, 1, 3).reshape(count, period * period, -1)
    middle = np.median(planes, axis=2, keepdims=True)
    distance = np.abs(planes - middle)
    spread = 1.4826 * np.median(distance, axis=2, keepdims=True)
    # Numbers in coarse steps have a median distance of 0, or of a whole step.
    spread = np.maximum(spread, np.minimum(planes.std(axis=2, keepdims=True), 1.0))
    near = distance <= 3 * spread
    means = (planes * near).sum(axis=2) / np.maximum(near.sum(axis=2), 1)
    return means, spread[..., 0].mean(axis=1)


def _colours(contrast: np.ndarray, noise: np.ndarray, level: np.ndarray, strong: float) -> bool:
    """One side is brighter than the other in much of the frame, nowhere darker, and more so where light is."""
    voters = np.abs(contrast) > LEAST * noise
    if voters.sum() < max(3, LEAST_SHARE * len(voters)):
        return False
    contrast, level = contrast[voters], level[voters]
    positive = (contrast > 0).mean()
    if min(positive, 1 - positive) > 0.1:
        return False
    follows = _follows(contrast, level)
    if follows is None:
        return bool(np.median(np.abs(contrast) / noise[voters]) >= strong)
    return follows


def _follows(contrast: np.ndarray, level: np.ndarray) -> bool | None:
    """Tell a filter's share of the light from an offset of the readout, which is the same in the light and the dark.

    A filter's contrast grows at least as the level does; an offset stays. None where the level varies too little.
    """
    typical, middle = np.median(contrast), np.median(level)
    lever = level - middle
    if len(level) < 6 or middle <= 0 or not lever.any():
        return None
    design = np.column_stack([np.ones(len(level)), lever])
    fit, *_ = np.linalg.lstsq(design, contrast, rcond=None)
    scatter = np.sqrt(((contrast - design @ fit) ** 2).sum() / (len(level) - 2))
    error = scatter / np.sqrt((lever**2).sum())
    expected = typical / middle
    return None if abs(expected) < 5 * error else bool(fit[1] / expected > 0.5)


def _place_of_greens(diagonal, first, second, noise) -> str:
    """Name the diagonal whose pixels agree; '' where the pixels of neither do."""
    scale = max(2 * abs(np.median(diagonal)), abs(np.median(first)), abs(np.median(second)))
    # What noise alone makes of a difference between two means, over all windows.
    error = 3 * np.median(noise) * np.sqrt(2 / (SIDE * SIDE / 4 * len(noise)))
    unlike = [abs(np.median(values)) for values in (first, second)]
    if min(unlike) > AGREE * scale + error:
        return ""
    if max(unlike) < max(2 * error, 3 * min(unlike)):
        return EITHER
    return GRBG if unlike[0] < unlike[1] else RGGB


def _xtrans(high: np.ndarray) -> str:
    """Compare what repeats every six pixels with Fuji's mosaic, at all its places."""
    means, noise = _phases(high, 6)
    seen = _bare(np.median(means, axis=0).reshape(6, 6))
    if np.sqrt((seen**2).mean()) < LEAST / 4 * np.median(noise):
        return ""
    tile = np.array([list(row) for row in _XTRANS])
    for dy in range(6):
        for dx in range(6):
            turned = np.roll(tile, (dy, dx), (0, 1))
            shapes = []
            for colour in "GR":
                mask = np.tile((turned == colour).astype(np.float32), (3, 3))
                shapes.append(_bare(_alternating(mask[None])[0][6:12, 6:12]).ravel())
            design = np.column_stack(shapes)
            fit, *_ = np.linalg.lstsq(design, seen.ravel(), rcond=None)
            if ((seen.ravel() - design @ fit) ** 2).sum() < 0.1 * (seen**2).sum():
                return XTRANS
    return ""


def _bare(cell: np.ndarray) -> np.ndarray:
    """Without what whole rows and whole columns have in common: amplifiers, not filters."""
    return cell - cell.mean(axis=0) - cell.mean(axis=1, keepdims=True) + cell.mean()
