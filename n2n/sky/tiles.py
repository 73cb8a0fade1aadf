"""Small tiles of an image, one a row, and the statistics of each."""

import numpy as np

TILE = 32  # pixels; the level may not change much over a tile, and 1000 pixels give a variance to 4.5 %
ENOUGH = 2_000_000  # pixels of a frame to look at: 2000 tiles


def white_variance(steps: np.ndarray, sound: np.ndarray, size: tuple[int, int]) -> np.ndarray | None:
    """Variance of every tile from second differences along both axes: noise that neighbours do not share.

    Parameters
    ----------
    steps : ndarray, shape (tiles, h * w)
        Difference of two frames in every tile, row by row, ADU.
    sound : ndarray of bool, shape (tiles, h * w)
        Pixels that count.
    size : (int, int)
        Height and width of a tile, px.
    """
    if min(size) < 3:
        return None
    steps, sound = steps.reshape(-1, *size), sound.reshape(-1, *size)
    for axis in (1, 2):
        first, mid, last = ((slice(None),) * axis + (cut,) for cut in np.s_[:-2, 1:-1, 2:])
        steps = (2 * steps[mid] - steps[first] - steps[last]) / np.float32(np.sqrt(6))
        sound = sound[mid] & sound[first] & sound[last]
    count = sound.sum(axis=(1, 2))
    if (count < 16).any():
        return None
    return np.sum(np.square(steps, dtype=float), axis=(1, 2), where=sound) / count


def moments(values: np.ndarray, used: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of the used values of each row."""
    count = np.maximum(used.sum(axis=1), 2)
    mean = np.sum(values * used, axis=1, dtype=float) / count
    return mean, np.sum(((values - mean[:, None]) * used) ** 2, axis=1, dtype=float) / (count - 1)


def thinned(frames: np.ndarray) -> np.ndarray:
    """Every so many rows of tiles, along the last two axes, of frames larger than `ENOUGH` pixels."""
    *lead, height, width = np.shape(frames)
    step = -(-height * width // ENOUGH)
    if step == 1 or height < 2 * TILE:
        return frames
    rows = height // TILE
    strips = frames[..., : rows * TILE, :].reshape(*lead, rows, TILE, width)
    return strips[..., ::step, :, :].reshape(*lead, -1, width)


def tiles_of(image: np.ndarray, size: int = TILE) -> np.ndarray:
    """Whole tiles of an image, shape (tiles, size * size); a small image is one tile."""
    height, width = image.shape
    down, across = min(size, height), min(size, width)
    rows, columns = height // down, width // across
    cut = image[: rows * down, : columns * across].reshape(rows, down, columns, across)
    return cut.swapaxes(1, 2).reshape(rows * columns, down * across)


def mad(values: np.ndarray) -> np.ndarray:
    """Robust standard deviation of each row."""
    centre = np.median(values, axis=1, keepdims=True)
    return 1.4826 * np.median(np.abs(values - centre), axis=1)
