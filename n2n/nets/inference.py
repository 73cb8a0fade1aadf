"""Apply the network to a whole image in overlapping, feathered tiles.

The image stays where it is, in main memory; only tiles go to the device. What the network needs at a time therefore
depends on the tile alone (`memory.py`), not on the image.
"""

import numpy as np
import torch

from n2n.nets.contrast import widen_contrast
from n2n.nets.level import keep_level
from n2n.nets.sampling import MIN_DEPTH, fill
from n2n.nets.tiles import padding, spans
from n2n.nets.training import orient, restore
from n2n.nets.unet import Denoiser, decide, judge, look

REACH = 72  # pixels: farther than a pixel of the output sees (bands 18, U-Net 47), and a multiple of tiles.BLOCK
FILL = 18  # pixels: farthest known neighbour that an unknown pixel is filled from


@torch.no_grad()
def denoise(
    model: Denoiser,
    image: np.ndarray,
    depth: np.ndarray,
    variance: np.ndarray,
    sky_variance: float,
    band_noise: torch.Tensor,
    *,
    tile: int = 512,
    overlap: int = 48,
    orientations: int = 8,
) -> np.ndarray:
    """Denoise one sky-subtracted image, where the model is.

    Parameters
    ----------
    model : Denoiser
        The network, in evaluation mode.
    image, depth, variance : ndarray, shape (h, w)
        Mean of exposures (NaN where none), how many standard exposures it is worth, and the variance of one.
    sky_variance : float
        Sky variance of one standard exposure.
    band_noise : tensor, shape (5,)
        Noise of the bands, from `sampling.measure_band_noise`.
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
    band_noise = band_noise.to(device)
    known = np.isfinite(image) & (depth > 0)
    smallest = MIN_DEPTH * float(depth.min(where=known, initial=np.inf)) if known.any() else MIN_DEPTH
    # Mirrored to whole blocks plus a margin, so that borders are tiles like any other.
    (top, bottom), (left, right) = (padding(side) for side in image.shape)
    full = (top + image.shape[0] + bottom, left + image.shape[1] + right)
    total = np.zeros(full, np.float32)
    for rows, row_shares in _feathered(full[0], tile, overlap):
        seen_rows, within_rows = _context(rows, full[0])
        for columns, column_shares in _feathered(full[1], tile, overlap):
            seen_columns, within_columns = _context(columns, full[1])
            at = np.ix_(_mirrored(seen_rows, top, image.shape[0]), _mirrored(seen_columns, left, image.shape[1]))
            inputs = _prepare(image[at], depth[at], variance[at], known[at], smallest, device)
            result = _oriented(model, inputs, sky_variance, band_noise, orientations)[within_rows, within_columns]
            total[rows, columns] += result.cpu().numpy() * row_shares[:, None] * column_shares
    result = total[top : top + image.shape[0], left : left + image.shape[1]]
    sky_sigma = np.sqrt(np.float32(sky_variance) / np.maximum(depth, smallest))
    result = widen_contrast(result, known, sky_sigma)
    return keep_level(result, np.where(known, image, np.nan), sky_sigma)


def _prepare(image, depth, variance, known, smallest: float, device) -> list[torch.Tensor]:
    """A window and `FILL` pixels around it, filled and without them; tensors of shape (1, 1, h, w)."""
    planes = np.where(known, image, 0), np.where(known, depth, smallest), variance
    image, depth, variance = (torch.from_numpy(p.astype(np.float32)).to(device)[None, None] for p in planes)
    filled = fill(image, torch.from_numpy(known).to(device)[None, None])
    return [plane[..., FILL:-FILL, FILL:-FILL] for plane in (filled, depth, variance)]


def _oriented(model, inputs, sky_variance, band_noise, orientations) -> torch.Tensor:
    """Mean of what the U-Net says of an image turned in several ways; everything else does not depend on that."""
    image, depth, variance = inputs
    level = torch.full((1, 1, 1, 1), sky_variance, device=image.device)
    seen = look(image, depth, level, variance, band_noise)
    order = (0, 6, 1, 2, 3, 4, 5, 7)[:orientations]
    gates, correction = torch.zeros_like(seen.bands), torch.zeros_like(image)
    for turn in order:
        opinion = judge(seen, restore(model.opinion(orient(seen.features, turn)), turn))
        gates += opinion[0]
        correction += opinion[1]
    return decide(seen, gates.div_(len(order)), correction.div_(len(order)))[0, 0]


def _context(span: slice, length: int) -> tuple[slice, slice]:
    """The span and `REACH` more on both sides, as far as the image goes; and the span within that."""
    first, last = max(0, span.start - REACH), min(length, span.stop + REACH)
    return slice(first, last), slice(span.start - first, span.stop - first)


def _mirrored(span: slice, before: int, length: int) -> np.ndarray:
    """Indices of the image's pixels in a span of the padded image and `FILL` pixels around it."""
    period = max(2 * (length - 1), 1)
    index = np.arange(span.start - FILL, span.stop + FILL) - before
    return np.minimum(index % period, -index % period)


def _feathered(length: int, tile: int, overlap: int) -> list[tuple[slice, np.ndarray]]:
    """Tiles along one axis with their weights, which fall to (nearly) zero at the edges and add up to 1."""
    parts = spans(length, tile, overlap)
    ramps, total = [], np.zeros(length, np.float32)
    for part in parts:
        distance = np.arange(1, part.stop - part.start + 1, dtype=np.float32)
        ramps.append(np.minimum(np.minimum(distance, distance[::-1]) / max(overlap, 1), 1))
        total[part] += ramps[-1]
    return [(part, ramp / total[part]) for part, ramp in zip(parts, ramps, strict=True)]
