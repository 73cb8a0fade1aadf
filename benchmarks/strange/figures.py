"""What a group of a simulated night says of itself, and what is true: a row of figures.

Flats of another colour, glow and gradients leave errors in the stack that are smooth and large. The denoised image
takes them over, no held-out exposure can see them, and beside them all other errors vanish. So every figure is there
twice: against the truth, and against the truth plus what is smooth in the stack's error (``fine``).
"""

from pathlib import Path

import h5py
import numpy as np
from scipy import ndimage

from n2n.fidelity.claim import claimed
from n2n.fidelity.ground import ground_of
from n2n.fidelity.proof import is_measured
from n2n.fidelity.risk import true_gain
from n2n.fidelity.truth import Known, known_truth, on_one_scale
from n2n.fidelity.zones import BRIGHTNESSES, ZONES, brightness_class
from n2n.formats.products import read_product
from n2n.formats.tables import read_json
from n2n.group.group import Group
from n2n.sky.photometry import aperture_flux, moment_width, robust_mean

FEWEST = 2000  # pixels of a cell that tell a chi2
STRUCTURE = 3.0  # sigma of the stack from which light is structure
DISTANCES = (0.5, 3.5, 8.5)  # px from structure; edges of the classes: on it, beside it, near it, away
CLASSES = [f"b{index}" for index in range(len(BRIGHTNESSES) + 1)]
PLACES = [f"d{index}" for index in range(len(DISTANCES) + 1)]
FINEST = 1.0  # px, sigma: a Gaussian star of FWHM 3 px has 38 % of its peak in what this takes out
BRIGHT = {"faint": (10, 30), "bright": (30, np.inf)}  # sigma of the stack: where finest detail is looked at
MEDIAN = 0.4549  # of chi2 with one degree of freedom


def of_group(folder: Path, truth_folder: Path) -> dict:
    """Figures of one group; those that there are none of are missing.

    Parameters
    ----------
    folder : Path
        Of the group, with pairs.h5, candidate.h5, stack.fits and assessment.json.
    truth_folder : Path
        Where `n2n simulate` put the truth of the night.
    """
    if not (folder / "assessment.json").exists():
        return {"group": folder.name, "qastat": "no product"}
    group, facts = Group(folder / "pairs.h5"), read_json(folder / "assessment.json", unsealed=True)
    row = {"group": group.name, "qastat": facts["qastat"]}
    row |= {"failed": " ".join(gate["name"] for gate in facts["gates"] if gate["verdict"] == "FAIL")}
    row |= {"used": facts["exposures"]["used"]}
    with h5py.File(folder / "candidate.h5") as file:
        if "full" not in file:
            return row
        product = file["full"][:]
        _, content = read_product(folder / "stack.fits", "VAR")
        plain, fine = on_one_scale(known_truth(group, truth_folder, content["IMAGE"] - np.float32(group.facts.sky)))
        if told := is_measured(facts.get("exposure_gain", {})):
            variance = variance_of(group, file, content["VAR"], product, plain)
    for name, known in (("", plain), ("_fine", fine)):
        if told:
            row |= claims(facts["exposure_gain"], product, known, name)
            row |= variances(product, variance, content["VAR"], known, name)
        row |= sky_of(product, known, name)
    return row | detail_of(product, fine) | stars_of(product, fine, max(1.5 * group.facts.fwhm_px, 3.0))


def variance_of(group: Group, candidate, stack_variance, product, known: Known) -> np.ndarray:
    """VAR of the denoised image, of a refused one, too, as the present code makes it; shape (h, w).

    Parameters
    ----------
    group : Group
        The exposures and what is known of them.
    candidate : h5py.File
        candidate.h5.
    stack_variance, product : ndarray, shape (h, w)
        VAR of stack.fits; the denoised image, sky subtracted.
    known : Known
        The truth.
    """
    ground = ground_of(group, np.asarray(candidate.attrs["held_out"], int))
    claim, _ = claimed(ground, candidate["judged"][:], product, stack_variance, group.depth())
    return stack_variance * claim.variance_over_stack(brightness_class(product, known.sigma))


def claims(claim: dict, product, known: Known, name: str) -> dict:
    """The claim against the truth.

    Parameters
    ----------
    claim : dict
        ``exposure_gain`` of assessment.json.
    product : ndarray, shape (h, w)
        The denoised image, sky subtracted.
    known : Known
        The truth.
    name : str
        What the figures' names end in.
    """
    gain = true_gain(product, known.stack, known.truth, known.weight, known.usable)
    spread = np.hypot(claim["standard_error"] / claim["value"] ** 2, gain.error / gain.value**2)
    return {
        "claimed": claim["value"],
        "claimed_error": claim["standard_error"],
        f"true{name}": gain.value,
        f"true{name}_error": gain.error,
        f"off{name}": claim["value"] / gain.value - 1,
        # Positive where too much is claimed.
        f"pull{name}": (1 / gain.value - 1 / claim["value"]) / spread,
    }


