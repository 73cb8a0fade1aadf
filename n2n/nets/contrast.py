"""The contrast of light too faint to be told apart is widened to what it is in the sky.

The squared error is least where light of which nothing is sure is spread over its surroundings: in a crowded field the
gaps between the faintest stars come out too bright (the darkest fifth of the sky by 0.06 sigma), and the stars beside
them too faint. What is left of the contrast is widened by what is missing: by a sixth where such stars fill the field,
by nothing in an empty sky. Near its least the error hardly changes: this costs a crowded field 1 % of its gain.
"""

import numpy as np

from n2n.nets.level import FEW, SMOOTH, smooth

FINE, COARSE = 5, 17  # px, sides of boxes, twice and three times: nearly Gaussians of sigma 2 and 8 px
FAINT, BRIGHT = 1.0, 3.0  # sigma of the sky: widened fully below, not at all above, be it light or a hole
CLIP = 0.7  # sigma; stars that stand out beside the gaps count as this
MOST, HALF = 0.26, 0.03  # a contrast of that variance (sigma^2) is widened by half of MOST, a much smaller one hardly


def widen_contrast(result: np.ndarray, known: np.ndarray, sky_sigma: np.ndarray) -> np.ndarray:
    """Widen the contrast of faint light.

    Parameters
    ----------
    result : ndarray, shape (h, w)
        Denoised, sky subtracted.
    known : ndarray of bool, shape (h, w)
        Pixels that some exposure saw.
    sky_sigma : ndarray, shape (h, w)
        Noise of the sky in the image that was denoised.

    Returns
    -------
    float32 ndarray, shape (h, w)
    """
    light = np.where(known, result / sky_sigma, np.inf).astype(np.float32)
    faint = np.clip((BRIGHT - np.abs(light)) / (BRIGHT - FAINT), 0, 1)
    light = np.clip(light, -CLIP, CLIP) * faint
    fine = smooth(light, FINE, 2) / (smooth(faint, FINE, 2) + np.float32(FEW))
    contrast = (fine - smooth(light, COARSE) / (smooth(faint, COARSE) + np.float32(FEW))) * faint
    variance = smooth(contrast**2, SMOOTH) / (smooth(faint, SMOOTH) + np.float32(FEW))
    share = MOST * variance**2 / (variance**2 + np.float32(HALF**2))
    return result + (contrast * share * sky_sigma).astype(np.float32)
