"""The gates a candidate has to pass, put together from what was measured."""

import numpy as np

from n2n.fidelity.astrometry import place_gates
from n2n.fidelity.evidence import Evidence
from n2n.fidelity.gates.agreement import correlation_gates
from n2n.fidelity.gates.evenness import evenness_gate
from n2n.fidelity.gates.gate import Gate, exactly, gain_gate, two_errors, within
from n2n.fidelity.gates.light import light_gates
from n2n.fidelity.gates.residual import residual_gate
from n2n.fidelity.gates.seams import seam_gate
from n2n.fidelity.photometry import BORROWED, aperture_flux, find_stars, moment_width, robust_mean, star_variance
from n2n.fidelity.risk import BOX, box_sums
from n2n.fidelity.sources import erased_gate, filtered, invented_gate, lost_gate, star_stack_gates
from n2n.fidelity.spectra import rings
from n2n.fidelity.zones import ZONES

MOST_SCALE = 0.03  # by which exposures may differ in scale that were brought to one transparency
STAR_CHANGE = 0.05  # share by which stars of S/N 20 to 60 may change; the networks of the demo take up to 0.03


def gain_gates(facts: dict, limits) -> list[Gate]:
    """G1, over all and zone by zone."""
    gain = facts["exposure_gain"]
    gates = [
        gain_gate(
            "Gain", gain["value"], gain["standard_error"], limits.min_gain,
            "How many times the exposures a plain stack would need for the same error. Judged on exposures the "
            "network has not seen; it must be above the limit by two standard errors.", proven=True,
        )
    ]  # fmt: skip
    words = {"background": "empty sky", "extended": "nebulae and galaxies", "stars": "stars"}
    for name in ZONES:
        zone = facts["zones"][name]
        gates.append(
            gain_gate(
                f"Gain in {words[name]}", zone["value"], zone["standard_error"], limits.min_zone_gain,
                f"The same for {words[name]} alone: below 1 the denoiser would have done harm there.", proven=False,
            )
        )  # fmt: skip
    return gates


def evidence_gates(images: Evidence, zones, fwhm: float, overlaps, limits) -> list[Gate]:
    """G2, G3, G5, G9, G12 and the evenness of G10: what the denoiser changed, by the word of the held-out exposures.

    G4, injected stars, needs the network once more: that is `n2n inject`.

    Parameters
    ----------
    images : Evidence
    zones : ndarray, shape (h, w)
    fwhm : float
        Of stars, pixels.
    overlaps : two lists of slice
        Rows, and columns, that two tiles share.
    limits : namespace
        The settings `gates`.
    """
    light, fourier = filtered(images, fwhm), rings(images)
    return [
        *light_gates(images, zones == ZONES.index("stars"), limits.max_light_change),
        *correlation_gates(fourier, limits.max_unconfirmed),
        invented_gate(light, limits.max_invented),
        invented_gate(light, limits.max_invented, sign=-1),
        lost_gate(light, 5 * limits.max_invented),
        erased_gate(light, limits.max_invented / 4),
        residual_gate(fourier, limits.max_overshoot),
        *star_stack_gates(light, STAR_CHANGE),
        evenness_gate(images),
        *([seam_gate(images, zones == ZONES.index("background"), overlaps, limits.max_seam)] if any(overlaps) else []),
    ]


