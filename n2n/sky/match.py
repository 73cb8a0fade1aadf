"""Match two star lists: shift, rotation, scale and, where needed, distortion; then photometric ratio.

Every pair of bright stars in the reference and every pair as far apart in the frame vote for the similarity that
takes one to the other; the true one collects many votes, at any shift and rotation, so a meridian flip is nothing
special. Where the vote fails (another scale), triangles of near stars vote, whose shape does not depend on scale, as
in astroalign (Beroiz et al. 2020), but all at once: two fields without a star in common are recognised in a second. All
stars of both lists then refine the guess by least squares. A solution counts only where its stars would hardly
agree by chance, and one that stands still only where no other stars move: hot pixels do not dither.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.spatial import KDTree
from scipy.special import bdtrc

from n2n.sky.distortion import distort, fit_distortion, is_needed

MIN_MATCHES = 4
BRIGHT = 30  # stars of either list that vote
AFFINE = 30  # stars from which on an affine is better known than a similarity is true
RADIUS = 1.0  # px, between a star and where it is predicted
STILL = 0.5  # px; what moves less between two frames may sit on the detector
NEAREST = 5  # stars, the star itself among them, that make up triangles
ALIKE = 0.1  # between the shapes of two triangles: ratios of their sides
CHANCE = 1e-3  # solutions as good that unrelated lists may be expected to offer


class NoMatch(Exception):
    """The two exposures cannot be brought together; the text says why."""


@dataclass(frozen=True)
class Match:
    """Result of matching a frame to the reference.

    Attributes
    ----------
    matrix : ndarray, shape (2, 3)
        Affine from reference (x, y) to frame (x, y): ``frame = matrix @ [x, y, 1]``.
    rms_px : float
        Scatter a coordinate of the matched stars after the fit, distortion included.
    n : int
        Stars used; 0 where images were correlated instead.
    flux_ratio, flux_ratio_error : float
        Frame over reference, median over matched stars, and its standard error.
    distortion : ndarray, shape (2, 10), or None
        What `n2n.sky.distortion.distort` adds to the affine; None where the affine is good enough.
    """

    matrix: np.ndarray
    rms_px: float
    n: int
    flux_ratio: float
    flux_ratio_error: float
    distortion: np.ndarray | None = None


def match_stars(reference: np.ndarray, frame: np.ndarray, control_points: int = 50) -> Match:
    """Match `frame` to `reference`, both (n, 3) arrays of x, y, flux, brightest first.

    Parameters
    ----------
    reference, frame : ndarray, shape (n, 3)
        x, y [px] and flux of stars, brightest first.
    control_points : int
        Bright stars of both lists that vote.

    Raises
    ------
    NoMatch
        With too few stars in common to exclude chance, four at the least.
    """
    reference, frame = np.asarray(reference, float), np.asarray(frame, float)
    for name, stars in (("reference", reference), ("frame", frame)):
        if len(stars) < MIN_MATCHES:
            raise NoMatch(f"only {len(stars)} stars in the {name}")
    matrix, ours, theirs = _solve(reference, frame, control_points)
    if _displacement(matrix, reference[ours]) < STILL:
        moving_ours, moving_theirs = _without_still(reference, frame)
        try:
            other = _solve(moving_ours, moving_theirs)
        except NoMatch:
            other = None
        if other is not None and _displacement(other[0], moving_ours[other[1]]) >= STILL:
            reference, frame, (matrix, ours, theirs) = moving_ours, moving_theirs, other
    matrix, rms, kept = _fit(reference[ours], frame[theirs])
    distortion = None
    residual = frame[theirs, :2] - reference[ours, :2] @ matrix[:, :2].T - matrix[:, 2]
    if is_needed(reference[ours, :2], residual):
        distortion, rms, kept, ours, theirs = _bend(reference, frame, matrix, ours, theirs)
    ratio, error = _flux_ratio(reference[ours, 2][kept], frame[theirs, 2][kept])
    return Match(matrix, rms, int(kept.sum()), ratio, error, distortion)


def _solve(reference, frame, control_points: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Best affine and the indices of the stars it pairs; `control_points` above 0 allow triangles."""
    if min(len(reference), len(frame)) < MIN_MATCHES:
        raise NoMatch("too few stars")
    best = None
    for guess in _from_votes(reference, frame):
        solution = _refine(reference, frame, guess)
        if best is None or len(solution[1]) > len(best[1]):
            best = solution
    for points in (control_points, 2 * control_points) if control_points else ():
        if _convincing(best, reference, frame):
            break
        for guess in _from_triangles(reference, frame, points):
            solution = _refine(reference, frame, guess)
            if best is None or len(solution[1]) > len(best[1]):
                best = solution
    if not _convincing(best, reference, frame):
        common = 0 if best is None else len(best[1])
        raise NoMatch(f"only {common} of {min(len(reference), len(frame))} stars in common, no more than by chance")
    return best


