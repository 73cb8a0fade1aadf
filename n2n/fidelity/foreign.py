"""Judge the denoised image of any program."""

from dataclasses import replace

import numpy as np
from scipy import ndimage

from n2n.errors import UserError
from n2n.fidelity.evidence import evidence
from n2n.fidelity.gates.all_light import change_gates
from n2n.fidelity.gates.evenness import evenness_gate
from n2n.fidelity.gates.gate import FAIL, INFO, PASS, Gate, exactly, overall
from n2n.fidelity.ground import ground, light_of_all, measure, sky_noise
from n2n.fidelity.judged import evidence_gates, gain_gates, sky_level_gate, star_gates
from n2n.fidelity.proof import unproven
from n2n.fidelity.risk import true_gain
from n2n.fidelity.scale import BENT, line, relation, settled
from n2n.fidelity.zones import NEAR_SATURATED, ZONES, divide
from n2n.group.group import Pairs
from n2n.group.split import halves_of

SCHEMA = 1  # of compare.json
SAME = 0.1  # sigma; a stack whose pixels are off by less than this, in the median, is the same stack
ALIKE = 0.5  # correlation below which an image does not show what the stack shows
# What a fitted factor and level make true by themselves.
MOOT = (("G2", "Light kept, all light"), ("G6", "Scale of all light"), ("G10", "Level of the sky"))


def compare(pairs: Pairs, denoised, stack, limits, truth=None, names=("the image", "the stack")) -> dict:
    """Judge one image.

    Parameters
    ----------
    denoised, stack : ndarray, shape (h, w)
        As read; NaN where unknown.
    limits : namespace
        The settings `gates`.
    truth : ndarray, shape (h, w), optional
    names : two str
        Of the files, for messages.

    Returns
    -------
    dict
        What compare.json holds.
    """
    held_out = np.flatnonzero(pairs.blocks == "C")
    facts = {"schema": SCHEMA, "denoised": names[0], "stack": names[1], "exposures": len(pairs.frames), "notes": []}
    facts["group"] = pairs.path.resolve().parent.name
    kind, (mean, depth), (factor, offset) = recognised(pairs, stack, names[1])
    facts["stack_holds"] = kind
    sigma = sky_noise(pairs, depth)
    usable = np.isfinite(stack) & np.isfinite(mean) & (depth > 0)
    usable &= ~ndimage.binary_dilation(pairs.saturated, iterations=NEAR_SATURATED)
    missing = int((~np.isfinite(denoised) & usable).sum())
    if not (usable & np.isfinite(denoised)).any():
        raise UserError(f"{names[0]} holds no numbers where {names[1]} does")
    usable &= np.isfinite(denoised)
    # The stack's scale is known exactly; that of the image is found against the stack as both were given.
    denoised = scaled(denoised, stack, usable, float(np.median(sigma[usable])) / abs(factor), facts)
    stack, denoised = ((factor * image.astype(np.float64) + offset).astype(np.float32) for image in (stack, denoised))
    stack[~np.isfinite(mean)] = np.nan
    judging = kind == "A and B" and len(held_out) >= 2
    facts["held_out"] = len(held_out) if judging else 0
    judge = by_held_out if judging else by_stack
    gates = judge(pairs, denoised, stack, depth, sigma, usable, facts, limits)
    near = np.abs(denoised - stack) <= 0.01 * np.abs(stack) + sigma  # rescaled pixels are not the same bit by bit
    changed = int((pairs.saturated & np.isfinite(stack) & ~near).sum())
    gates.append(exactly("G11", "Saturated pixels", changed, "Pixels at full scale must be the stack's, within 1 %."))
    if facts["scale"]["fitted"]:
        gates = [moot(gate) for gate in gates]
    gates.sort(key=lambda gate: int(gate.name[1:]))
    if missing:
        facts["notes"].append(f"{missing} pixels that the stack knows are not numbers; that alone fails")
    facts["gates"] = [gate.as_dict() for gate in gates]
    proved = judging and all(gate.verdict == PASS for gate in gates if (gate.name, gate.title) == ("G1", "Gain"))
    if judging and not proved:
        gain = facts["exposure_gain"]
        facts["notes"].append(unproven(gain["value"], gain["standard_error"], limits.min_gain).replace("+-", "±"))
    facts["verdict"] = FAIL if missing or overall(gates) == FAIL else PASS if proved else "WARN"
    if truth is not None:
        facts["true_gain"] = against_truth(pairs, denoised, stack, truth, depth, sigma, usable)
    return facts


def recognised(pairs: Pairs, stack: np.ndarray, name: str):
    """Find out which exposures a stack holds, and what brings it onto the scale of the group.

    Returns
    -------
    kind : {"A and B", "all", "unknown"}
    known : two ndarray, shape (h, w)
        Mean and depth of these exposures, of all where unknown.
    placing : two float
        Factor and offset; the sky is subtracted with it.
    """
    for kind, chosen in (("A and B", pairs.blocks != "C"), ("all", slice(None))):
        mean, depth, _ = pairs.mean(chosen)
        usable = np.isfinite(mean) & np.isfinite(stack) & ~pairs.saturated & (depth > 0)
        if not usable.any():
            raise UserError(f"{name} holds no numbers where the group does; give the stack that was denoised")
        factor, offset = line(stack[usable], mean[usable])
        off = np.abs(factor * stack.astype(np.float64) + offset - mean)[usable] / sky_noise(pairs, depth)[usable]
        if np.median(off) < SAME:
            return kind, (mean, depth), (factor, offset)
    found = relation(stack, mean, usable)
    if found["correlation"] < ALIKE:
        raise UserError(
            f"{name} does not show what the group shows, pixel by pixel: flipped, moved or of another field; "
            "write a stack with --write-stack and denoise that"
        )
    return "unknown", (mean, depth), (1 / found["factor"], -found["offset"] / found["factor"])


