"""G7: are the stars where they were?"""

import numpy as np
import sep
from scipy import stats

from n2n.fidelity.gates.gate import CHANCE, Gate, at_most, two_errors, within
from n2n.fidelity.photometry import BORROWED, robust_mean


def centroids(image: np.ndarray, points: np.ndarray, fwhm: float) -> np.ndarray:
    """Windowed centroids (Bertin's WIN parameters), NaN where they wander off; ndarray, shape (n, 2)."""
    data = np.ascontiguousarray(np.nan_to_num(image), np.float32)
    x, y, flag = sep.winpos(data, points[:, 0], points[:, 1], fwhm / 2.3548)
    found = np.column_stack([x, y])
    found[(np.hypot(*(found - points).T) > 2) | (flag != 0)] = np.nan
    return found


def place_gates(denoised, stack, held_out, points, expected, fwhm, limit) -> list[Gate]:
    """Shift and added scatter of isolated stars.

    With x the windowed centroids in the three images::

        shift = mean (x_D - x_S), outliers left out, the larger of both directions
        added scatter = sign sqrt |q|,   q = mean (x_D - x_S) (x_D + x_S - 2 x_C) / 2 = added variance a direction

    In q the noise of x_C cancels, as in the risk: negative when stars are placed better than in the stack.

    Parameters
    ----------
    denoised, stack, held_out : ndarray, shape (h, w)
        Sky subtracted.
    points : ndarray, shape (n, 2)
        x, y of bright stars.
    expected : ndarray, shape (n,)
        Inverse squares of their signal-to-noise ratios.
    fwhm, limit : float
        Pixels; twice `limit` for the added scatter.
    """
    value = error = added = its_error = slack = float("nan")
    count = 0
    if len(points) >= 3:
        d, s, c = (centroids(image, points, fwhm) for image in (denoised, stack, held_out))
        moved = d - s
        both = [robust_mean(moved[:, axis], expected * (fwhm / 2.3548) ** 2) for axis in (0, 1)]
        value, error, count = max(both, key=lambda found: abs(found[0]))
        slack = stats.t.isf(CHANCE / 4, max(count - 1 + BORROWED, 1))
        q, q_error, _ = robust_mean((moved * (d + s - 2 * c)).sum(axis=1) / 2)
        added = np.sign(q) * np.sqrt(abs(q))
        its_error = q_error / (2 * max(abs(added), np.sqrt(q_error), 1e-9))
    return [
        within(
            "G7", "Place of stars", value, error, limit,
            f"Mean shift of {count} isolated stars against the plain stack.", "px", errors=slack,
        ),
        at_most(
            "G7", "Scatter of places", added, its_error, 2 * limit,
            "By how much the places of stars scatter more than in the plain stack, judged by exposures the network "
            "has not seen; below zero they scatter less.", "px", errors=two_errors(count),
        ),
    ]  # fmt: skip
