"""G3: agreement with the held-out exposures, scale by scale, between what S has and what no honest image exceeds."""

import numpy as np

from n2n.fidelity.gates.gate import Gate, at_most, worst
from n2n.fidelity.spectra import Rings, left_out


def correlation_gates(rings: Rings, limit: float) -> list[Gate]:
    """Fourier ring correlation of D with C within floor and ceiling.

    With F the ring correlation (van Heel & Schatz 2005), every ring::

        F(D,C)^2 >= F(S,C)^2                    floor: D agrees with C no worse than S
        F(D,C)^2 <= Re<C1 C2*> / <|C|^2>        ceiling: D explains no more of C than is reproducible in C

    The floor fails when structure is invented: it adds to the power of D and not to its agreement with C. The
    ceiling is Cauchy and Schwarz's inequality and cannot be exceeded by an image that has not seen C's noise. It
    is the reference's FRC(A,C) FRC(B,C) / FRC(A,B) with the signal in C found from halves C1, C2 of C itself, as D is
    made of A and B: that has no quotient of noisy numbers and holds where C's seeing differs. Squares, with their
    sign, because they stay finite where there is no signal.

    Parameters
    ----------
    rings : Rings
    limit : float
        Miss allowed, as a share of C's power, beside what chance allows over all rings.

    Returns
    -------
    list of Gate
        Values in percent of C's power in the worst ring, positive beyond the bound.
    """

    def below(dd, ss, cc, dc, sc):
        return 100 * (sc * np.abs(sc) / ss - dc * np.abs(dc) / dd) / cc

    def above(dd, cc, dc, common):
        return 100 * (dc * np.abs(dc) / dd - common) / cc

    gates = []
    for function, names, title, words in (
        (
            below, ("dd", "ss", "cc", "dc", "sc"), "Invented structure",
            "Fine structure is compared scale by scale with exposures the network has not seen. The denoised image "
            "may not resemble them less than the plain stack does: what it added would then be invented. Worst at "
            "details of {:.1f} pixels.",
        ),
        (
            above, ("dd", "cc", "dc", "common"), "Leaked structure",
            "The noise of the held-out exposures cannot be guessed. An image that resembles them more than they "
            "resemble each other must have seen them, and the proof would be worthless. Worst at details of "
            "{:.1f} pixels.",
        ),
    ):  # fmt: skip
        values, errors, regions = left_out(function, *(getattr(rings, name) for name in names))
        index, slack = worst(values, errors, 100 * limit, regions - 1)
        value, error = (values[index], errors[index]) if index >= 0 else (np.nan, np.nan)
        words = words.format(rings.scale[index])
        gates.append(at_most("G3", title, value, error, 100 * limit, words, errors=slack))
    return gates
