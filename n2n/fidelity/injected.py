"""Objects of known light in a window of the field: put into every exposure, stacked, denoised, and looked for."""

import numpy as np
from scipy import ndimage

from n2n.fidelity.completeness import DENOISED, Matched, Search, depths, search
from n2n.fidelity.injection import KINDS, STAMP, TO_SIGMA, Objects, lay_out, observe, scaled
from n2n.fidelity.recovery import extended, shapes, star_photometry
from n2n.fidelity.window import Window
from n2n.group.group import Group
from n2n.log import logger
from n2n.sky.combine import outliers, weighted_mean
from n2n.sky.psf import moffat_fwhm

SCHEMA = 1  # of inject.json
AWAY = 2.0  # FWHM; from stars that the held-out exposures show, and from saturated pixels
SEEN = 4.0  # sigma of the held-out exposures: a star


def inject(group: Group, window: Window, denoised, settings) -> dict:
    """Inject, stack, denoise and look what is left.

    Parameters
    ----------
    group : Group
        The exposures and what is known of them.
    window : Window
        The part of the field that is used.
    denoised : callable
        ``denoised(image, depth)``: the network.
    settings : namespace
        `seed`, `realisations`, and those of `pairs`.

    Returns
    -------
    dict
        As inject.json holds it.
    """
    weights = group.weights[window.chosen]
    beta = window.exposures[0].beta
    fwhm = moffat_fwhm(float(np.mean([one.half_light for one in window.exposures])), beta)
    psf = star_image(window, weights, fwhm)
    known = np.isfinite(window.stack + window.noise + window.denoised + window.held_out) & (window.depth > 0)
    root = np.where(known, 1 / np.where(known, window.sigma, 1), 0)
    allowed, clean = where(window, group, known, fwhm)
    matched = Matched(psf, root, np.nan_to_num(window.noise), clean, fwhm)
    scene, radius = np.nan_to_num(window.denoised), min(fwhm, 2.0)
    ways = {"denoised": matched.level, "denoised_filtered": matched, "filter": matched, "stack": matched.level}
    searches: dict[str, list[Search]] = {name: [] for name in ways}
    ratios, first = [], None
    for number in range(settings.realisations):
        rng = np.random.default_rng([settings.seed, number])
        objects = lay_out(allowed, fwhm, rng)
        x, y = (np.rint(place).astype(int) for place in (objects.x, objects.y))
        objects = scaled(objects, window.sigma[y, x], matched.flux_error(objects.x, objects.y))
        stack, depth = restacked(window, objects, weights, group, settings, rng)
        # The same difference with the other sign is as good a realisation.
        control = np.where(known, scene + (-1) ** number * window.noise, window.stack)
        images = (stack, control), (denoised(stack, depth), denoised(control, window.depth))
        stars = objects.only(objects.of("star"))
        for name, seen in ways.items():
            pair = images[name in DENOISED]
            places = np.column_stack([stars.x, stars.y])
            searches[name].append(search(*map(seen, pair), seen(scene), places, allowed, radius))
        ratios.append(stars.level)
        first = first or (objects, stack, images[1][0])
    depth = depths(
        np.concatenate(ratios), {name: joined(parts) for name, parts in searches.items()},
        np.random.default_rng(settings.seed),
    )  # fmt: skip
    logger.info(
        "%d stars: 90 %% found from S/N %.2f denoised, %.2f in the stack, searched in the best way",
        sum(map(len, ratios)), *(depth["images"][depth[name]]["snr90"] for name in ("searched", "reference")),
    )  # fmt: skip
    place = {"x": window.columns.start, "y": window.rows.start}
    return {
        "schema": SCHEMA,
        "window": place | {"width": known.shape[1], "height": known.shape[0]},
        "realisations": settings.realisations,
        "psf": {"fwhm_px": fwhm, "beta": beta},
        "depth": depth,
        **recovered(window, *first, weights, fwhm, beta),
    }


def joined(parts: list[Search]) -> Search:
    """Several realisations as one."""
    return Search(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("value", "false")))


