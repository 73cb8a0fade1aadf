"""Stage `assess`: judge the candidate on exposures nobody trained on, then write the product.

denoised.fits is written here and nowhere else: with the denoised image when every gate passed, with the plain
stack, marked as such and with the reason, when one failed or nothing could be proved.
"""

import json
from pathlib import Path

import h5py
import numpy as np
from astropy.io import fits
from scipy import ndimage

from n2n.config import add_settings
from n2n.fidelity.gates import FAIL, PASS, Gate, at_least, exactly, overall, within
from n2n.fidelity.photometry import aperture_flux, find_stars, moment_width, robust_mean
from n2n.fidelity.risk import (
    BOX,
    Gain,
    box_sums,
    difference_error,
    gain_of,
    held_out_gain,
    product_error,
    unseen_error,
    without_seeing,
)
from n2n.fidelity.zones import NEAR_SATURATED, ZONES, divide
from n2n.formats import flags as bits
from n2n.formats.pictures import before_after_png, preview_png
from n2n.formats.products import read_product, set_cards, write_fits
from n2n.formats.provenance import denoise_cards, history_line, product_hdus, quality_cards, versions
from n2n.formats.tables import read_json, write_json
from n2n.log import logger
from n2n.stages.pairs import Pairs

# The gain falls with depth about as depth^-0.4 (one simulated night, 9 to 22 exposures: -0.30 to -0.48, found in
# development trials; no committed benchmark repeats it yet). It is measured on blocks A and B and brought to the
# full stack with that.
DEPTH_EXPONENT, DEPTH_EXPONENT_ERROR = -0.4, 0.15
# Edges, in sigma of the stack, of the brightness classes for which the error is measured by itself.
CLASSES = (1.0, 3.0, 10.0, 30.0)


