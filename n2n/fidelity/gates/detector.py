"""G16: how much of the stack is the pattern of the detector, which every exposure has, the held-out ones too?"""

import numpy as np

from n2n.fidelity.gates.gate import INFO, Check, Gate, Limit, Verdict, judged, said, says
from n2n.fidelity.images import SHARED, Images
from n2n.group.shared import SharedError

PATTERN = Check(
    "G16", "Pattern of the detector", Limit(times=0.1), "%", "at most",
    "What stays at one place of the detector (noise of the masters, bands, glow) stays in the stack where the "
    "telescope hardly moved between exposures, and the held-out exposures confirm it. Carried back to the detector, "
    "blocks A and B and the held-out ones show it: so much of the stack's variance it is.{known}",
    says("The detector's own pattern is in the image: {size} of the stack's variance"),
    "A and B, and C, on the detector",
)  # fmt: skip
FOUND = 0.01  # of the stack's variance: a pattern that people must be told of


def judge(images: Images, settings) -> list[Verdict]:
    """The pattern's share."""
    return [pattern_verdict(images.shared(), settings)]


def pattern_verdict(shared: SharedError, settings) -> Verdict:
    """The share of a pattern against its limit.

    Parameters
    ----------
    shared : SharedError
        From `n2n.group.shared.shared_in_stack`.
    settings : namespace
        Those of the section `gates`.
    """
    if shared.note:
        return said(PATTERN, np.nan, np.nan, settings, INFO, known=f" Not judged: {shared.note}.")
    known = f" {shared.left:.1%} could not be told from the sky and were left." if shared.left else ""
    return judged(PATTERN, 100 * shared.value, 100 * shared.error, settings, known=known)


def is_found(shared: SharedError) -> bool:
    """Whether there is clearly more of a pattern than `FOUND`."""
    return bool(shared.value - 2 * shared.error > FOUND)


DETECTOR = Gate(
    "How much of the stack is the pattern of the detector?", (PATTERN,), judge,
    "From 1 % on (two standard errors above) the verdict is WARN: at a gain of 40 that is 40 % of the denoised image's "
    "error. From 10 % on it fails: streaks of a third of the stack's noise, several times what is left in a denoised "
    "image, and all exposures confirm them. Dithered nights have 0.1 % and less, drifting ones 1 to 11 % "
    "(benchmarks/detector). Nights that hardly moved cannot be judged: there pattern and sky are one.",
    needs=(SHARED,),
)  # fmt: skip
