"""Judge the denoised image of any program."""

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from n2n.errors import UserError
from n2n.fidelity import gates
from n2n.fidelity.deep import told_by
from n2n.fidelity.gates.flux import star_flux
from n2n.fidelity.gates.gain import WHOLE
from n2n.fidelity.gates.gate import FAIL, INFO, PASS, Verdict, overall
from n2n.fidelity.ground import WeightedErrors, ground_of, light_of_all, sky_noise, weighted_errors
from n2n.fidelity.images import Images, Shipped
from n2n.fidelity.proof import unproven
from n2n.fidelity.pulls import claims_on, held_against
from n2n.fidelity.risk import true_gain
from n2n.fidelity.scale import BENT, line, relation, settled
from n2n.fidelity.zones import NEAR_SATURATED, ZONES, divide
from n2n.group.group import Group
from n2n.group.split import halves_of

SCHEMA = 1  # of compare.json
SAME = 0.1  # sigma; a stack whose pixels are off by less than this, in the median, is the same stack
ALIKE = 0.5  # correlation below which an image does not show what the stack shows


@dataclass(frozen=True)
class Known:
    """What a stack holds, and what brings it to the scale of the group.

    Attributes
    ----------
    holds : {"A and B", "all", "unknown"}
    mean, depth : ndarray, shape (h, w)
        Of these exposures, of all where unknown.
    factor, offset : float
        The sky is subtracted with them.
    """

    holds: str
    mean: np.ndarray
    depth: np.ndarray
    factor: float
    offset: float


def compare(group: Group, denoised, stack, settings, truth=None, names=("the image", "the stack"), deep=None) -> dict:
    """Judge one image.

    Parameters
    ----------
    group : Group
        The exposures and what is known of them.
    denoised, stack : ndarray, shape (h, w)
        As read; NaN where unknown.
    settings : namespace
        Those of the section `gates`.
    truth : ndarray, shape (h, w), optional
        The noiseless image, on any linear scale.
    names : two str
        Of the files, for messages.
    deep : Group, optional
        Other exposures of the same sky.

    Returns
    -------
    dict
        What compare.json holds.
    """
    known = recognised(group, stack, names[1])
    sigma = sky_noise(group, known.depth)
    usable = np.isfinite(stack) & np.isfinite(known.mean) & (known.depth > 0)
    usable &= ~ndimage.binary_dilation(group.saturated, iterations=NEAR_SATURATED)
    missing = int((~np.isfinite(denoised) & usable).sum())
    if not (usable & np.isfinite(denoised)).any():
        raise UserError(f"{names[0]} holds no numbers where {names[1]} does")
    usable &= np.isfinite(denoised)
    # The stack's scale is known exactly; that of the image is found against the stack as both were given.
    noise = float(np.median(sigma[usable])) / abs(known.factor)
    denoised, scale, notes = scaled(denoised, stack, usable, noise, names)
    stack, denoised = (
        (known.factor * image.astype(np.float64) + known.offset).astype(np.float32) for image in (stack, denoised)
    )
    stack[~np.isfinite(known.mean)] = np.nan
    held_out = int((group.blocks == "C").sum())
    judging = known.holds == "A and B" and held_out >= 2
    if judging:
        images, found = by_held_out(group, denoised, stack, usable)
    else:
        images = by_stack(group, denoised, stack, known.depth, usable)
        why = {"all": "the stack holds the held-out exposures", "unknown": "the stack is none that n2n made"}
        notes.append(
            f"{why.get(known.holds, 'fewer than two exposures are held out')}, so that they cannot judge: "
            "gain, invented and lost light are not proved. Denoise what --write-stack gives"
        )
    told = {}
    if deep is not None:
        zones = found.zones if judging else None
        told["deep"], seen = told_by(deep, group, denoised, stack, known.depth, images.usable, zones)
        if judging:
            told["deep"] = held_against(told["deep"], claims_on(found, seen))
    verdicts = gates.judge(images, settings)
    if scale["fitted"]:
        verdicts = [moot(verdict) for verdict in verdicts]
    if missing:
        notes.append(f"{missing} pixels that the stack knows are not numbers; that alone fails")
    proved = judging and all(
        one.verdict == PASS for one in verdicts if (one.name, one.title) == (WHOLE.key, WHOLE.title)
    )
    facts = {
        "schema": SCHEMA, "denoised": names[0], "stack": names[1], "exposures": len(group.exposures), "notes": notes,
        "group": group.name, "stack_holds": known.holds, "scale": scale, "held_out": held_out if judging else 0,
        "star_flux": star_flux(images.stars),
    }  # fmt: skip
    if judging:
        gain = images.gains["all"]
        facts |= {"exposure_gain": gain, "zones": {name: images.gains[name] for name in ZONES}}
        if not proved:
            notes.append(unproven(gain["value"], gain["standard_error"], settings.min_gain).replace("+-", "±"))
    facts["gates"] = [verdict.as_dict() for verdict in verdicts]
    facts["verdict"] = FAIL if missing or overall(verdicts) == FAIL else PASS if proved else "WARN"
    if truth is not None:
        facts["true_gain"] = against_truth(group, denoised, stack, truth, known.depth, usable)
    return facts | told


