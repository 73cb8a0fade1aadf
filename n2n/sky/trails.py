"""Find straight trails across an exposure, also those too faint to see in any single pixel, and mask them whole.

A line of many faint pixels is significant where no pixel is. The residual is clipped, so that stars count little,
binned, and summed along all lines at once by the fast discrete Radon transform (Brady 1998; Goetz & Druckmueller
1996). What stands out is measured across in full resolution, and masked from edge to edge.
"""

import warnings

import cv2
import numpy as np

BIN, LARGEST = 4, 512  # bin by 4, or by more until the longer side has at most 512 bins
CLIP = 4.0  # a star counts no more than that many sigma a pixel
SIGNIFICANT = 7.0  # a frame has a million lines: noise alone reaches 5.5
SHORTEST = 0.25, 40  # of the shorter side, and bins; shorter lines are left to the rejection pixel by pixel
# A trail is lit in at least this share of its segments, and from the first such to the last is most of the way:
# neither a star, nor the rim of a galaxy, nor a bleeding column or a diffraction spike.
SEGMENTS, LIT, SPAN = 12, 0.35, 0.6
PEAK = 0.7  # sigma a pixel that the lit parts reach at least; what is weaker does no harm
FAINTEST = 0.4  # sigma a pixel, to which the profile is followed outwards
GAP = 12  # px that may be dark between the lines of an aircraft
MARGIN = 1.5  # px added on both sides, for what resampling spreads
HALF_WIDTH = 32  # px looked at on both sides of a line; at least three bins
TRIES = 12  # trails and false candidates a frame


def find_trails(residual: np.ndarray, sigma: np.ndarray | float, valid: np.ndarray) -> np.ndarray:
    """Mask the straight trails of one exposure.

    Parameters
    ----------
    residual : float32 ndarray, shape (h, w)
        The registered exposure minus the median of all; without NaN.
    sigma : ndarray, shape (h, w), or float
        Its noise a pixel, in the unit of `residual`.
    valid : ndarray of bool, shape (h, w)
        Samples that may be looked at.

    Returns
    -------
    ndarray of bool, shape (h, w)
        The trails from edge to edge, dark gaps of blinking ones and invalid samples included.
    """
    shape = residual.shape
    found = np.zeros(shape, bool)
    side = BIN
    while max(shape) > LARGEST * side:
        side *= 2
    if min(shape) < 8 * side:
        return found
    scaled = np.divide(residual, np.asarray(sigma, np.float32), out=np.zeros(shape, np.float32), where=valid)
    binned, weight = _bins(scaled, valid, side)
    for _ in range(TRIES):
        line = _best_line(binned, weight)
        if line is None:
            break
        line = side * np.asarray(line) + (side - 1) / 2
        strip = _Strip(scaled, valid, *line, side)
        low, high = strip.width()
        if strip.is_trail():
            found |= strip.covered(shape, low - MARGIN, high + MARGIN)
        # Look for the next one without this one, or without what was no trail.
        around = strip.covered(binned.shape, low - side, high + side, side)
        binned[around], weight[around] = 0, 0
    return found