def star_gates(product, judged, sigma, bad, fwhm: float, facts: dict, limits) -> list[Gate]:
    """G6, G7 and G8: flux, place and width of isolated stars. They are found in A and B, never in C.

    Parameters
    ----------
    product : tuple of ndarray, shape (h, w)
        The full stack, its variance, and what was made of it.
    judged : tuple of ndarray, shape (h, w)
        What was made of A and B, their mean, and that of C.
    sigma : ndarray, shape (h, w)
        Noise of the sky in the mean of A and B.
    bad : ndarray of bool, shape (h, w)
    facts : dict
        Gets `star_flux`.
    """
    points = find_stars(np.nan_to_num(judged[1]), sigma, bad)
    radius = max(1.5 * fwhm, 3.0)
    before, variance, after = map(np.nan_to_num, product)
    flux = aperture_flux(before, points, radius)
    noise = np.sqrt(np.abs(aperture_flux(variance, points, radius)) + 1e-12)
    area_noise = np.sqrt(np.nanmedian(product[1]) * np.pi * radius**2)
    ratio = flux / np.maximum(noise, area_noise)
    change = aperture_flux(after - before, points, radius, ring="mean") / np.where(flux > 0, flux, np.nan)
    expected, gates = star_variance(ratio), []
    for low, high, limit in ((50, np.inf, limits.max_flux_bias), (20, 50, 3 * limits.max_flux_bias)):
        chosen = (ratio > low) & (ratio <= high)
        bias, error, n = robust_mean(change[chosen], expected[chosen])
        span = f"S/N above {low}" if high == np.inf else f"S/N {low} to {high}"
        gates.append(
            within(
                "G6", f"Flux of stars, {span}", 100 * bias, 100 * error, 100 * limit,
                f"Mean change of the brightness of {n} isolated stars against the plain stack.",
                errors=two_errors(n + BORROWED),
            )
        )  # fmt: skip
        facts.setdefault("star_flux", {})[span] = {"bias": bias, "standard_error": error, "n": n}
    bright = points[ratio > 50]
    gates += place_gates(*judged, bright, expected[ratio > 50], fwhm, limits.max_shift_px)
    widths = moment_width(after, bright, radius) / moment_width(before, bright, radius) - 1
    width, error, n = robust_mean(widths, expected[ratio > 50])
    gates.append(
        within(
            "G8", "Width of stars", 100 * width, 100 * error, 100 * limits.max_fwhm_change,
            f"Mean change of the width of {n} bright stars: above zero the image was blurred.",
            errors=two_errors(n + BORROWED),
        )
    )  # fmt: skip
    return gates


def saturated_gate(denoised: np.ndarray, stack: np.ndarray, saturated: np.ndarray) -> Gate:
    """G11: saturated pixels are the stack's."""
    differing = int((denoised[saturated] != stack[saturated]).sum()) - int(np.isnan(stack[saturated]).sum())
    return exactly("G11", "Saturated pixels", differing, "Pixels at full scale must be the stack's, bit by bit.")


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


def sky_level_gate(denoised: np.ndarray, stack: np.ndarray, light: np.ndarray, zones: np.ndarray) -> Gate:
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
    """
    value, error = box_mean(denoised, zones == 0)
    diffuse = (zones == 0) | (zones == 1)
    offset, _ = box_mean(stack, diffuse)
    offset += scale_of(stack, light, diffuse) * (box_mean(light, zones == 0)[0] - box_mean(light, diffuse)[0])
    return within(
        "G10", "Level of the sky", value - offset, error, 0.05,
        "Empty sky of the denoised image against the held-out exposures, in units of the stack's noise a pixel: "
        "faint light lost or invented everywhere would show here.", "sigma",
    )  # fmt: skip


def scale_of(difference: np.ndarray, light: np.ndarray, chosen: np.ndarray) -> float:
    """Slope of a difference of two stacks with the light, from box means, within `MOST_SCALE`."""
    counts = box_sums(chosen.astype(float), BOX)
    full = counts > 0.2 * BOX**2
    y, x = (box_sums(np.where(chosen, image, 0), BOX)[full] / counts[full] for image in (difference, light))
    if full.sum() < 4 or np.ptp(x) == 0 or not np.isfinite(x + y).all():
        return 0.0
    return float(np.clip(np.polyfit(x, y, 1)[0], -MOST_SCALE, MOST_SCALE))


def box_mean(values: np.ndarray, chosen: np.ndarray) -> tuple[float, float]:
    """Mean over the chosen pixels and its standard error from the scatter between boxes."""
    sums, counts = box_sums(np.where(chosen, values, 0), BOX), box_sums(chosen.astype(float), BOX)
    full = counts > 0.2 * BOX**2
    means = sums[full] / counts[full]
    value = float(np.average(means, weights=counts[full])) if full.any() else float("nan")
    error = float(means.std(ddof=1) / np.sqrt(full.sum())) if full.sum() > 3 else float("nan")
    return value, error
