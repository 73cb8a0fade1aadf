"""Third-order distortion between two exposures: what optics leave over once an affine has been fitted.

The field of a telescope is curved by optics; a dither, more so a meridian flip, moves the stars to where it is
curved otherwise. To the lowest order that is a cubic in the coordinates, ten terms for either.
"""

import itertools

import numpy as np

UNIT = 1000.0  # px; the unit of length, so that coefficients are comparable
POWERS = tuple((i, j) for i, j in itertools.product(range(4), repeat=2) if i + j <= 3)
LINEAR = [POWERS.index(power) for power in ((0, 0), (1, 0), (0, 1))]
GAIN = 0.85  # largest ratio of scatters, with and without, that makes distortion needed


def distort(x: np.ndarray, y: np.ndarray, distortion: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Displacement to add to the affine prediction: ``frame = matrix @ [x, y, 1] + (dx, dy)``.

    Parameters
    ----------
    x, y : ndarray, both of one shape
        Reference coordinates in px.
    distortion : ndarray, shape (2, 10)
        Coefficients in px of ``(x / UNIT)**i * (y / UNIT)**j`` for (i, j) in `POWERS`, a row for either coordinate.

    Returns
    -------
    dx, dy : ndarray
        In px of the frame.
    """
    u, v = np.asarray(x, float) / UNIT, np.asarray(y, float) / UNIT
    dx, dy = 0.0, 0.0
    for (i, j), a, b in zip(POWERS, *distortion, strict=True):
        term = u**i * v**j
        dx, dy = dx + a * term, dy + b * term
    return dx, dy


def fit_distortion(stars: np.ndarray, residual: np.ndarray) -> np.ndarray:
    """Least squares: stars (n, 2) of the reference, residual (n, 2) of the affine in px; coefficients (2, 10)."""
    return np.linalg.lstsq(_terms(stars), residual, rcond=None)[0].T


def is_needed(stars: np.ndarray, residual: np.ndarray) -> bool:
    """Does a distortion predict stars that were not fitted clearly better than an affine does?

    Each half of the stars is predicted from the other. All ninths of the field must hold stars: a corner
    without any would be left to a polynomial's whims.
    """
    if len(stars) < 60:
        return False
    column, row = (np.searchsorted(np.linspace(side.min(), side.max(), 4)[1:-1], side) for side in stars.T)
    if np.bincount(3 * column + row, minlength=9).min() < 3:
        return False
    terms, scatter = _terms(stars), []
    for chosen in (LINEAR, slice(None)):
        errors = np.empty_like(residual)
        for half in (0, 1):
            fitted, judged = slice(half, None, 2), slice(1 - half, None, 2)
            coefficients = np.linalg.lstsq(terms[fitted, chosen], residual[fitted], rcond=None)[0]
            errors[judged] = residual[judged] - terms[judged, chosen] @ coefficients
        # Not squared: a few wrong pairs must not decide.
        scatter.append(np.mean(np.hypot(*errors.T)))
    return scatter[1] < GAIN * scatter[0]


def _terms(stars: np.ndarray) -> np.ndarray:
    u, v = stars.T / UNIT
    return np.column_stack([u**i * v**j for i, j in POWERS])
