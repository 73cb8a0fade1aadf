"""Places of stars, measured alike in several images."""

import numpy as np
import sep


def centroids(image: np.ndarray, points: np.ndarray, fwhm: float) -> np.ndarray:
    """Windowed centroids (Bertin's WIN parameters), NaN where they wander off; ndarray, shape (n, 2).

    Parameters
    ----------
    image : ndarray, shape (h, w)
        Sky subtracted.
    points : ndarray, shape (n, 2)
        x, y of stars.
    fwhm : float
        Of stars, pixels.
    """
    data = np.ascontiguousarray(np.nan_to_num(image), np.float32)
    x, y, flag = sep.winpos(data, points[:, 0], points[:, 1], fwhm / 2.3548)
    found = np.column_stack([x, y])
    found[(np.hypot(*(found - points).T) > 2) | (flag != 0)] = np.nan
    return found
