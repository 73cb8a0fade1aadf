"""Split an image into smooth bands, the starlet way, and find how noisy each band is."""

import functools
import itertools

import torch
import torch.nn.functional as F

SMOOTHING = (0.7, 1.2, 2.0, 3.5, 6.0)  # Gaussian sigmas in pixels


@functools.cache
def _kernel(sigma: float) -> tuple[float, ...]:
    radius = max(1, int(3 * sigma + 0.5))
    values = [pow(2.718281828459045, -0.5 * (i / sigma) ** 2) for i in range(-radius, radius + 1)]
    total = sum(values)
    return tuple(value / total for value in values)


def smooth(image: torch.Tensor, sigma: float) -> torch.Tensor:
    """Gaussian of `sigma` pixels, reflecting at the border; (n, 1, h, w) in and out."""
    kernel = torch.tensor(_kernel(sigma), dtype=image.dtype, device=image.device)
    radius = len(kernel) // 2
    image = F.conv2d(F.pad(image, (radius, radius, 0, 0), mode="reflect"), kernel.view(1, 1, 1, -1))
    return F.conv2d(F.pad(image, (0, 0, radius, radius), mode="reflect"), kernel.view(1, 1, -1, 1))


def split(image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Split into five difference bands and the smooth rest, which add up to the image.

    Parameters
    ----------
    image : tensor, shape (n, 1, h, w)
        In any unit.

    Returns
    -------
    bands : tensor, shape (n, 5, h, w)
    rest : tensor, shape (n, 1, h, w)
    """
    levels = [image, *(smooth(image, sigma) for sigma in SMOOTHING)]
    bands = [finer - coarser for finer, coarser in itertools.pairwise(levels)]
    return torch.cat(bands, dim=1), levels[-1]


def band_noise(differences: torch.Tensor) -> torch.Tensor:
    """Noise of each band for unit noise a pixel, measured so that its correlation counts.

    Parameters
    ----------
    differences : tensor, shape (n, h, w)
        Differences of two exposures over their expected sigma; 0 where unusable.

    Returns
    -------
    tensor, shape (5,)
    """
    bands, _ = split(differences[:, None])
    usable = (differences != 0)[:, None].expand_as(bands)
    result = []
    for index in range(bands.shape[1]):
        values = bands[:, index][usable[:, index]].abs()
        step = max(1, values.numel() // 1_000_000)
        result.append(1.4826 * values[::step].median())
    return torch.stack(result)
