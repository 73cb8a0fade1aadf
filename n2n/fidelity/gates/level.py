"""G10: is empty sky as bright as held-out exposures say?"""

import numpy as np

from n2n.fidelity.gates.gate import Check, Gate, Limit, Verdict, judged, says
from n2n.fidelity.images import HELD_OUT, Images
from n2n.fidelity.risk import BOX, box_sums
from n2n.fidelity.zones import ZONES

MOST_SCALE = 0.03  # by which exposures may differ in scale that were brought to one transparency
FULL = 0.2  # share of a box that has to count
FEWEST = 4  # boxes that tell an error, or a slope
SKY = Check(
    "G10", "Level of the sky", Limit(times=0.05), "sigma", "within",
    "Empty sky of the denoised image against the held-out exposures, in units of the stack's noise a pixel: "
    "faint light lost or invented everywhere would show here.",
    says("The sky became {size} brighter", "The sky became {size} darker"), "C, less what S itself is off", moot=True,
)  # fmt: skip


def judge(images: Images, settings) -> list[Verdict]:
    """Empty sky over the whole field."""
    against = ((image - images.held_out) / images.sigma for image in (images.denoised, images.stack))
    return [level_verdict(*against, images.denoised / images.sigma, images.zones, settings)]


def level_verdict(denoised, stack, light, zones, settings) -> Verdict:
    """Level of the denoised sky against the held-out exposures, in sigma of the stack.

    Parameters
    ----------
    denoised, stack : ndarray, shape (h, w)
        Each minus the held-out mean, over sigma. A difference of level that the stack itself has to the held-out
        exposures is no fault of the denoiser and is subtracted.
    light : ndarray, shape (h, w)
        The denoised image over sigma. What the held-out exposures differ by in scale grows with it: where the field is
        full of faint light, 1 % of that is a level, too, and another one in empty sky than elsewhere.
    zones : ndarray, shape (h, w)
        Made from the *denoised* image: a good denoiser is right on average wherever it says that there is sky.
    settings : namespace
        Those of the section `gates`.
    """
    empty = zones == ZONES.index("background")
    value, error = box_mean(denoised, empty)
    diffuse = empty | (zones == ZONES.index("extended"))
    offset, _ = box_mean(stack, diffuse)
    offset += scale_of(stack, light, diffuse) * (box_mean(light, empty)[0] - box_mean(light, diffuse)[0])
    return judged(SKY, value - offset, error, settings)


def scale_of(difference: np.ndarray, light: np.ndarray, chosen: np.ndarray) -> float:
    """Slope of a difference of two stacks with the light, from box means, within `MOST_SCALE`.

    Parameters
    ----------
    difference, light : ndarray, shape (h, w)
        In sigma of the stack.
    chosen : ndarray of bool, shape (h, w)
        Pixels that count.
    """
    counts = box_sums(chosen.astype(float), BOX)
    full = counts > FULL * BOX**2
    y, x = (box_sums(np.where(chosen, image, 0), BOX)[full] / counts[full] for image in (difference, light))
    if full.sum() < FEWEST or np.ptp(x) == 0 or not np.isfinite(x + y).all():
        return 0.0
    return float(np.clip(np.polyfit(x, y, 1)[0], -MOST_SCALE, MOST_SCALE))


def box_mean(values: np.ndarray, chosen: np.ndarray) -> tuple[float, float]:
    """Mean over the chosen pixels and its standard error from the scatter between boxes."""
    sums, counts = box_sums(np.where(chosen, values, 0), BOX), box_sums(chosen.astype(float), BOX)
    full = counts > FULL * BOX**2
    means = sums[full] / counts[full]
    value = float(np.average(means, weights=counts[full])) if full.any() else float("nan")
    error = float(means.std(ddof=1) / np.sqrt(full.sum())) if full.sum() >= FEWEST else float("nan")
    return value, error


LEVEL = Gate(
    "Is empty sky as bright as held-out exposures say?", (SKY,), judge,
    "0.05 sigma of a pixel is not seen in one pixel, but added up over a faint nebula it is light: wavelets that left "
    "the sky of dense fields 0.035 sigma too bright added 3.5 % to its diffuse light. Exposures differ in scale by up "
    "to 3 %, though they were brought to one transparency; what the stack itself is off by is taken off.",
    needs=(HELD_OUT,),
)  # fmt: skip
