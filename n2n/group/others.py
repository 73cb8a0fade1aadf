"""Other exposures of the same sky, of another night or of the rest of a series, beside those of a group."""

import functools

import numpy as np

from n2n.errors import UserError
from n2n.formats.flags import NO_DATA, SATURATED
from n2n.group.group import Group
from n2n.sky.distortion import distort
from n2n.sky.match import Match, NoMatch, match_stars
from n2n.sky.stars import measure_stars
from n2n.sky.warp import warp

SHALLOW = 0.5  # of the usual depth; where deep exposures are fewer they do not judge
FEWEST = 4  # exposures of a deep stack


def apart(group: Group, deep: Group) -> None:
    """Raise UserError when a deep stack shares exposures with the group that it is to judge, or has too few."""
    own = {key for exposure in group.exposures for key in _keys(exposure)}
    shared = [exposure.name for exposure in deep.exposures if own.intersection(_keys(exposure))]
    if shared:
        names = ", ".join(shared[:3]) + (f" and {len(shared) - 3} more" if len(shared) > 3 else "")
        raise UserError(
            f"{deep.path} holds exposures that are also in {group.path}: {names}; what had a part in an image cannot "
            "judge it: stack the others in a folder of their own, without these files below its data/raw"
        )
    if len(deep.exposures) < FEWEST:
        raise UserError(f"{deep.path} holds {len(deep.exposures)} exposures; to judge, {FEWEST} or more are needed")


def _keys(exposure) -> list:
    """What tells an exposure: its bytes; and, of another copy, when it began and through which filter."""
    begun = [(exposure.date_obs, exposure.filter)] if exposure.date_obs else []
    return [*([exposure.sha256] if exposure.sha256 else []), *begun]


def placed(stack, saturated, deep: Group) -> Match:
    """How the grid of a stack lies on that of deep exposures, by the stars of both.

    Parameters
    ----------
    stack, saturated : ndarray, shape (h, w)
        The stack, sky subtracted, and its saturated pixels.
    deep : Group
        The deep exposures.
    """
    stars = [
        measure_stars(np.nan_to_num(image).astype(np.float32), ~np.isfinite(image), full).stars
        for image, full in ((stack, saturated), (deep.mean()[0], deep.saturated))
    ]
    try:
        return match_stars(*stars)
    except NoMatch as error:
        raise UserError(f"{deep.path} shows another sky: {error}; give a deep stack of the same field") from error


def moved(mean, depth, saturated, match: Match, shape) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """An image of deep exposures, resampled once, and where it must not judge: shallow, or saturated.

    Parameters
    ----------
    mean, depth, saturated : ndarray, shape (h, w)
        Of the deep exposures, on their own grid.
    match : Match
        How the grid of `shape` lies on it.
    shape : (int, int)
        Of the result.
    """
    shallow = ~np.isfinite(mean) | (depth < SHALLOW * np.median(depth[depth > 0]))
    flags = (shallow * NO_DATA | saturated * SATURATED).astype(np.uint8)
    bend = None if match.distortion is None else functools.partial(distort, distortion=match.distortion)
    image, flags = warp(np.nan_to_num(mean).astype(np.float32), flags, match.matrix, shape, bend)
    return image, (flags & NO_DATA) > 0, (flags & SATURATED) > 0


class Parts:
    """Sums of parts of exposures, from which products of different ones follow.

    Parameters
    ----------
    about : ndarray, shape (h, w)
        What they are like, so that squares stay small.
    """

    def __init__(self, about):
        self._about = about
        self._depth, self._total, self._own, self._first, self._second = np.zeros((5, *about.shape), np.float32)

    def add(self, part, depth):
        """One more, of depth 0 where it knows nothing; both of shape (h, w)."""
        difference = part - self._about
        self._depth += depth
        self._total += depth * difference
        self._own += depth**2
        self._first += depth**2 * difference
        self._second += (depth * difference) ** 2

    def enough(self):
        """Where parts overlap as they usually do."""
        pairs = self._depth**2 - self._own
        return pairs > SHALLOW**2 * pairs.max()

    def error(self, image):
        """Mean of (image - p_i) (image - p_j) over all pairs of different parts."""
        off, pairs = image - self._about, self._depth**2 - self._own
        products = (self._depth * off - self._total) ** 2 - (self._own * off**2 - 2 * self._first * off + self._second)
        return products / np.where(pairs > 0, pairs, 1)
