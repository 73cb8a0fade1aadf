"""The results of a simulated night against its truth."""

import dataclasses
from pathlib import Path

import numpy as np
from scipy import ndimage

from n2n.fidelity.risk import true_gain
from n2n.fidelity.zones import NEAR_SATURATED, ZONES, divide
from n2n.formats.flags import SATURATED
from n2n.group.group import Group
from n2n.group.placing import displacement
from n2n.simulate import load_truth, noiseless
from n2n.simulate.optics import Conditions, to_frame
from n2n.sky.background import plane
from n2n.sky.photometry import aperture_flux, find_stars, robust_mean
from n2n.sky.warp import warp

SMOOTH = 32.0  # px, sigma: what is smoother the denoised image takes from the stack as it is


@dataclasses.dataclass(frozen=True)
class Known:
    """A simulated group with its truth; arrays of shape (h, w), the sky subtracted.

    Attributes
    ----------
    truth : ndarray
        From `fitted_truth`, e-.
    stack : ndarray
        Of stack.fits.
    weight : ndarray
        Inverse variance of the stack.
    usable : ndarray of bool
        Pixels that count.
    sigma : ndarray
        Noise of the sky in the stack.
    zones : ndarray of int
        From `divide`, told by the truth.
    """

    truth: np.ndarray
    stack: np.ndarray
    weight: np.ndarray
    usable: np.ndarray
    sigma: np.ndarray
    zones: np.ndarray

    def stars(self, radius: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Isolated stars: places (n, 2) in px, true flux in e-, and its S/N in the stack, within `radius` px."""
        points = find_stars(self.truth, self.sigma, ~self.usable)
        flux = aperture_flux(self.truth, points, radius)
        noise = np.sqrt(np.abs(aperture_flux(1 / np.where(self.usable, self.weight, 1), points, radius)))
        area = np.sqrt(np.median(self.sigma[self.usable]) ** 2 * np.pi * radius**2)
        return points, flux, flux / np.maximum(noise, area)


def known_truth(group: Group, truth_folder: Path, stack) -> Known:
    """The truth of a group on the grid and the scale of its stack.

    Parameters
    ----------
    group : Group
        The exposures and what is known of them.
    truth_folder : Path
        Where `n2n simulate` put the truth of the night.
    stack : ndarray, shape (h, w)
        Of stack.fits, the sky subtracted.
    """
    depth = group.depth()
    with np.errstate(invalid="ignore", divide="ignore"):
        weight = depth / group.variance
    near = ndimage.binary_dilation(group.saturated, iterations=NEAR_SATURATED)
    usable = np.isfinite(stack) & ~near & (depth > 0)
    truth = fitted_truth(group, truth_folder, stack, weight, usable)
    sigma = np.sqrt(group.facts.sky_variance / np.maximum(depth, 1e-6))
    return Known(truth, stack, weight, usable, sigma, divide(truth, sigma, usable))


def on_one_scale(known: Known) -> tuple[Known, Known]:
    """The truth on the scale of the stack's stars: plain, and with what is smooth in the stack's error.

    Flats of another colour, glow and gradients leave errors in the stack that are smooth and may be large. The denoised
    image takes them over, and no held-out exposure can tell them from the sky; beside them all other errors vanish. A
    claim is about the rest. `known_truth` finds the scale from all light, in which a gradient is light, too.
    """
    truth, stack = (image - smooth(image, known) for image in (known.truth, np.nan_to_num(known.stack)))
    weight = np.where(known.usable, known.weight, 0)
    truth = known.truth * np.sum(weight * truth * stack) / np.sum(weight * truth**2)
    truth = truth + np.sum((weight * (known.stack - truth))[known.usable]) / np.sum(weight)
    plain = dataclasses.replace(known, truth=truth)
    return plain, dataclasses.replace(known, truth=truth + smooth(np.nan_to_num(known.stack) - truth, known))


def smooth(image, known: Known) -> np.ndarray:
    """What of an image is wider than `SMOOTH`, beside stars; shape (h, w)."""
    share = (known.usable & (known.zones != ZONES.index("stars"))).astype(np.float32)
    around = np.maximum(ndimage.gaussian_filter(share, SMOOTH), 1e-3)
    return ndimage.gaussian_filter(np.where(share > 0, image, 0).astype(np.float32), SMOOTH) / around


def compare(group: Group, truth_folder: Path, product, stack, variance) -> dict:
    """Figures for one group: true gain, gain by zone, flux of stars above S/N 50.

    Parameters
    ----------
    group : Group
        The exposures and what is known of them.
    truth_folder : Path
        Where `n2n simulate` put the truth of the night.
    product, stack : ndarray, shape (h, w)
        Of denoised.fits, with the level of the sky.
    variance : ndarray, shape (h, w)
        VAR of stack.fits.

    Returns
    -------
    dict
        gain and gain_error (against the truth with what is smooth in the stack's error, `on_one_scale`), gain_plain
        (without that), zones, flux_bias, flux_error, flux_stars, registration_px (median and maximum of
        `registration_errors`; None for a single exposure), chi2 (of the stack's VAR in the background and in light).
    """
    sky = np.float32(group.facts.sky)
    stack, product = stack - sky, product - sky
    plain, known = on_one_scale(known_truth(group, truth_folder, np.where(np.isfinite(product), stack, np.nan)))
    truth, weight, usable, zones = known.truth, known.weight, known.usable, known.zones
    gain = true_gain(product, stack, truth, weight, usable)
    radius = max(1.5 * group.facts.fwhm_px, 3.0)
    points, flux, strength = known.stars(radius)
    bright = strength > 50
    ratio = aperture_flux(np.nan_to_num(product) - truth, points[bright], radius, ring="mean") / flux[bright]
    bias, error, stars = robust_mean(ratio)
    errors = registration_errors(group, truth_folder)
    saturation = load_truth(truth_folder)["groups"][group.name]["saturation"]
    return {
        "gain": gain.value,
        "gain_error": gain.error,
        "gain_plain": true_gain(product, stack, plain.truth, weight, usable).value,
        "zones": {
            name: true_gain(product, stack, truth, weight, zones == index).value for index, name in enumerate(ZONES)
        },
        "flux_bias": bias,
        "flux_error": error,
        "flux_stars": stars,
        "registration_px": {"median": float(np.median(errors)), "max": float(errors.max())} if errors.size else None,
        "chi2": stack_chi2(stack, variance, truth, usable, saturation),
    }


def registration_errors(group: Group, truth_folder: Path, points: int = 100) -> np.ndarray:
    """How far the matrices put points of the sky beside where they were; px rms a coordinate, one an exposure.

    The reference, which is where it is by definition, is left out.

    Parameters
    ----------
    group : Group
        The exposures and what is known of them.
    truth_folder : Path
        Where `n2n simulate` put the truth of the night.
    points : int
        Of the sky, at random.
    """
    lights = {entry["file"]: entry for entry in load_truth(truth_folder)["lights"]}
    names = [field.name for field in dataclasses.fields(Conditions)]
    height, width = group.shape
    sky = np.random.default_rng(0).uniform(0.1, 0.9, (2, points)) * [[width], [height]]

    def seen(path):
        entry = lights[Path(path).name]
        return np.stack(to_frame(*sky, group.shape, Conditions(**{name: entry[name] for name in names})))

    here = seen(group.facts.reference)
    errors = []
    for exposure in group.exposures:
        if exposure.path != group.facts.reference:
            matrix = exposure.placement.matrix
            found = matrix[:, :2] @ here + matrix[:, 2:]
            if (move := displacement(exposure.placement)) is not None:
                found = found + np.stack(move(*here))
            errors.append(np.sqrt(np.mean((found - seen(exposure.path)) ** 2)))
    return np.array(errors)


def stack_chi2(stack, variance, truth, usable, saturation: float) -> dict[str, float]:
    """Mean of (stack - truth)^2 / VAR: 1 where the stack's variance says what its error is.

    Parameters
    ----------
    stack, variance : ndarray, shape (h, w)
        Above the sky, and what the stack says of its error.
    truth : ndarray, shape (h, w)
        Above the sky, e-.
    usable : ndarray of bool, shape (h, w)
        Pixels that count.
    saturation : float
        e- at which a pixel is full.

    Returns
    -------
    dict
        ``background`` (truth below a sigma of the stack) and ``light`` (above ten sigma, up to half of full scale).
    """
    ratio = (stack - truth) ** 2 / variance
    sigma = np.sqrt(np.nanmedian(variance))
    zones = {"background": truth < sigma, "light": (truth > 10 * sigma) & (truth < saturation / 2)}
    return {name: float(np.mean(ratio[zone & usable])) for name, zone in zones.items() if (zone & usable).any()}


def fitted_truth(group: Group, truth_folder: Path, stack, weight, usable, rounds: int = 3) -> np.ndarray:
    """Truth on the scale of the stack.

    A master flat has median 1, the simulated vignette has not, so one factor, and one constant for the level of
    dark and bias, are fitted; both are the same for stack and product.

    Parameters
    ----------
    group : Group
        The exposures and what is known of them.
    truth_folder : Path
        Where `n2n simulate` put the truth of the night.
    stack, weight : ndarray, shape (h, w)
        Sky subtracted, and its inverse variance.
    usable : ndarray of bool, shape (h, w)
        Pixels that count.
    rounds : int
        How often the factor is found at most.
    """
    scale = 1.0
    for _ in range(rounds):
        truth = truth_stack(group, truth_folder, scale)
        root = np.sqrt(weight[usable])
        design = np.column_stack([truth[usable], np.ones(usable.sum())]) * root[:, None]
        factor, constant = np.linalg.lstsq(design, stack[usable] * root, rcond=None)[0]
        if abs(factor - 1) < 1e-4:
            break
        scale *= factor
    return (factor * truth + constant).astype(np.float32)


def truth_stack(group: Group, truth_folder: Path, scale: float) -> np.ndarray:
    """Weighted mean of the noiseless exposures, each placed and masked like its noisy sister; (h, w).

    Parameters
    ----------
    group : Group
        The exposures and what is known of them.
    truth_folder : Path
        Where `n2n simulate` put the truth of the night.
    scale : float
        Factor that the light is multiplied by.
    """
    full = scale * load_truth(truth_folder)["groups"][group.name]["saturation"]
    total, weight = np.zeros(group.shape), np.zeros(group.shape)
    for index, exposure in enumerate(group.exposures):
        light, placement = noiseless(truth_folder, exposure.name) * np.float32(scale), exposure.placement
        flags = np.where(light > full, SATURATED, 0).astype(np.uint8)
        light = np.minimum(light, full)
        if exposure.path != group.facts.reference:
            light, _ = warp(light, flags, placement.matrix, group.shape, displacement(placement))
        placed = light / placement.transparency - plane(placement.sky, group.shape) - group.facts.sky
        _, valid = group.load([index])
        share = valid[0] * group.weights[index]
        total += share * placed
        weight += share
    return (total / np.maximum(weight, 1e-9)).astype(np.float32)
