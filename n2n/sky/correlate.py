"""Align two exposures by their pixels, where there are too few stars: a nebula, a galaxy, a planetary.

What sits on the detector would correlate, too, at no shift at all, and is taken out first: single pixels by a
median, columns and rows by their means, vignetting and glow by a high pass. A white pattern that is left correlates at
zero shift alone. That one place of the correlation is filled in from around it, where the sky correlates almost as
well, because the atmosphere blurs it. The peak must stand out of the correlation's own scatter. Least squares over
shift and rotation then refine it.
"""

import cv2
import numpy as np
from scipy import fft, ndimage

from n2n.sky.match import Match, NoMatch

SIDE = 1024  # px; larger images are averaged in blocks
FINE = 2.0  # px of the averaged image: smoothing that leaves nebulae and takes noise
COARSE = 16  # share of the longer side beyond which structure counts as background
SIGNIFICANT = 6.0  # peak over scatter of the correlation; 72 correlations of unrelated nebulae reached 4.9
SOFT = 10.0  # in units of the scatter: brighter structure counts by its logarithm
MIN_OVERLAP = 0.3
TAPER = 0.15  # share of a side along which the weight rises from nothing


class Undetermined(NoMatch):
    """Shift and angle together are more than the structure of the images tells."""


def match_images(
    reference: np.ndarray,
    frame: np.ndarray,
    usable_reference: np.ndarray | None = None,
    usable_frame: np.ndarray | None = None,
) -> Match:
    """Match two images of one shape, shifted, turned by 180 degrees or not, and rotated by a degree at most.

    Parameters
    ----------
    reference, frame : ndarray, shape (h, w)
        Calibrated pixels in one unit; sky level and transparency may differ.
    usable_reference, usable_frame : ndarray of bool, shape (h, w), optional
        False where a pixel is defective, missing or saturated.

    Returns
    -------
    Match
        With ``n = 0``, no flux ratio (1, error infinite) and `rms_px` the standard error of a coordinate, averaged
        over the field, that noise leaves.

    Raises
    ------
    NoMatch
        When no shift correlates significantly, or there is not enough structure to refine it.
    """
    if reference.shape != frame.shape:
        raise NoMatch(f"images of {reference.shape} and {frame.shape} px cannot be correlated")
    block = -(-max(reference.shape) // SIDE)
    ours = _flatten(reference, usable_reference, block)
    theirs = _flatten(frame, usable_frame, block)
    best, significance, failure = None, 0.0, None
    for turned in (False, True):
        image, weight = (part[::-1, ::-1] for part in theirs) if turned else theirs
        peak, shift = _peak(*ours, image, weight, pattern=not turned)
        significance = max(significance, peak)
        if peak < SIGNIFICANT:
            continue
        # A galaxy or a lonely star looks much the same upside down; how well all the rest fits decides.
        try:
            try:
                state, error, likeness = _refine(*ours, image, weight, shift)
            except Undetermined:  # a disc looks alike at any angle
                state, error, likeness = _refine(*ours, image, weight, shift, free=2)
        except NoMatch as reason:
            failure = reason
            continue
        if best is None or likeness > best[0]:
            best = likeness, block * error, _matrix(*state, turned, ours[0].shape, block)
    if best is None:
        raise failure or NoMatch(f"no significant correlation: {significance:.1f} sigma, needed {SIGNIFICANT:.0f}")
    return Match(best[2], best[1], 0, 1.0, np.inf)


def _flatten(pixels: np.ndarray, usable: np.ndarray | None, block: int) -> tuple[np.ndarray, np.ndarray]:
    """Image without pattern and background, averaged in blocks, and its weight: 0 at the edges and where unusable."""
    pixels = np.asarray(pixels, np.float32)
    good = np.isfinite(pixels) if usable is None else np.isfinite(pixels) & usable
    if good.mean() < MIN_OVERLAP:
        raise NoMatch(f"only {good.mean():.0%} of the pixels are usable")
    # Defects a pixel or two wide are filled in from around them; wider holes stay, with what smoothing would smear.
    around = ndimage.uniform_filter(np.where(good, pixels, 0), 5)
    pixels = np.where(good, pixels, around / np.maximum(ndimage.uniform_filter(good.astype(np.float32), 5), 0.04))
    good = ~ndimage.binary_dilation(ndimage.binary_opening(~good, np.ones((3, 3))), iterations=round(2 * FINE))
    # A pixel far off the median of its neighbours is a hot one or a cosmic ray, or the tip of a star: no loss.
    smooth = cv2.medianBlur(np.ascontiguousarray(pixels, np.float32), 3)
    excess = np.abs(pixels - smooth)
    pixels = np.where(excess < 4 * 1.4826 * np.median(excess), pixels, smooth)
    height, width = (side // block * block for side in pixels.shape)
    tiles = (height // block, block, width // block, block)
    pixels, good = pixels[:height, :width].reshape(tiles), good[:height, :width].reshape(tiles)
    count = good.sum(axis=(1, 3))
    image = np.where(good, pixels, 0).sum(axis=(1, 3)) / np.maximum(count, 1)
    present = (count / block**2).astype(np.float32)
    reach = max(image.shape) / COARSE
    level = _box(image * present, reach) / np.maximum(_box(present, reach), 1e-3)
    window = np.outer(*(_taper(side) for side in image.shape))
    image = np.where(present > 0, image - level, 0)
    # Compressed, so that one star or the core of a galaxy does not outweigh all the rest.
    soft = SOFT * 1.4826 * np.median(np.abs(image)) + 1e-30
    return (soft * np.arcsinh(image / soft)).astype(np.float32), (present * window).astype(np.float32)


def _without_stripes(image: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The image without what its columns, and what its rows, have in common."""
    for axis in (0, 1, 0):
        total = np.maximum(weight.sum(axis=axis, keepdims=True), 1e-6)
        image = image - (weight * image).sum(axis=axis, keepdims=True) / total
    return image


def _box(image: np.ndarray, sigma: float) -> np.ndarray:
    """Three boxes, as good as a Gaussian and much quicker where `sigma` is large."""
    for _ in range(3):
        image = ndimage.uniform_filter(image, int(2 * sigma) | 1, mode="constant")
    return image


def _taper(side: int) -> np.ndarray:
    """Hann's cosine at both ends."""
    rise = np.clip((np.arange(side) + 0.5) / (TAPER * side), 0, 1)
    rise = 0.5 - 0.5 * np.cos(np.pi * rise)
    return rise * rise[::-1]


def _peak(ours, our_weight, theirs, their_weight, pattern: bool) -> tuple[float, tuple[float, float]]:
    """Significance and (dx, dy) of the best shift: ``theirs(x + dx, y + dy)`` resembles ``ours(x, y)``.

    The correlation is divided by the scatter that unrelated images have, which shrinks with the overlap, and is
    smoothed instead of the images, so that `pattern` at zero shift stays in one pixel until it has been removed.
    """
    size = tuple(fft.next_fast_len(2 * side, real=True) for side in ours.shape)

    def correlate(one, other):
        return fft.irfft2(np.conj(fft.rfft2(one, size)) * fft.rfft2(other, size), size)

    ours, theirs = _without_stripes(ours, our_weight), _without_stripes(theirs, their_weight)
    score = correlate(ours * our_weight, theirs * their_weight)
    overlap = correlate(our_weight**2, their_weight**2)
    score, overlap = fft.fftshift(score), fft.fftshift(overlap)
    zero = size[0] // 2, size[1] // 2
    if pattern:
        near = (slice(zero[0] - 2, zero[0] + 3), slice(zero[1] - 2, zero[1] + 3))
        ring = np.pad(np.zeros((3, 3), bool), 1, constant_values=True)
        score[near][~ring] = score[near][ring].mean()
    score = ndimage.gaussian_filter(score, np.sqrt(2) * FINE)
    allowed = overlap > MIN_OVERLAP * overlap.max()
    score = np.where(allowed, score / np.sqrt(np.where(allowed, overlap, 1)), 0)
    values = score[allowed]
    centre = np.median(values)
    scatter = 1.4826 * np.median(np.abs(values - centre))
    if not scatter > 0:
        raise NoMatch("an image without any structure")
    score = np.where(allowed, (score - centre) / scatter, 0)
    row, column = np.unravel_index(np.argmax(score), size)
    if pattern and np.hypot(row - zero[0], column - zero[1]) < 2 * FINE:
        # What stands still, be it dust as broad as a nebula, correlates alike at opposite shifts; a sky that has
        # moved does not. It is believed before anything that stands still.
        lone = score - np.roll(score[::-1, ::-1], [1 - side % 2 for side in size], axis=(0, 1))
        lone[score < ndimage.maximum_filter(score, 9)] = 0
        if lone.max() > SIGNIFICANT:
            row, column = np.unravel_index(np.argmax(lone), size)
    return float(score[row, column]), (float(column - zero[1]), float(row - zero[0]))


def _refine(ours, our_weight, theirs, their_weight, shift, free: int = 3) -> tuple[np.ndarray, float, float]:
    """Gauss-Newton steps in (dx, dy, angle), the standard error of a coordinate, and how alike the images then are.

    Lengths are in px of the averaged image. Only the first `free` of the three are changed.

    The normal matrix pairs the gradient of one image with that of the other: their noise is independent, and what
    remains is the sky's own structure (a gradient paired with itself would count noise as structure).
    """
    ours = ndimage.gaussian_filter(ours, FINE)
    spline = ndimage.spline_filter(ndimage.gaussian_filter(theirs, FINE), order=3)
    y, x = np.indices(ours.shape, np.float32)
    y, x = y - (ours.shape[0] - 1) / 2, x - (ours.shape[1] - 1) / 2
    our_slopes = _slopes(_without_stripes(ours, our_weight), x, y)
    state = np.array([*shift, 0.0])
    for _ in range(30):
        matrix, offset = _rotation(*state, ours.shape)
        moved = ndimage.affine_transform(spline, matrix, offset, order=3, prefilter=False)
        weight = our_weight * ndimage.affine_transform(their_weight, matrix, offset, order=1)
        if weight.sum() < MIN_OVERLAP * our_weight.sum() / 2:
            raise NoMatch("too little overlap")
        # Stripes of either go where the two overlap: before, each image would lose another part of its sky.
        one, other = _without_stripes(ours, weight), _without_stripes(moved, weight)
        ratio = np.sqrt(np.average(one**2, weights=weight) / np.average(other**2, weights=weight))
        difference = one - ratio * other
        slopes = _slopes(other, x, y)
        plain = [_without_stripes(slope, weight) for slope in our_slopes]
        normal = ratio * np.array([[np.sum(weight * a * b) for b in slopes] for a in plain])
        normal = ((normal + normal.T) / 2)[:free, :free]
        scale = np.sqrt(np.maximum(np.diag(normal), 1e-30))
        if np.linalg.eigvalsh(normal / np.outer(scale, scale))[0] <= 1e-3:
            raise (Undetermined if free == 3 else NoMatch)("not enough structure to align on")
        # The mean of both gradients: the bias that noise would bring cancels.
        right = [np.sum(weight * difference * (a + ratio * b) / 2) for a, b in zip(our_slopes, slopes, strict=True)]
        step = np.zeros(3)
        step[:free] = np.linalg.solve(normal, right[:free])
        state = state + np.clip(step, [-3, -3, -0.01], [3, 3, 0.01])
        if np.abs(step[:2]).max() < 1e-3 and abs(step[2]) < 1e-6:
            break
    else:
        raise (Undetermined if free == 3 else NoMatch)("the alignment does not converge")
    if np.hypot(*(state[:2] - shift)) > max(ours.shape) / COARSE or abs(state[2]) > np.radians(2):
        raise NoMatch("the alignment runs away from the peak of the correlation")
    # Smoothed noise is correlated over 4 pi FINE^2 pixels.
    noise = np.average(difference**2, weights=weight) * 4 * np.pi * FINE**2
    inverse = np.linalg.inv(normal)
    # As above a gradient is paired with the other image's: its own noise, squared, would pass for more of it.
    middle = ratio * np.array([[np.sum(weight**2 * a * b) for b in slopes] for a in plain])
    covariance = np.zeros((3, 3))
    covariance[:free, :free] = noise * inverse @ ((middle + middle.T) / 2)[:free, :free] @ inverse
    radius2 = np.mean(x**2 + y**2)
    error = np.sqrt(max(covariance[0, 0] + covariance[1, 1] + covariance[2, 2] * radius2, 0.0) / 2)
    likeness = np.sum(weight * one * other) / np.sqrt(np.sum(weight * one**2) * np.sum(weight * other**2))
    return state, float(error), float(likeness * np.sqrt(weight.sum()))


def _slopes(image: np.ndarray, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How the image changes with dx, dy and the angle."""
    down, right = np.gradient(image)
    return right, down, x * down - y * right


def _rotation(dx: float, dy: float, angle: float, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """For `scipy.ndimage.affine_transform`, in (y, x): from reference to frame, turning about the centre."""
    centre = (np.array(shape) - 1) / 2
    matrix = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return matrix, centre + np.array([dy, dx]) - matrix @ centre


def _matrix(dx, dy, angle, turned, small, block) -> np.ndarray:
    """The affine from reference to frame in pixels of the full images."""
    turn, offset = _rotation(dx, dy, angle, small)
    matrix = np.column_stack([turn[::-1, ::-1], offset[::-1]])
    if turned:
        matrix = -matrix
        matrix[:, 2] += np.array(small)[::-1] - 1
    # Pixel k of the averaged image has its centre at block * k + (block - 1) / 2.
    half = (block - 1) / 2
    matrix[:, 2] = block * matrix[:, 2] + half - matrix[:, :2] @ [half, half]
    return matrix