def add_arguments(parser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("pairs", type=Path, help="pairs.h5 of the group")
    parser.add_argument("--stack", type=Path, required=True, help="stack.fits of the group")
    parser.add_argument("--candidate", type=Path, required=True, help="candidate.h5 of `n2n denoise`")
    parser.add_argument("--calibration", type=Path, help="calibration.json of the group, for the report")
    parser.add_argument("-o", "--output", type=Path, required=True, help="denoised.fits to write, the rest beside it")
    add_settings(parser, "gates")


def run(args) -> None:
    """Execute the stage."""
    pairs = Pairs(args.pairs)
    header, stack = read_product(args.stack, "VAR", "MASK", "COVERAGE")
    facts = describe(pairs, args)
    with h5py.File(args.candidate, "r") as file:
        refused = file.attrs.get("refused")
        candidate = None if refused else {name: file[name][:] for name in ("full", "judged", "single")}
        attributes = {key: file.attrs[key] for key in file.attrs}
    if candidate is None:
        facts |= {"product": "STACK", "qastat": "WARN", "reason": refused, "gates": []}
        image, variance, mask = stack["IMAGE"], stack["VAR"], stack["MASK"]
        header["PROCTYPE"] = ("STACK", "plain stack: denoising was not possible")
    else:
        model, settings = json.loads(attributes["model"]), json.loads(attributes["settings"])
        facts["model"] = model
        image, variance, mask = judge(pairs, stack, candidate, attributes, header, facts, args)
        set_cards(header, denoise_cards(model, settings, facts))
    set_cards(header, quality_cards(facts))
    header.add_history(
        history_line("assess", f"{facts['product']} {len(pairs.frames)} frames QASTAT={facts['qastat']}")
    )
    extra = [fits.ImageHDU(stack["IMAGE"], name="STACK")]
    extra[0].header["BUNIT"] = header["BUNIT"]
    write_fits(
        args.output,
        product_hdus(image, header, variance, mask, stack["COVERAGE"], pairs.frames, pairs.left_out, extra),
    )
    folder = args.output.parent
    before_after_png(folder / "before_after.png", stack["IMAGE"], image, facts)
    preview_png(folder / "preview.png", image, like=stack["IMAGE"])
    write_json(folder / "assessment.json", facts)
    logger.info("%s: %s", facts["qastat"], facts.get("headline") or facts["reason"])


def describe(pairs: Pairs, args) -> dict:
    """What is known before any judging."""
    row, folder = pairs.meta["row"], args.pairs.resolve().parent
    everything = sorted([*pairs.frames, *pairs.left_out], key=lambda entry: entry["path"])
    columns = ("date_obs", "fwhm_px", "ellipticity", "background", "background_rms", "n_stars")
    columns += ("transparency", "rms_px", "overlap", "weight", "block")
    exposures = [float(entry["exptime_s"]) for entry in pairs.frames if entry["exptime_s"]]
    return {
        "night": folder.parent.name,
        "group": folder.name,
        "target": row["target"],
        "filter": row["filter"],
        "unit": pairs.meta["unit"],
        "exposures": {
            "found": len(everything),
            "used": len(pairs.frames),
            "training": int((pairs.blocks != "C").sum()),
            "held_out": int((pairs.blocks == "C").sum()),
            "total_s": sum(exposures) or None,
        },
        "reference": pairs.meta["reference"],
        "limits": pairs.meta["limits"],
        "calibration": read_json(args.calibration)["reasons"] if args.calibration else [],
        "frames": [
            {
                "filename": entry["path"],
                "accepted": not entry["rejected"],
                "reasons": entry["rejected"],
                **{column: entry.get(column) for column in columns},
            }
            for entry in everything
        ],
        "versions": versions(),
    }


def judge(pairs: Pairs, stack: dict, candidate: dict, attributes: dict, header, facts: dict, limits):
    """Run the gates, complete `facts` and the header, and choose what is shipped.

    Returns
    -------
    image, variance, mask : ndarray, shape (h, w)
    """
    held_out = np.asarray(attributes["held_out"], int)
    rest = np.setdiff1d(np.arange(len(pairs.frames)), held_out)
    mean, depth, _ = pairs.mean(rest)
    judge_mean, judge_depth, _ = pairs.mean(held_out)
    scatter = pairs.scatter(rest, mean)
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = depth / pairs.variance
        usable = np.isfinite(mean) & np.isfinite(judge_mean) & np.isfinite(scatter) & (depth > 0)
        sky_sigma = np.sqrt(pairs.meta["variance_background"] / np.maximum(depth, 1e-6))
        own = scatter / depth
    usable &= ~ndimage.binary_dilation(pairs.saturated, iterations=NEAR_SATURATED)
    zones = divide(np.nan_to_num(candidate["judged"]), sky_sigma, usable)
    weight, own = np.where(usable, weight, 0), np.where(usable, own, 0)
    own = without_seeing(own, candidate["judged"], sky_sigma, zones == ZONES.index("stars"))
    before, after = errors(pairs, candidate["judged"], mean, judge_mean, own, weight, zones, held_out, rest)

    def gain(chosen) -> Gain:
        return gain_of(before, after, chosen)

    measured = gain(usable)
    by_zone = {name: gain(zones == index) for index, name in enumerate(ZONES)}
    full_depth = pairs.mean()[1]
    ratio = float(np.median(full_depth[usable] / depth[usable]))
    facts["exposure_gain"] = to_full_depth(measured, ratio)
    facts["exposure_gain_measured"] = measured.as_dict() | {
        "exposures": len(rest),
        "brought_to_full_stack_with_exponent": DEPTH_EXPONENT,
    }
    facts["zones"] = {
        name: by_zone[name].as_dict() | {"share": float((zones == index).sum() / max(usable.sum(), 1))}
        for index, name in enumerate(ZONES)
    }
    residual = candidate["judged"] - mean
    facts["slope"] = slope(candidate["judged"], judge_mean, judge_depth / pairs.variance, usable)
    facts["residual_chi2"] = float(np.mean((weight * residual**2)[usable]))
    facts["single_exposure"] = single_exposure(pairs, candidate["single"], attributes, scatter, zones)
    sky = np.float32(pairs.meta["sky"])
    denoised = np.where(pairs.saturated | ~np.isfinite(stack["IMAGE"]), stack["IMAGE"], candidate["full"] + sky)
    denoised = denoised.astype(np.float32)
    gates = run_gates(pairs, stack, denoised, mean, sky_sigma, zones, facts, limits)
    against_judge = [(image - judge_mean) / sky_sigma for image in (candidate["judged"], mean)]
    gates.append(sky_level_gate(*against_judge, zones))
    removed_full, removed_judged = stack["IMAGE"] - denoised, mean - candidate["judged"]
    gates.append(same_treatment_gate((removed_full - removed_judged) / sky_sigma, usable))
    facts["gates"] = [gate.as_dict() for gate in gates]
    verdict = overall(gates)
    value, error = facts["exposure_gain"]["value"], facts["exposure_gain"]["standard_error"]
    # A gate that cannot be judged does not fail, but without a measured gain nothing is proved.
    unproved = [] if np.isfinite(value) else ["the gain could not be measured on the held-out exposures"]
    if not np.isfinite(denoised[np.isfinite(stack["IMAGE"])]).all():
        unproved.append("the network gave values that are not numbers")
    if verdict == FAIL or unproved:
        failed = [gate for gate in gates if gate.verdict == FAIL]
        failed = [f"{gate.title}: {gate.value:.3g} {gate.unit}, limit {gate.limit:g}" for gate in failed]
        facts |= {"product": "STACK", "qastat": FAIL, "reason": "; ".join([*unproved, *failed])}
        header["PROCTYPE"] = ("STACK", "plain stack: a gate failed, see QAREASON")
        return stack["IMAGE"], stack["VAR"], stack["MASK"]
    facts |= {"product": "DENOISED", "qastat": PASS, "reason": ""}
    facts["headline"] = f"worth {value:.1f} +- {error:.1f} times the exposures"
    header["PROCTYPE"] = ("DENOISED", "denoised product, not a measured image")
    classes = brightness_class(candidate["judged"], sky_sigma)
    risk = np.ones(len(CLASSES) + 1, np.float32)
    for index in range(len(risk)):
        found = gain(usable & (classes == index))
        if found.pixels > 500:
            risk[index] = np.clip(1 / found.value, 0.01, 1.0)
    facts["error_by_brightness"] = {"edges_sigma": list(CLASSES), "error_over_stack": risk.tolist()}
    full_sigma = np.sqrt(pairs.meta["variance_background"] / np.maximum(full_depth, 1e-6))
    variance = stack["VAR"] * risk[brightness_class(denoised - sky, full_sigma)]
    same = (denoised == stack["IMAGE"]) | ~np.isfinite(denoised)
    variance = np.where(same, stack["VAR"], variance).astype(np.float32)
    mask = stack["MASK"].copy()
    mask[same] |= bits.BYPASS
    return denoised, variance, mask


def to_full_depth(measured: Gain, ratio: float) -> dict:
    """Bring a gain measured at some depth to `ratio` times that depth."""
    value = measured.value * ratio**DEPTH_EXPONENT
    relative = np.hypot(measured.error / measured.value, DEPTH_EXPONENT_ERROR * np.log(ratio))
    return {"value": float(value), "standard_error": float(value * relative)}


def errors(pairs, denoised, mean, judge_mean, own, weight, zones, held_out, rest):
    """Error of the stack and of the denoised image, pixel by pixel, times `weight`; only sums over many mean anything.

    Parameters
    ----------
    denoised, mean, judge_mean, own, weight : ndarray, shape (h, w)
        Denoised image and mean of A and B, mean of C, variance of the mean of A and B from its scatter and inverse
        smooth variance, both 0 where not usable.
    zones : ndarray, shape (h, w)
    held_out, rest : int ndarray
        Exposures of C, and the others.

    Returns
    -------
    before, after : ndarray, shape (h, w)
    """
    usable = zones >= 0
    denoised, mean, judge_mean = (np.where(usable, image, 0) for image in (denoised, mean, judge_mean))
    before, after = weight * own, difference_error(denoised, mean, judge_mean, own, weight)
    parts = ((*pairs.mean(part)[:2], judging) for part, judging in parts_of(pairs, held_out, rest))
    faint = usable & (zones != ZONES.index("stars"))
    judged, stack = product_error([denoised, mean], weight, faint, parts)
    fair = np.isfinite(judged)
    for index in range(len(ZONES)):
        zone = fair & (zones == index)
        after[zone] = judged[zone] + unseen_error(before, stack, zone)
    return before, after


def parts_of(pairs: Pairs, held_out: np.ndarray, rest: np.ndarray, most: int = 8):
    """Divide the held-out exposures and the others into at most `most` parts each.

    Exposures of one pointing share noise and stay together.

    Yields
    ------
    part : int ndarray
    judging : bool
    """
    for chosen, judging in ((held_out, True), (rest, False)):
        pointing = [pairs.frames[index]["pointing"] for index in chosen]
        rank = {unit: number % most for number, unit in enumerate(dict.fromkeys(pointing))}
        label = np.array([rank[unit] for unit in pointing])
        for number in range(min(len(rank), most)):
            yield chosen[label == number], judging


def slope(denoised, held_out, weight, usable) -> float:
    """Weighted regression of the held-out mean on the denoised image: above 1, faint light was lost."""
    x, y, w = (np.asarray(a[usable], np.float64) for a in (denoised, held_out, weight))
    x, y = x - np.average(x, weights=w), y - np.average(y, weights=w)
    return float((w * x * y).sum() / (w * x * x).sum())


def brightness_class(signal: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Index of the brightness class of every pixel; NaN counts as the faintest."""
    return np.digitize(np.nan_to_num(signal / sigma), CLASSES)


def single_exposure(pairs: Pairs, denoised, attributes, scatter, zones) -> dict:
    """Gain for one held-out exposure, judged by the other held-out ones."""
    single = int(attributes["single"])
    others = np.array([i for i in attributes["held_out"] if i != single])
    exposure, depth, _ = pairs.mean([single])
    judge_mean, _, _ = pairs.mean(others)
    usable = np.isfinite(exposure) & np.isfinite(judge_mean) & (zones >= 0)
    own = np.where(usable, scatter / np.maximum(depth, 1e-6), 0)
    weight = depth / pairs.variance
    result = {"filename": pairs.frames[single]["path"]}
    for index, name in [(None, "all"), *enumerate(ZONES)]:
        chosen = usable if index is None else usable & (zones == index)
        result[name] = held_out_gain(denoised, exposure, judge_mean, own, weight, chosen).as_dict()
    return result


def run_gates(pairs, stack, denoised, mean, sky_sigma, zones, facts, limits) -> list[Gate]:
    """All gates of this version; stars are found in A and B, never in C."""
    gain = facts["exposure_gain"]
    gates = [
        at_least(
            "G1", "Gain", gain["value"], gain["standard_error"], limits.min_gain,
            "How many times the exposures a plain stack would need for the same error. Judged on exposures the "
            "network has not seen.",
        )
    ]  # fmt: skip
    words = {"background": "empty sky", "extended": "nebulae and galaxies", "stars": "stars"}
    for name in ZONES:
        zone = facts["zones"][name]
        gates.append(
            at_least(
                "G1", f"Gain in {words[name]}", zone["value"], zone["standard_error"], limits.min_zone_gain,
                f"The same for {words[name]} alone: below 1 the denoiser would have done harm there.",
            )
        )  # fmt: skip
    bad = pairs.saturated | (zones < 0)
    points = find_stars(np.nan_to_num(mean), sky_sigma, bad)
    fwhm = pairs.meta["fwhm_px"] or 3.0
    radius = max(1.5 * fwhm, 3.0)
    before, after = (np.nan_to_num(image - pairs.meta["sky"]) for image in (stack["IMAGE"], denoised))
    flux = aperture_flux(before, points, radius)
    noise = np.sqrt(np.abs(aperture_flux(np.nan_to_num(stack["VAR"]), points, radius)) + 1e-12)
    area_noise = np.sqrt(np.nanmedian(stack["VAR"]) * np.pi * radius**2)
    ratio = flux / np.maximum(noise, area_noise)
    change = aperture_flux(after - before, points, radius, ring="mean") / np.where(flux > 0, flux, np.nan)
    for low, high, limit in ((50, np.inf, limits.max_flux_bias), (20, 50, 3 * limits.max_flux_bias)):
        chosen = (ratio > low) & (ratio <= high)
        bias, error, n = robust_mean(change[chosen])
        span = f"S/N above {low}" if high == np.inf else f"S/N {low} to {high}"
        gates.append(
            within(
                "G6", f"Flux of stars, {span}", 100 * bias, 100 * error, 100 * limit,
                f"Mean change of the brightness of {n} isolated stars against the plain stack.",
            )
        )  # fmt: skip
        facts.setdefault("star_flux", {})[span] = {"bias": bias, "standard_error": error, "n": n}
    bright = points[ratio > 50]
    widths = moment_width(after, bright, radius) / moment_width(before, bright, radius) - 1
    width, error, n = robust_mean(widths)
    gates.append(
        within(
            "G8", "Width of stars", 100 * width, 100 * error, 100 * limits.max_fwhm_change,
            f"Mean change of the width of {n} bright stars: above zero the image was blurred.",
        )
    )  # fmt: skip
    differing = int((denoised[pairs.saturated] != stack["IMAGE"][pairs.saturated]).sum())
    nan = int(np.isnan(stack["IMAGE"][pairs.saturated]).sum())
    gates.append(
        exactly("G11", "Saturated pixels", differing - nan, "Pixels at full scale must be the stack's, bit by bit.")
    )
    return gates


def same_treatment_gate(difference: np.ndarray, usable: np.ndarray) -> Gate:
    """Was the full stack treated like the part of it that could be judged?

    Parameters
    ----------
    difference : ndarray, shape (h, w)
        What was taken from the full stack minus what was taken from blocks A and B, over sigma.
    """
    sums, counts = box_sums(np.where(usable, difference, 0), BOX), box_sums(usable.astype(float), BOX)
    means = sums[counts > 0.5 * BOX**2] / counts[counts > 0.5 * BOX**2]
    value = float(np.sqrt(np.mean(means**2))) if means.size else float("nan")
    return within(
        "G15", "Full stack treated like its judged part", value, 0.0, 0.05,
        "The held-out exposures judge blocks A and B; the shipped image is of all exposures. What was taken from "
        "either must agree, over boxes of 48 pixels, in units of the stack's noise a pixel.", "sigma",
    )  # fmt: skip


def sky_level_gate(denoised: np.ndarray, stack: np.ndarray, zones: np.ndarray) -> Gate:
    """Level of the denoised sky against the held-out exposures, in sigma of the stack.

    Parameters
    ----------
    denoised, stack : ndarray, shape (h, w)
        Each minus the held-out mean, over sigma. A difference of level that the stack itself has to the held-out
        exposures is no fault of the denoiser and is subtracted.
    zones : ndarray, shape (h, w)
        Made from the *denoised* image: a good denoiser is right on average wherever it says that there is sky.
    """
    value, error = box_mean(denoised, zones == 0)
    offset, _ = box_mean(stack, (zones == 0) | (zones == 1))
    return within(
        "G10", "Level of the sky", value - offset, error, 0.05,
        "Empty sky of the denoised image against the held-out exposures, in units of the stack's noise a pixel: "
        "faint light lost or invented everywhere would show here.", "sigma",
    )  # fmt: skip


def box_mean(values: np.ndarray, chosen: np.ndarray) -> tuple[float, float]:
    """Mean over the chosen pixels and its standard error from the scatter between boxes."""
    sums, counts = box_sums(np.where(chosen, values, 0), BOX), box_sums(chosen.astype(float), BOX)
    full = counts > 0.2 * BOX**2
    means = sums[full] / counts[full]
    value = float(np.average(means, weights=counts[full])) if full.any() else float("nan")
    error = float(means.std(ddof=1) / np.sqrt(full.sum())) if full.sum() > 3 else float("nan")
    return value, error