def _convincing(solution, reference, frame) -> bool:
    """Would unrelated lists hardly pair as many stars?

    Two pairs define a similarity; the others agree by chance as often as a binomial distribution says, for every
    one of the similarities that could be tried (Moisan & Stival 2004, Int. J. Comput. Vision 57, 201).
    """
    if solution is None or len(solution[1]) < MIN_MATCHES:
        return False
    area = max(np.ptp(frame[:, 0]) * np.ptp(frame[:, 1]), 1.0)
    hit = min(1.0, len(frame) * np.pi * RADIUS**2 / area)
    m, n = min(len(reference), BRIGHT), min(len(frame), BRIGHT)
    tries = m * (m - 1) / 2 * n * (n - 1)
    return tries * bdtrc(len(solution[1]) - 3, len(reference) - 2, hit) < CHANCE


def _from_votes(reference: np.ndarray, frame: np.ndarray, leaders: int = 3, radius: float = 5.0) -> list[np.ndarray]:
    """Similarities most pairs of bright stars agree on, the favourite first.

    With positions as complex numbers, a pair (p, q) of the reference and one (s, t) of the frame give
    ``frame = z * reference + w`` with ``z = (t - s) / (q - p)``. Votes within `radius` px are one opinion.
    """
    reference, frame = reference[:BRIGHT], frame[:BRIGHT]
    centre = reference[:, :2].mean(axis=0) @ [1, 1j]
    ours, theirs = reference[:, :2] @ [1, 1j] - centre, frame[:, :2] @ [1, 1j]
    size = np.abs(ours).max()
    p, q = np.triu_indices(len(ours), 1)
    s, t = np.nonzero(~np.eye(len(theirs), dtype=bool))
    # Short arms point badly.
    long = np.abs(ours[q] - ours[p]) > 0.2 * size
    p, q = p[long], q[long]
    length, other = np.log(np.abs(ours[q] - ours[p])), np.log(np.maximum(np.abs(theirs[t] - theirs[s]), 1e-9))
    order = np.argsort(other, kind="stable")
    first, last = (np.searchsorted(other[order], length + step) for step in (-0.035, 0.035))
    one = np.repeat(np.arange(len(p)), last - first)
    two = order[np.arange(len(one)) - np.repeat(np.cumsum(last - first) - last, last - first)]
    p, q, s, t = p[one], q[one], s[two], t[two]
    # Both ends are dimmed alike.
    light, dim = (np.log(np.maximum(stars[:, 2], 1e-9)) for stars in (reference, frame))
    alike = np.abs((dim[s] - light[p]) - (dim[t] - light[q])) < 0.7
    p, q, s, t = p[alike], q[alike], s[alike], t[alike]
    z = (theirs[t] - theirs[s]) / (ours[q] - ours[p])
    w = theirs[s] - z * ours[p]
    return _favourites(z, w, centre, size, leaders, radius)


def _favourites(z, w, centre: complex, size: float, leaders: int, radius: float) -> list[np.ndarray]:
    """Similarities with most votes near them: those take a place x to ``z (x - centre) + w``; `size` is the field's."""
    votes = np.column_stack([size * z.real, size * z.imag, w.real, w.imag])
    found = []
    if len(votes) == 0:
        return found
    count = KDTree(votes).query_ball_point(votes, radius, return_length=True)
    while len(found) < leaders and count.max() > 0:
        near = np.linalg.norm(votes - votes[np.argmax(count)], axis=1) < radius
        a, b, c, d = votes[near].mean(axis=0) / [size, size, 1, 1]
        shift = c + 1j * d - (a + 1j * b) * centre
        found.append(np.array([[a, -b, shift.real], [b, a, shift.imag]]))
        count[np.linalg.norm(votes - votes[np.argmax(count)], axis=1) < 3 * radius] = 0
    return found


