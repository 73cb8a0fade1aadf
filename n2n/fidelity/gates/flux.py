"""G6: did isolated stars become brighter or fainter?"""

import numpy as np

from n2n.fidelity.gates.gate import Check, Gate, Limit, Verdict, judged, says, two_errors
from n2n.fidelity.images import Images
from n2n.fidelity.isolated import BRIGHT, FAINT, Stars
from n2n.sky.photometry import BORROWED, robust_mean


def _check(stars: str, times: float) -> Check:
    return Check(
        "G6", f"Flux of stars, {stars}", Limit("max_flux_bias", times), "%", "within",
        "Mean change of the brightness of {n} isolated stars against the plain stack.",
        says(f"Stars became {{size}} brighter ({stars})", f"Stars became {{size}} fainter ({stars})"), "S",
    )  # fmt: skip


# Name of a class of stars as assessment.json has it, its check, and between which S/N.
CLASSES = {
    f"S/N above {BRIGHT}": (_check(f"S/N above {BRIGHT}", 1.0), BRIGHT, np.inf),
    f"S/N {FAINT} to {BRIGHT}": (_check(f"S/N {FAINT} to {BRIGHT}", 3.0), FAINT, BRIGHT),
}


def judge(images: Images, settings) -> list[Verdict]:
    """Bright stars, and fainter ones."""
    verdicts = []
    for (check, _, _), found in zip(CLASSES.values(), star_flux(images.stars).values(), strict=True):
        value, error, n = 100 * found["bias"], 100 * found["standard_error"], found["n"]
        verdicts.append(judged(check, value, error, settings, two_errors(n + BORROWED), n=n))
    return verdicts


def star_flux(stars: Stars) -> dict[str, dict]:
    """Mean change of the flux of every class of stars, as a share, with its standard error and their number."""
    result = {}
    for name, (_, low, high) in CLASSES.items():
        chosen = (stars.ratio > low) & (stars.ratio <= high)
        bias, error, n = robust_mean(stars.change[chosen], stars.expected[chosen])
        result[name] = {"bias": bias, "standard_error": error, "n": n}
    return result


FLUX = Gate(
    "Did isolated stars become brighter or fainter?", tuple(check for check, _, _ in CLASSES.values()), judge,
    "1 % is 0.01 mag. Stars of S/N 20 to 50 may change by "
    "three times as much: one of them is known to 2 to 5 %. Fluxes are compared through the difference of the images "
    "and the mean of the ring: the median of a noisy ring in a crowded field is higher than that of the same ring "
    "denoised, by 4 % of a star of S/N 20 to 50 (HAT-P-32), and would be taken for harm.",
)  # fmt: skip
