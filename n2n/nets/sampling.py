"""Noise2Noise pairs: every step a fresh split of the exposures into input and target.

The exposures of a group sit on the device once; crops and subsets are cut there by index arithmetic. What
is drawn depends on the seed and the step alone, so that a resumed training draws the same.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch

from n2n.nets.bands import band_noise, smooth

DEEP_SHARE = 0.6  # share of splits near half and half; the rest trains shallow inputs
MIN_DEPTH = 0.3  # depth given to pixels that had to be filled


@dataclass
class Region:
    """Registered exposures of one region, ready to be cut.

    Attributes
    ----------
    values : tensor, shape (k, h, w)
        Sky subtracted; 0 where unusable.
    valid : bool tensor, shape (k, h, w)
    weights : tensor, shape (k,)
    variance : tensor, shape (h, w)
        Of one standard exposure.
    sky_variance : float
        Its value where there is only sky.
    trusted : bool tensor, shape (h, w)
        Pixels that may enter a loss (not saturated).
    band_noise : tensor, shape (5,)
    """

    values: torch.Tensor
    valid: torch.Tensor
    weights: torch.Tensor
    variance: torch.Tensor
    sky_variance: float
    trusted: torch.Tensor
    band_noise: torch.Tensor

    @classmethod
    def from_arrays(cls, values, valid, weights, variance, sky_variance, saturated, device) -> "Region":
        """Move numpy arrays (shapes as in the class) to `device` and measure the bands' noise.

        Parameters
        ----------
        values : ndarray, shape (k, h, w)
            Sky subtracted; 0 where unusable.
        valid : ndarray of bool, shape (k, h, w)
            Samples that count.
        weights : ndarray, shape (k,)
            Weight of each exposure.
        variance : ndarray, shape (h, w)
            Variance of one standard exposure.
        sky_variance : float
            That variance where there is only sky.
        saturated : ndarray of bool, shape (h, w)
            Pixels that may enter no loss.
        device : device
            Where to put them.
        """
        values = torch.from_numpy(np.ascontiguousarray(values)).to(device)
        valid = torch.from_numpy(np.ascontiguousarray(valid)).to(device)
        weights = torch.tensor(np.asarray(weights), dtype=torch.float32, device=device)
        return cls(
            values,
            valid,
            weights,
            torch.from_numpy(np.ascontiguousarray(variance, np.float32)).to(device),
            float(sky_variance),
            ~torch.from_numpy(np.ascontiguousarray(saturated)).to(device),
            measure_band_noise(values, valid, weights, float(sky_variance)),
        )


def measure_band_noise(values, valid, weights, sky_variance: float, pairs: int = 4) -> torch.Tensor:
    """Noise of the bands from differences of up to `pairs` pairs of exposures.

    Parameters
    ----------
    values : tensor, shape (k, h, w)
        Sky-subtracted exposures.
    valid : bool tensor, shape (k, h, w)
        Samples that count.
    weights : tensor, shape (k,)
        Weight of each exposure.
    sky_variance : float
        Sky variance of one standard exposure.
    pairs : int
        Most pairs to look at.
    """
    k = len(values)
    if k < 2:
        return torch.tensor([0.85, 0.28, 0.2, 0.13, 0.08], device=values.device)
    chosen = torch.linspace(0, k - 2, min(pairs, k - 1)).round().long().tolist()
    differences = []
    for index in chosen:
        sigma = math.sqrt(sky_variance * float(1 / weights[index] + 1 / weights[index + 1]))
        both = valid[index] & valid[index + 1]
        differences.append(torch.where(both, (values[index] - values[index + 1]) / sigma, 0.0))
    return band_noise(torch.stack(differences))


def band_noise_of(values, valid, weights, sky_variance: float) -> torch.Tensor:
    """`measure_band_noise` of ndarrays, shape (n, h, w), and weights, shape (n,).

    Parameters
    ----------
    values : ndarray, shape (k, h, w)
        Sky-subtracted exposures.
    valid : ndarray of bool, shape (k, h, w)
        Samples that count.
    weights : sequence of float, shape (k,)
        Weight of each exposure.
    sky_variance : float
        Sky variance of one standard exposure.
    """
    weights = torch.tensor(weights, dtype=torch.float32)
    return measure_band_noise(torch.from_numpy(values), torch.from_numpy(valid), weights, sky_variance)


def subset_mean(values, valid, shares) -> tuple[torch.Tensor, torch.Tensor]:
    """Weighted mean of exposures; pixels without any are filled from their neighbours.

    Parameters
    ----------
    values : tensor, shape (n, k, h, w)
        Sky-subtracted exposures.
    valid : bool tensor, shape (n, k, h, w)
        Samples that count.
    shares : tensor, shape (n, k)
        Weight of each exposure, 0 for those left out.

    Returns
    -------
    mean, depth : tensor, shape (n, 1, h, w)
        `depth` is the sum of weights; `MIN_DEPTH` at most a filled pixel's.
    """
    total, depth = _sums(values, valid, shares)
    empty = depth <= 0
    mean = total / depth.clamp_min(1e-6)
    if bool(empty.any()):
        mean = fill(mean, ~empty)
        smallest = (MIN_DEPTH * shares.sum(dim=1)).view(-1, 1, 1, 1)
        depth = torch.where(empty, torch.minimum(smallest, torch.full_like(smallest, MIN_DEPTH)), depth)
    return mean, depth


def fill(image: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Replace unknown pixels by the Gaussian-weighted mean of known neighbours; (n, 1, h, w)."""
    result = torch.where(known, image, 0.0)
    missing = ~known
    for sigma in (1.0, 3.0, 6.0):
        if not bool(missing.any()):
            break
        share = smooth(known.to(image.dtype), sigma)
        estimate = smooth(torch.where(known, image, 0.0), sigma) / share.clamp_min(1e-6)
        usable = missing & (share > 1e-3)
        result = torch.where(usable, estimate, result)
        missing = missing & ~usable
    return result