def _from_triangles(reference, frame, points: int, leaders: int = 8, radius: float = 5.0) -> list[np.ndarray]:
    """Similarities that most triangles of the brightest `points` stars agree on, the favourite first."""
    ours, theirs = (stars[:points, :2] @ [1, 1j] for stars in (reference, frame))
    centre = ours.mean()
    ours = ours - centre
    (corners, shapes), (others, their_shapes) = _triangles(ours), _triangles(theirs)
    near = KDTree(shapes).query_ball_tree(KDTree(their_shapes), ALIKE)
    one = np.repeat(np.arange(len(near)), [len(partners) for partners in near])
    two = np.concatenate([np.asarray(partners, int) for partners in near])
    here, there = ours[corners[one]], theirs[others[two]]
    middle, their_middle = here.mean(axis=1), there.mean(axis=1)
    here, there = here - middle[:, None], there - their_middle[:, None]
    z = (here.conj() * there).sum(axis=1) / np.maximum((np.abs(here) ** 2).sum(axis=1), 1e-9)
    # Also mirror images have one shape.
    fits = np.abs(there - z[:, None] * here).max(axis=1) < 2.0
    z, w = z[fits], (their_middle - z * middle)[fits]
    return _favourites(z, w, centre, float(np.abs(ours).max()), leaders, radius)


