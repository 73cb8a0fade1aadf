"""G5 and the star stack of G9: sources that the denoised image invents, loses or dims."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from n2n.fidelity.evidence import Evidence
from n2n.fidelity.gates.gate import Gate, at_most, census, two_errors, within

FOUND = 5.0  # sigma of the stack after the same filter: what counts as a source
LOST = 4.0  # ... what counts as one in the stack; the held-out exposures decide whether it was
ERASED = 4.5  # ... what D took away at one place, which noise reaches once in a million pixels
SEEING = 0.1  # share of the light around by which C may differ


@dataclass(frozen=True)
class Filtered:
    """Images after a filter of the stars' width, in units of the stack's noise after it; arrays of shape (h, w).

    Attributes
    ----------
    denoised, stack, held_out : ndarray
        A star's value is its signal-to-noise ratio in the stack: forced photometry weighted with the star's shape.
    noise : ndarray
        Standard deviation of `held_out`.
    allowed : ndarray
        How far `held_out` may be off by its seeing.
    inside : ndarray of bool
        Pixels whose surroundings are usable.
    """

    denoised: np.ndarray
    stack: np.ndarray
    held_out: np.ndarray
    noise: np.ndarray
    allowed: np.ndarray
    inside: np.ndarray


def filtered(images: Evidence, fwhm: float) -> Filtered:
    """Apply a filter of the stars' width that ignores the level around: a Gaussian less one three times as wide."""
    width = fwhm / 2.3548

    def matched(image):
        return ndimage.gaussian_filter(image, width) - ndimage.gaussian_filter(image, 3 * width)

    noise = matched(images.noise)
    inside = ndimage.uniform_filter(images.usable.astype(np.float32), 2 * int(np.ceil(3 * width)) + 1, mode="constant")
    inside = inside > 0.999
    if not inside.any():
        return Filtered(*np.zeros((5, *inside.shape), np.float32), inside)
    unit = 1.4826 * float(np.median(np.abs(noise[inside])))
    denoised, stack, held_out = (matched(image) / unit for image in (images.denoised, images.stack, images.held_out))
    allowed = SEEING * ndimage.maximum_filter(np.abs(stack), 2 * int(np.ceil(1.5 * fwhm)) + 1)
    return Filtered(denoised, stack, held_out, np.sqrt(images.ratio), allowed, inside)


