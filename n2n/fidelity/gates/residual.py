"""G9, scale by scale: was more taken out of the stack than its noise?"""

import numpy as np

from n2n.fidelity.gates.gate import Gate, at_most, worst
from n2n.fidelity.spectra import Rings, left_out


def residual_gate(rings: Rings, limit: float) -> Gate:
    """Ring power of the residual against noise less error.

    The reference asks for ``|S - D|^2 = N - R`` in every ring, N the noise of S and R the error of D, found from
    C. The difference of both sides is, whatever N,::

        |S - D|^2 - (N - R) = 2 Re <(D - T) (D - S)*> = 2 Re <(D - C) (D - S)*>

    with T the truth and C's noise independent of D and S. Where it is positive, taking less away would have
    brought the image closer to the truth: signal was removed or invented with the noise. Where it is negative,
    noise was left that could have gone, which is no harm, so that only the upper side is a limit.

    Parameters
    ----------
    rings : Rings
    limit : float
        Excess allowed, as a share of N, beside what chance allows over all rings.

    Returns
    -------
    Gate
        Value in percent of N in the worst ring.
    """
    values, errors, regions = left_out(lambda excess, noise: 100 * excess / noise, rings.overshoot, rings.noise)
    index, slack = worst(values, errors, 100 * limit, regions - 1)
    value, error = (values[index], errors[index]) if index >= 0 else (np.nan, np.nan)
    return at_most(
        "G9", "More removed than noise", value, error, 100 * limit,
        "What was taken out of the stack must be its noise alone. Exposures the network has not seen tell whether "
        "light went with it, scale by scale, as a share of the noise. Worst at details of "
        f"{rings.scale[index]:.1f} pixels.", errors=slack,
    )  # fmt: skip
