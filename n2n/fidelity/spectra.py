"""Power and agreement of images scale by scale, from many small windows, with errors from the scatter between them."""

from dataclasses import dataclass

import numpy as np
from scipy import fft, ndimage

from n2n.fidelity.evidence import Evidence

BOX = 64  # pixels; windows overlap by half. What is wider than this is judged by the evenness and the light kept
RINGS = 12
GROUPS = 6  # a side: windows are gathered into GROUPS^2 regions, which are left out in turn
BRIGHT = 10.0  # sigma; brighter light would drown the rest, and differs between exposures by the seeing


@dataclass(frozen=True)
class Rings:
    """Sums over regions and rings, shape (regions, rings); capitals stand for Fourier transforms.

    Attributes
    ----------
    dd, ss, cc, dc, sc : ndarray
        ``|D|^2, |S|^2, |C|^2, Re D C*, Re S C*`` of denoised image, stack and held-out mean.
    common : ndarray
        ``Re C1 C2*`` of two parts of the held-out exposures: what of C's power is no noise.
    overshoot : ndarray
        ``2 Re (D - C) (D - S)*``, which equals ``|S - D|^2 - (N - R)`` with N the noise of S and R the error of D.
    noise : ndarray
        N, the noise of the stack.
    scale : ndarray, shape (rings,)
        Period at the middle of each ring, pixels.
    """

    dd: np.ndarray
    ss: np.ndarray
    cc: np.ndarray
    dc: np.ndarray
    sc: np.ndarray
    common: np.ndarray
    overshoot: np.ndarray
    noise: np.ndarray
    scale: np.ndarray


def rings(images: Evidence, box: int = BOX, count: int = RINGS) -> Rings:
    """Fourier sums over Hann windows of `box` pixels that overlap by half (Welch 1967), bright light left out.

    Parameters
    ----------
    images : Evidence
        Images in units of the stack's noise.
    box : int
        Side of a window, pixels.
    count : int
        Of rings.
    """
    bright = ndimage.gaussian_filter(images.denoised, 1.0) > BRIGHT
    calm = images.usable & ~ndimage.binary_dilation(bright, iterations=3)
    hann = np.hanning(box + 1)[:box].astype(np.float32)
    window = np.outer(hann, hann)
    ring, scale = _ring_of(box, count)
    height, width = calm.shape
    tops, lefts = (np.arange(0, side - box + 1, box // 2) for side in (height, width))
    parts = ("dd", "ss", "cc", "dc", "sc", "common", "overshoot", "noise")
    total = np.zeros((len(parts), GROUPS**2, count))
    across = np.arange(len(lefts)) * GROUPS // max(len(lefts), 1)
    for number, top in enumerate(tops):
        rows = slice(top, top + box)

        def windows(image, rows=rows):
            return np.lib.stride_tricks.sliding_window_view(image[rows], (box, box))[0, :: box // 2]

        share = windows(calm) * window
        sums = np.maximum(share.sum(axis=(1, 2), keepdims=True), 1e-6)

        def transform(image, share=share, sums=sums, windows=windows):
            cut = windows(image)
            cut = (cut - (cut * share).sum(axis=(1, 2), keepdims=True) / sums) * share
            return fft.rfft2(cut).reshape(len(cut), -1)

        d, s, c, one, other, noise = map(
            transform, (images.denoised, images.stack, images.held_out, *images.halves, images.noise)
        )
        products = ((d, d), (s, s), (c, c), (d, c), (s, c), (one, other), (d - c, 2 * (d - s)), (noise, noise))
        region = number * GROUPS // len(tops) * GROUPS + across
        for index, (first, second) in enumerate(products):
            power = first.real * second.real + first.imag * second.imag
            np.add.at(total[index], region, power @ ring)
    return Rings(**dict(zip(parts, total, strict=True)), scale=scale)


def left_out(function, *sums: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """A function of sums over regions and its jackknife error.

    Parameters
    ----------
    function : callable
        Of totals, shape (rings,) each, to ndarray of the same shape.
    *sums : ndarray, shape (regions, rings)
        Over regions and rings.

    Returns
    -------
    value, error : ndarray, shape (rings,)
        NaN with fewer than eight regions.
    regions : int
    """
    filled = np.any([part.any(axis=-1) for part in sums], axis=0)
    sums = [part[filled] for part in sums]
    n = int(filled.sum())
    if n < 8:
        nothing = np.full(sums[0].shape[1:], np.nan)
        return nothing, nothing, n
    totals = [part.sum(axis=0) for part in sums]
    with np.errstate(divide="ignore", invalid="ignore"):
        value = function(*totals)
        each = np.array([function(*(t - part[i] for t, part in zip(totals, sums, strict=True))) for i in range(n)])
    return value, np.sqrt((n - 1) / n * ((each - each.mean(axis=0)) ** 2).sum(axis=0)), n


def _ring_of(box: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Membership of the half plane's modes in rings, shape (modes, rings), twofold where both halves count; periods."""
    ky, kx = fft.fftfreq(box)[:, None], fft.rfftfreq(box)[None]
    radius = np.hypot(ky, kx)
    # The lowest modes hold what leaks from the window's mean, the corners what resampling left.
    edges = np.linspace(1.5 / box, 0.5, count + 1)
    index = np.digitize(radius, edges) - 1
    inside = (radius >= edges[0]) & (radius < edges[-1])
    twice = np.where((kx > 0) & (kx < 0.5), 2.0, 1.0) * np.ones_like(radius)
    members = (index[..., None] == np.arange(count)) * (inside * twice)[..., None]
    return members.reshape(-1, count).astype(np.float32), 2 / (edges[1:] + edges[:-1])
