"""G11: were saturated pixels left alone?"""

from dataclasses import replace

import numpy as np

from n2n.fidelity.gates.gate import Check, Gate, Limit, Verdict, exactly
from n2n.fidelity.images import Images

NEAR = 0.01  # share of a pixel of another program's image that rescaling may change


def _wrong(value: float) -> str:
    return "1 saturated pixel was changed" if round(value) == 1 else f"{round(value)} saturated pixels were changed"


SATURATED = Check(
    "G11", "Saturated pixels", Limit(times=0.0), "pixels", "none",
    "Pixels at full scale must be the stack's, bit by bit.", _wrong, "S",
)  # fmt: skip
RESCALED = replace(SATURATED, explanation="Pixels at full scale must be the stack's, within 1 %.")


def judge(images: Images, settings) -> list[Verdict]:
    """The image that is to be used: n2n's own bit by bit; one of another program, which was rescaled, nearly."""
    shipped = images.shipped
    if shipped.variance is not None:
        return [exactly(SATURATED, changed(shipped.denoised, shipped.stack, images.saturated))]
    near = np.abs(shipped.denoised - shipped.stack) <= NEAR * np.abs(shipped.stack) + images.sigma
    return [exactly(RESCALED, int((images.saturated & np.isfinite(shipped.stack) & ~near).sum()))]


def changed(denoised: np.ndarray, stack: np.ndarray, saturated: np.ndarray) -> int:
    """How many saturated pixels are not the stack's, where the stack knows them.

    Parameters
    ----------
    denoised, stack : ndarray, shape (h, w)
        As they are written.
    saturated : ndarray of bool, shape (h, w)
        Pixels at full scale.
    """
    return int((denoised[saturated] != stack[saturated]).sum()) - int(np.isnan(stack[saturated]).sum())


ALONE = Gate(
    "Were saturated pixels left alone?", (SATURATED,), judge,
    "Nobody knows what light a full pixel had, so there is nothing to denoise. An image that another program wrote was "
    "rescaled, and its pixels are no longer the same bit by bit: `n2n compare` allows them 1 % and a sigma of the sky.",
)  # fmt: skip