def invented_gate(light: Filtered, limit: float, sign: int = 1) -> Gate:
    """Sources of D that neither S nor C confirms.

    A source is a local maximum of D above 5 sigma of S. It is unconfirmed when D exceeds C by more than 3 sigma of C
    and, lest a chance low of C suffice, S by more than 2 sigma of S; besides what seeing allows.

    Where stars stand shoulder to shoulder, seeing allows much, and few maxima are added. So a local maximum of D - S
    above 5 sigma of S, which noise does not reach, is unconfirmed, too, when C shows less than half of what was added.

    Parameters
    ----------
    light : Filtered
    limit : float
        Share of all sources of D that may be unconfirmed.
    sign : {1, -1}
        -1: holes, sources of -D.

    Returns
    -------
    Gate
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
    what = ("star", "stars") if sign > 0 else ("dark spot", "dark spots")
    return census(
        "G5", f"Invented {what[1]}", count, found, chance(found, limit), limit,
        f"The denoised image shows {len(at[0])} {what[len(at[0]) != 1]} or other small details; {count} of them "
        "are not in the exposures the network has not seen, nor in the plain stack.",
    )  # fmt: skip


def lost_gate(light: Filtered, limit: float) -> Gate:
    """Sources of S that D lacks and C shows.

    At local maxima of S above 4 sigma of which D has less than half::

        lost = n sum (C - D) / sum (S - D)

    n of them, times the share of what D took away that the held-out exposures show: none when only noise peaks
    were removed, n when all were stars.

    Parameters
    ----------
    light : Filtered
    limit : float
        Share of all sources of S that may be lost.

    Returns
    -------
    Gate
        In percent of all sources of S.
    """
    at = peaks(light.stack, LOST, light.inside)
    found = len(at[0])
    gone = light.denoised[at] < 0.5 * light.stack[at]
    at = tuple(index[gone] for index in at)
    denoised, stack, held_out, noise = (
        image[at] for image in (light.denoised, light.stack, light.held_out, light.noise)
    )
    count, lost, error = int(gone.sum()), 0.0 if found else float("nan"), 0.0
    if count:
        share = 100 * count / found / (stack - denoised).sum()
        lost, error = share * (held_out - denoised).sum(), share * np.sqrt((noise**2).sum())
    return at_most(
        "G5", "Lost stars", lost, error, 100 * limit,
        f"Of {found} stars or other small details of the plain stack {count} were removed. The exposures the network "
        "has not seen tell how many of these were real.",
    )  # fmt: skip


def erased_gate(light: Filtered, limit: float) -> Gate:
    """Details of S that D took away and C shows, one by one.

    Local maxima of S - D above 4.5 sigma of S where C shows more than half of what is gone, and more than seeing could
    make of what is near. `lost_gate` weighs all faint sources together and allows for a share; where there are
    thousands, fifty that are missing are no share to speak of. A good denoiser takes none: noise of 4.5 sigma is rare,
    and C has another.

    Parameters
    ----------
    light : Filtered
    limit : float
        Share of all sources of S that may be erased.

    Returns
    -------
    Gate
        In percent of all sources of S.
    """
    found = len(peaks(light.stack, LOST, light.inside)[0]) if light.inside.any() else None
    gone = light.stack - light.denoised
    at = peaks(gone, ERASED, light.inside & (light.stack > 0) & (gone > light.allowed))
    count = int((light.held_out[at] - light.denoised[at] > 0.5 * gone[at]).sum())
    return census(
        "G5", "Erased stars", count, found, chance(found, limit), limit,
        f"At {len(at[0])} places a detail of the plain stack that noise hardly makes is gone; at {count} of them the "
        "exposures the network has not seen show it.",
    )  # fmt: skip


def star_stack_gates(light: Filtered, limit: float) -> list[Gate]:
    """Residual at stars that C names.

    At local maxima of C above 4 of its sigma, over all below 20 sigma of S, and over all of 20 to 60::

        change = sum (D - S) / sum S

    S and D are of other exposures than C, so that the choice biases neither. A blur shows, too: it takes light out
    of the filter.

    Parameters
    ----------
    light : Filtered
    limit : float
        Share of their light by which stars of 20 to 60 sigma may change; fainter ones four times as much: what is
        known least is changed most.

    Returns
    -------
    list of Gate
        In percent of the light of these stars.
    """
    relative = np.where(light.inside, light.held_out / np.maximum(light.noise, 1e-6), 0)
    at = peaks(relative, 4.0, light.inside)
    level, change, light_of = light.held_out[at], (light.denoised - light.stack)[at], light.stack[at]
    gates = []
    for low, high, allowed in ((0, 20, 4 * limit), (20, 60, limit)):
        chosen = (level > low) & (level <= high)
        count, part, whole = int(chosen.sum()), change[chosen], light_of[chosen]
        value = error = float("nan")
        if count >= 5 and whole.sum() > 0:
            value = part.sum() / whole.sum()
            error = np.sqrt(count) * (part - value * whole).std(ddof=1) / whole.sum()
        span = f"S/N {low} to {high}" if low else f"S/N below {high}"
        gates.append(
            within(
                "G9", f"Light of stars, {span}", 100 * value, 100 * error, 100 * allowed,
                f"Mean change of {count} stars and other small details against the plain stack. They are chosen in "
                "exposures the network has not seen.", errors=two_errors(count),
            )
        )  # fmt: skip
    return gates


def chance(found: int | None, limit: float) -> float:
    """Standard error, in percent, of a count of which `limit` is allowed: one of few is no share to speak of."""
    found = max(found or 0, 1)
    return 100 * max(0.75, np.sqrt(limit * found)) / found


def peaks(image: np.ndarray, threshold: float, inside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of local maxima above a threshold."""
    top = (image == ndimage.maximum_filter(image, 5)) & (image > threshold) & inside
    return np.nonzero(top)
