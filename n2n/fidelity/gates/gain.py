"""G1: is the denoised image worth more exposures, and worse nowhere?"""

import numpy as np

from n2n.fidelity.gates.gate import FAIL, INFO, PASS, Check, Gate, Limit, Verdict, said, says
from n2n.fidelity.images import HELD_OUT, Images
from n2n.fidelity.proof import ERRORS, stands_out
from n2n.fidelity.zones import ZONES

WORDS = {"background": "empty sky", "extended": "nebulae and galaxies", "stars": "stars"}
WHOLE = Check(
    "G1", "Gain", Limit("min_gain"), "x", "at least",
    "How many times the exposures a plain stack would need for the same error. Judged on exposures the "
    "network has not seen; it must be above the limit by two standard errors.",
    says("Denoising gained too little: worth {measured} the exposures"), against="C",
)  # fmt: skip
BY_ZONE = tuple(
    Check(
        "G1", f"Gain in {WORDS[zone]}", Limit("min_zone_gain"), "x", "at least",
        f"The same for {WORDS[zone]} alone: below 1 the denoiser would have done harm there.",
        says(f"Denoising did harm in {WORDS[zone]}: worth only {{measured}} the exposures"), against="C",
    )
    for zone in ZONES
)  # fmt: skip


def judge(images: Images, settings) -> list[Verdict]:
    """The gain of the whole image, which has to be proven, and that of every zone, which has to be measured."""
    return [
        verdict(check, images.gains[name], settings, proven=check is WHOLE)
        for check, name in zip((WHOLE, *BY_ZONE), ("all", *ZONES), strict=True)
    ]


def verdict(check: Check, gain: dict, settings, proven: bool) -> Verdict:
    """Fail when a gain is below its limit by more than two standard errors.

    It passes when it is above the limit by two standard errors, where it has to be `proven`; else when it is above zero
    by as much, which is to say when it was measured.

    Parameters
    ----------
    check : Check
        What is compared with its limit.
    gain : dict
        Its value and standard_error.
    settings : namespace
        Those of the section `gates`.
    proven : bool
        Whether it has to be; else it has to be measured.
    """
    value, error, limit = gain["value"], gain["standard_error"], check.allowed(settings)
    known = np.isfinite(value) and np.isfinite(error) and error >= 0
    found = INFO
    if stands_out(value, error, limit if proven else 0.0) and value + ERRORS * error >= limit:
        found = PASS
    elif np.isfinite(value) and limit - value > (ERRORS * error if known else 0.0):
        found = FAIL
    return said(check, value, error, settings, found)


GAIN = Gate(
    "Is the denoised image worth more exposures than the stack, and worse nowhere?", (WHOLE, *BY_ZONE), judge,
    "This is the claim itself, so it must be proven: the gain of the whole image passes only above 1.2 by two "
    "standard errors. A gain that is not proven fails nothing, but the plain stack is shipped (decision 0014). A zone "
    "needs no gain; it may not be harmed. 0.98 and not 1, since an image that is left as the stack is has a gain of 1 "
    "and an error.",
    needs=(HELD_OUT,),
)  # fmt: skip
