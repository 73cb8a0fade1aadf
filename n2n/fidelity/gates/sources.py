"""G5: does the denoised image invent, lose or erase stars and other small details?"""

import numpy as np
from scipy import ndimage

from n2n.fidelity.filtered import LOST, Filtered, peaks
from n2n.fidelity.gates.gate import Check, Gate, Limit, Verdict, census, judged, says
from n2n.fidelity.images import HELD_OUT, Images

FOUND = 5.0  # sigma of the stack after the filter: what counts as a source of D
ERASED = 4.5  # ... what D took away at one place, which noise reaches once in a million pixels
_SHOWS = (
    "The denoised image shows {found} {what} or other small details; {count} of them are not in the exposures the "
    "network has not seen, nor in the plain stack."
)
INVENTED_STARS = Check(
    "G5", "Invented stars", Limit("max_invented"), "%", "at most", _SHOWS, says("Stars were invented: {size}"),
    "S and C",
)  # fmt: skip
INVENTED_SPOTS = Check(
    "G5", "Invented dark spots", Limit("max_invented"), "%", "at most", _SHOWS,
    says("Dark spots were invented: {size}"), "S and C",
)  # fmt: skip
LOST_STARS = Check(
    "G5", "Lost stars", Limit("max_invented", times=5), "%", "at most",
    "Of {found} stars or other small details of the plain stack {count} were removed. The exposures the network "
    "has not seen tell how many of these were real.",
    says("Stars were lost: {size}"), "S and C",
)  # fmt: skip
ERASED_STARS = Check(
    "G5", "Erased stars", Limit("max_invented", times=0.25), "%", "at most",
    "At {places} places a detail of the plain stack that noise hardly makes is gone; at {count} of them the "
    "exposures the network has not seen show it.",
    says("Faint stars were erased: {size}"), "S and C",
)  # fmt: skip


def judge(images: Images, settings) -> list[Verdict]:
    """Invented stars, invented dark spots, and stars that were lost or erased."""
    light = images.filtered
    return [
        invented(light, settings),
        invented(light, settings, sign=-1),
        lost(light, settings),
        erased(light, settings),
    ]


def invented(light: Filtered, settings, sign: int = 1) -> Verdict:
    """Sources of D that neither S nor C confirms.

    A source is a local maximum of D above 5 sigma of S. It is unconfirmed when D exceeds C by more than 3 sigma of C
    and, lest a chance low of C suffice, S by more than 2 sigma of S; besides what seeing allows.

    Where stars stand shoulder to shoulder, seeing allows much, and few maxima are added. So a local maximum of D - S
    above 5 sigma of S, which noise does not reach, is unconfirmed, too, when C shows less than half of what was added.

    Parameters
    ----------
    light : Filtered
        Images after a filter of the stars' width.
    settings : namespace
        Those of the section `gates`.
    sign : {1, -1}
        -1: holes, sources of -D.

    Returns
    -------
    Verdict
        Unconfirmed sources in percent of all.
    """
    denoised, stack, held_out = (sign * image for image in (light.denoised, light.stack, light.held_out))
    at = peaks(denoised, FOUND, light.inside)
    beyond = denoised[at] - held_out[at] > 3 * light.noise[at] + light.allowed[at]
    beyond &= denoised[at] - stack[at] > 2 + light.allowed[at]
    unconfirmed = np.zeros(denoised.shape, bool)
    unconfirmed[at] = beyond
    added = denoised - stack
    new = peaks(added, FOUND, light.inside & (denoised > 0))
    unconfirmed[new] |= held_out[new] - stack[new] < 0.5 * added[new]
    # One that is found both ways, a pixel apart, is one.
    count = int(ndimage.label(ndimage.binary_dilation(unconfirmed, iterations=2))[1])
    found = len(at[0]) if light.inside.any() else None
    check, what = (INVENTED_STARS, "star") if sign > 0 else (INVENTED_SPOTS, "dark spot")
    known = {"found": len(at[0]), "what": what + "s" * (len(at[0]) != 1), "count": count}
    return census(check, count, found, chance(found, check.limit.of(settings)), settings, **known)


def lost(light: Filtered, settings) -> Verdict:
    """Sources of S that D lacks and C shows; in percent of all sources of S.

    At local maxima of S above 4 sigma of which D has less than half::

        lost = n sum (C - D) / sum (S - D)

    n of them, times the share of what D took away that the held-out exposures show: none when only noise peaks
    were removed, n when all were stars.
    """
    at = peaks(light.stack, LOST, light.inside)
    found = len(at[0])
    gone = light.denoised[at] < 0.5 * light.stack[at]
    at = tuple(index[gone] for index in at)
    denoised, stack, held_out, noise = (
        image[at] for image in (light.denoised, light.stack, light.held_out, light.noise)
    )
    count, value, error = int(gone.sum()), 0.0 if found else float("nan"), 0.0
    if count:
        share = 100 * count / found / (stack - denoised).sum()
        value, error = share * (held_out - denoised).sum(), share * np.sqrt((noise**2).sum())
    return judged(LOST_STARS, value, error, settings, found=found, count=count)


def erased(light: Filtered, settings) -> Verdict:
    """Details of S that D took away and C shows, one by one; in percent of all sources of S.

    Local maxima of S - D above 4.5 sigma of S where C shows more than half of what is gone, and more than seeing could
    make of what is near. `lost` weighs all faint sources together and allows for a share; where there are
    thousands, fifty that are missing are no share to speak of. A good denoiser takes none: noise of 4.5 sigma is rare,
    and C has another.
    """
    found = len(peaks(light.stack, LOST, light.inside)[0]) if light.inside.any() else None
    gone = light.stack - light.denoised
    at = peaks(gone, ERASED, light.inside & (light.stack > 0) & (gone > light.allowed))
    count = int((light.held_out[at] - light.denoised[at] > 0.5 * gone[at]).sum())
    allowed = chance(found, ERASED_STARS.limit.of(settings))
    return census(ERASED_STARS, count, found, allowed, settings, places=len(at[0]), count=count)


def chance(found: int | None, limit: float) -> float:
    """Standard error, in percent, of a count of which `limit` is allowed: one of few is no share to speak of."""
    found = max(found or 0, 1)
    return 100 * max(0.75, np.sqrt(limit * found)) / found


SOURCES = Gate(
    "Does the image invent, lose or erase stars and other small details?",
    (INVENTED_STARS, INVENTED_SPOTS, LOST_STARS, ERASED_STARS), judge,
    "One setting, three limits. Invented sources are counted one by one: 0.2 % of all. Five times as many (1 %) may be "
    "lost, because how many of the faint peaks that are gone were stars is known as a share of all only, with its "
    "error. A quarter (0.05 %) may be erased: these details stand so far out of the noise, and held-out exposures show "
    "each, that a good image erases none; it was chosen on images of known truth (benchmarks/gates).",
    needs=(HELD_OUT,), looks_at=("filtered",),
)  # fmt: skip
