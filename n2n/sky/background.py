"""Bring the sky of every exposure to the reference's sky."""

import numpy as np

BLOCK = 32  # pixels; a block's median ignores the stars in it


def match_sky(pixels: np.ndarray, reference: np.ndarray, usable: np.ndarray, block: int = BLOCK):
    """Fit the difference of two registered exposures by a tilted plane.

    Because the *difference* is fitted, nebulosity, which both exposures contain, is
    not taken for sky; moonlight and light pollution, which changed, are.

    Parameters
    ----------
    pixels, reference : float32 ndarray, shape (h, w)
        On the same grid and photometric scale.
    usable : ndarray of bool, shape (h, w)
        Pixels valid in both.
    block : int
        Side of the blocks whose medians are fitted, px; smaller where the image has fewer than four of them a side.

    Returns
    -------
    coefficients : ndarray, shape (3,)
        Level, and slopes a pixel in x and y about the image centre; zero without usable blocks.
    """
    height, width = pixels.shape
    block = max(4, min(block, height // 4, width // 4))
    block -= block % max(1, block // 16)
    rows, columns = height // block, width // block
    thin = max(1, block // 16)  # 256 values a block are enough for its median
    cut = (slice(0, rows * block, thin), slice(0, columns * block, thin))
    difference = np.where(usable[cut], pixels[cut] - reference[cut], np.inf)
    tiles = difference.reshape(rows, block // thin, columns, block // thin).swapaxes(1, 2)
    tiles = np.sort(tiles.reshape(rows * columns, -1), axis=1)
    count = np.isfinite(tiles).sum(axis=1)
    enough = count > 0.5 * tiles.shape[1]
    if not enough.any():
        return np.zeros(3)
    middle = np.stack([(count - 1) // 2, count // 2], axis=1)[enough]
    values = np.take_along_axis(tiles[enough], middle, axis=1).mean(axis=1, dtype=float)
    y, x = (np.indices((rows, columns)).reshape(2, -1)[:, enough] + 0.5) * block - (thin - 1) / 2
    design = np.column_stack([np.ones(len(x)), x - width / 2, y - height / 2])
    if len(values) < 12:
        return np.array([np.median(values), 0.0, 0.0])
    keep = np.ones(len(values), bool)
    for _ in range(8):
        coefficients = np.linalg.lstsq(design[keep], values[keep], rcond=None)[0]
        residual = values - design @ coefficients
        # About the median: blocks that stand out have pulled the fit, and with it all residuals, their way.
        residual -= np.median(residual[keep])
        spread = 1.4826 * np.median(np.abs(residual[keep]))
        updated = np.abs(residual) <= max(3 * spread, 1e-9)
        if np.array_equal(updated, keep) or updated.sum() < 6:
            break
        keep = updated
    return coefficients


def plane(coefficients: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Evaluate `match_sky` coefficients; float32 ndarray of `shape`."""
    height, width = shape
    level, slope_x, slope_y = coefficients
    across = (slope_x * (np.arange(width) + 0.5 - width / 2)).astype(np.float32)
    down = (level + slope_y * (np.arange(height) + 0.5 - height / 2)).astype(np.float32)
    return across + down[:, None]


def subtract_plane(pixels: np.ndarray, coefficients: np.ndarray, rows: int = 64) -> None:
    """Subtract `plane` from an image in place, some rows at a time.

    Parameters
    ----------
    pixels : ndarray, shape (h, w)
        Changed in place.
    coefficients : ndarray, shape (3,)
        From `match_sky`.
    rows : int
        Rows at a time, so that they stay in the processor's cache.
    """
    whole = plane(coefficients, (len(pixels), 1)), plane([0, coefficients[1], 0], (1, pixels.shape[1]))
    for top in range(0, len(pixels), rows):
        part = slice(top, top + rows)
        pixels[part] -= whole[0][part] + whole[1]


def sky_level(pixels: np.ndarray, usable: np.ndarray) -> float:
    """Most common level of an image: 2.5 median - 1.5 mean after clipping (Bertin & Arnouts 1996)."""
    values = pixels[usable][:: max(1, usable.sum() // 500_000)].astype(float)
    if values.size == 0:
        return 0.0
    for _ in range(10):
        centre, sigma = np.median(values), values.std()
        kept = values[np.abs(values - centre) <= 3 * sigma]
        if kept.size == values.size or kept.size < 100:
            break
        values = kept
    mean, median = values.mean(), np.median(values)
    crowded = abs(mean - median) > 0.3 * max(values.std(), 1e-12)
    return float(median if crowded else 2.5 * median - 1.5 * mean)