def recognised(group: Group, stack: np.ndarray, name: str) -> Known:
    """Find out which exposures a stack holds, and what brings it to the scale of the group.

    Parameters
    ----------
    group : Group
        The exposures and what is known of them.
    stack : ndarray, shape (h, w)
        As read.
    name : str
        Of its file, for messages.

    Raises
    ------
    UserError
        When the stack has nothing in common with the group.
    """
    for holds, chosen in (("A and B", group.blocks != "C"), ("all", slice(None))):
        mean, depth, _ = group.mean(chosen)
        usable = np.isfinite(mean) & np.isfinite(stack) & ~group.saturated & (depth > 0)
        if not usable.any():
            raise UserError(f"{name} holds no numbers where the group does; give the stack that was denoised")
        factor, offset = line(stack[usable], mean[usable])
        off = np.abs(factor * stack.astype(np.float64) + offset - mean)[usable] / sky_noise(group, depth)[usable]
        if np.median(off) < SAME:
            return Known(holds, mean, depth, factor, offset)
    found = relation(stack, mean, usable)
    if found["correlation"] < ALIKE:
        raise UserError(
            f"{name} does not show what the group shows, pixel by pixel: flipped, moved or of another field; "
            "write a stack with --write-stack and denoise that"
        )
    return Known("unknown", mean, depth, 1 / found["factor"], -found["offset"] / found["factor"])


def scaled(denoised, stack, usable, sigma: float, names) -> tuple[np.ndarray, dict, list[str]]:
    """Bring the denoised image to the scale of the stack.

    Parameters
    ----------
    denoised, stack : ndarray, shape (h, w)
        As read.
    usable : ndarray of bool, shape (h, w)
        Pixels that count.
    sigma : float
        Noise of the stack, in its unit.
    names : two str
        Of the files, for messages.

    Returns
    -------
    ndarray, shape (h, w)
    dict
        The scale, as compare.json has it.
    list of str
        What a person should know of it.

    Raises
    ------
    UserError
        When the image does not show what the stack shows.
    """
    found = relation(denoised, stack, usable)
    if found["correlation"] < ALIKE:
        raise UserError(
            f"{names[0]} does not show what {names[1]} shows, pixel by pixel: flipped, moved or of "
            "another field; denoise the stack and change nothing else"
        )
    factor, offset, fitted = settled(found, sigma)
    notes = []
    if abs(found["exponent"] - 1) > BENT:
        notes.append(
            "the image looks stretched: it does not follow the stack along a straight line; compare linear images"
        )
    if fitted:
        notes.append(
            f"factor {factor:.5g} and level {offset:.5g} against the stack were fitted: light lost or added by one "
            "factor everywhere, and the level of the sky, cannot be judged"
        )
    return (denoised - offset) / factor, found | {"factor": factor, "offset": offset, "fitted": fitted}, notes


def by_held_out(group: Group, denoised, stack, usable) -> tuple[Images, WeightedErrors]:
    """All there is but n2n's own: injected stars, tiles, and the stack of all exposures; and the errors of both.

    Parameters
    ----------
    group : Group
        The exposures and what is known of them.
    denoised, stack : ndarray, shape (h, w)
        The image, made of A and B, and its stack as it was given; both on the scale of the group.
    usable : ndarray of bool, shape (h, w)
        Pixels that count.
    """
    ground = ground_of(group, np.flatnonzero(group.blocks == "C"))
    ground = replace(ground, usable=ground.usable & usable)
    found = weighted_errors(ground, denoised, light_of_all(group))
    return Images(
        denoised=denoised, stack=ground.mean, depth=ground.depth, variance=group.variance, sigma=ground.sky_sigma,
        usable=ground.usable, saturated=group.saturated, fwhm=group.facts.fwhm_px or 3.0,
        shipped=Shipped(stack, denoised), held_out=ground.judge_mean, halves=lambda: halves_of(group, ground.held_out),
        weight=found.weight, gains={"all": found.gain(ground.usable).as_dict()} | found.by_zone(),
    ), found  # fmt: skip


def by_stack(group: Group, denoised, stack, depth, usable) -> Images:
    """The image and its stack alone.

    Parameters
    ----------
    group : Group
        The exposures and what is known of them.
    denoised, stack, depth : ndarray, shape (h, w)
        The image, its stack as it was given, and how many standard exposures that is worth.
    usable : ndarray of bool, shape (h, w)
        Pixels that count.
    """
    return Images(
        denoised=denoised, stack=stack, depth=depth, variance=group.variance, sigma=sky_noise(group, depth),
        usable=usable, saturated=group.saturated, fwhm=group.facts.fwhm_px or 3.0, shipped=Shipped(stack, denoised),
    )  # fmt: skip


def moot(verdict: Verdict) -> Verdict:
    """A number that a fitted scale makes good proves nothing."""
    if verdict.verdict == PASS and gates.check_of(verdict.name, verdict.title).moot:
        return replace(verdict, verdict=INFO)
    return verdict


def against_truth(group: Group, denoised, stack, truth, depth, usable) -> dict:
    """True gain over the stack, in total and by zone; the truth's factor and level are fitted to the stack.

    Parameters
    ----------
    group : Group
        The exposures and what is known of them.
    denoised, stack, truth, depth : ndarray, shape (h, w)
        Images sky subtracted; how many standard exposures the stack is worth.
    usable : ndarray of bool, shape (h, w)
        Pixels that count.
    """
    usable = usable & np.isfinite(truth)
    factor, offset = line(truth[usable], stack[usable])
    truth = (factor * truth + offset).astype(np.float32)
    weight = np.where(usable, depth / np.where(usable, group.variance, 1), 0)
    images = [np.where(usable, image, 0) for image in (denoised, stack, truth)]
    zones = divide(images[2], sky_noise(group, depth), usable)
    parts = {"all": usable} | {name: zones == index for index, name in enumerate(ZONES)}
    return {name: true_gain(*images, weight, chosen).as_dict() for name, chosen in parts.items()}
