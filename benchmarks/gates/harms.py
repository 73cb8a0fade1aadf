"""Stand-ins for a perfect denoiser, and harm done to what they give; arrays of shape (h, w), sky subtracted."""

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from n2n.config import load_config
from n2n.sky.combine import weighted_mean

B3 = np.array([1, 4, 6, 4, 1]) / 16
BLOCKS = "ABACBABC"
OVERLAP = 48  # of two tiles each way
PSF = 1.27  # px; standard deviation of stars of FWHM 3 px


@dataclass(frozen=True)
class Night:
    """A group that is divided as `pairs` does it, with its truth.

    Attributes
    ----------
    stack, depth, truth, starless : ndarray
        Of blocks A and B.
    parts : two pairs of ndarray
        Mean and depth of both halves of C.
    held_out, truth_c : ndarray
        C and what it would be without noise: its seeing is another.
    variance, own : ndarray
        Smooth variance of one exposure; unsmoothed variance of `stack` from the scatter of its exposures.
    sigma : float
        Noise of the sky in the stack.
    """

    stack: np.ndarray
    depth: np.ndarray
    truth: np.ndarray
    starless: np.ndarray
    parts: tuple
    held_out: np.ndarray
    truth_c: np.ndarray
    variance: np.ndarray
    own: np.ndarray
    sigma: float


def night(group, rng) -> Night:
    """Split a group; the held-out part gets a sky and a scale of its own, as real exposures have."""
    from n2n.sky.variance import sample_variance

    block = np.array([BLOCKS[index % len(BLOCKS)] for index in range(len(group.values))])
    rest, held_out = np.flatnonzero(block != "C"), np.flatnonzero(block == "C")
    stack, depth = group.stack(rest)
    truth, starless = group.truth(rest)
    own = sample_variance(group.values[rest], group.valid[rest], group.weights[rest], stack) / depth
    sigma = float(np.sqrt(group.sky_variance / np.median(depth)))
    y, x = np.mgrid[-1 : 1 : stack.shape[0] * 1j, -1 : 1 : stack.shape[1] * 1j]
    sky = sigma * (0.1 * rng.normal() + 0.1 * rng.normal() * x + 0.1 * rng.normal() * y)
    scale = 1 + 0.01 * rng.normal()

    def seen(image):
        return (scale * image + sky).astype(np.float32)

    parts = [group.stack(part) for part in (held_out[::2], held_out[1::2])]
    parts = tuple((seen(mean), its_depth) for mean, its_depth in parts)
    mean, _ = weighted_mean(group.values[held_out], group.valid[held_out], group.weights[held_out])
    truth_c, _ = group.truth(held_out)
    # What hot pixels that were not rejected add everywhere is no noise; no denoiser could know.
    level = np.nanmean(stack - truth)
    stack, truth, starless = (np.nan_to_num(image) for image in (stack, truth + level, starless + level))
    return Night(stack, depth, truth, starless, parts, seen(mean), seen(truth_c), group.variance, own, sigma)


def mixed(facts: Night, stack: np.ndarray) -> np.ndarray:
    """The truth and three tenths of the noise."""
    return facts.truth + 0.3 * (stack - facts.truth)


def oracle(facts: Night, stack: np.ndarray) -> np.ndarray:
    """Undecimated wavelets of the stack, kept where the truth has light: the noise there stays.

    Light that changes over 32 px is the truth's, where the stack's was. Wavelets by themselves leave the sky of a dense
    field 0.035 sigma too bright (trial), near the limit of G10 and not perfect.
    """
    kept = _wavelets(facts, stack)
    unspoilt = kept if stack is facts.stack else _wavelets(facts, facts.stack)
    return kept + ndimage.gaussian_filter(facts.truth - unspoilt, 32)


def _wavelets(facts: Night, stack: np.ndarray) -> np.ndarray:
    white = np.random.default_rng(0).normal(size=stack.shape)
    rest, light, noise, result = stack, facts.truth, white, np.zeros_like(stack)
    relative = np.sqrt(facts.variance / np.maximum(facts.depth, 1e-6))
    for scale in range(5):
        smooth, smooth_light, smooth_noise = (_spline(image, 2**scale) for image in (rest, light, noise))
        spread = (noise - smooth_noise)[32:-32, 32:-32].std() * relative
        energy = ndimage.uniform_filter((light - smooth_light) ** 2, 2 ** (scale + 1) + 1)
        result = result + (rest - smooth) * energy / (energy + 0.1 * spread**2)
        rest, light, noise = smooth, smooth_light, smooth_noise
    return result + rest


CANDIDATES = {function.__name__: function for function in (mixed, oracle)}


def nothing(image, facts, rng):
    return image


def tile(side: int) -> int:
    """Side of a tile where two cover the image."""
    return side // 2 + 32


