"""Resample one exposure onto the reference grid, once."""

import numpy as np
from scipy import ndimage

from n2n.formats.flags import DEFECT, NO_DATA, OUTLIER, SATURATED

# Cubic spline: keeps more of the noise's variance (0.76 of it at a random shift) and correlates it
# less (0.13 with the next pixel) than bilinear (0.44, 0.29). The outermost pixels lack neighbours.
EDGE = 1.0
# Splines ring at the cliffs of saturated and bleeding stars; within this many pixels of one, interpolate
# linearly. The ringing falls by 0.27 a pixel: 6 px beyond a bleeding column it is 1e-4 of it. More would
# soften the flanks of stars.
CLIFF = 6


def warp(pixels: np.ndarray, flags: np.ndarray, matrix: np.ndarray, shape: tuple[int, int]):
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

    Returns
    -------
    pixels : float32 ndarray, shape `shape`
        Surface brightness is kept times the area ratio, so that flux is conserved.
    flags : uint8 ndarray, shape `shape`
        A pixel carries every flag of the four frame pixels around it, and NO_DATA outside the frame.
    """
    linear = matrix[::-1, 1::-1]  # scipy counts (row, column)
    offset = matrix[::-1, 2]
    area = abs(np.linalg.det(matrix[:, :2]))
    warped = ndimage.affine_transform(pixels, linear, offset, output_shape=shape, order=3, mode="mirror")
    cliffs = (flags & SATURATED) > 0
    if cliffs.any():
        soft = ndimage.affine_transform(pixels, linear, offset, output_shape=shape, order=1, mode="mirror")
        near = ndimage.binary_dilation(cliffs, iterations=CLIFF).astype(np.float32)
        near = ndimage.affine_transform(near, linear, offset, output_shape=shape, order=1) > 0.5
        warped[near] = soft[near]
    warped *= np.float32(area)
    result = np.zeros(shape, np.uint8)
    # Bit by bit, bilinear: any touched pixel inherits the flag.
    for bit in (NO_DATA, SATURATED, DEFECT, OUTLIER):
        plane = (flags & bit) > 0
        if plane.any():
            touched = ndimage.affine_transform(
                plane.astype(np.float32), linear, offset, output_shape=shape, order=1, mode="constant"
            )
            result[touched > 0.05] |= bit
    height, width = pixels.shape
    y, x = np.ogrid[: shape[0], : shape[1]]
    frame_x = matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2]
    frame_y = matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2]
    outside = (frame_x < EDGE) | (frame_y < EDGE) | (frame_x > width - 1 - EDGE) | (frame_y > height - 1 - EDGE)
    result[outside] |= NO_DATA
    warped[outside] = 0
    return warped, result