def recovered(window: Window, objects: Objects, stack, denoised, weights, fwhm: float, beta: float) -> dict:
    """What is left of the objects of one realisation, in the `stack` with them and in what was made of it.

    Parameters
    ----------
    window : Window
        The part of the field that is used.
    objects : Objects
        What is injected.
    stack, denoised : ndarray, shape (h, w)
        Both with the objects.
    weights : ndarray, shape (n,)
        Of the exposures of A and B.
    fwhm, beta : float
        Of stars in the stack; half-maximum width of the Moffat profile, pixels.
    """
    images = {"stack": (stack, window.stack), "denoised": (denoised, window.denoised)}
    responses = {name: np.nan_to_num(after - before) for name, (after, before) in images.items()}
    diffuse = objects.only(~objects.of("star"))
    template = np.average([observe(diffuse, one, stack.shape) for one in window.exposures], axis=0, weights=weights)
    covered = np.pi * fwhm**2 * objects.of("star").sum() + (objects.along * objects.across).sum() * np.pi / TO_SIGMA**2
    return {
        "objects": {kind: int(objects.of(kind).sum()) for kind in KINDS},
        "covered": float(covered / stack.size),
        "stars": star_photometry(objects, images, fwhm, beta),
        "shapes": shapes(objects, responses, fwhm),
        "extended": extended(objects, responses, template, window.sigma),
    }


def star_image(window: Window, weights: np.ndarray, fwhm: float) -> np.ndarray:
    """A star of flux 1 in the stack: what the filter is matched to; shape (k, k), k odd.

    Parameters
    ----------
    window : Window
        The part of the field that is used.
    weights : ndarray, shape (n,)
        Of the exposures of A and B.
    fwhm : float
        Of stars, pixels.
    """
    half = int(np.ceil(STAMP * fwhm))
    height, width = window.stack.shape
    middle = [np.array([float(side // 2)]) for side in (width, height)]
    one, none = np.ones(1), np.zeros(1)
    star = Objects(np.zeros(1, int), *middle, one, one, none, none, none)
    images = [observe(star, exposure, (height, width)) for exposure in window.exposures]
    image = np.average(images, axis=0, weights=weights)
    return image[height // 2 - half : height // 2 + half + 1, width // 2 - half : width // 2 + half + 1]


def where(window: Window, group: Group, known: np.ndarray, fwhm: float) -> tuple[np.ndarray, np.ndarray]:
    """Pixels where an object may be, and those of the sky; ndarrays of bool, shape (h, w).

    The held-out exposures, whose noise is none of the stack's, say where stars are.

    Parameters
    ----------
    window : Window
        The part of the field that is used.
    group : Group
        The exposures and what is known of them.
    known : ndarray of bool, shape (h, w)
        Pixels of which everything is known.
    fwhm : float
        Of stars, pixels.
    """
    reach = int(np.ceil(AWAY * fwhm))
    light = np.where(known, window.held_out, 0)
    light = ndimage.gaussian_filter(light, fwhm * TO_SIGMA) - ndimage.gaussian_filter(light, 3 * fwhm * TO_SIGMA)
    # Of white noise a Gaussian of width s leaves 1 / (2 s sqrt(pi)).
    seen = light > SEEN / (2 * fwhm * TO_SIGMA * np.sqrt(np.pi))
    saturated = group.saturated[window.rows, window.columns]
    near = ndimage.binary_dilation(seen | saturated | ~known, iterations=reach)
    border = int(np.ceil(STAMP * fwhm))
    allowed = np.zeros_like(known)
    allowed[border:-border, border:-border] = ~near[border:-border, border:-border]
    return allowed, allowed & (np.abs(window.denoised) < 3 * window.sigma)


def restacked(window: Window, objects: Objects, weights: np.ndarray, group: Group, settings, rng):
    """Stack with the objects in every exposure, outliers rejected anew beside those that were already.

    Parameters
    ----------
    window : Window
        The part of the field that is used.
    objects : Objects
        What is injected.
    weights : ndarray, shape (n,)
        Of the exposures of A and B.
    group : Group
        The exposures and what is known of them.
    settings : namespace
        Those of the section `pairs`.
    rng : numpy.random.Generator
        For the photon noise.

    Returns
    -------
    mean, depth : ndarray, shape (h, w)
    """
    values = window.values.copy()
    for image, one in zip(values, window.exposures, strict=True):
        image += observe(objects, one, image.shape, rng)
    chosen = [group.exposures[index] for index in window.chosen]
    kept = np.array([one.placement.noise_kept for one in chosen])
    blur = np.array([one.weighed.blur for one in chosen])
    rejected = outliers(
        values, window.valid, np.ones(len(values), bool), group.sky_sigma[window.chosen],
        nsigma=settings.nsigma, slope=settings.slope, signal_variance=float(group.facts.unit == "electron"),
        level=0.0, noise_kept=kept, blur=blur,
    )  # fmt: skip
    return weighted_mean(values, window.valid & ~rejected, weights)
