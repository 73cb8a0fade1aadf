"""What is compared: classical filters, each at the parameter that truth likes best, and n2n's own network."""

import functools
import importlib.util
import time

import numpy as np
from scipy import ndimage

B3 = np.array([1, 4, 6, 4, 1]) / 16


def gaussian(group, stack, sigma, width):
    """Matched filter for a point of that width."""
    return ndimage.gaussian_filter(stack, width)


def starlet(group, stack, sigma, threshold, scales=5):
    """Undecimated B3 wavelets, hard threshold in units of each scale's measured noise (Starck & Murtagh 2006)."""
    noise = alternating(group)
    rest, result = stack, np.zeros_like(stack)
    for scale in range(scales):
        smooth, smooth_noise = (_spline(image, 2**scale) for image in (rest, noise))
        band, spread = rest - smooth, (noise - smooth_noise)[16:-16, 16:-16].std()
        limit = threshold * spread * sigma / np.median(sigma)
        result += np.where(np.abs(band) > limit, band, 0)
        rest, noise = smooth, smooth_noise
    return result + rest


def _spline(image, step):
    kernel = np.zeros(4 * step + 1)
    kernel[::step] = B3
    return ndimage.convolve1d(ndimage.convolve1d(image, kernel, axis=0, mode="mirror"), kernel, axis=1, mode="mirror")


def alternating(group) -> np.ndarray:
    """The stack's noise without its signal: exposures with alternating signs."""
    signs = np.where(np.arange(len(group.values)) % 2, -1, 1)
    return (signs[:, None, None] * group.values * group.valid).sum(axis=0) / np.maximum(group.valid.sum(axis=0), 1)


def stabilised(denoise):
    """Run a filter for white noise of sigma 1 between Anscombe's transform and its inverse."""

    @functools.wraps(denoise)
    def wrapped(group, stack, sigma, parameter):
        depth = float(np.median(group.weights) * len(group.values))
        unit = group.light_variance / depth  # variance that a unit of signal adds
        base = 0.375 * unit**2 + float(np.median(sigma)) ** 2
        changed = 2 / unit * np.sqrt(np.maximum(unit * stack + base, 1e-9))
        result = denoise(changed.astype(np.float32), parameter)
        return (((result * unit / 2) ** 2 - base) / unit).astype(np.float32)

    return wrapped


@stabilised
def nlm(image, strength):
    """Non-local means, 5 x 5 patches within 15 x 15 px (Buades et al. 2005; scikit-image)."""
    from skimage.restoration import denoise_nl_means

    return denoise_nl_means(image, patch_size=5, patch_distance=7, h=strength, sigma=1.0, fast_mode=True)


@stabilised
def bm3d(image, factor):
    """BM3D (Makinen et al. 2020). Its licence forbids commercial use: installed by whoever wants it."""
    import bm3d as package

    return np.asarray(package.bm3d(image, factor)).squeeze()


@stabilised
def wavelet(image, factor):
    """BayesShrink on sym4 wavelets (Chang et al. 2000; scikit-image, needs PyWavelets), averaged over 16 shifts."""
    from skimage.restoration import cycle_spin, denoise_wavelet

    settings = {"sigma": factor, "wavelet": "sym4", "method": "BayesShrink", "mode": "soft", "rescale_sigma": False}
    return cycle_spin(image, denoise_wavelet, max_shifts=3, func_kw=settings, workers=1)


GRIDS = {
    gaussian: (0.5, 0.65, 0.8, 1.0, 1.3, 1.7, 2.2),
    starlet: (2.5, 3.0, 3.5, 4.0, 4.5, 5.0),
    nlm: (0.5, 0.7, 0.9, 1.1, 1.4),
    wavelet: (0.7, 0.85, 1.0, 1.2, 1.4, 1.7, 2.0),
    bm3d: (0.9, 1.1, 1.25, 1.4),
}
BASELINES = {method.__name__: method for method in GRIDS}


NEEDS = {"bm3d": "bm3d", "wavelet": "pywt"}


def available(name: str) -> bool:
    """Whether a baseline's package is there."""
    return name not in NEEDS or importlib.util.find_spec(NEEDS[name]) is not None


def train(group, recipe, threads: int):
    """Train n2n's network on a group; without a recipe, take the prior. Network, its exposures, seconds."""
    import torch

    from n2n.nets import prior
    from n2n.nets.sampling import Region
    from n2n.nets.training import train as fit

    torch.set_num_threads(threads)
    saturated = np.zeros(group.variance.shape, bool)
    facts = group.weights, group.variance, group.sky_variance, saturated, "cpu"
    exposures = Region.from_arrays(group.values, group.valid, *facts)
    if recipe is None:
        return prior.network(), exposures, 0.0
    began = time.monotonic()
    model, _ = fit([exposures], recipe, fingerprint="", report=lambda line: None)
    return model, exposures, time.monotonic() - began


def apply(model, exposures, group, stack, depth, orientations: int = 8, quiet: bool = False) -> np.ndarray:
    """n2n's network on a stack; `quiet` as `Group.quiet_variance` for the prior."""
    from n2n.nets.inference import denoise
    from n2n.sky.variance import without_seeing

    variance = group.variance
    if quiet:
        variance = without_seeing(variance, stack, group.sky_variance, group.light_variance)
    return denoise(model, stack, depth, variance, group.sky_variance, exposures.band_noise, orientations=orientations)
