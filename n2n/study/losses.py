"""Losses for photographs: what each finds is the mean, the median or the mode of the targets."""

import torch

EPSILON = 1e-8
HDR_OFFSET = 0.01


def l2(output, target, mask=None) -> torch.Tensor:
    """Mean square: its optimum is the mean of the targets.

    Parameters
    ----------
    output, target : tensor, shape (n, c, h, w)
        What the network made, and what it is held against.
    mask : bool tensor, shape (n, 1, h, w), optional
        Pixels of the target that count; all by default.
    """
    return _mean((output - target) ** 2, mask)


def l1(output, target, mask=None) -> torch.Tensor:
    """Mean absolute value: the median."""
    return _mean((output - target).abs(), mask)


def annealed_l0(output, target, progress: float, mask=None) -> torch.Tensor:
    """``(|f - y| + 1e-8)^gamma`` with gamma falling from 2 to 0 as `progress` goes from 0 to 1: ends at the mode.

    Lehtinen et al. 2018, section 3.1.
    """
    return _mean(((output - target).abs() + EPSILON) ** (2 * (1 - progress)), mask)


def hdr(output, target, mask=None) -> torch.Tensor:
    """``(f - y)^2 / (f + 0.01)^2``, relative error for images of high dynamic range: the mean.

    The denominator is a constant for the gradient; with a gradient of its own it would bias the result.
    """
    return _mean((output - target) ** 2 / (output.detach() + HDR_OFFSET) ** 2, mask)


def photo_loss(name: str, output, target, mask=None, progress: float = 0.0) -> torch.Tensor:
    """One of the losses above by name: l2, masked_l2, l1, annealed_l0, hdr."""
    if name == "annealed_l0":
        return annealed_l0(output, target, progress, mask)
    return {"l2": l2, "masked_l2": l2, "l1": l1, "hdr": hdr}[name](output, target, mask)


def _mean(values: torch.Tensor, mask) -> torch.Tensor:
    if mask is None:
        return values.mean()
    share = mask.to(values.dtype)
    return (values * share).sum() / (share.sum() * values.shape[1]).clamp_min(1)
