"""Judge a candidate on exposures nobody trained on, and choose what is shipped."""

import json

import h5py
import numpy as np

from n2n.fidelity.brightness import (
    error_over_stack,
    gain_by_brightness,
    held_out_chi2,
    variance_scale,
)
from n2n.fidelity.completeness import depth_gate
from n2n.fidelity.errors import single_exposure
from n2n.fidelity.evidence import evidence
from n2n.fidelity.gates.all_light import change_gates
from n2n.fidelity.gates.gate import FAIL, PASS, overall
from n2n.fidelity.ground import Ground, ground, measure, sky_noise
from n2n.fidelity.judged import (
    evidence_gates,
    gain_gates,
    same_treatment_gate,
    saturated_gate,
    sky_level_gate,
    star_gates,
)
from n2n.fidelity.proof import unproven
from n2n.fidelity.risk import Gain
from n2n.fidelity.zones import BRIGHTNESSES, brightness_class, divide
from n2n.formats import flags as bits
from n2n.formats.tables import read_json
from n2n.group.group import Pairs
from n2n.group.split import halves_of
from n2n.nets.tiles import overlaps

# The gain falls with depth about as depth^-0.35 (-0.29 to -0.40, benchmarks/claim). It is measured on blocks A and B
# and brought to the full stack with that.
DEPTH_EXPONENT, DEPTH_EXPONENT_ERROR = -0.35, 0.1


def judge(pairs: Pairs, stack: dict, candidate: h5py.File, header, facts: dict, limits, write_changed):
    """Run the gates, complete `facts` and the header, and choose what is shipped.

    Images of large frames fill the memory: none is read before it is needed, and none kept longer.

    Parameters
    ----------
    write_changed : callable
        ``write_changed(on, judged, images, fwhm, header)`` lists the changed sources and returns how many there are.

    Returns
    -------
    image, variance, mask : ndarray, shape (h, w)
    """
    on, judged = ground(pairs, np.asarray(candidate.attrs["held_out"], int)), candidate["judged"][:]
    sky, full_depth = np.float32(pairs.meta["sky"]), pairs.mean()[1]
    ratio = float(np.median(full_depth[on.usable] / on.depth[on.usable]))
    full = candidate["full"][:]
    by_class, scale, found = measured_gain(on, judged, full, stack["VAR"], full_depth, ratio, facts)
    facts["single_exposure"] = single_exposure(
        pairs, candidate["single"][:], judged, full, candidate.attrs, found.one_variance(on.depth), found.zones
    )
    weight = found.weight
    del found
    denoised = np.where(pairs.saturated | ~np.isfinite(stack["IMAGE"]), stack["IMAGE"], full + sky)
    denoised = denoised.astype(np.float32)
    del full
    facts["injection"] = read_json(limits.injected) if limits.injected else {}
    if limits.injected:
        pairs.check_made(limits.injected, facts["injection"].pop("pairs"))
    gates = gain_gates(facts, limits)
    gates.append(depth_gate(facts["injection"].get("depth"), limits.max_depth_loss))
    settings = json.loads(candidate.attrs["settings"])
    gates += gates_of_images(on, stack, denoised, judged, weight, settings, header, facts, limits, write_changed)
    gates.sort(key=lambda gate: int(gate.name[1:]))
    facts["gates"] = [gate.as_dict() for gate in gates]
    verdict = overall(gates)
    value, error = facts["exposure_gain"]["value"], facts["exposure_gain"]["standard_error"]
    # A gate that cannot be judged does not fail, but without a gain that stands out of its error nothing is proven.
    failed = [gate for gate in gates if gate.verdict == FAIL]
    doubt = "" if any(gate.title == "Gain" for gate in failed) else unproven(value, error, limits.min_gain)
    reasons = [f"{gate.title}: {gate.value:.3g} {gate.unit}, limit {gate.limit:g}" for gate in failed]
    if not np.isfinite(denoised[np.isfinite(stack["IMAGE"])]).all():
        verdict = FAIL
        reasons.insert(0, "the network gave values that are not numbers")
    if verdict == FAIL or doubt:
        facts |= {"product": "STACK", "qastat": FAIL if verdict == FAIL else "WARN"}
        facts["reason"] = "; ".join([doubt, *reasons] if doubt else reasons)
        what = "a gate failed" if verdict == FAIL else "no gain could be proven"
        header["PROCTYPE"] = ("STACK", f"plain stack: {what}, see QAREASON")
        return stack["IMAGE"], stack["VAR"], stack["MASK"]
    facts |= {"product": "DENOISED", "qastat": PASS, "reason": ""}
    facts["headline"] = f"worth {value:.1f} +- {error:.1f} times the exposures"
    header["PROCTYPE"] = ("DENOISED", "denoised product, not a measured image")
    if facts["model"].get("untrained"):
        facts["qastat"] = "WARN"
        facts["reason"] = (
            f"{facts['model']['untrained']}: denoised by the network that comes with n2n, not trained on them; "
            f"{len(on.held_out)} held-out exposures prove little"
        )
    risk = error_over_stack(by_class, ratio**DEPTH_EXPONENT)
    facts["error_by_brightness"] = {
        "edges_sigma": list(BRIGHTNESSES),
        "error_over_stack": risk.tolist(),
        "scatter_over_variance": scale.tolist(),
    }
    variance = stack["VAR"] * (scale * risk)[brightness_class(denoised - sky, sky_noise(pairs, full_depth))]
    same = (denoised == stack["IMAGE"]) | ~np.isfinite(denoised)
    variance = np.where(same, stack["VAR"], variance).astype(np.float32)
    mask = stack["MASK"].copy()
    mask[same] |= bits.BYPASS
    return denoised, variance, mask


