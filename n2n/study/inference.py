"""Apply a network to a whole photograph."""

import numpy as np
import torch
import torch.nn.functional as F

from n2n.nets.device import half_precision
from n2n.study.paper import MULTIPLE


@torch.no_grad()
def denoise_photograph(model: torch.nn.Module, image: torch.Tensor, tile: int = 768, overlap: int = 128):
    """Denoise one photograph, in feathered tiles where it is larger than `tile`.

    Parameters
    ----------
    model : module
        Maps (1, c, h, w) to the same shape, h and w multiples of 32.
    image : tensor, shape (c, h, w)
        Values from -0.5 to 0.5 and, with noise, beyond.
    tile, overlap : int
        Pixels, multiples of 32.

    Returns
    -------
    tensor, shape (c, h, w)
    """
    device = next(model.parameters()).device
    height, width = image.shape[-2:]
    padded = _pad(image.to(device)[None])
    total, weight = torch.zeros_like(padded), torch.zeros_like(padded[:, :1])
    for rows in _spans(padded.shape[-2], tile, overlap):
        for columns in _spans(padded.shape[-1], tile, overlap):
            with half_precision(device):
                part = model(padded[..., rows, columns].contiguous()).float()
            share = _ramp(part.shape[-2], overlap, device)[:, None] * _ramp(part.shape[-1], overlap, device)[None]
            total[..., rows, columns] += part * share
            weight[..., rows, columns] += share
    return (total / weight)[0, :, :height, :width]


def _pad(image: torch.Tensor) -> torch.Tensor:
    """Reflect at bottom and right to multiples of 32; an image smaller than that is reflected repeatedly."""
    for axis in (-2, -1):
        while image.shape[axis] % MULTIPLE:
            size = image.shape[axis]
            more = min((-size) % MULTIPLE, max(size - 1, 1))
            mode = "reflect" if size > 1 else "replicate"
            image = F.pad(image, (0, more, 0, 0) if axis == -1 else (0, 0, 0, more), mode=mode)
    return image


def _spans(length: int, tile: int, overlap: int) -> list[slice]:
    """Spans that start at multiples of 32, so that pooling cuts every tile alike."""
    if length <= tile:
        return [slice(0, length)]
    starts = [*range(0, length - tile, tile - overlap), length - tile]
    return [slice(start, start + tile) for start in starts]


def _ramp(size: int, overlap: int, device) -> torch.Tensor:
    """Weights that rise from the edge of a tile; the outer quarter of the overlap, which sees least, counts nothing."""
    distance = torch.arange(size, device=device, dtype=torch.float32) + 1
    distance = torch.minimum(distance, distance.flip(0))
    return ((distance - overlap / 4) / (overlap / 2)).clamp(1e-6, 1.0)


def to_bytes(image: torch.Tensor) -> np.ndarray:
    """Values from -0.5 to 0.5 as 8-bit; shape (c, h, w) to (h, w, c)."""
    values = ((image.clamp(-0.5, 0.5) + 0.5) * 255).round().to(torch.uint8)
    return values.permute(1, 2, 0).cpu().numpy()
