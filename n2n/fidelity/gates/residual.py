"""G9, scale by scale: was more taken out of the stack than its noise?"""

import numpy as np

from n2n.fidelity.gates.gate import Check, Gate, Limit, Verdict, judged, says, worst
from n2n.fidelity.images import HELD_OUT, Images
from n2n.fidelity.spectra import Rings, left_out

REMOVED = Check(
    "G9", "More removed than noise", Limit("max_overshoot"), "%", "at most",
    "What was taken out of the stack must be its noise alone. Exposures the network has not seen tell whether "
    "light went with it, scale by scale, as a share of the noise. Worst at details of {scale:.1f} pixels.",
    says("More than noise was removed: {size}"), "S and C",
)  # fmt: skip


def judge(images: Images, settings) -> list[Verdict]:
    """The worst ring."""
    return [residual_verdict(images.rings, settings)]


def residual_verdict(rings: Rings, settings) -> Verdict:
    """Ring power of the residual against noise less error.

    Of an image that took noise alone ``|S - D|^2 = N - R`` in every ring, N the noise of S and R the error of D, found
    from C. The difference of both sides is, whatever N,::

        |S - D|^2 - (N - R) = 2 Re <(D - T) (D - S)*> = 2 Re <(D - C) (D - S)*>

    with T the truth and C's noise independent of D and S. Where it is positive, taking less away would have
    brought the image closer to the truth: signal was removed or invented with the noise. Where it is negative,
    noise was left that could have gone, which is no harm, so that only the upper side is a limit.

    Parameters
    ----------
    rings : Rings
        Fourier sums of the evidence.
    settings : namespace
        Those of the section `gates`.

    Returns
    -------
    Verdict
        Value in percent of N in the worst ring.
    """
    values, errors, regions = left_out(lambda excess, noise: 100 * excess / noise, rings.overshoot, rings.noise)
    index, slack = worst(values, errors, REMOVED.allowed(settings), regions - 1)
    value, error = (values[index], errors[index]) if index >= 0 else (np.nan, np.nan)
    return judged(REMOVED, value, error, settings, slack, scale=rings.scale[index])


RESIDUAL = Gate(
    "Was more taken out of the stack than its noise?", (REMOVED,), judge,
    "An ideal Wiener filter stays within 5 %. n2n's networks reach -4 to 4 % on six groups of the demo night and 14 % "
    "on HAT-P-32 (benchmarks/night), because they take some light of the faintest structure with the noise: hence 25 "
    "%, beside what chance allows over all twelve scales together.",
    needs=(HELD_OUT,), looks_at=("rings",),
)  # fmt: skip
