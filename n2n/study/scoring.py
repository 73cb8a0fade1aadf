"""What a network for photographs is worth on photographs that it never saw: PSNR and SSIM, whole images."""

import numpy as np
import torch

from n2n.study.corruptions import Corruption
from n2n.study.inference import denoise_photograph, to_bytes
from n2n.study.metrics import psnr, ssim
from n2n.study.photographs import Named
from n2n.study.sources import VALIDATION_SEED

TEST_SEED = VALIDATION_SEED + 500


def scores_of(
    model: torch.nn.Module, sets: dict[str, Named], corruption: Corruption, *, crop: int = 0, repeats: int = 1
) -> tuple[dict[str, dict], np.ndarray]:
    """Corrupt photographs at the level that is published, denoise them, compare.

    Parameters
    ----------
    model : module
        In evaluation mode.
    sets : dict of list of (str, uint8 ndarray of shape (h, w, 3))
        Photographs by the name of their set.
    corruption : Corruption
        What is done to them.
    crop : int
        Side of the middle that is looked at in pixels; 0: the whole photograph.
    repeats : int
        How often noise is drawn for each photograph.

    Returns
    -------
    scores : dict
        By set: means of ``noisy``, ``psnr``, ``psnr_float`` in dB and ``ssim``, the number of ``images``, and ``each``.
    example : uint8 ndarray
        The first photograph, as `side_by_side` shows it.
    """
    result, example = {}, None
    for name, photographs in sets.items():
        each = []
        for index, (_, photograph) in enumerate(photographs):
            for repeat in range(repeats):
                found, images = scored(model, photograph, corruption, crop, TEST_SEED + 1000 * repeat + index)
                each.append(found)
                if example is None:
                    example = side_by_side(images)
        mean = {key: sum(one[key] for one in each) / len(each) for key in each[0]}
        result[name] = mean | {"images": len(photographs), "each": each}
    return result, example


def scored(model: torch.nn.Module, photograph: np.ndarray, corruption: Corruption, crop: int, seed: int):
    """Scores of one photograph, and it clean, noisy and denoised.

    Parameters
    ----------
    model, corruption, crop
        As of `scores_of`.
    photograph : uint8 ndarray, shape (h, w, 3)
        Clean.
    seed : int
        Of the noise.
    """
    device = next(model.parameters()).device
    clean = to_tensor(photograph, device)
    if crop:
        top, left = max(0, (clean.shape[1] - crop) // 2), max(0, (clean.shape[2] - crop) // 2)
        clean = clean[:, top : top + crop, left : left + crop]
    generator = torch.Generator(device).manual_seed(seed)
    level = torch.full((1,), corruption.test_level, device=device)
    noisy = corruption.corrupt(clean[None], level, generator)[0][0]
    denoised = denoise_photograph(model, noisy)
    scores = {
        "noisy": psnr(clean, noisy, quantised=True),
        "psnr": psnr(clean, denoised, quantised=True),
        "psnr_float": psnr(clean, denoised, quantised=False),
        "ssim": ssim(clean, denoised),
    }
    return {key: float(value) for key, value in scores.items()}, (clean, noisy, denoised)


def to_tensor(photograph: np.ndarray, device: torch.device) -> torch.Tensor:
    """8-bit pixels of shape (h, w, 3) as values from -0.5 to 0.5 of shape (3, h, w) on the device."""
    return torch.from_numpy(photograph.copy()).permute(2, 0, 1).to(device).float() / 255 - 0.5


def side_by_side(images: tuple[torch.Tensor, ...], size: int = 192) -> np.ndarray:
    """The middle of images of one shape, beside each other, as 8-bit."""
    views = []
    for image in images:
        top, left = (max(0, (side - size) // 2) for side in image.shape[1:])
        views.append(to_bytes(image[:, top : top + size, left : left + size]))
    return np.concatenate(views, axis=1)
