"""G7: do the places of stars scatter more than in the stack?"""

import numpy as np

from n2n.fidelity.astrometry import centroids
from n2n.fidelity.gates.gate import Check, Gate, Limit, Verdict, judged, says, two_errors
from n2n.fidelity.gates.places import FEWEST, shift
from n2n.fidelity.images import HELD_OUT, Images
from n2n.sky.photometry import robust_mean

ADDED = Check(
    "G7", "Scatter of places", Limit("max_shift_px", times=2), "px", "at most",
    "By how much the places of stars scatter more than in the plain stack, judged by exposures the network "
    "has not seen; below zero they scatter less.",
    says("Stars were thrown about: {size}"), "C",
)  # fmt: skip


def judge(images: Images, settings) -> list[Verdict]:
    """Bright stars."""
    stars, seen = images.stars, (images.denoised, images.stack, images.held_out)
    return [scatter_verdict(seen, stars.points[stars.bright], stars.expected[stars.bright], images.fwhm, settings)]


def scatter_verdict(images, points, expected, fwhm: float, settings) -> Verdict:
    """Added scatter of isolated stars.

    With x the windowed centroids in the three images::

        added scatter = sign sqrt |q|,   q = mean (x_D - x_S) (x_D + x_S - 2 x_C) / 2 = added variance a direction

    In q the noise of x_C cancels, as in the risk: negative when stars are placed better than in the stack.

    Parameters
    ----------
    images : three ndarray, shape (h, w)
        D, S and C, sky subtracted.
    points : ndarray, shape (n, 2)
        x, y of bright stars.
    expected : ndarray, shape (n,)
        Inverse squares of their signal-to-noise ratios.
    fwhm : float
        Of stars, pixels.
    settings : namespace
        Those of the section `gates`.
    """
    added = error = float("nan")
    count = 0
    if len(points) >= FEWEST:
        d, s, c = (centroids(image, points, fwhm) for image in images)
        *_, count = shift(d, s, expected, fwhm)
        q, q_error, _ = robust_mean(((d - s) * (d + s - 2 * c)).sum(axis=1) / 2)
        added = np.sign(q) * np.sqrt(abs(q))
        error = q_error / (2 * max(abs(added), np.sqrt(q_error), 1e-9))
    return judged(ADDED, added, error, settings, two_errors(count))


SCATTER = Gate(
    "Do the places of stars scatter more than in the stack?", (ADDED,), judge,
    "Twice what the mean place may shift: scatter is a noise and averages out over stars, a shift does not.",
    needs=(HELD_OUT,),
)  # fmt: skip
