"""Resample one exposure onto the reference grid, once."""

import functools
import itertools

import cv2
import numpy as np

from n2n.formats.flags import NO_DATA, SATURATED

# Lanczos-4 keeps 0.83 of the noise's variance at a random shift and correlates it by 0.10 with the next pixel (cubic
# spline 0.75, 0.14), leaves stars as they are as well as a spline does, and takes a sixth of its time:
# benchmarks/kernels.
REACH = 4
TAPS = np.arange(1 - REACH, REACH + 1)
# Lanczos rings at the cliffs of saturated and bleeding stars; within this many pixels of one, its reach,
# interpolate linearly. More would soften the flanks of stars.
CLIFF = REACH
LIST = 2**14  # places opencv is asked for at a time: it takes no image of 2^15 rows
EDGE, UNMOVED = 1, 0.1  # px: the outermost lack neighbours; what moves by less shares next to nothing with them
BAND = 16  # rows worked on at once, so that they stay in the cache
PHASES = 2048  # steps a pixel in which the kernel is tabulated
STRAIGHT = 0.04  # px that the shift may change along a piece of a row; that much is made good to first order
# Where the scale hardly differs from 1, as in a slightly turned field, the shift may stand still on shorter pieces:
# a star loses no more light than that difference.
LEVEL, STILL = 5e-5, 0.01
MOST_PIECES = 64  # a row; with more, rotation is too large to take rows and columns one after the other


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
        Bits of `n2n.formats.flags`.
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
    if matrix[0, 0] < 0 and matrix[1, 1] < 0:  # after a meridian flip: turn the frame, which moves no light
        pixels, flags = pixels[::-1, ::-1], flags[::-1, ::-1]
        matrix = np.array([[-1.0], [-1.0]]) * matrix + [[0, 0, pixels.shape[1] - 1], [0, 0, pixels.shape[0] - 1]]
        before, displace = displace, None if displace is None else lambda x, y: [-shift for shift in before(x, y)]
    pixels, flags = np.ascontiguousarray(pixels), np.ascontiguousarray(flags)
    place = functools.partial(_place, matrix, displace)
    if displace is None and _pieces(matrix, shape) <= MOST_PIECES:
        warped = _rows_then_columns(pixels, matrix, shape)
    else:
        warped = _anywhere(pixels, matrix, shape, place)
    result = _move_flags(flags, matrix, shape, place if displace is not None else None)
    _soften_cliffs(warped, result, pixels, place)
    warped *= np.float32(abs(np.linalg.det(matrix[:, :2]))) if displace is None else _area(place, shape)
    warped[(result & NO_DATA) > 0] = 0
    return warped, result


def noise_kept(matrix: np.ndarray, shape: tuple[int, int], places: int = 41) -> tuple[float, float]:
    """Share of the variance of white noise that resampling by `matrix` leaves, and its correlation with the next pixel.

    Both depend on the fraction of the shift, which changes over a field that is turned or scaled by ever so little: the
    mean over `places` x `places` spots of a reference of `shape`.

    Parameters
    ----------
    matrix : ndarray, shape (2, 3)
        Affine from reference (x, y) to frame (x, y).
    shape : (int, int)
        Height and width of the reference, px.
    places : int
        Spots along either side over which the mean is taken.
    """
    (a, b, c), (d, e, f) = np.asarray(matrix, float)
    y, x = np.meshgrid(*(np.rint(np.linspace(0, side - 1, places)) for side in shape), indexing="ij")
    across, down = a * x + b * y + c, d * x + e * y + f
    variance = float((_shared(across, 0) * _shared(down, 0)).mean())
    beside = _shared(across, a) * _shared(down, d) + _shared(across, b) * _shared(down, e)
    return variance, float(beside.mean()) / 2 / variance


def _shared(position: np.ndarray, step: float) -> np.ndarray:
    """Sum, over the pixels of an axis, of the products of their weights at `position` and `step` farther on."""
    table, positions = _weights()[0].astype(float), (position, position + step)
    here, there = (np.floor(place) for place in positions)
    near, far = (table[np.rint((place - np.floor(place)) * PHASES).astype(int)] for place in positions)
    total = np.zeros(position.shape)
    lags = (there - here).astype(int)
    for lag in np.unique(lags[np.abs(lags) < len(TAPS)]):
        first, second = max(lag, 0), max(-lag, 0)
        count = len(TAPS) - abs(lag)
        products = near[..., first : first + count] * far[..., second : second + count]
        total += np.where(lags == lag, products.sum(axis=-1), 0)
    return total


