"""G2: is the light that held-out exposures confirm still there, from the faintest to the brightest?"""

from dataclasses import replace
from itertools import pairwise

import numpy as np
from scipy import ndimage

from n2n.fidelity.evidence import Evidence
from n2n.fidelity.gates.gate import Check, Gate, Limit, Verdict, judged, says
from n2n.fidelity.images import HELD_OUT, Images
from n2n.fidelity.risk import BOX, box_sums
from n2n.fidelity.spectra import left_out
from n2n.fidelity.zones import ZONES

# Edges of the brightness classes, sigma of the stack, in C smoothed by 1 px: above the noise of a C a quarter as deep.
CLASSES = (2.0, 5.0, 20.0, np.inf)
STANDS_OUT = 10  # times its noise: what light has to be that is judged
DIFFUSE = 16  # pixels; boxes for light spread wider than stars


def _check(light: str, moot: bool = False) -> Check:
    return Check(
        "G2", f"Light kept, {light}", Limit("max_light_change"), "%", "within",
        "Light in the denoised image over that in the plain stack, where the exposures the network has not seen show "
        "it: below zero light was lost.",
        says(f"Light was added: {{size}} ({light})", f"Light was lost: {{size}} ({light})"), "S, through C", moot,
    )  # fmt: skip


def _span(low: float, high: float) -> str:
    return f"pixels {low:g} to {high:g} sigma" if np.isfinite(high) else f"pixels above {low:g} sigma"


ALL_LIGHT, DIFFUSE_LIGHT = _check("all light", moot=True), _check("diffuse light")
BY_BRIGHTNESS = tuple(_check(_span(*edges)) for edges in pairwise(CLASSES))


def judge(images: Images, settings) -> list[Verdict]:
    """All light, every class of brightness, and diffuse light."""
    return light_verdicts(images.evidence, images.zones == ZONES.index("stars"), settings)


def light_verdicts(images: Evidence, stars: np.ndarray, settings) -> list[Verdict]:
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
        Images in units of the stack's noise.
    stars : ndarray of bool, shape (h, w)
        Pixels that diffuse light is not judged on.
    settings : namespace
        Those of the section `gates`.

    Returns
    -------
    list of Verdict
        Change in percent; negative when light was lost.
    """
    found = [(ALL_LIGHT, *kept(*covariances(images, images.usable)))]
    level = ndimage.gaussian_filter(images.held_out, 1.0)
    for check, (low, high) in zip(BY_BRIGHTNESS, pairwise(CLASSES), strict=True):
        chosen = images.usable & (level > low) & (level <= high)
        sums = [
            box_sums(np.where(chosen, image, 0), BOX)[:, None]
            for image in (images.denoised, images.stack, images.noise)
        ]
        found.append((check, *kept(*sums[:2], np.sqrt(np.sum(sums[2] ** 2)))))
    found.append((DIFFUSE_LIGHT, *kept(*diffuse_covariances(images, images.usable & ~stars))))
    return [judged(check, change, error, settings) for check, change, error in found]


def covariances(images: Evidence, chosen: np.ndarray, region: int = BOX) -> tuple[np.ndarray, np.ndarray, float]:
    """Sums towards cov(D, C) and cov(S, C) over pixels, by regions, shape (regions, 1); the noise in their totals.

    Parameters
    ----------
    images : Evidence
        Images in units of the stack's noise.
    chosen : ndarray of bool, shape (h, w)
        Pixels that count.
    region : int
        Side of a region, pixels.
    """

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
    """Change in percent and its error; NaN where the light does not stand out of the noise by ten times.

    Parameters
    ----------
    denoised, stack : ndarray, shape (regions, 1)
        Light, or covariances with C, by regions.
    noise : float
        Standard error of the total of `stack`.
    """
    if stack.sum() < STANDS_OUT * noise or noise == 0:
        return float("nan"), float("nan")
    value, error, _ = left_out(lambda now, before: 100 * (now / before - 1), denoised, stack)
    return float(value[0]), float(error[0])


LIGHT = Gate(
    "Is the light that held-out exposures confirm still there, from the faintest to the brightest?",
    (ALL_LIGHT, *BY_BRIGHTNESS, DIFFUSE_LIGHT), judge,
    "Every class of brightness has the same limit, so that bright stars cannot hide what happens to faint nebulae. "
    "Light is judged where it stands out of its noise by ten times; with less, 3 % would not be seen.",
    needs=(HELD_OUT,), looks_at=("evidence",),
)  # fmt: skip
