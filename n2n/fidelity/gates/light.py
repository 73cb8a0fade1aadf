"""G2: is the light that held-out exposures confirm still there, from the faintest to the brightest?"""

from dataclasses import replace
from itertools import pairwise

import numpy as np
from scipy import ndimage

from n2n.fidelity.evidence import Evidence
from n2n.fidelity.gates.gate import Gate, within
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
    every = covariances(images, images.usable)
    values = [("all light", *kept(*every), limit)]
    level = ndimage.gaussian_filter(images.held_out, 1.0)
    for low, high in pairwise(CLASSES):
        chosen = images.usable & (level > low) & (level <= high)
        span = f"{low:g} to {high:g} sigma" if np.isfinite(high) else f"above {low:g} sigma"
        sums = [
            box_sums(np.where(chosen, image, 0), BOX)[:, None]
            for image in (images.denoised, images.stack, images.noise)
        ]
        values.append((f"pixels {span}", *kept(*sums[:2], np.sqrt(np.sum(sums[2] ** 2))), limit))
    boxes = diffuse_covariances(images, images.usable & ~stars)
    values.append(("diffuse light", *kept(*boxes), limit))
    words = (
        "Light in the denoised image over that in the plain stack, where the exposures the network has not seen show it"
    )
    return [
        within("G2", f"Light kept, {what}", change, error, 100 * limit, f"{words}: below zero light was lost.")
        for what, change, error, limit in values
    ]


def covariances(images: Evidence, chosen: np.ndarray, region: int = BOX) -> tuple[np.ndarray, np.ndarray, float]:
    """Sums towards cov(D, C) and cov(S, C) over pixels, by regions, shape (regions, 1); the noise in their totals."""

    def centred(image):
        return np.where(chosen, image - (image[chosen].mean() if chosen.any() else 0), 0)

    held_out = centred(images.held_out)
    sums = [box_sums(centred(image) * held_out, region)[:, None] for image in (images.denoised, images.stack)]
    return *sums, float(np.sqrt(np.sum((images.noise * held_out) ** 2, dtype=np.float64)))


def diffuse_covariances(images: Evidence, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """The same over the means of boxes, those with a majority of chosen pixels."""
    count = box_sums(chosen, DIFFUSE)
    full = count > 0.5 * DIFFUSE**2
    shape = tuple(-(-side // DIFFUSE) for side in chosen.shape)

    def means(image):
        return (box_sums(np.where(chosen, image, 0), DIFFUSE) / np.maximum(count, 1)).reshape(shape)

    names = ("denoised", "stack", "held_out", "noise")
    boxes = replace(images, **{name: means(getattr(images, name)) for name in names})
    return covariances(boxes, full.reshape(shape), BOX // DIFFUSE)


def kept(denoised: np.ndarray, stack: np.ndarray, noise: float) -> tuple[float, float]:
    """Change in percent and its error; NaN where the light does not stand out of the noise."""
    if stack.sum() < 10 * noise or noise == 0:
        return float("nan"), float("nan")
    value, error, _ = left_out(lambda now, before: 100 * (now / before - 1), denoised, stack)
    return float(value[0]), float(error[0])