@functools.cache
def _weights() -> tuple[np.ndarray, np.ndarray]:
    """Lanczos' weights for every phase, and how they change with it; float32, shape (PHASES + 1, 2 REACH).

    Their sum is made 1 and their centre the place asked for, which Lanczos misses by up to 0.013 px: both together
    keep light where it was.
    """
    phase = np.linspace(0, 1, PHASES + 1)[:, None]
    away = TAPS - phase
    weights = np.sinc(away) * np.sinc(away / REACH)
    weights /= weights.sum(axis=1, keepdims=True)
    # The correction follows the kernel's own slope, so that it is smooth in the phase and nothing at whole pixels.
    slope = np.gradient(weights, phase[:, 0], axis=0)
    slope -= slope.mean(axis=1, keepdims=True)
    missing = phase[:, 0] - (weights * TAPS).sum(axis=1)
    weights += (missing / (slope * TAPS).sum(axis=1))[:, None] * slope
    slope = np.gradient(weights, phase[:, 0], axis=0, edge_order=2)
    return weights.astype(np.float32), slope.astype(np.float32)


def _rows_then_columns(pixels, matrix, shape) -> np.ndarray:
    """Resample along rows, then along columns (Catmull & Smith 1980): two times 8 taps instead of 64.

    With ``x' = a x + b y + c`` and ``y' = d x + e y + f``, the first pass takes frame column x' for reference column
    x and frame row y', ``x' = (a - b d / e) x + (b / e) (y' - f) + c``; the second y' for every column.
    """
    (a, b, c), (d, e, f) = matrix
    rows = np.arange(pixels.shape[0])
    half = _along_rows(pixels, a - b * d / e, (b / e) * (rows - f) + c, shape[1])
    columns = np.arange(shape[1])
    return _along_rows(half, e, d * columns + f, shape[0])


def _pieces(matrix, shape) -> int:
    """Pieces into which rows, and then columns, are cut at most."""
    (a, b, _), (d, e, _) = matrix
    if abs(e) < 0.5:
        return MOST_PIECES + 1
    return max(_count(scale, width) for scale, width in ((a - b * d / e, shape[1]), (e, shape[0])))


def _count(scale, width) -> int:
    return max(1, int(np.ceil(abs(scale - 1) * width / (STILL if abs(scale - 1) < LEVEL else STRAIGHT))))


def _along_rows(image, scale: float, starts: np.ndarray, width: int) -> np.ndarray:
    """Rows sampled at ``scale * x + start`` for x in 0 ... `width` - 1, each with a start of its own, as columns."""
    result = np.empty((width, len(image)), np.float32)
    bounds = np.linspace(0, width, _count(scale, width) + 1).astype(int)
    for left, right in itertools.pairwise(bounds):
        middle = (left + right - 1) / 2
        # The shift in the middle of a piece holds for all of it, but for this drift.
        drift = ((scale - 1) * (np.arange(left, right) - middle)).astype(np.float32)
        drift = None if abs(scale - 1) < LEVEL else drift
        _shift_rows(image, starts + (scale - 1) * middle, left, drift, result[left:right])
    return result


def _shift_rows(image, shifts, left: int, drift, out) -> None:
    """Fill `out`, as columns, with what rows hold at ``left + i + shift + drift[i]``; `drift` may be None."""
    steps = np.rint(shifts * PHASES).astype(int)
    whole = steps // PHASES
    weights, slopes = (table[steps % PHASES] for table in _weights())
    width = len(out)
    result, spare, other = np.empty((3, BAND, width), np.float32)
    for top, bottom in _bands(len(image), np.flatnonzero(np.diff(whole)) + 1):
        first = left + whole[top] + TAPS[0]
        padded = _columns(image[top:bottom], first, first + width + len(TAPS) - 1)
        taken = [padded[:, tap : tap + width] for tap in range(len(TAPS))]
        band = _combine(taken, weights[top:bottom], result[: bottom - top], spare[: bottom - top])
        if drift is not None:
            slope = _combine(taken, slopes[top:bottom], other[: bottom - top], spare[: bottom - top])
            slope *= drift
            band += slope
        cv2.transpose(band, out[:, top:bottom])


def _combine(taken, weights, out, spare):
    """Sum of blocks, every row of them with weights of its own."""
    np.multiply(taken[0], weights[:, 0, None], out=out)
    for tap in range(1, len(taken)):
        np.multiply(taken[tap], weights[:, tap, None], out=spare)
        out += spare
    return out


def _bands(height: int, cuts) -> list[tuple[int, int]]:
    edges = [0, *cuts, height]
    return [
        (top, min(top + BAND, stop)) for start, stop in itertools.pairwise(edges) for top in range(start, stop, BAND)
    ]


def _columns(image, low: int, high: int) -> np.ndarray:
    """Columns `low` to `high` of an image, those outside like the outermost."""
    width = image.shape[1]
    before, after = max(0, -low), max(0, high - width)
    inner = image[:, max(0, min(low, width - 1)) : max(1, min(high, width))]
    if not before and not after:
        return inner
    return cv2.copyMakeBorder(inner, 0, 0, before, after, cv2.BORDER_REPLICATE)[:, : high - low]


def _place(matrix, displace, x, y):
    """Frame (x, y) of reference positions."""
    dx, dy = (0.0, 0.0) if displace is None else displace(x, y)
    return (
        matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2] + dx,
        matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2] + dy,
    )


