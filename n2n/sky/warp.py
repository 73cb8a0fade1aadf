"""Resample one exposure onto the reference grid, once."""

import functools

import cv2
import numpy as np

from n2n.formats.flags import NO_DATA, SATURATED

# Lanczos-4 keeps 0.83 of the noise's variance at a random shift and correlates it least with the next pixel (0.09),
# blurs stars less than a cubic spline (0.73, 0.15), and takes a fraction of its time: benchmarks/kernels.
KERNEL = cv2.INTER_LANCZOS4
EDGE = 1.0  # the outermost pixels lack neighbours
# Lanczos rings at the cliffs of saturated and bleeding stars; within this many pixels of one, its reach,
# interpolate linearly. More would soften the flanks of stars.
CLIFF = 4
BAND = 64  # rows worked on at once, so that they stay in the cache


def warp(
    pixels: np.ndarray,
    flags: np.ndarray,
    matrix: np.ndarray,
    shape: tuple[int, int],
    displace=None,
):
    """Bring an exposure onto the reference grid.

    Parameters
    ----------
    pixels : float32 ndarray, shape (h, w)
        Flagged pixels must hold plausible values already (`calibrate.fill_flagged`).
    flags : uint8 ndarray, shape (h, w)
    matrix : ndarray, shape (2, 3)
        Affine from reference (x, y) to frame (x, y).
    shape : (int, int)
        Height and width of the reference.
    displace : callable, optional
        Distortion: ``displace(x, y) -> dx, dy`` at reference positions, added to what `matrix` gives.

    Returns
    -------
    pixels : float32 ndarray, shape `shape`
        Surface brightness is kept times the area ratio, so that flux is conserved.
    flags : uint8 ndarray, shape `shape`
        A pixel carries every flag of the four frame pixels around it, and NO_DATA outside the frame.
    """
    matrix = np.asarray(matrix, float)
    height, width = pixels.shape
    warped, result = np.empty(shape, np.float32), np.zeros(shape, np.uint8)
    touching = _touching(flags)
    cliffs = flags & SATURATED
    cliffs = cv2.dilate(cliffs, np.ones((2 * CLIFF + 1,) * 2, np.uint8)) if cliffs.any() else None
    area = abs(np.linalg.det(matrix[:, :2]))
    for top in range(0, shape[0], BAND):
        rows = slice(top, min(top + BAND, shape[0]))
        # A row more on either side for the gradient.
        x, y = _positions(matrix, np.arange(max(top - 1, 0), min(rows.stop + 1, shape[0])), shape[1], displace)
        inner = slice(top - max(top - 1, 0), top - max(top - 1, 0) + rows.stop - top)
        sampler = _Sampler(x, y, matrix[:, :2])
        if displace is not None:
            area = _jacobian(x, y)[inner]
        band = sampler.exactly(pixels)
        if cliffs is not None:
            sampler.soften(band, pixels, sampler.nearest(cliffs) > 0)
        band = band[inner]
        warped[rows] = band if np.ndim(area) == 0 and area == 1 else band * np.asarray(area, np.float32)
        result[rows] = sampler.nearest(touching if sampler.part.any() else flags)[inner]
        x, y = x[inner], y[inner]
        outside = (x < EDGE) | (y < EDGE) | (x > width - 1 - EDGE) | (y > height - 1 - EDGE)
        if outside.any():
            result[rows][outside] |= NO_DATA
            warped[rows][outside] = 0
    return warped, result


