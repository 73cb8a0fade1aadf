"""Find the detector's defects in lights alone, and leave the cores of stars alone.

In dithered series stars move and defects stay. Where nothing moves, the neighbours decide: those of a hot pixel are
dark, those of a star are lit as the optics light them. For a star of Gaussian shape the geometric mean of two opposite
neighbours is a fixed share of the pixel between them, wherever in that pixel the star lies: a third or more with a FWHM
of 1.6 px, three quarters with 3 px. The frame's own bright stars tell which share it is.
"""

from typing import NamedTuple

import cv2
import numpy as np

from n2n.sky.calibrate import ROWS, median5, robust_sigma, saturation_level
from n2n.sky.order import middle, sort_samples

SHARPEST = 0.194  # share of a star of FWHM 1.3 px
TOLERANCE = 0.7  # of the typical star's share: what has less is none
SURE, BESIDE = 3.0, 4.0  # sigma of the noise that decisions leave room for; beside a bright pixel
BRIGHT = 15.0  # sigma of one frame: stars that tell what stars are like
FEWEST = 5  # of them: fewer do not tell how sharp stars are
MOVED = 0.1  # of the bright stars, at most, stay in the median of a dithered series


class Sky(NamedTuple):
    """What one frame's bright stars tell."""

    share: float  # the least that a star's neighbours have of its core
    moves: bool  # whether stars leave their pixels from frame to frame


def persistent_defects(frames: np.ndarray, nsigma: float = 6.0, step: float = 0.0) -> tuple[np.ndarray, int]:
    """Find detector defects from lights alone, for nights without a dark.

    A pixel that stands out from its neighbourhood in the *median* over exposures is a defect, unless its neighbours
    are lit like a star's. What is weaker than the noise of one exposure is left to the average.

    Parameters
    ----------
    frames : ndarray, shape (n, h, w)
        Raw lights in detector coordinates, ADU.
    nsigma : float
        Limit in units of the scatter of the median image.
    step : float
        Of their numbers, ADU: a median that is one step off is no defect.

    Returns
    -------
    defects : ndarray of bool, shape (h, w)
    doubtful : int
        Pixels of a series without dither that may be hot or a star's core, too faint or too sharp to tell; they are
        no defects here.
    """
    centre, level = np.empty((2, *frames.shape[1:]), np.float32)
    for top in range(0, len(centre), ROWS):
        outer = slice(max(top - 2, 0), top + ROWS + 2)
        within = slice(top - outer.start, top - outer.start + ROWS)
        block = frames[:, outer].astype(np.float32)
        residual = np.stack([frame - median5(frame) for frame in block])
        centre[top : top + ROWS] = middle(sort_samples(residual[:, within]))
        level[top : top + ROWS] = middle(sort_samples(block[:, within]))
    noise, scatter = robust_sigma(frames[0] - median5(frames[0])), robust_sigma(centre)
    limit = max(nsigma * scatter, 0.8 * noise, step, 1e-6)
    found = np.abs(centre) > limit
    found, doubtful = _without_stars(found, centre, level, np.asarray(frames[0], np.float32), limit)
    # The borders of many sensors are shaded or unread: judge them against the whole, row- and column-wise.
    return found | _bad_border(level, robust_sigma(frames[0] - level)), doubtful


def _without_stars(found, centre, level, first, limit: float) -> tuple[np.ndarray, int]:
    """What remains of `found` without the cores of stars, and how many pixels are left in doubt."""
    places = np.nonzero(found)
    if not len(places[0]):
        return found, 0
    light = _above_sky(level)
    sky = _sky_of(light, first)
    core = light[places]
    # How bright saturated pixels would be nobody knows: bright enough for any star beside them.
    across, along = _neighbours(np.where(level >= saturation_level(level), np.float32(np.inf), light), places)
    noise = max(robust_sigma(centre), 1e-6)
    raised, lowered = (_share((across, along), step * noise) for step in (BESIDE, -SURE))
    sums = np.stack([pair.sum(axis=0) for pair in (across, along)])
    least = sky.share * core
    # Either axis will do: rows and columns of defects are lit along themselves.
    dark = (raised < least).any(axis=0) | (sums + SURE * np.sqrt(2) * noise < 2 * least).any(axis=0)
    lit = (lowered >= least).all(axis=0)
    # Between stars the sky is dark against its surroundings; what is broken is dark against the sky, too.
    hole = centre[places] < 0
    around = np.minimum(across.min(axis=0), along.min(axis=0))
    broken = (core < -0.5 * limit) | (around - core > limit)
    result = found.copy()
    result[places] = hole | ~lit if sky.moves else np.where(hole, broken, dark & ~lit)
    result |= found & _on_lines(result)
    peak = core > np.maximum(across.max(axis=0), along.max(axis=0))  # the flanks of a star are in no doubt
    doubtful = ~hole & ~dark & ~lit & peak & ~result[places]
    return result, int(doubtful.sum())


