"""Match two star lists: shift, rotation and scale, then photometric ratio.

astroalign finds the first guess from triangles (any shift, rotation and scale, so a
meridian flip is nothing special). It needs a dozen stars in common; where there are fewer, the shift on which most
pairs of stars of like brightness agree is taken, upright or turned by 180 degrees. All stars of both lists then
refine the guess by least squares.
"""

import warnings
from dataclasses import dataclass
from unittest import mock

import numpy as np
from scipy.spatial import KDTree

MIN_MATCHES = 4


class NoMatch(Exception):
    """The two star lists cannot be brought together; the text says why."""


@dataclass(frozen=True)
class Match:
    """Result of matching a frame to the reference.

    Attributes
    ----------
    matrix : ndarray, shape (2, 3)
        Affine from reference (x, y) to frame (x, y): ``frame = matrix @ [x, y, 1]``.
    rms_px : float
        Scatter a coordinate of the matched stars after the fit.
    n : int
        Stars used.
    flux_ratio, flux_ratio_error : float
        Frame over reference, median over matched stars, and its standard error.
    """

    matrix: np.ndarray
    rms_px: float
    n: int
    flux_ratio: float
    flux_ratio_error: float


def match_stars(reference: np.ndarray, frame: np.ndarray, control_points: int = 50) -> Match:
    """Match `frame` to `reference`, both (n, 3) arrays of x, y, flux, brightest first.

    Raises
    ------
    NoMatch
        With fewer than four stars in common.
    """
    reference, frame = np.asarray(reference, float), np.asarray(frame, float)
    for name, stars in (("reference", reference), ("frame", frame)):
        if len(stars) < MIN_MATCHES:
            raise NoMatch(f"only {len(stars)} stars in the {name}")
    matrix = _from_triangles(reference[:, :2], frame[:, :2], control_points)
    if matrix is None:
        matrix = _from_votes(reference, frame)
    tree = KDTree(frame[:, :2])
    # Shrink the search radius while the fit improves; end on a fixed point, so that the
    # result does not depend on the first guess.
    previous = None
    for radius in (4.0, 2.0, 1.5, *([1.0] * 12)):
        predicted = reference[:, :2] @ matrix[:, :2].T + matrix[:, 2]
        distance, partner = tree.query(predicted, distance_upper_bound=radius)
        pairs = np.flatnonzero(np.isfinite(distance))
        # One frame star for one reference star: keep the nearest.
        pairs = pairs[np.argsort(distance[pairs], kind="stable")]
        _, first = np.unique(partner[pairs], return_index=True)
        pairs = np.sort(pairs[first])
        if len(pairs) < MIN_MATCHES:
            raise NoMatch(f"only {len(pairs)} of {min(len(reference), len(frame))} stars in common")
        current = tuple(zip(pairs, partner[pairs], strict=True))
        if current == previous and radius == 1.0:
            break
        previous = current
        matrix, rms, kept = _fit(reference[pairs, :2], frame[partner[pairs], :2])
    ours, theirs = reference[pairs, 2][kept], frame[partner[pairs], 2][kept]
    ratio, error = _flux_ratio(ours, theirs)
    return Match(matrix, rms, int(kept.sum()), ratio, error)


def _from_triangles(reference: np.ndarray, frame: np.ndarray, control_points: int) -> np.ndarray | None:
    import astroalign  # imports scikit-image; only jobs that match should pay

    # astroalign shuffles with an unseeded generator; the same night must give the same pixels.
    seeded = mock.patch("numpy.random.default_rng", lambda *_: np.random.Generator(np.random.PCG64(0)))
    for points in (control_points, 2 * control_points):
        if points > control_points >= max(len(reference), len(frame)):
            break  # there are no more stars to try
        try:
            with seeded, warnings.catch_warnings():
                warnings.simplefilter("ignore")
                transform, _ = astroalign.find_transform(reference, frame, max_control_points=points)
            return np.asarray(transform.params)[:2]
        except (astroalign.MaxIterError, ValueError, TypeError, IndexError):
            continue
    return None


def _from_votes(reference: np.ndarray, frame: np.ndarray, stars: int = 30, radius: float = 4.0) -> np.ndarray:
    """The shift most pairs of stars vote for, upright or turned by 180 degrees.

    Raises
    ------
    NoMatch
        When fewer than four pairs agree.
    """
    reference, frame = reference[:stars], frame[:stars]
    log_ratio = np.log(np.maximum(frame[None, :, 2], 1e-9) / np.maximum(reference[:, None, 2], 1e-9))
    alike = np.abs(log_ratio) < 0.7
    best, votes = None, MIN_MATCHES - 1
    for turn in (1.0, -1.0):
        shifts = (frame[None, :, :2] - turn * reference[:, None, :2])[alike]
        if len(shifts) == 0:
            continue
        near = KDTree(shifts).query_ball_point(shifts, radius)
        leader = int(np.argmax([len(members) for members in near]))
        if len(near[leader]) > votes:
            votes = len(near[leader])
            best = np.column_stack([turn * np.eye(2), shifts[near[leader]].mean(axis=0)])
    if best is None:
        raise NoMatch("no pattern of stars in common")
    return best


def _fit(source: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, float, np.ndarray]:
    """Least squares with 3-sigma rejection; affine with enough stars, else a similarity."""
    keep = np.ones(len(source), bool)
    for _ in range(10):
        fit = _affine if keep.sum() >= 12 else _similarity
        matrix = fit(source[keep], target[keep])
        residual = target - source @ matrix[:, :2].T - matrix[:, 2]
        distance = np.hypot(*residual.T)
        limit = max(3 * 1.4826 * np.median(distance[keep]) / 1.1774, 0.05)
        updated = distance <= limit
        if updated.sum() < MIN_MATCHES or np.array_equal(updated, keep):
            break
        keep = updated
    rms = float(np.sqrt(np.mean(residual[keep] ** 2)))
    return matrix, rms, keep


def _affine(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    design = np.column_stack([source, np.ones(len(source))])
    return np.linalg.lstsq(design, target, rcond=None)[0].T


def _similarity(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    x, y = source.T
    one, nil = np.ones(len(x)), np.zeros(len(x))
    design = np.vstack([np.column_stack([x, -y, one, nil]), np.column_stack([y, x, nil, one])])
    a, b, c, d = np.linalg.lstsq(design, np.concatenate(target.T), rcond=None)[0]
    return np.array([[a, -b, c], [b, a, d]])


def _flux_ratio(reference: np.ndarray, frame: np.ndarray) -> tuple[float, float]:
    """Median ratio over the brighter half (at least 5, at most 50 stars), with its standard error."""
    good = (reference > 0) & (frame > 0)
    if not good.any():
        return 1.0, np.inf
    reference, frame = reference[good], frame[good]
    order = np.argsort(-reference)[: min(50, max(5, len(reference) // 2))]
    ratio = frame[order] / reference[order]
    centre = float(np.median(ratio))
    scatter = 1.4826 * float(np.median(np.abs(ratio - centre)))
    return centre, 1.2533 * scatter / np.sqrt(len(ratio))