def some_stars(shape, sigma, rng, low, high):
    """Light of ten stars per 384 x 384 px of such S/N, behind a matched filter and white noise."""
    light = np.zeros(shape)
    y, x = np.mgrid[-9:10, -9:10]
    for _ in range(round(10 * shape[0] * shape[1] / 384**2)):
        cx, cy = rng.uniform(24, shape[1] - 24), rng.uniform(24, shape[0] - 24)
        column, row = round(cx), round(cy)
        star = np.exp(-((x + column - cx) ** 2 + (y + row - cy) ** 2) / (2 * PSF**2))
        there = slice(row - 9, row + 10), slice(column - 9, column + 10)
        light[there] += rng.uniform(low, high) * sigma / np.sqrt((star**2).sum()) * star
    return light.astype(np.float32)


def invented(image, facts, rng):
    """Stars of S/N 8 that are not there, ten per 384 x 384 px."""
    return image + some_stars(image.shape, facts.sigma, rng, 8, 8)


def missing(image, facts, rng):
    """Stars of S/N 4 to 6 that are missing, ten per 384 x 384 px."""
    return image


def _with_stars(facts, rng):
    light = some_stars(facts.stack.shape, facts.sigma, rng, 4, 6)
    parts = tuple((mean + light, depth) for mean, depth in facts.parts)
    return replace(facts, stack=facts.stack + light, held_out=facts.held_out + light, parts=parts)


missing.sky = _with_stars


def erased(image, facts, rng):
    """All stars of the scene of S/N 4 to 6 erased."""
    stars = facts.truth - facts.starless
    ratio = ndimage.gaussian_filter(stars, PSF) * 2 * np.sqrt(np.pi) * PSF / facts.sigma
    tops = (ratio == ndimage.maximum_filter(ratio, 7)) & (ratio > 4) & (ratio < 6)
    return image - stars * ndimage.binary_dilation(tops, iterations=4)


def blurred(image, facts, rng):
    """0.45 px."""
    return ndimage.gaussian_filter(image, 0.45)


def dimmed(image, facts, rng):
    """Stars lose 3 %."""
    return image - 0.03 * (facts.truth - facts.starless)


def shifted(image, facts, rng):
    """0.05 px."""
    return ndimage.shift(image, (0, 0.05), order=5, mode="nearest")


def leaked(image, facts, rng):
    """A tenth of C's noise."""
    return image + 0.1 * (facts.held_out - facts.truth_c)


def seam(size):
    def harm(image, facts, rng):
        return image + size * facts.sigma * (np.arange(image.shape[1]) > image.shape[1] // 2)

    harm.__name__, harm.__doc__ = f"seam {size:g}", f"A step of {size:g} sigma where tiles meet."
    harm.allowed = size <= load_config()["gates"]["max_seam"]
    return harm


def feathered(image, facts, rng):
    """A step of 0.2 sigma over the whole overlap of two tiles."""
    across = np.arange(image.shape[1]) - image.shape[1] / 2
    return image + 0.2 * facts.sigma * np.clip(across / OVERLAP + 0.5, 0, 1)


def drained(image, facts, rng):
    """Three tenths of the diffuse light."""
    return image - 0.3 * (facts.starless - np.percentile(facts.starless, 20))


def scaled(image, facts, rng):
    """All light 3 % brighter."""
    return 1.03 * image


def lifted(image, facts, rng):
    """Sky 0.1 sigma too bright."""
    return image + 0.1 * facts.sigma


def clipped(stack, facts, rng):
    """Negative values of the stack set to 0 before it is denoised."""
    return np.maximum(stack, 0)


clipped.before = True


def tilted(image, facts, rng):
    """A gradient of +-0.3 sigma."""
    return image + 0.3 * facts.sigma * np.linspace(-1, 1, image.shape[1])


def textured(image, facts, rng):
    """Texture of 0.6 sigma, 1.5 px wide."""
    noise = ndimage.gaussian_filter(rng.normal(size=image.shape), 1.5)
    return image + 0.6 * facts.sigma * noise / noise.std()


def recoloured(image, facts, rng):
    """One filter loses 3 % of its light and its sky falls by 0.1 sigma, the others not: its colour shifts."""
    return 0.97 * image - 0.1 * facts.sigma


HARMS = (
    invented, missing, erased, blurred, dimmed, shifted, leaked, seam(0.05), seam(0.1), seam(0.2), feathered, drained,
    scaled, lifted, clipped, tilted, textured, recoloured,
)  # fmt: skip


def _spline(image, step):
    kernel = np.zeros(4 * step + 1)
    kernel[::step] = B3
    return ndimage.convolve1d(ndimage.convolve1d(image, kernel, axis=0, mode="mirror"), kernel, axis=1, mode="mirror")
