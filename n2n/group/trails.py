"""Trails of satellites and planes, looked for in the exposures made small."""

import numpy as np

from n2n.formats.store import small_step
from n2n.parallel import in_order
from n2n.sky.order import median_and_scatter
from n2n.sky.trails import find_trails

FOR_TRAILS = 48  # exposures whose median shows the sky without trails


def trails_of(small, training: np.ndarray, sky_sigma: np.ndarray, processes: int) -> dict[int, np.ndarray]:
    """Masks of the exposures that something crossed, in blocks of `small_step` pixels.

    Parameters
    ----------
    small : n2n.formats.store.Samples, shape (n, h, w)
        The exposures in such blocks; NaN where they are unknown.
    training : ndarray of bool, shape (n,)
        Exposures that tell the sky without trails.
    sky_sigma : ndarray, shape (n,)
        Noise of the exposures.
    processes : int
        Most processes at a time.
    """
    judges = np.flatnonzero(training)
    if len(judges) < 3:
        return {}
    judges = judges[np.unique(np.linspace(0, len(judges) - 1, FOR_TRAILS).astype(int))]
    values = np.stack([small[index] for index in judges])
    known = np.isfinite(values)
    rows = [slice(top, top + 128) for top in range(0, values.shape[1], 128)]

    def judge(part):
        return median_and_scatter(np.where(known[:, part], values[:, part], 0), known[:, part])

    pieces = list(in_order(judge, rows, processes))
    centre, scatter = (np.concatenate(images) for images in zip(*pieces, strict=True))
    seen = np.isfinite(centre) & np.isfinite(scatter)
    # Stars scatter more than the sky does, and must not line up to trails.
    sigma = np.maximum(np.where(seen, scatter, 1), np.median(scatter[seen]) if seen.any() else 1).astype(np.float32)
    relative = sky_sigma / np.median(sky_sigma)

    def work(index):
        residual = small[index] - centre
        valid = seen & np.isfinite(residual)
        return find_trails(np.where(valid, residual, 0).astype(np.float32), sigma * relative[index], valid)

    found = enumerate(in_order(work, range(len(sky_sigma)), processes))
    return {index: mask for index, mask in found if mask.any()}


def on_rows(trails: dict[int, np.ndarray], rows: slice, shape: tuple[int, int], n: int) -> np.ndarray | None:
    """Trails on the pixels of some rows: ndarray of bool, shape (n, rows, w), or None without any.

    Parameters
    ----------
    trails : dict of int to ndarray of bool, shape (h, w)
        From `trails_of`.
    rows : slice
        Of the full image.
    shape : (int, int)
        Of the whole image.
    n : int
        Number of exposures.
    """
    if not trails:
        return None
    step = small_step(shape)
    result = np.zeros((n, rows.stop - rows.start, shape[1]), bool)
    for index, mask in trails.items():
        y, x = (np.minimum(np.arange(side) // step, limit - 1) for side, limit in zip(shape, mask.shape, strict=True))
        result[index] = mask[np.ix_(y[rows], x)]
    return result