def noise_kept(matrix: np.ndarray, side: int = 256, seed: int = 0) -> tuple[float, float]:
    """Share of the variance of white noise that resampling by `matrix` leaves, and its correlation with the next pixel.

    Measured on simulated noise, because opencv's kernel has no closed form; within 1 %.
    """
    noise = np.random.default_rng(seed).standard_normal((side + 32, side + 32)).astype(np.float32)
    matrix = np.array(matrix, float)
    # Only the fraction of the shift matters; the frame's middle stays in view.
    centre = matrix[:, :2] @ [side / 2, side / 2] + matrix[:, 2]
    matrix[:, 2] += side / 2 + 16 - np.floor(centre)
    warped, _ = warp(noise, np.zeros(noise.shape, np.uint8), matrix, (side, side))
    inner = warped[side // 4 : -side // 4, side // 4 : -side // 4]
    variance = float(inner.var())
    beside = float((inner[:, 1:] * inner[:, :-1]).mean() + (inner[1:] * inner[:-1]).mean()) / 2
    return variance, beside / variance


def _touching(flags: np.ndarray) -> np.ndarray:
    """Flags of the four pixels around every place between a pixel and the next ones right and below."""
    result = flags.copy()
    result[:, :-1] |= flags[:, 1:]
    result[:-1] |= result[1:]
    return result


# Pixels with neighbours on both sides, those before and those after them, along rows and along columns.
_ACROSS = np.s_[:, 1:-1], np.s_[:, :-2], np.s_[:, 2:]
_DOWN = np.s_[1:-1], np.s_[:-2], np.s_[2:]


class _Sampler:
    """Takes samples of images at given positions, `exactly` where it counts.

    opencv rounds positions to 1/32 px, and Lanczos' weights have their centre up to 0.013 px beside the place asked
    for; both would move light by more than registration errs. `exactly` makes that good along the gradient.
    """

    def __init__(self, x: np.ndarray, y: np.ndarray, linear: np.ndarray):
        self.whole = np.empty((*x.shape, 2), np.int16)
        parts, missing = [], []
        for axis, position in enumerate((x, y)):
            fine = position * np.float32(32)
            step = np.rint(fine)
            fine -= step
            fine *= np.float32(1 / 32)
            step = np.clip(step, -(2**19), 2**19).astype(np.int32)
            part = step & 31
            fine -= _offsets()[part]
            self.whole[..., axis] = step >> 5
            parts.append(part)
            missing.append(fine)
        self.part = ((parts[1] << 5) | parts[0]).astype(np.uint16)
        # Along the axes of the reference, in which the gradient is taken.
        back = np.linalg.inv(linear).astype(np.float32)
        if np.abs(back - np.eye(2)).max() > 0.02:
            missing = [row[0] * missing[0] + row[1] * missing[1] for row in back]
        self.missing = missing

    def nearest(self, image: np.ndarray) -> np.ndarray:
        """The pixel left of and above every place."""
        return cv2.remap(image, self.whole, None, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REFLECT_101)

    def soften(self, band: np.ndarray, image: np.ndarray, near: np.ndarray) -> None:
        """Put linear interpolation in place of Lanczos' where `near` says so."""
        rows, columns = np.nonzero(near)
        if len(rows):
            places = self.whole[rows, columns][:, None], self.part[rows, columns][:, None]
            linear = cv2.remap(image, *places, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
            band[rows, columns] = linear[:, 0]

    def exactly(self, image: np.ndarray) -> np.ndarray:
        """Lanczos samples, moved the rest of the way along the gradient."""
        sampled = cv2.remap(image, self.whole, self.part, KERNEL, borderMode=cv2.BORDER_REFLECT_101)
        dx, dy = self.missing
        if min(sampled.shape) < 3 or max(np.abs(dx).max(), np.abs(dy).max()) < 1e-6:
            return sampled
        result = sampled.copy()
        for (middle, before, after), missing in ((_ACROSS, dx), (_DOWN, dy)):
            slope = sampled[after] - sampled[before]
            slope *= missing[middle]
            slope *= np.float32(0.5)
            result[middle] += slope
        return result


@functools.cache
def _offsets() -> np.ndarray:
    """How far beside 0/32 ... 31/32 px samples lie that are asked for there: what they show of a ramp."""
    ramp = np.tile(np.arange(32, dtype=np.float32) - 16, (16, 1))
    whole = np.full((1, 32, 2), (16, 8), np.int16)
    steps = np.arange(32, dtype=np.uint16)
    return cv2.remap(ramp, whole, steps[None], KERNEL)[0].astype(np.float32) - steps.astype(np.float32) / 32


def _positions(matrix, rows: np.ndarray, width: int, displace) -> tuple[np.ndarray, np.ndarray]:
    """Frame x and y of whole reference rows; two float32 ndarrays, shape (rows, width)."""
    columns = np.arange(width, dtype=float)
    shifts = (0.0, 0.0)
    if displace is not None:
        shifts = displace(*np.broadcast_arrays(columns, rows[:, None].astype(float)))
    return tuple(
        (across * columns + start).astype(np.float32) + (down * rows).astype(np.float32)[:, None]
        if displace is None
        else (across * columns + start + (down * rows)[:, None] + shift).astype(np.float32)
        for (across, down, start), shift in zip(matrix, shifts, strict=True)
    )


def _jacobian(x, y):
    """Frame area that a reference pixel covers."""
    dxdy, dxdx = np.gradient(x)
    dydy, dydx = np.gradient(y)
    return np.abs(dxdx * dydy - dxdy * dydx).astype(np.float32)