def _on_lines(defects: np.ndarray, length: int = 31, least: float = 0.6) -> np.ndarray:
    """Where most pixels of a piece of a row or a column are defects: what is left of it in between is one, too."""
    bad = defects.astype(np.float32)
    pieces = [cv2.blur(bad, size, borderType=cv2.BORDER_REFLECT) for size in ((length, 1), (1, length))]
    return np.maximum(*pieces) > least


def _above_sky(image: np.ndarray) -> np.ndarray:
    """The image less its sky on a mesh; float32 ndarray of the same shape."""
    import sep  # only jobs that look for defects in lights should pay

    mesh = min(32, *(max(side // 4, 8) for side in image.shape))
    return image - sep.Background(np.ascontiguousarray(image), bw=mesh, bh=mesh).back()


def _neighbours(light: np.ndarray, places) -> tuple[np.ndarray, np.ndarray]:
    """The two pixels beside and the two above and below each place; both of shape (2, n).

    Beyond the border stand infinities, with which every pixel looks like a star: nothing is decided there.
    """
    padded = cv2.copyMakeBorder(light, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=np.inf)
    y, x = places[0] + 1, places[1] + 1
    across = np.stack([padded[y, x - 1], padded[y, x + 1]])
    along = np.stack([padded[y - 1, x], padded[y + 1, x]])
    return across, along


def _share(pairs, step: float) -> np.ndarray:
    """Geometric mean of two opposite neighbours on either axis, both brighter by `step`; shape (2, n)."""
    means = []
    for pair in pairs:
        raised = np.maximum(pair + np.float32(step), 0)
        with np.errstate(invalid="ignore"):
            mean = np.sqrt(raised[0]) * np.sqrt(raised[1])
        means.append(np.where(np.isinf(pair).any(axis=0), np.inf, mean))
    return np.stack(means)


def _sky_of(light: np.ndarray, first: np.ndarray) -> Sky:
    """What the bright stars of the first frame are like, and whether they stay where they are."""
    shares, stays = _stars_in(_above_sky(first), first, light)
    if not len(shares):  # too faint for one frame: what is in the median stays
        shares, stays = _stars_in(light, light, light)
    typical = np.percentile(shares, 25) if len(shares) >= FEWEST else SHARPEST
    return Sky(TOLERANCE * max(float(typical), SHARPEST), not stays.any() or stays.mean() < MOVED)


def _stars_in(image: np.ndarray, raw: np.ndarray, light: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Share that the neighbours of bright stars have, and which stars are still there in the median `light`."""
    noise = max(robust_sigma(image - median5(image)), 1e-6)
    peak = (image > BRIGHT * noise) & (image >= cv2.dilate(image, np.ones((3, 3), np.uint8)))
    places = np.nonzero(peak & (raw < saturation_level(raw)))
    core = image[places]
    shares = (_share(_neighbours(image, places), 0.0) / core).min(axis=0)
    stars = (shares > TOLERANCE * SHARPEST) & np.isfinite(shares)
    return shares[stars], (light[places] > 0.25 * core)[stars]


def _bad_border(level: np.ndarray, noise: float, width: int = 16, nsigma: float = 8.0) -> np.ndarray:
    """Rows and columns at the border whose level departs from the interior's trend."""
    from scipy import ndimage

    bad = np.zeros(level.shape, bool)
    for axis in (0, 1):
        profile = np.median(level, axis=1 - axis)
        step = np.abs(profile - ndimage.median_filter(profile, 4 * width + 1, mode="mirror"))
        scatter = max(robust_sigma(np.diff(profile[width:-width])), 0.25 * noise, 1e-6)
        # Where stars that never moved are crowded, lines differ in the interior, too.
        odd = step > np.maximum(nsigma * scatter, 5 * np.median(step[width:-width]))
        near = np.zeros(profile.size, bool)
        # Only an unbroken run from the edge inwards is a border.
        near[:width] = np.logical_and.accumulate(odd[:width])
        near[-width:] |= np.logical_and.accumulate(odd[::-1][:width])[::-1]
        bad |= near[:, None] if axis == 0 else near[None, :]
    return bad
