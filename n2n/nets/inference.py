"""Apply the network to a whole image in overlapping, feathered tiles."""

import numpy as np
import torch

from n2n.nets.sampling import fill
from n2n.nets.training import orient, restore
from n2n.nets.unet import Denoiser
from n2n.tiles import padding, spans

REACH = 72  # pixels: farther than a pixel of the output sees (bands 18, U-Net 47), and a multiple of tiles.BLOCK


@torch.no_grad()
def denoise(
    model: Denoiser,
    image: np.ndarray,
    depth: np.ndarray,
    variance: np.ndarray,
    background: float,
    band_noise: torch.Tensor,
    *,
    tile: int = 512,
    overlap: int = 48,
    orientations: int = 8,
) -> np.ndarray:
    """Denoise one sky-subtracted image.

    Parameters
    ----------
    image, depth, variance : ndarray, shape (h, w)
        Mean of exposures (NaN where none), how many standard exposures it is worth, and the variance of one.
    background : float
        Sky variance of one standard exposure.
    tile, overlap : int
        Pixels. Every tile is computed with what the network sees around it, so that tiles agree where they
        overlap, and the feathered overlap hides what rounding leaves: no seam shows.
    orientations : int
        Flips and rotations averaged (1 to 8).

    Returns
    -------
    float32 ndarray, shape (h, w)
    """
    device = next(model.parameters()).device
    height, width = image.shape
    # Mirrored to whole blocks plus a margin, so that borders are tiles like any other.
    (top, bottom), (left, right) = padding(height), padding(width)
    known = np.isfinite(image) & (depth > 0)
    prepared = _prepare(image, depth, variance, known, device)
    prepared = [torch.nn.functional.pad(t, (left, right, top, bottom), mode="reflect") for t in prepared]
    full_h, full_w = prepared[0].shape[-2:]
    total = torch.zeros((full_h, full_w), device=device)
    weight = torch.zeros_like(total)
    for vertical in spans(full_h, tile, overlap):
        for horizontal in spans(full_w, tile, overlap):
            window = (vertical, horizontal)
            rows, within_rows = _context(window[0], full_h)
            columns, within_columns = _context(window[1], full_w)
            inputs = [t[..., rows, columns] for t in prepared]
            result = _oriented(model, inputs, background, band_noise, orientations)[within_rows, within_columns]
            share = _feather(result.shape, overlap, device)
            total[window] += result * share
            weight[window] += share
    result = (total / weight)[top : top + height, left : left + width]
    return result.float().cpu().numpy()


def _prepare(image, depth, variance, known, device) -> list[torch.Tensor]:
    mask = torch.from_numpy(known).to(device)[None, None]
    tensor = torch.from_numpy(np.where(known, image, 0).astype(np.float32)).to(device)[None, None]
    filled = fill(tensor, mask)
    smallest = 0.3 * float(depth[known].min()) if known.any() else 0.3
    depth = torch.from_numpy(np.where(known, depth, smallest).astype(np.float32)).to(device)[None, None]
    return [filled, depth, torch.from_numpy(variance.astype(np.float32)).to(device)[None, None]]


def _oriented(model, inputs, background, band_noise, orientations) -> torch.Tensor:
    device = inputs[0].device
    level = torch.full((1, 1, 1, 1), background, device=device)
    total = torch.zeros(inputs[0].shape[-2:], device=device)
    order = (0, 6, 1, 2, 3, 4, 5, 7)[:orientations]
    for turn in order:
        with torch.autocast("cuda", torch.bfloat16, enabled=device.type == "cuda"):
            turned = [orient(t, turn) for t in inputs]
            total += restore(model(*turned[:2], level, turned[2], band_noise), turn)[0, 0].float()
    return total / len(order)


def _context(span: slice, length: int) -> tuple[slice, slice]:
    """The span and `REACH` more on both sides, as far as the image goes; and the span within that."""
    first, last = max(0, span.start - REACH), min(length, span.stop + REACH)
    return slice(first, last), slice(span.start - first, span.stop - first)


def _feather(shape, overlap: int, device) -> torch.Tensor:
    """Weights that fall linearly to (nearly) zero at the edge of a tile."""
    ramps = []
    for size in shape:
        distance = torch.arange(size, device=device, dtype=torch.float32) + 1
        distance = torch.minimum(distance, distance.flip(0))
        ramps.append((distance / max(overlap, 1)).clamp(max=1.0))
    return ramps[0][:, None] * ramps[1][None, :]
