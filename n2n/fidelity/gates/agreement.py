"""G3: agreement with the held-out exposures, scale by scale, between what S has and what no honest image exceeds."""

import numpy as np

from n2n.fidelity.gates.gate import Check, Gate, Limit, Verdict, judged, says, worst
from n2n.fidelity.images import HELD_OUT, Images
from n2n.fidelity.spectra import Rings, left_out

FLOOR = Check(
    "G3", "Invented structure", Limit("max_unconfirmed"), "%", "at most",
    "Fine structure is compared scale by scale with exposures the network has not seen. The denoised image "
    "may not resemble them less than the plain stack does: what it added would then be invented. Worst at "
    "details of {scale:.1f} pixels.",
    says("Structure was invented: {size}"), "S and C",
)  # fmt: skip
CEILING = Check(
    "G3", "Leaked structure", Limit("max_unconfirmed"), "%", "at most",
    "The noise of the held-out exposures cannot be guessed. An image that resembles them more than they "
    "resemble each other must have seen them, and the proof would be worthless. Worst at details of "
    "{scale:.1f} pixels.",
    says("The held-out exposures were not held out: {size}"), "C",
)  # fmt: skip


def judge(images: Images, settings) -> list[Verdict]:
    """Floor and ceiling."""
    return agreement_verdicts(images.rings, settings)


def agreement_verdicts(rings: Rings, settings) -> list[Verdict]:
    """Fourier ring correlation of D with C within floor and ceiling.

    With F the ring correlation (van Heel & Schatz 2005), every ring::

        F(D,C)^2 >= F(S,C)^2                    floor: D agrees with C no worse than S
        F(D,C)^2 <= Re<C1 C2*> / <|C|^2>        ceiling: D explains no more of C than is reproducible in C

    The floor fails when structure is invented: it adds to the power of D and not to its agreement with C. The
    ceiling is Cauchy and Schwarz's inequality and cannot be exceeded by an image that has not seen C's noise. The
    signal in C is found from halves C1, C2 of C itself: D is made of A and B, and the usual F(A,C) F(B,C) / F(A,B) is a
    quotient of noisy numbers that does not hold where C's seeing differs. Squares, with their sign, because they stay
    finite where there is no signal.

    Parameters
    ----------
    rings : Rings
        Fourier sums of the evidence.
    settings : namespace
        Those of the section `gates`.

    Returns
    -------
    list of Verdict
        Values in percent of C's power in the worst ring, positive beyond the bound.
    """

    def below(dd, ss, cc, dc, sc):
        return 100 * (sc * np.abs(sc) / ss - dc * np.abs(dc) / dd) / cc

    def above(dd, cc, dc, common):
        return 100 * (dc * np.abs(dc) / dd - common) / cc

    verdicts = []
    for check, function, names in (
        (FLOOR, below, ("dd", "ss", "cc", "dc", "sc")), (CEILING, above, ("dd", "cc", "dc", "common")),
    ):  # fmt: skip
        values, errors, regions = left_out(function, *(getattr(rings, name) for name in names))
        index, slack = worst(values, errors, check.allowed(settings), regions - 1)
        value, error = (values[index], errors[index]) if index >= 0 else (np.nan, np.nan)
        verdicts.append(judged(check, value, error, settings, slack, scale=rings.scale[index]))
    return verdicts


AGREEMENT = Gate(
    "Does the image agree with held-out exposures no worse than the stack, and no better than is honest?",
    (FLOOR, CEILING), judge,
    "2 % of C's power at every scale, beside what chance allows over all twelve scales together: with two standard "
    "errors a scale chance alone would refuse one perfect image in four. Added texture adds to the floor by its power "
    "only, so that the census of sources (G5) stays the main test of what was invented.",
    needs=(HELD_OUT,), looks_at=("rings",),
)  # fmt: skip