def sky_of(product, known: Known, name: str) -> dict:
    """Level of the empty sky above the truth in sigma of the stack, in denoised image and stack.

    Twice: where no star and no nebula stands out, and in the darkest fifth of all. In a crowded field these are the
    gaps between stars, into which a denoiser spreads the light of the faintest.

    Parameters
    ----------
    product : ndarray, shape (h, w)
        The denoised image, sky subtracted.
    known : Known
        The truth, whose constant was fitted to the stack.
    name : str
        What the figures' names end in.
    """
    light = known.truth / known.sigma
    places = {"sky": known.zones == ZONES.index("background")}
    places["gaps"] = known.usable & (light < np.quantile(light[known.usable], 0.2))
    off = {"": (product - known.truth) / known.sigma, "_stack": (known.stack - known.truth) / known.sigma}
    return {
        f"{place}{image}{name}": float(np.mean(error[chosen]))
        for place, chosen in places.items()
        for image, error in off.items()
    }


def detail_of(product, known: Known) -> dict:
    """Share of the finest bright detail that is kept, in denoised image and stack, by the truth's brightness.

    Parameters
    ----------
    product : ndarray, shape (h, w)
        The denoised image, sky subtracted.
    known : Known
        The truth.
    """
    whole = ndimage.binary_erosion(known.usable, iterations=3)
    bands = [finest(np.where(known.usable, image, known.truth)) for image in (known.truth, product, known.stack)]
    row = {}
    for name, (low, high) in BRIGHT.items():
        chosen = whole & (known.truth > low * known.sigma) & (known.truth <= high * known.sigma)
        if chosen.sum() >= FEWEST:
            truth, *kept = (band[chosen] for band in bands)
            weight = truth * known.weight[chosen]
            for image, band in zip(("", "_stack"), kept, strict=True):
                row[f"detail_{name}{image}"] = float(np.sum(weight * band) / np.sum(weight * truth))
    return row


def finest(image) -> np.ndarray:
    """What of an image is finer than the narrowest stars; shape (h, w)."""
    return image - ndimage.gaussian_filter(image, FINEST)


def stars_of(product, known: Known, radius: float) -> dict:
    """Change of flux (mmag) and of width (percent) of isolated stars against the truth, by S/N in the stack.

    Parameters
    ----------
    product : ndarray, shape (h, w)
        The denoised image, sky subtracted.
    known : Known
        The truth.
    radius : float
        Of the aperture, px.
    """
    points, flux, strength = known.stars(radius)
    difference, row = np.nan_to_num(product - known.truth), {}
    for name, chosen in (("faint", (strength > 20) & (strength <= 50)), ("bright", strength > 50)):
        change = aperture_flux(difference, points[chosen], radius, ring="mean") / flux[chosen]
        bias, error, count = robust_mean(1085.7 * change)
        widths = [moment_width(np.nan_to_num(image), points[chosen], radius) for image in (product, known.truth)]
        wider, wider_error, _ = robust_mean(100 * (widths[0] / widths[1] - 1))
        row |= {f"flux_{name}": bias, f"flux_{name}_error": error, f"stars_{name}": count}
        row |= {f"width_{name}": wider, f"width_{name}_error": wider_error}
    return row


def variances(product, variance, stack_variance, known: Known, name: str) -> dict:
    """Squared error over VAR, mean and of the typical pixel: by brightness, by distance to structure, and by both.

    The cells of both are told by the denoised image, as one who has nothing but the product would.

    Parameters
    ----------
    product, variance : ndarray, shape (h, w)
        The denoised image, sky subtracted, and its VAR.
    stack_variance : ndarray, shape (h, w)
        VAR of stack.fits.
    known : Known
        The truth.
    name : str
        What the figures' names end in.
    """
    classes, places = brightness_class(product, known.sigma), places_beside(known.truth, known)
    error, stack_error = (product - known.truth) ** 2, (known.stack - known.truth) ** 2
    row = {}
    for prefix, chi2 in (("", error / variance), ("stack_", stack_error / stack_variance)):
        for names, cells in ((CLASSES, classes), (PLACES, places)):
            for index, cell in enumerate(names):
                if found := chi2_of(chi2, known.usable & (cells == index)):
                    row[f"{prefix}chi2_{cell}{name}"], row[f"{prefix}robust_{cell}{name}"] = found
    both = len(PLACES) * classes + places_beside(product, known)
    chi2 = error / variance
    cells = [found for cell in np.unique(both) if (found := chi2_of(chi2, known.usable & (both == cell)))]
    if cells:
        means, typical = np.transpose(cells)
        row[f"cells{name}"], row[f"cells_right{name}"] = len(cells), int(np.sum((typical > 0.8) & (typical < 1.2)))
        row[f"cells_lowest{name}"], row[f"cells_highest{name}"] = typical.min(), typical.max()
        row[f"cells_mean_lowest{name}"], row[f"cells_mean_highest{name}"] = means.min(), means.max()
    return row


def places_beside(light, known: Known) -> np.ndarray:
    """Class of distance to structure of every pixel, from 0; shape (h, w)."""
    return np.digitize(ndimage.distance_transform_edt(light < STRUCTURE * known.sigma), DISTANCES)


def chi2_of(chi2, chosen) -> tuple[float, float] | None:
    """Mean and robust chi2 of the chosen pixels; None of too few."""
    inside = chi2[chosen & np.isfinite(chi2)]
    return (inside.mean(), np.median(inside) / MEDIAN) if inside.size >= FEWEST else None
