"""G4: are stars found that are fainter than in the stack, or only brighter ones?"""

import numpy as np

from n2n.fidelity.gates.gate import Check, Gate, Limit, Verdict, judged, says
from n2n.fidelity.images import INJECTED, Images

DEEPER = Check(
    "G4", "Depth", Limit("max_depth_loss", times=-1), "mag", "at least",
    "How much fainter stars are found than in the plain stack, as it is or after the best filter for stars, when "
    "90 % of them are found and at most 10 % of all found are false. Judged by stars injected into every exposure.",
    says("Faint stars were lost: they are found {size} less deep than in the plain stack"),
    "S, as it is or filtered, by injected stars",
)  # fmt: skip


def judge(images: Images, settings) -> list[Verdict]:
    """Stars the denoised image shows that the stack would not, or the reverse."""
    return [depth_verdict(images.injected.get("depth"), settings)]


def depth_verdict(depth: dict | None, settings) -> Verdict:
    """The same from `completeness.depths`; nothing is judged without."""
    deeper = (depth or {}).get("delta_m90") or {}
    value, error = (np.nan if deeper.get(key) is None else deeper[key] for key in ("value", "standard_error"))
    return judged(DEEPER, value, error, settings)


DEPTH = Gate(
    "Are stars found that are fainter than in the stack, or only brighter ones?", (DEEPER,), judge,
    "0.05 mag is what may be lost to the stack after a filter matched to its stars, which for lone stars on empty sky "
    "is the best there is: a denoiser cannot be much deeper, and need not be. `n2n inject` paints the stars into every "
    "exposure and denoises their stack. Both images are searched as they are and filtered, and the better counts.",
    needs=(INJECTED,),
)  # fmt: skip
