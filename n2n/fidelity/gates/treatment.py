"""G15: was the stack of all exposures treated like the part of it that could be judged?"""

import numpy as np

from n2n.fidelity.gates.gate import Check, Gate, Limit, Verdict, judged, says
from n2n.fidelity.images import ALL, Images
from n2n.fidelity.risk import BOX, box_sums

TAKEN = Check(
    "G15", "Full stack treated like its judged part", Limit(times=0.05), "sigma", "within",
    "The held-out exposures judge blocks A and B; the shipped image is of all exposures. What was taken from "
    f"either must agree, over boxes of {BOX} pixels, in units of the stack's noise a pixel.",
    says("{title}: {measured}"), "A and B",
)  # fmt: skip


def judge(images: Images, settings) -> list[Verdict]:
    """What was taken from either stack."""
    removed = (images.shipped.stack - images.shipped.denoised) - (images.stack - images.denoised)
    return [treatment_verdict(removed / images.sigma, images.usable, settings)]


def treatment_verdict(difference: np.ndarray, usable: np.ndarray, settings) -> Verdict:
    """Root of the mean square of box means.

    Parameters
    ----------
    difference : ndarray, shape (h, w)
        What was taken from the full stack minus what was taken from blocks A and B, over sigma.
    usable : ndarray of bool, shape (h, w)
        Pixels that count.
    settings : namespace
        Those of the section `gates`.
    """
    sums, counts = box_sums(np.where(usable, difference, 0), BOX), box_sums(usable.astype(float), BOX)
    means = sums[counts > 0.5 * BOX**2] / counts[counts > 0.5 * BOX**2]
    value = float(np.sqrt(np.mean(means**2))) if means.size else float("nan")
    return judged(TAKEN, value, 0.0, settings)


TREATMENT = Gate(
    "Was the stack of all exposures treated like the part of it that could be judged?", (TAKEN,), judge,
    "Held-out exposures cannot judge the image that is shipped, for it is made of them, too. The network is the same, "
    "and so must be what it takes: 0.05 sigma, as for the level of the sky. No error: both images are known exactly.",
    needs=(ALL,),
)  # fmt: skip
