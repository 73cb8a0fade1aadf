"""G10 over the field: does the change the denoiser made have a gradient or wide patches?"""

import numpy as np

from n2n.fidelity.evidence import Evidence
from n2n.fidelity.gates.gate import Check, Gate, Limit, Verdict, judged, says
from n2n.fidelity.images import Images
from n2n.fidelity.risk import BOX, box_sums

DEGREE = 3
SURFACE = Check(
    "G10", "Evenness of the sky", Limit(times=0.05), "sigma", "at most",
    "Smooth surface in the change the denoiser made, over the whole field, in units of the stack's noise a pixel: "
    "a gradient or wide patches would show here.",
    says("The sky became uneven by {size}"), "S",
)  # fmt: skip


def judge(images: Images, settings) -> list[Verdict]:
    """The whole field."""
    return [evenness_verdict(images.evidence, settings)]


def evenness_verdict(images: Evidence, settings) -> Verdict:
    """Smooth surface in D - S.

    Box means of D - S are fitted with Legendre polynomials ``P_i(x) P_j(y)``, ``0 < i + j <= 3``; the value is the
    root of their mean square over the field, less what the scatter of the boxes puts there by chance. No C is needed:
    D is of the same exposures, and noise so wide is far below a hundredth of a pixel's.
    """
    height, width = images.usable.shape
    count = box_sums(images.usable.astype(np.float32), BOX)
    full = count > 0.5 * BOX**2
    value = error = float("nan")
    terms = [(i, j) for i in range(DEGREE + 1) for j in range(DEGREE + 1 - i)]
    if full.sum() >= 2 * len(terms):
        # Clipped, because a star's residual is no part of a smooth surface.
        change = np.clip(images.denoised - images.stack, -3, 3)
        means = box_sums(change, BOX)[full] / count[full]
        rows, columns = np.indices((-(-height // BOX), -(-width // BOX))).reshape(2, -1)[:, full]
        y, x = ((2 * index + 1) * BOX / side - 1 for index, side in ((rows, height), (columns, width)))
        legendre = np.polynomial.legendre.legvander
        design = np.column_stack([legendre(x, DEGREE)[:, i] * legendre(y, DEGREE)[:, j] for i, j in terms])
        fit, *_ = np.linalg.lstsq(design, means, rcond=None)
        noise = np.sum((means - design @ fit) ** 2) / (len(means) - len(terms))
        surface = design[:, 1:] @ fit[1:]
        surface -= surface.mean()
        by_chance = noise * (len(terms) - 1) / len(means)
        value = np.sqrt(max(0.0, np.mean(surface**2) - by_chance))
        error = np.sqrt(by_chance)
    return judged(SURFACE, value, error, settings)


EVENNESS = Gate(
    "Does the change the denoiser made have a gradient or wide patches?", (SURFACE,), judge,
    "0.05 sigma of a pixel: the same as for the level of the sky, of which this is the other half. Noise over so wide "
    "a surface is far below a hundredth of a pixel's, so that no held-out exposures are needed.",
    looks_at=("evidence",),
)  # fmt: skip
