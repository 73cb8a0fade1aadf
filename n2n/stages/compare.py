"""`n2n compare`: the gates of `assess` for a denoised image of any program.

    n2n compare --pairs pairs.h5 --write-stack AB.fits      the stack without the held-out exposures
    (denoise AB.fits with whatever you like)
    n2n compare denoised.fits AB.fits --pairs pairs.h5      judge it by the held-out exposures

The stack is the image that was denoised. Where it contains the held-out exposures, as stack.fits does, they cannot
judge: then only those gates are run that compare with the stack. Any linear scale will do. With --truth, the noiseless
image of a simulation, the true gain is printed as well. Exit status 0 also when a gate fails, 1 with --strict.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
from astropy.io import fits
from scipy import ndimage

from n2n.config import add_settings
from n2n.errors import UserError
from n2n.fidelity.change import change_gates
from n2n.fidelity.evenness import evenness_gate
from n2n.fidelity.evidence import evidence
from n2n.fidelity.gates import FAIL, INFO, PASS, Gate, exactly, overall
from n2n.fidelity.ground import ground, light_of_all, measure, sky_noise
from n2n.fidelity.judged import evidence_gates, gain_gates, halves_of, sky_level_gate, star_gates
from n2n.fidelity.proof import unproven
from n2n.fidelity.risk import true_gain
from n2n.fidelity.scale import BENT, line, read_image, relation, settled
from n2n.fidelity.zones import NEAR_SATURATED, ZONES, divide
from n2n.formats.products import reference_header, set_cards, write_fits
from n2n.formats.provenance import stack_cards
from n2n.formats.tables import write_json
from n2n.log import logger
from n2n.report.words import failure, measured, needs
from n2n.stages.pairs import Pairs

SCHEMA = 1  # of compare.json
SAME = 0.1  # sigma; a stack whose pixels are off by less than this, in the median, is the same stack
ALIKE = 0.5  # correlation below which an image does not show what the stack shows
# What a fitted factor and level make true by themselves.
MOOT = (("G2", "Light kept, all light"), ("G6", "Scale of all light"), ("G10", "Level of the sky"))


def add_arguments(parser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("denoised", type=Path, nargs="?", help="FITS file of the denoised stack")
    parser.add_argument("stack", type=Path, nargs="?", help="FITS file of the stack that was denoised")
    parser.add_argument("--pairs", type=Path, required=True, help="pairs.h5 of the group")
    parser.add_argument("--write-stack", type=Path, help="write the stack without held-out exposures to this file")
    parser.add_argument("--truth", type=Path, help="FITS file of the noiseless image, on any linear scale")
    parser.add_argument("-o", "--output", type=Path, help="JSON file to write")
    add_settings(parser, "gates")


def run(args) -> int:
    """Execute the command."""
    pairs = Pairs(args.pairs)
    if args.write_stack:
        write_stack(pairs, args.write_stack)
    if args.denoised is None or args.stack is None:
        if args.write_stack:
            return 0
        raise UserError("name two files, the denoised image and the stack it was made from, or use --write-stack")
    denoised, stack = (read_image(path, pairs.shape) for path in (args.denoised, args.stack))
    truth = read_image(args.truth, pairs.shape) if args.truth else None
    facts = compare(pairs, denoised, stack, args, truth, (args.denoised.name, args.stack.name))
    print("\n".join(table(facts)))
    if args.output:
        write_json(args.output, facts)
    return int(args.strict and facts["verdict"] == FAIL)


def write_stack(pairs: Pairs, path: Path) -> None:
    """Write the mean of blocks A and B for other programs.

    They stop at NaN: pixels nobody saw get the level of the sky; and some open no file of several images.
    """
    chosen = pairs.blocks != "C"
    mean, _, _ = pairs.mean(chosen)
    header = reference_header(pairs.meta)
    set_cards(header, stack_cards([frame for frame in pairs.frames if frame["block"] != "C"], pairs.meta))
    header["PROCTYPE"] = ("STACK", "weighted mean without the held-out exposures")
    image = np.nan_to_num(mean) + np.float32(pairs.meta["sky"])
    write_fits(path, [fits.PrimaryHDU(image, header)])
    logger.info("%s: %d exposures, without the %d held out", path, chosen.sum(), (~chosen).sum())


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


def table(facts: dict) -> list[str]:
    """The judgement for the terminal."""
    by = f"{facts['held_out']} held-out exposures" if facts["held_out"] else "the stack alone"
    lines = [f"\n{facts['denoised']} against {facts['stack']} ({facts['group']}), judged by {by}\n"]
    rows = [("gate", "what", "measured", "allowed", "verdict")]
    said = {PASS: "pass", FAIL: "FAIL", INFO: "not judged"}
    rows += [(g["name"], g["title"], measured(g), needs(g), said[g["verdict"]]) for g in facts["gates"]]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines += ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    if "true_gain" in facts:
        gains = [f"{found['value']:.3g} in {name}" for name, found in facts["true_gain"].items() if found["pixels"]]
        lines += ["", f"Against the truth, times the exposures: {', '.join(gains)}."]
    lines += ["", *(f"Note: {note}." for note in facts["notes"])]
    lines += [
        f"Failed: {failure(gate)}; allowed is {needs(gate)}." for gate in facts["gates"] if gate["verdict"] == FAIL
    ]
    gain = facts.get("exposure_gain")
    worth = f"worth {gain['value']:.1f} ± {gain['standard_error']:.1f} times the exposures" if gain else ""
    words = {PASS: f"PASS: {worth}.", FAIL: "FAIL.", "WARN": "No fault found, but nothing proved."}
    return [*lines, words[facts["verdict"]]]