def draw_subset(k: int, generator: torch.Generator) -> torch.Tensor:
    """Bool tensor (k,): which exposures are the input; at least one on each side.

    60 % of the draws take a third to two thirds, the others fewer, down to a single exposure (uniform in
    log), so that one network serves every depth.
    """
    deep = torch.rand((), generator=generator) < DEEP_SHARE
    low, high = max(1, k // 3), max(1, (2 * k) // 3)
    position = float(torch.rand((), generator=generator))
    size = low + int(position * (high - low + 1)) if deep else int(math.exp(position * math.log(low + 1)))
    size = min(max(size, 1), k - 1)
    chosen = torch.zeros(k, dtype=torch.bool)
    chosen[torch.randperm(k, generator=generator)[:size]] = True
    return chosen


def draw_guide(subset: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Bool tensor (k,): half of the exposures that are not in `subset`, which say what is bright; see `fairness`."""
    rest = torch.nonzero(~subset)[:, 0]
    guide = torch.zeros_like(subset)
    guide[rest[torch.randperm(len(rest), generator=generator)[: len(rest) // 2]]] = True
    return guide


def cut(region: Region, tops, lefts, crop: int, subsets, guides=None):
    """Cut crops and split their exposures.

    Parameters
    ----------
    region : Region
        Where to cut.
    tops, lefts : tensor of int, shape (n,)
        Upper left corners, px.
    crop : int
        Side of the crops, px.
    subsets : bool tensor, shape (n, k)
        Exposures that are the input; the others are the target.
    guides : bool tensor, shape (n, k), optional
        Part of the target's exposures.

    Returns
    -------
    dict of tensors, shape (n, 1, crop, crop)
        image, depth, target, target_depth, variance, trusted; with guides also the means guide and witness of both
        parts of the target, and guide_depth and witness_depth.
    """
    device = region.values.device
    offsets = torch.arange(crop, device=device)
    rows = (tops.to(device)[:, None] + offsets)[:, :, None]
    columns = (lefts.to(device)[:, None] + offsets)[:, None, :]
    values = region.values[:, rows, columns].transpose(0, 1)
    valid = region.valid[:, rows, columns].transpose(0, 1)
    subsets = subsets.to(device)
    image, depth = subset_mean(values, valid, region.weights * subsets)
    whole, target_depth = _sums(values, valid, region.weights * ~subsets)
    parts = {}
    if guides is not None:
        part, part_depth = _sums(values, valid, region.weights * guides.to(device))
        other_depth = target_depth - part_depth
        parts = {"guide": part / part_depth.clamp_min(1e-6), "guide_depth": part_depth}
        parts |= {"witness": (whole - part) / other_depth.clamp_min(1e-6), "witness_depth": other_depth}
    return parts | {
        "image": image,
        "depth": depth,
        "target": whole / target_depth.clamp_min(1e-6),
        "target_depth": target_depth,
        "variance": region.variance[rows, columns][:, None],
        "trusted": region.trusted[rows, columns][:, None] & (target_depth > 0),
    }


def _sums(values, valid, shares) -> tuple[torch.Tensor, torch.Tensor]:
    """Weighted sum of exposures, and the sum of their weights; shape (n, 1, h, w)."""
    depth = torch.einsum("nk,nkhw->nhw", shares, valid.to(values.dtype))[:, None]
    return torch.einsum("nk,nkhw->nhw", shares, values)[:, None], depth
