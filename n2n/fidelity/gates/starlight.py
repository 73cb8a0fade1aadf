"""G9 at stars: is the light of those that held-out exposures name still there?"""

import numpy as np

from n2n.fidelity.filtered import Filtered, peaks
from n2n.fidelity.gates.gate import Check, Gate, Limit, Verdict, judged, says, two_errors
from n2n.fidelity.images import HELD_OUT, Images

MIDDLE, BRIGHT = 20, 60  # sigma of S: stars below MIDDLE, and from there to BRIGHT
NAMED = 4.0  # sigma of C: a star
FEWEST = 5  # stars that tell a mean


def _check(stars: str, times: float) -> Check:
    return Check(
        "G9", f"Light of stars, {stars}", Limit(times=times), "%", "within",
        "Mean change of {n} stars and other small details against the plain stack. They are chosen in exposures the "
        "network has not seen.",
        says(f"Light of stars was added: {{size}} ({stars})", f"Light of stars was lost: {{size}} ({stars})"), "S",
    )  # fmt: skip


OF_BRIGHT = _check(f"S/N {MIDDLE} to {BRIGHT}", 0.05)
OF_FAINT = _check(f"S/N below {MIDDLE}", 4 * 0.05)


def judge(images: Images, settings) -> list[Verdict]:
    """Faint stars, and brighter ones."""
    return starlight_verdicts(images.filtered, settings)


def starlight_verdicts(light: Filtered, settings) -> list[Verdict]:
    """Residual at stars that C names, in percent of their light.

    At local maxima of C above 4 of its sigma, over all below 20 sigma of S, and over all of 20 to 60::

        change = sum (D - S) / sum S

    S and D are of other exposures than C, so that the choice biases neither. A blur shows, too: it takes light out
    of the filter.
    """
    relative = np.where(light.inside, light.held_out / np.maximum(light.noise, 1e-6), 0)
    at = peaks(relative, NAMED, light.inside)
    level, change, light_of = light.held_out[at], (light.denoised - light.stack)[at], light.stack[at]
    verdicts = []
    for check, low, high in ((OF_FAINT, 0, MIDDLE), (OF_BRIGHT, MIDDLE, BRIGHT)):
        chosen = (level > low) & (level <= high)
        count, part, whole = int(chosen.sum()), change[chosen], light_of[chosen]
        value = error = float("nan")
        if count >= FEWEST and whole.sum() > 0:
            value = part.sum() / whole.sum()
            error = np.sqrt(count) * (part - value * whole).std(ddof=1) / whole.sum()
        verdicts.append(judged(check, 100 * value, 100 * error, settings, two_errors(count), n=count))
    return verdicts


STARLIGHT = Gate(
    "Is the light of the stars that held-out exposures name still there?", (OF_FAINT, OF_BRIGHT), judge,
    "Stars of S/N 20 to 60 may change by 5 %; the networks of the demo take up to 3 %. Fainter ones may change by four "
    "times as much: what is known least is changed most, and the networks take 2 to 10 % of them.",
    needs=(HELD_OUT,), looks_at=("filtered",),
)  # fmt: skip