def _anywhere(pixels, matrix, shape, place, rows: int = 64) -> np.ndarray:
    """Resample at any places with opencv's Lanczos-4: for large rotations and for distortion.

    opencv rounds positions to 1/32 px, and Lanczos' centre is off; what is missing is added along the gradient.
    """
    warped = np.empty(shape, np.float32)
    back = np.linalg.inv(matrix[:, :2]).astype(np.float32)
    for top in range(0, shape[0], rows):
        # A row more on either side for the gradient.
        low, high = max(top - 1, 0), min(top + rows + 1, shape[0])
        y, x = np.mgrid[low:high, : shape[1]].astype(float)
        whole = np.empty((*x.shape, 2), np.int16)
        parts, missing = [], []
        for axis, position in enumerate(place(x, y)):
            step = np.clip(np.rint(position * 32), -(2**19), 2**19).astype(np.int32)
            whole[..., axis] = step >> 5
            parts.append(step & 31)
            missing.append((position - step / 32 - _offsets()[step & 31]).astype(np.float32))
        part = ((parts[1] << 5) | parts[0]).astype(np.uint16)
        band = cv2.remap(pixels, whole, part, cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REPLICATE)
        if min(band.shape) > 2:
            across, down = (row[0] * missing[0] + row[1] * missing[1] for row in back)
            slope_y, slope_x = np.gradient(band)
            band += across * slope_x + down * slope_y
        warped[top : top + rows] = band[top - low : top - low + rows]
    return warped


@functools.cache
def _offsets() -> np.ndarray:
    """How far opencv's samples lie beside the places asked for, 0/32 ... 31/32 px: measured on a ramp."""
    ramp = np.tile(np.arange(32, dtype=np.float32) - 16, (16, 1))
    steps = np.arange(32, dtype=np.uint16)
    whole = np.full((1, 32, 2), (16, 8), np.int16)
    return cv2.remap(ramp, whole, steps[None], cv2.INTER_LANCZOS4)[0] - steps.astype(np.float32) / 32


def _area(place, shape, step: int = 16) -> np.ndarray:
    """Frame area a reference pixel covers, the Jacobian of the map; smooth, hence on a coarse grid first."""
    y, x = np.mgrid[: shape[0] + 2 * step : step, : shape[1] + 2 * step : step].astype(float)
    (ax, ay), (bx, by) = place(x + 0.5, y), place(x - 0.5, y)
    (cx, cy), (dx, dy) = place(x, y + 0.5), place(x, y - 0.5)
    coarse = np.abs((ax - bx) * (cy - dy) - (cx - dx) * (ay - by)).astype(np.float32)
    matrix = np.array([[1 / step, 0, 0], [0, 1 / step, 0]])
    return cv2.warpAffine(coarse, matrix, shape[::-1], flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)


def _move_flags(flags, matrix, shape, place=None) -> np.ndarray:
    """Flags of the four frame pixels around every place; NO_DATA where one of them is missing or at the edge."""
    source = flags.copy()
    for edge in (np.s_[:EDGE], np.s_[-EDGE:], np.s_[:, :EDGE], np.s_[:, -EDGE:]):
        source[edge] |= NO_DATA
    whole = place is None and np.array_equal(matrix, np.rint(matrix)) and np.array_equal(matrix[:, :2], np.eye(2))
    whole |= place is None and _farthest(matrix, shape) < UNMOVED
    if not whole:
        source[:, :-1] |= source[:, 1:]
        source[:-1] |= source[1:]
    # The nearest to half a pixel before is the pixel before.
    border = {"borderMode": cv2.BORDER_CONSTANT, "borderValue": NO_DATA}
    if place is None:
        before = np.asarray(matrix) - [[0, 0, 0.5], [0, 0, 0.5]] if not whole else np.asarray(matrix, float)
        return cv2.warpAffine(source, before, shape[::-1], flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP, **border)
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    x, y = (np.asarray(position - 0.5, np.float32) for position in place(x, y))
    return cv2.remap(source, x, y, cv2.INTER_NEAREST, **border)


def _farthest(matrix, shape) -> float:
    """The most px, along either axis, by which `matrix` moves a pixel of an image."""
    corners = np.array([[x, y, 1] for x in (0, shape[1] - 1) for y in (0, shape[0] - 1)])
    return float(np.abs(corners @ np.asarray(matrix, float).T - corners[:, :2]).max())


def _soften_cliffs(warped, result, pixels, place) -> None:
    """Put linear interpolation around saturated pixels."""
    cliffs = result & SATURATED
    if not cliffs.any():
        return
    # Of booleans numpy finds them five times faster than of bytes.
    near = np.flatnonzero(cv2.dilate(cliffs, np.ones((2 * CLIFF + 1,) * 2, np.uint8)) > 0)
    for start in range(0, len(near), LIST):
        rows, columns = np.divmod(near[start : start + LIST], cliffs.shape[1])
        x, y = (position.astype(np.float32)[:, None] for position in place(columns.astype(float), rows.astype(float)))
        warped[rows, columns] = cv2.remap(pixels, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[:, 0]
