"""The gates a candidate has to pass, put together from what was measured."""

import numpy as np

from n2n.fidelity.gates import Gate, at_least, exactly, within
from n2n.fidelity.photometry import aperture_flux, find_stars, moment_width, robust_mean
from n2n.fidelity.risk import BOX, box_sums
from n2n.fidelity.zones import ZONES


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
