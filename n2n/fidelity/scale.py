"""Bring images that other programs wrote onto the scale of the group they are judged by."""

import numpy as np
from scipy import ndimage

# Programs read 16 bits as 0 ... 1 and write them back; other factors are fitted.
KNOWN_FACTORS = (1.0, 65535.0, 1 / 65535)
NEAR = 0.1  # a fitted factor so near a known one is that one
SAME_LEVEL = 3.0  # sigma; a fitted level so near that of the stack is the stack's
SMOOTH = 2.0  # pixels; most of the noise goes, which would flatten a fit against a noisy stack
BENT = 0.2  # how far the exponent may be from 1 before an image counts as stretched


def line(x: np.ndarray, y: np.ndarray, rounds: int = 12) -> tuple[float, float]:
    """Factor and offset of ``y = factor x + offset``; beyond the usual scatter a point counts less (Huber).

    Parameters
    ----------
    x, y : ndarray, shape (n,)
        Values that belong together.
    rounds : int
        How often the weights are found anew.
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    weight = np.ones_like(x)
    for _ in range(rounds):
        centre, level = np.average(x, weights=weight), np.average(y, weights=weight)
        factor = np.sum(weight * (x - centre) * (y - level)) / max(np.sum(weight * (x - centre) ** 2), 1e-300)
        offset = level - factor * centre
        off = np.abs(y - factor * x - offset)
        weight = 1 / np.maximum(off / max(2 * np.median(off), 1e-12 * np.ptp(y), 1e-300), 1)
    return float(factor), float(offset)


def relation(image: np.ndarray, stack: np.ndarray, usable: np.ndarray) -> dict[str, float]:
    """How an image follows from a stack: ``image = factor stack + offset``.

    Parameters
    ----------
    image, stack : ndarray, shape (h, w)
        As read.
    usable : ndarray of bool, shape (h, w)
        Pixels that count.

    Returns
    -------
    dict
        factor, offset, correlation, and exponent: 1 where light above the sky follows that of the stack in
        proportion, below 1 where bright light is compressed.
    """
    step = max(1, int(np.sqrt(usable.sum() / 2e5)))
    smooth = [_smooth(array, usable)[::step, ::step][usable[::step, ::step]] for array in (stack, image)]
    factor, offset = line(*smooth)
    x, y = smooth
    spread = x.std() * y.std()
    correlation = float(np.mean((x - x.mean()) * (y - y.mean())) / spread) if spread > 0 else 0.0
    return {"factor": factor, "offset": offset, "correlation": correlation, "exponent": exponent(x, y)}


def exponent(x: np.ndarray, y: np.ndarray, classes: int = 12) -> float:
    """Exponent with which light above the sky in `y` grows with that in `x`; 1 where too little stands out.

    Parameters
    ----------
    x, y : ndarray, shape (n,)
        The stack, and the image.
    classes : int
        Of brightness, in which the medians of both are compared.
    """
    sky = np.median(x)
    floor = 5 * 1.4826 * np.median(np.abs(x - sky))
    height, above = x - sky, y - np.median(y)
    if floor <= 0 or height.max() < 4 * floor:
        return 1.0
    which = np.digitize(height, np.geomspace(floor, height.max(), classes))
    chosen = [which == index for index in range(1, classes) if (which == index).sum() >= 5]
    medians = np.array([(np.median(height[part]), np.median(above[part])) for part in chosen]).reshape(-1, 2)
    medians = medians[medians[:, 1] > 0]
    return float(np.polyfit(*np.log(medians.T), 1)[0]) if len(medians) >= 3 else 1.0


def settled(found: dict[str, float], sigma: float) -> tuple[float, float, bool]:
    """Factor and offset to use, and whether they had to be fitted.

    A fit hides what a denoiser did to all light alike. A factor that programs use is therefore taken for just that
    factor, with the level of the stack.

    Parameters
    ----------
    found : dict
        What `relation` says.
    sigma : float
        Noise of the stack, in its unit.
    """
    for known in KNOWN_FACTORS:
        if abs(found["factor"] / known - 1) < NEAR and abs(found["offset"] / known) < SAME_LEVEL * sigma:
            return known, 0.0, False
    return found["factor"], found["offset"], True


def _smooth(image: np.ndarray, usable: np.ndarray) -> np.ndarray:
    filled = np.where(usable, image, np.median(image[usable]))
    return ndimage.gaussian_filter(filled.astype(np.float64), SMOOTH)