def scaled(denoised, stack, usable, sigma: float, facts: dict) -> np.ndarray:
    """Bring the denoised image onto the scale of the stack; notes into `facts` what had to be done."""
    found = relation(denoised, stack, usable)
    if found["correlation"] < ALIKE:
        raise UserError(
            f"{facts['denoised']} does not show what {facts['stack']} shows, pixel by pixel: flipped, moved or of "
            "another field; denoise the stack and change nothing else"
        )
    factor, offset, fitted = settled(found, sigma)
    facts["scale"] = found | {"factor": factor, "offset": offset, "fitted": fitted}
    if abs(found["exponent"] - 1) > BENT:
        facts["notes"].append(
            "the image looks stretched: it does not follow the stack along a straight line; compare linear images"
        )
    if fitted:
        facts["notes"].append(
            f"factor {factor:.5g} and level {offset:.5g} against the stack were fitted: light lost or added by one "
            "factor everywhere, and the level of the sky, cannot be judged"
        )
    return (denoised - offset) / factor


def by_held_out(pairs: Pairs, denoised, stack, depth, sigma, usable, facts: dict, limits) -> list[Gate]:
    """All gates that need neither the network nor its tiles: all but G4, G12 and G15."""
    on = ground(pairs, np.flatnonzero(pairs.blocks == "C"))
    on = replace(on, usable=on.usable & usable)
    found = measure(on, denoised, light_of_all(pairs))
    zones = divide(denoised, on.sky_sigma, on.usable)
    facts["exposure_gain"], facts["zones"] = found.gain(on.usable).as_dict(), found.by_zone()
    halves = halves_of(pairs, on.held_out)
    images = evidence(denoised, on.mean, depth, halves, pairs.variance, on.usable)
    fwhm, bad = pairs.meta["fwhm_px"] or 3.0, pairs.saturated | (zones < 0)
    product = on.mean, variance_of(pairs, depth), denoised
    against_judge = [(image - on.judge_mean) / sigma for image in (denoised, on.mean)]
    return [
        *gain_gates(facts, limits),
        *evidence_gates(images, zones, fwhm, ((), ()), limits),
        *star_gates(product, (denoised, on.mean, on.judge_mean), sigma, bad, fwhm, facts, limits),
        *change_gates(denoised, on.mean, halves, found.weight, on.usable, fwhm, limits),
        sky_level_gate(*against_judge, denoised / sigma, zones),
    ]


def by_stack(pairs: Pairs, denoised, stack, depth, sigma, usable, facts: dict, limits) -> list[Gate]:
    """The gates that compare with the stack alone."""
    why = {"all": "the stack holds the held-out exposures", "unknown": "the stack is none that n2n made"}
    facts["notes"].append(
        f"{why.get(facts['stack_holds'], 'fewer than two exposures are held out')}, so that they cannot judge: "
        "gain, invented and lost light are not proved. Denoise what --write-stack gives"
    )
    same = (stack, depth), (stack, depth)  # no gate used here looks at the held-out halves
    images = evidence(denoised, stack, depth, same, pairs.variance, usable)
    product = stack, variance_of(pairs, depth), denoised
    fwhm, bad = pairs.meta["fwhm_px"] or 3.0, ~usable
    gates = star_gates(product, (denoised, stack, stack), sigma, bad, fwhm, facts, limits)
    return [*(gate for gate in gates if gate.title != "Scatter of places"), evenness_gate(images)]


def variance_of(pairs: Pairs, depth: np.ndarray) -> np.ndarray:
    """Variance of a mean of that depth, NaN where nobody looked."""
    return np.where(depth > 0, pairs.variance / np.maximum(depth, 1e-6), np.nan)


def moot(gate: Gate) -> Gate:
    """A gate that a fitted scale makes true passes nothing."""
    return replace(gate, verdict=INFO) if (gate.name, gate.title) in MOOT and gate.verdict == PASS else gate


def against_truth(pairs: Pairs, denoised, stack, truth, depth, sigma, usable) -> dict:
    """True gain over the stack, in total and by zone; the truth's factor and level are fitted to the stack."""
    usable = usable & np.isfinite(truth)
    factor, offset = line(truth[usable], stack[usable])
    truth = (factor * truth + offset).astype(np.float32)
    weight = np.where(usable, depth / np.where(usable, pairs.variance, 1), 0)
    images = [np.where(usable, image, 0) for image in (denoised, stack, truth)]
    zones = divide(images[2], sigma, usable)
    parts = {"all": usable} | {name: zones == index for index, name in enumerate(ZONES)}
    return {name: true_gain(*images, weight, chosen).as_dict() for name, chosen in parts.items()}