def measured_gain(on: Ground, judged, full, stack_variance, full_depth, ratio: float, facts: dict):
    """Measure the gain, over all, by zone and by brightness; complete `facts`.

    Parameters
    ----------
    judged, full, stack_variance, full_depth : ndarray, shape (h, w)
        What was made of A and B, and of all; variance of the full stack, and how many standard exposures that is worth.
    ratio : float
        Depth of the full stack over that of A and B.

    Returns
    -------
    by_class : list of Gain
        From the faintest class of brightness.
    scale : ndarray
        `variance_scale` of the classes.
    found : Measured
    """
    found = measure(on, judged, full)
    measured = found.gain(on.usable)
    facts["exposure_gain"] = to_full_depth(measured, ratio)
    facts["exposure_gain_measured"] = measured.as_dict() | {
        "exposures": len(on.rest),
        "brought_to_full_stack_with_exponent": DEPTH_EXPONENT,
    }
    facts["zones"] = found.by_zone()
    by_class = gain_by_brightness(found, brightness_class(full, on.sky_sigma), on.usable)
    facts["gain_by_brightness"] = {"edges_sigma": list(BRIGHTNESSES), "classes": [gain.as_dict() for gain in by_class]}
    one_variance = stack_variance * full_depth
    classes = brightness_class(judged, on.sky_sigma)
    scale = variance_scale(on, found, classes, one_variance)
    one_variance *= scale[classes]
    chi2 = held_out_chi2(on, found, judged, classes, one_variance, error_over_stack(by_class))
    facts["held_out_chi2"] = {"edges_sigma": list(BRIGHTNESSES), "classes": chi2}
    facts["slope"] = slope(judged, on.judge_mean, on.judge_depth / on.pairs.variance, on.usable)
    facts["residual_chi2"] = float(np.mean((found.weight * (judged - on.mean) ** 2)[on.usable]))
    return by_class, scale, found


def gates_of_images(
    on: Ground, stack: dict, denoised, judged, weight, settings, header, facts, limits, write_changed
) -> list:
    """The gates that look at images; writes the list of changed sources, too.

    Parameters
    ----------
    denoised, judged, weight : ndarray, shape (h, w)
        What is shipped if all pass, what was made of A and B, and `measured_gain`'s weight.
    settings : dict
        How the network was applied.
    """
    pairs, sky, fwhm = on.pairs, np.float32(on.pairs.meta["sky"]), on.pairs.meta["fwhm_px"] or 3.0
    # What is compared with the held-out exposures must not be chosen by them.
    zones = divide(np.nan_to_num(judged), on.sky_sigma, on.usable)
    halves = halves_of(pairs, on.held_out)
    of_all_light = change_gates(judged, on.mean, halves, weight, on.usable, fwhm, limits)
    images = evidence(judged, on.mean, on.depth, halves, pairs.variance, on.usable)
    del halves
    facts["changed_sources"] = write_changed(on, judged, images, fwhm, header)
    shared = tuple(overlaps(side, settings["tile"], settings["overlap"]) for side in pairs.shape)
    gates = evidence_gates(images, zones, fwhm, shared, limits)
    del images
    product = stack["IMAGE"] - sky, stack["VAR"], denoised - sky
    bad = pairs.saturated | (zones < 0)
    gates += star_gates(product, (judged, on.mean, on.judge_mean), on.sky_sigma, bad, fwhm, facts, limits)
    del product
    gates += of_all_light
    gates.append(saturated_gate(denoised, stack["IMAGE"], pairs.saturated))
    against_judge = ((image - on.judge_mean) / on.sky_sigma for image in (judged, on.mean))
    gates.append(sky_level_gate(*against_judge, judged / on.sky_sigma, zones))
    removed = (stack["IMAGE"] - denoised) - (on.mean - judged)
    gates.append(same_treatment_gate(removed / on.sky_sigma, on.usable))
    return gates


def to_full_depth(measured: Gain, ratio: float) -> dict:
    """Bring a gain measured at some depth to `ratio` times that depth."""
    value = measured.value * ratio**DEPTH_EXPONENT
    relative = np.hypot(measured.error / measured.value, DEPTH_EXPONENT_ERROR * np.log(ratio))
    return {"value": float(value), "standard_error": float(value * relative)}


def slope(denoised, held_out, weight, usable) -> float:
    """Weighted regression of the held-out mean on the denoised image: above 1, faint light was lost."""
    x, y, w = (np.asarray(a[usable], np.float64) for a in (denoised, held_out, weight))
    x, y = x - np.average(x, weights=w), y - np.average(y, weights=w)
    return float((w * x * y).sum() / (w * x * x).sum())