def _triangles(stars: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Triangles of stars near each other: their corners, and their shapes.

    Parameters
    ----------
    stars : complex ndarray, shape (n,)
        Places, x + iy, px.

    Returns
    -------
    corners : int ndarray, shape (m, 3)
        Opposite the shortest, the middle and the longest side.
    shapes : ndarray, shape (m, 2)
        Ratios of the longer sides to the shorter.
    """
    places = np.column_stack([stars.real, stars.imag])
    _, near = KDTree(places).query(places, min(NEAREST, len(stars)))
    corners = np.concatenate([near[:, list(three)] for three in combinations(range(near.shape[1]), 3)])
    corners = np.unique(np.sort(corners, axis=1), axis=0)
    sides = np.abs(stars[corners[:, [1, 2, 0]]] - stars[corners[:, [2, 0, 1]]])
    order = np.argsort(sides, axis=1)
    corners, sides = np.take_along_axis(corners, order, axis=1), np.take_along_axis(sides, order, axis=1)
    good = sides[:, 0] > 1.0
    corners, sides = corners[good], sides[good]
    return corners, np.column_stack([sides[:, 2] / sides[:, 1], sides[:, 1] / sides[:, 0]])


def _refine(reference, frame, matrix) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fit to all stars that pair up, until the pairs stay the same: affine, stars of the reference, of the frame."""
    tree = KDTree(frame[:, :2])
    # Shrink the search radius while the fit improves; end on a fixed point, so that the
    # result does not depend on the first guess.
    previous = None
    for radius in (4.0, 2.0, 1.5, *([RADIUS] * 12)):
        ours, theirs = _pairs(reference[:, :2] @ matrix[:, :2].T + matrix[:, 2], tree, radius)
        current = (ours.tobytes(), theirs.tobytes())
        if len(ours) < MIN_MATCHES or (current == previous and radius == RADIUS):
            break
        previous = current
        matrix = _fit(reference[ours], frame[theirs])[0]
    return matrix, ours, theirs


def _pairs(predicted: np.ndarray, tree: KDTree, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Indices of predicted stars and of their partners in `tree`: one for one, the nearest."""
    distance, partner = tree.query(predicted, distance_upper_bound=radius)
    pairs = np.flatnonzero(np.isfinite(distance))
    pairs = pairs[np.argsort(distance[pairs], kind="stable")]
    _, first = np.unique(partner[pairs], return_index=True)
    pairs = np.sort(pairs[first])
    return pairs, partner[pairs]


def _displacement(matrix: np.ndarray, stars: np.ndarray) -> float:
    """Median distance in px by which `matrix` moves `stars`."""
    return float(np.median(np.hypot(*(stars[:, :2] @ matrix[:, :2].T + matrix[:, 2] - stars[:, :2]).T)))


def _without_still(reference: np.ndarray, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both lists without what lies at the same place in either: hot pixels, or an undithered sky."""
    ours, theirs = _pairs(reference[:, :2], KDTree(frame[:, :2]), STILL)
    return np.delete(reference, ours, axis=0), np.delete(frame, theirs, axis=0)


def _fit(reference: np.ndarray, frame: np.ndarray) -> tuple[np.ndarray, float, np.ndarray]:
    """Weighted least squares and rejection; affine with enough stars, else a similarity."""
    source, target = reference[:, :2], frame[:, :2]
    keep = np.ones(len(source), bool)
    # All alike at first: a bright star that is saturated must not draw the fit onto itself, but be rejected.
    weight, weights, nsigma = np.ones((len(source), 1)), _weights(reference, frame), 3
    for _ in range(20):
        fit = _affine if keep.sum() >= AFFINE else _similarity
        matrix = fit(source[keep], target[keep], weight[keep])
        residual = target - source @ matrix[:, :2].T - matrix[:, 2]
        updated = _inliers(weight * residual, keep, nsigma)
        if updated.sum() < MIN_MATCHES or np.array_equal(updated, keep):
            if weight is weights:
                break
            weight, nsigma = weights, 4
            updated = _inliers(weight * residual, keep, nsigma)
        keep = updated if updated.sum() >= MIN_MATCHES else keep
    rms = float(np.sqrt(np.mean(residual[keep] ** 2)))
    return matrix, rms, keep


def _weights(reference: np.ndarray, frame: np.ndarray) -> np.ndarray:
    """Square roots of the weights of star pairs, shape (n, 1).

    A star's position is the better known the more light it has (photon noise: variance ~ 1 / flux), but the
    brightest are no better than seeing and sampling allow.
    """
    flux = np.sqrt(np.maximum(reference[:, 2], 0) * np.maximum(frame[:, 2], 0))
    typical = np.median(flux)
    return np.sqrt(np.clip(flux / typical if typical > 0 else np.ones(len(flux)), 0.25, 4))[:, None]


def _inliers(residual: np.ndarray, keep: np.ndarray, nsigma: float = 3) -> np.ndarray:
    distance = np.hypot(*residual.T)
    return distance <= max(nsigma * 1.4826 * np.median(distance[keep]) / 1.1774, 0.05)


def _bend(reference, frame, matrix, ours, theirs):
    """Distortion beside `matrix`, rms, stars kept and the pairs they belong to."""
    tree = KDTree(frame[:, :2])
    straight = reference[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    keep = np.ones(len(ours), bool)
    for _ in range(4):  # stars that were too far off come within reach as the fit improves
        distortion = fit_distortion(reference[ours, :2][keep], (frame[theirs, :2] - straight[ours])[keep])
        bent = straight + np.column_stack(distort(*reference[:, :2].T, distortion))
        ours, theirs = _pairs(bent, tree, RADIUS)
        residual = frame[theirs, :2] - bent[ours]
        keep = _inliers(residual, np.ones(len(ours), bool))
    return distortion, float(np.sqrt(np.mean(residual[keep] ** 2))), keep, ours, theirs


def _affine(source: np.ndarray, target: np.ndarray, weight: np.ndarray) -> np.ndarray:
    design = np.column_stack([source, np.ones(len(source))])
    return np.linalg.lstsq(weight * design, weight * target, rcond=None)[0].T


def _similarity(source: np.ndarray, target: np.ndarray, weight: np.ndarray) -> np.ndarray:
    x, y = source.T
    one, nil = np.ones(len(x)), np.zeros(len(x))
    design = np.vstack([np.column_stack([x, -y, one, nil]), np.column_stack([y, x, nil, one])])
    weight = np.vstack([weight, weight])
    a, b, c, d = np.linalg.lstsq(weight * design, weight[:, 0] * np.concatenate(target.T), rcond=None)[0]
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
