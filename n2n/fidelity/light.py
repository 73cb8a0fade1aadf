"""G2: is the light that held-out exposures confirm still there, from the faintest to the brightest?"""

from itertools import pairwise

import numpy as np
from scipy import ndimage

from n2n.fidelity.evidence import Evidence
from n2n.fidelity.gates import Gate, within
from n2n.fidelity.risk import BOX, box_sums
from n2n.fidelity.spectra import left_out

# Edges of the brightness classes, sigma of the stack, in C smoothed by 1 px: above the noise of a C a quarter as deep.
CLASSES = (2.0, 5.0, 20.0, np.inf)
DIFFUSE = 16  # pixels; boxes for light spread wider than stars


def light_gates(images: Evidence, stars: np.ndarray, limit: float) -> list[Gate]:
    """Change of the calibration slope: C on D against C on S.

    The slope of C on D should be 1, but C's transparency and seeing are in it, and the slope of C on S suffers from
    the noise of S. C's noise is in neither D nor S. As an instrument it gives the quotient of both slopes without
    either (instrumental variables, Wright 1928)::

        kept = slope(S on D) = cov(D, C) / cov(S, C)                over all pixels
        kept = sum D / sum S                                        over pixels where C says 2-5, 5-20, > 20 sigma
        kept = cov(D, C) / cov(S, C)                                over boxes of 16 px without stars: diffuse light

    1 when D has the light of S, whatever C is worth; errors from a jackknife over regions.

    Parameters
    ----------
    images : Evidence
    stars : ndarray of bool, shape (h, w)
        Pixels that diffuse light is not judged on.
    limit : float
        Change allowed, as a share.

    Returns
    -------
    list of Gate
        Change in percent; negative when light was lost.
    """
    every = covariances(images, images.usable, 1)
    values = [("all light", *kept(every), limit)]
    level = ndimage.gaussian_filter(images.held_out, 1.0)
    for low, high in pairwise(CLASSES):
        chosen = images.usable & (level > low) & (level <= high)
        span = f"{low:g} to {high:g} σ" if np.isfinite(high) else f"above {low:g} σ"
        sums = [box_sums(np.where(chosen, image, 0), BOX)[:, None] for image in (images.denoised, images.stack)]
        values.append((f"pixels {span}", *(kept(sums) if chosen.sum() > 200 else (np.nan, np.nan)), limit))
    boxes = covariances(images, images.usable & ~stars, DIFFUSE)
    values.append(("diffuse light", *kept(boxes), limit))
    words = (
        "Light in the denoised image over that in the plain stack, where the exposures the network has not seen show it"
    )
    return [
        within("G2", f"Light kept, {what}", change, error, 100 * limit, f"{words}: below zero light was lost.")
        for what, change, error, limit in values
    ]


def covariances(images: Evidence, chosen: np.ndarray, box: int) -> list[np.ndarray]:
    """Sums towards cov(D, C) and cov(S, C) of box means, by regions; ndarray of shape (regions, 1) each."""
    height, width = chosen.shape
    count = box_sums(chosen.astype(np.float32), box)
    full = count > 0.5 * box**2
    means = [
        np.where(full, box_sums(np.where(chosen, image, 0), box) / np.maximum(count, 1), 0)
        for image in (images.denoised, images.stack, images.held_out)
    ]
    centred = [np.where(full, mean - mean[full].mean(), 0) if full.any() else mean for mean in means]
    shape = -(-height // box), -(-width // box)
    region = BOX // box if box < BOX else 1
    return [box_sums((part * centred[2]).reshape(shape), region)[:, None] for part in centred[:2]]


def kept(sums: list[np.ndarray]) -> tuple[float, float]:
    """Change in percent and its error; NaN where the light is too faint to tell."""
    total, its_error, regions = left_out(lambda stack: stack, sums[1])
    if regions < 8 or total[0] < 5 * its_error[0]:
        return float("nan"), float("nan")
    value, error, _ = left_out(lambda denoised, stack: 100 * (denoised / stack - 1), *sums)
    return float(value[0]), float(error[0])
