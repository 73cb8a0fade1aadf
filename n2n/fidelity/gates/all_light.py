"""G6, G7, G8 for all light: did it become brighter, move or widen as a whole?

Isolated bright stars say that of themselves (photometry, astrometry), but a frame may have none. What the denoiser
changed, D - S, is the sum of what is left of S's noise and, where light was scaled, moved or blurred as a whole::

    D - S = s T + x dT/dx + y dT/dy + b (d^2/dx^2 + d^2/dy^2) T + level

T, its slopes and its curvature are taken from held-out exposures, whose noise is not in D - S. They are noisy, which
would make the coefficients too small; a second half of them as the instrument does not share that noise (instrumental
variables, Wright 1928): with X the templates of one half and Z those of the other, ``< Z X > (s, x, y, b, level) =
< Z (D - S) >``. Every star and nebula counts by its light.
"""

import numpy as np
from scipy import ndimage

from n2n.fidelity.gates.gate import Check, Gate, Limit, Verdict, judged, says
from n2n.fidelity.images import HELD_OUT, Images
from n2n.fidelity.risk import BOX, box_sums
from n2n.fidelity.spectra import left_out

LIT, REACH = 3.0, 4  # sigma of the stack, in C smoothed; pixels around it that count
# The same for the width. Of faint light every good denoiser takes a little, the finest detail most: with 3 sigma,
# wavelets that knew the truth widened the light of nebulae by 1.8 %, with 10 sigma by 0.2 %; a blur of 4 % is found.
BRIGHT = 10.0
ENOUGH = 0.5  # times the limit: what is less sure than that judges nothing
EITHER = 2.3  # standard errors: the larger of two values is beyond them as seldom as one beyond 2


def _explained(what: str) -> str:
    return (
        f"Change of the {what} of all light, stars and nebulae, against the plain stack, where exposures the "
        "network has not seen show it."
    )


SCALE = Check(
    "G6", "Scale of all light", Limit("max_flux_bias"), "%", "within", _explained("brightness"),
    says("All light became {size} brighter", "All light became {size} fainter"), "S, through C", moot=True,
)  # fmt: skip
SHIFT = Check(
    "G7", "Place of all light", Limit("max_shift_px"), "px", "within", _explained("place"),
    says("Stars were moved: {size}"), "S, through C",
)  # fmt: skip
WIDTH = Check(
    "G8", "Width of all light", Limit("max_fwhm_change"), "%", "within", _explained("width"),
    says("Stars became {size} wider", "Stars became {size} narrower"), "S, through C",
)  # fmt: skip


def judge(images: Images, settings) -> list[Verdict]:
    """Scale, place and width."""
    seen = images.denoised, images.stack, images.parts
    return all_light_verdicts(*seen, images.weight, images.usable, images.fwhm, settings)


def all_light_verdicts(denoised, stack, parts, weight, usable, fwhm: float, settings) -> list[Verdict]:
    """Scale, shift and width of all light in the denoised image against the stack.

    Parameters
    ----------
    denoised, stack : ndarray, shape (h, w)
        Sky subtracted.
    parts : two pairs of ndarray, shape (h, w)
        Mean and depth of two disjoint parts of the held-out exposures.
    weight : ndarray, shape (h, w)
        Inverse variance of the stack.
    usable : ndarray of bool, shape (h, w)
        Pixels that count.
    fwhm : float
        Of stars, pixels.
    settings : namespace
        Those of the section `gates`.
    """
    images = denoised, stack, parts, weight, usable, fwhm / 2.3548
    (value, error), (width, its_error) = change(*images, (LIT, BRIGHT))
    value[3], error[3] = width[3], its_error[3]
    axis = 1 if abs(value[1]) >= abs(value[2]) else 2
    wider = (fwhm / 2.3548) ** -2  # d ln sigma for a blur that adds 2 b to sigma^2
    verdicts = []
    for check, index, unit, errors in ((SCALE, 0, 1, 2.0), (SHIFT, axis, 1, EITHER), (WIDTH, 3, wider, 2.0)):
        sure = error[index] < ENOUGH * check.limit.of(settings) / unit
        unit = 100 * unit if check.unit == "%" else unit
        one, its_error = (unit * number if sure else float("nan") for number in (value[index], error[index]))
        verdicts.append(judged(check, one, its_error, settings, errors))
    return verdicts


def change(denoised, stack, parts, weight, usable, sigma: float, lit=(LIT,)) -> list[tuple[np.ndarray, np.ndarray]]:
    """Coefficients s, x, y [px], b [px^2] of the module's formula and their jackknife errors; shape (4,) each.

    Parameters
    ----------
    denoised, stack, parts, weight, usable
        See `all_light_verdicts`.
    sigma : float
        Of stars, pixels. Templates and change are smoothed by as much: a matched filter.
    lit : sequence of float
        Sigma of the stack from which light counts; coefficients are found for each.
    """
    usable = usable & np.isfinite(denoised) & np.isfinite(stack) & (weight > 0)
    for mean, _ in parts:
        usable = usable & np.isfinite(mean)
    held_out = sum(np.where(usable, mean * depth, 0) for mean, depth in parts)
    held_out /= np.maximum(sum(np.where(usable, depth, 0) for _, depth in parts), 1e-6)
    level = ndimage.gaussian_filter(np.where(usable, held_out * np.sqrt(weight), 0), 1.0)
    far_inside = ndimage.binary_erosion(usable, iterations=REACH)
    changed = ndimage.gaussian_filter(np.where(usable, denoised - stack, 0).astype(np.float32), sigma)
    halves = [_templates(np.where(usable, mean, 0).astype(np.float32), sigma) for mean, _ in parts]
    weights = (ndimage.binary_dilation(level > least, iterations=REACH) & far_inside for least in lit)
    return [_fitted(changed, *halves, np.where(chosen, weight, 0).astype(np.float32)) for chosen in weights]


def _fitted(changed, first, second, weight) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients of all templates but the level, and their errors."""
    sums = [
        np.stack([box_sums(weight * (z * changed + x * changed), BOX) for x, z in zip(first, second, strict=True)], 1),
        np.stack([box_sums(weight * (z * x + u * v), BOX) for z, u in zip(second, first, strict=True)
                  for x, v in zip(first, second, strict=True)], 1),
    ]  # fmt: skip

    def solved(right, left):
        matrix = left.reshape(len(first), len(first))
        # A frame without light has no solution.
        if not np.isfinite(matrix).all() or np.linalg.cond(matrix) > 1e12:
            return np.full(len(first), np.nan)
        return np.linalg.solve(matrix, right)

    value, error, _ = left_out(solved, *sums)
    return value[:-1], error[:-1]


def _templates(image: np.ndarray, sigma: float) -> list[np.ndarray]:
    """Image, minus its slopes, curvature, and a level; a shift by +x moves light to larger x."""
    slopes = [-ndimage.gaussian_filter(image, sigma, order=order) for order in ((0, 1), (1, 0))]
    return [ndimage.gaussian_filter(image, sigma), *slopes, ndimage.gaussian_laplace(image, sigma), np.ones_like(image)]


ALL_LIGHT = Gate(
    "Did all light together become brighter, move or widen?", (SCALE, SHIFT, WIDTH), judge,
    "The limits are those of isolated stars, of which a frame may have none. The gate looks at the surroundings of "
    "light above 3 sigma; for the width above 10, since every denoiser takes some of the finest faint detail, which "
    "counted as a blur of 1.8 % in nebulae. With an error above half the limit nothing is said, and isolated stars "
    "judge alone.",
    needs=(HELD_OUT,), looks_at=("parts",),
)  # fmt: skip