def _bins(scaled: np.ndarray, valid: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Clipped mean of bins in units of their noise, freed of everything wide, and their weight, 0 or 1."""
    rows, columns = (length // side for length in scaled.shape)
    cut = (slice(rows * side), slice(columns * side))
    count = _sum(valid[cut].astype(np.float32), side)
    weight = (count >= 0.5 * side**2).astype(np.float32)
    value = _sum(np.clip(scaled[cut], -CLIP, CLIP), side) * weight / np.sqrt(np.maximum(count, 1))
    spread = 1.4826 * np.median(np.abs(value[weight > 0])) if weight.any() else 0.0
    value = np.clip(value, -CLIP * spread, CLIP * spread)
    around, near = (cv2.blur(image, (25, 25), borderType=cv2.BORDER_REFLECT) for image in (value, weight))
    wide = around / np.maximum(near, 1e-3)
    return (value - wide) * weight, weight


def _sum(image: np.ndarray, side: int) -> np.ndarray:
    """Sum of blocks of `side` x `side`."""
    rows, columns = (length // side for length in image.shape)
    return image.reshape(rows, side, columns, side).sum(axis=(1, 3))


def _best_line(binned: np.ndarray, weight: np.ndarray) -> tuple[float, float, float, float] | None:
    """End points (x0, y0, x1, y1) of the most significant line through the binned image, None if it is none."""
    size = 2 ** int(np.ceil(np.log2(max(binned.shape))))
    square = np.zeros((2, size, size), np.float32)
    square[:, : binned.shape[0], : binned.shape[1]] = binned, weight
    shortest = max(SHORTEST[0] * min(binned.shape), SHORTEST[1])
    views = [(turned, flipped) for turned in (False, True) for flipped in (False, True)]
    ratios = []
    for turned, flipped in views:
        view = square.transpose(0, 2, 1) if turned else square
        total, length = _line_sums(view[:, ::-1] if flipped else view)
        ratios.append(np.where(length >= shortest, total / np.sqrt(np.maximum(length, 1)), 0))
    ratios = np.array(ratios)
    # Noise that is common to rows or columns widens the scatter of lines in that direction alone.
    sample = np.sort(np.abs(ratios[:, :, ::3]), axis=2)
    empty = (sample == 0).sum(axis=2, keepdims=True)
    middle = np.minimum((empty + sample.shape[2]) // 2, sample.shape[2] - 1)
    spread = 1.4826 * np.take_along_axis(sample, middle, axis=2)
    if not spread.any():
        return None
    ratios[ratios <= SIGNIFICANT * np.maximum(spread, np.median(spread[spread > 0]))] = 0
    which, rise, start = np.unravel_index(np.argmax(ratios), ratios.shape)
    if ratios[which, rise, start] == 0:
        return None
    (turned, flipped), first = views[which], start - size
    first, last = (size - 1 - first, size - 1 - first - rise) if flipped else (first, first + rise)
    return (first, 0, last, size - 1) if turned else (0, first, size - 1, last)


def _line_sums(images: np.ndarray) -> np.ndarray:
    """Sum along all lines that rise by 0 to n - 1 rows over the n columns: fast discrete Radon transform.

    Parameters
    ----------
    images : ndarray, shape (k, n, n), n a power of 2
        Each is summed by itself.

    Returns
    -------
    ndarray, shape (k, n, 2 n)
        [image, rise, n + first row]; a line may begin above the image.
    """
    kinds, size, _ = images.shape
    # Strips of columns, rises within the strip, first rows. Rows below the image are empty and wrap around.
    sums = np.zeros((kinds, size, 1, 2 * size), np.float32)
    sums[:, :, 0, size:] = images.transpose(0, 2, 1)
    while sums.shape[1] > 1:
        left, right = sums[:, ::2], sums[:, 1::2]
        rises = sums.shape[2]
        sums = np.empty((kinds, left.shape[1], 2 * rises, 2 * size), np.float32)
        for rise in range(rises):
            for odd in (0, 1):
                target, shift = sums[:, :, 2 * rise + odd], rise + odd
                cut = 2 * size - shift
                np.add(left[:, :, rise, :cut], right[:, :, rise, shift:], out=target[..., :cut])
                target[..., cut:] = left[:, :, rise, cut:]
    return sums[:, 0]


def _running_mean(values: np.ndarray, width: int) -> np.ndarray:
    """Mean over `width` values along the last axis."""
    values = np.asarray(values, np.float32)
    return cv2.blur(np.atleast_2d(values), (width, 1), borderType=cv2.BORDER_REFLECT).reshape(values.shape)


def _apart(places: np.ndarray, gap: int) -> list[np.ndarray]:
    """Ascending places, split where more than `gap` others lie between two."""
    return np.split(places, np.flatnonzero(np.diff(places) > gap + 1) + 1)


class _Strip:
    """The surroundings of a line in full resolution, turned so that the line runs along the first axis."""

    def __init__(self, scaled: np.ndarray, valid: np.ndarray, x0: float, y0: float, x1: float, y1: float, side: int):
        height, width = scaled.shape
        self.half = max(HALF_WIDTH, 3 * side)
        angle = np.arctan2(y1 - y0, x1 - x0)
        self.along, self.across = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
        # The point of the line nearest to the centre of the image.
        centre = np.array([(width - 1) / 2, (height - 1) / 2])
        offset = (np.array([x0, y0]) - centre) @ self.across
        self.middle = centre + offset * self.across
        self.tilt = 0.0
        reach = int(np.hypot(height, width) / 2)
        steps, self.offsets = np.arange(-reach, reach + 1), np.arange(-self.half, self.half + 1)
        x = self.middle[0] + steps[:, None] * self.along[0] + self.offsets * self.across[0]
        y = self.middle[1] + steps[:, None] * self.along[1] + self.offsets * self.across[1]
        column, row = np.rint(x).astype(int), np.rint(y).astype(int)
        inside = (column >= 0) & (row >= 0) & (column < width) & (row < height)
        touched = inside.any(axis=1)
        self.steps, inside = steps[touched], inside[touched]
        column, row = (np.where(inside, index[touched], 0) for index in (column, row))
        self.valid = inside & valid[row, column]
        self.values = np.where(self.valid, scaled[row, column], 0)
        self._straighten(side)

    def _straighten(self, side: int) -> None:
        """Turn the strip by the little that the binned line is off: to where its mean profile is most uneven."""
        pieces = max(1, min(64, len(self.steps) // 8))
        total, count = self._pieces(pieces)
        position = self.steps[0] + (np.arange(pieces) + 0.5) * len(self.steps) / pieces
        most = 3 * side / len(self.steps)
        best = -1.0
        for tilt in np.linspace(-most, most, 12 * side + 1):
            shifts = np.rint(position * tilt).astype(int)
            source = np.clip(self.offsets + shifts[:, None] + self.half, 0, 2 * self.half)
            line = np.take_along_axis(total, source, 1).sum(axis=0)
            weight = np.take_along_axis(count, source, 1).sum(axis=0)
            profile = _running_mean(line / np.sqrt(np.maximum(weight, 1)), 3)
            score = float((np.maximum(profile, 0) ** 2)[2 * side : -2 * side].sum())
            if score > best:
                best, self.tilt = score, tilt
        source = self.offsets + np.rint(self.steps * self.tilt).astype(int)[:, None] + self.half
        within = (source >= 0) & (source <= 2 * self.half)
        source = np.clip(source, 0, 2 * self.half)
        self.values = np.where(within, np.take_along_axis(self.values, source, 1), 0)
        self.valid = within & np.take_along_axis(self.valid, source, 1)
        mean = np.clip(self.values, -CLIP, CLIP).sum(axis=0) / np.sqrt(np.maximum(self.valid.sum(axis=0), 1))
        mean = _running_mean(mean, 3)
        near = np.abs(self.offsets) <= 2 * side
        self.peak = int(np.argmax(np.where(near, mean, -np.inf)))
        self.profile = self._lit_profile()

    def is_trail(self) -> bool:
        """Whether the light is spread along the line."""
        segments = int(np.clip(len(self.steps) / 32, 8, SEGMENTS))
        total, count = self._pieces(segments)
        total, count = (_running_mean(part, 3) for part in (total, count))
        ratio = total / np.sqrt(np.maximum(count, 1))
        away = np.abs(self.offsets - self.offsets[self.peak]) > self.half // 3
        noise = 1.4826 * np.median(np.abs(ratio[:, away])) + 1e-6
        enough = count[:, self.peak] > 0.2 * count.max()
        lit = (ratio[:, self.peak] > 3 * noise) & enough
        spread = lit.sum() >= LIT * enough.sum() and lit.any() and np.ptp(np.nonzero(lit)[0]) + 1 >= SPAN * segments
        return bool(spread and _running_mean(self.profile, 3)[self.peak] >= PEAK)

    def _pieces(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Clipped sums and counts of valid samples of so many pieces of the line; shape (number, offsets)."""
        starts = np.linspace(0, len(self.steps), number + 1).astype(int)[:-1]
        clipped = np.clip(self.values, -CLIP, CLIP)
        return np.add.reduceat(clipped, starts), np.add.reduceat(self.valid.astype(np.float32), starts)

    def _lit_profile(self) -> np.ndarray:
        """Median across of the brightest fifth of the line, in sigma: of an aircraft's flashes, not of its gaps."""
        core = slice(max(self.peak - 2, 0), self.peak + 3)
        brightness = np.maximum(self.values[:, core], -CLIP).sum(axis=1)
        count = self.valid[:, core].sum(axis=1)
        brightness = _running_mean(brightness, 9) / np.maximum(_running_mean(1.0 * count, 9), 0.2)
        lit = brightness >= np.percentile(brightness[count > 0], 80) if count.any() else count > 0
        with warnings.catch_warnings(action="ignore", category=RuntimeWarning):
            return np.nan_to_num(np.nanmedian(np.where(self.valid[lit], self.values[lit], np.nan), axis=0))

    def width(self) -> tuple[float, float]:
        """Offsets between which the lit parts of the line are brighter than `FAINTEST`."""
        # The lower quartile of a Gaussian's deviations is 0.3186 sigma: a wide trail fills up to three quarters.
        noise = np.percentile(np.abs(self.profile), 25) / 0.3186
        bright = self.profile > max(FAINTEST, 4 * min(noise, 0.25))
        bright[max(self.peak - 2, 0) : self.peak + 3] = True
        lines = _apart(np.flatnonzero(bright), 1)
        # Beyond a gap noise that is faint and narrow must not widen the trail.
        strong = _running_mean(self.profile, 3) >= PEAK
        lines = [line for line in lines if strong[line].any() or line[0] <= self.peak <= line[-1]]
        whole = next(part for part in _apart(np.concatenate(lines), GAP) if part[0] <= self.peak <= part[-1])
        return float(self.offsets[whole[0]]), float(self.offsets[whole[-1]])

    def covered(self, shape: tuple[int, int], low: float, high: float, side: int = 1) -> np.ndarray:
        """Pixels, or bins of `side` pixels, between two offsets; ndarray of bool, shape `shape`."""
        normal = self.across - self.tilt * self.along
        y, x = (side * np.arange(length, dtype=np.float32) + (side - 1) / 2 for length in shape)
        offset = np.add.outer((y - self.middle[1]) * normal[1], (x - self.middle[0]) * normal[0])
        return (offset >= low) & (offset <= high)
