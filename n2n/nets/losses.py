"""The loss of Noise2Noise on linear data with known variance."""

import torch


def paired_loss(output, pair: dict, delta: float = 3.0) -> torch.Tensor:
    """Huber loss of (output - target) in units of the target's noise, on trusted pixels.

    The variance comes from the smooth noise model, never from the noisy target, so the optimum stays the mean:
    for symmetric noise within `delta` sigma this is chi-square, beyond it what rejection missed counts
    linearly. The factor depth / (depth + target depth) gives every split the same say: deep inputs are
    measured against shallow, noisy targets.

    Parameters
    ----------
    output : tensor, shape (n, 1, h, w)
        What the network made of ``pair["image"]``.
    pair : dict
        From `sampling.cut`.
    delta : float
        Residuals beyond it, in sigma, count linearly.
    """
    variance = pair["variance"] / pair["target_depth"].clamp_min(1e-6)
    residual = (output - pair["target"]) / torch.sqrt(variance)
    size = residual.abs()
    huber = torch.where(size <= delta, 0.5 * residual**2, delta * (size - 0.5 * delta))
    weight = pair["depth"] / (pair["depth"] + pair["target_depth"])
    trusted = pair["trusted"].to(output.dtype)
    return (huber * weight * trusted).sum() / trusted.sum().clamp_min(1)
