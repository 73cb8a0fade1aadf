"""Synthetic corruptions of photographs, and pairs of them.

Images are float tensors of shape (n, 3, h, w) in [-0.5, 0.5]. What comes out is neither clipped nor rounded: both
would move its mean, and the mean is what Noise2Noise learns. Ranges and test levels are those of the paper
(Lehtinen et al. 2018, arXiv 1803.04189v3), the camera's are ours. All random numbers come from the caller's
generator, which lives on the device of the images.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import torch

from n2n.study.text import TextBank

READ_NOISE = 0.01  # of the camera where a level does not say, as at its test level
MOST_READ_NOISE = 0.02  # in training


@dataclass(frozen=True)
class Corruption:
    """One kind of corruption.

    Attributes
    ----------
    name : str
    loss : str
        That fits it: ``l2``, ``masked_l2``, ``l1`` or ``annealed_l0``.
    test_level : float
        The level that is published.
    lowest, highest : float
        Range of levels in training; their unit is given with each kind in `CORRUPTIONS`.
    apply : callable
        (clean, level of shape (n, 1, 1, 1), generator) -> (noisy, mask).
    """

    name: str
    loss: str
    test_level: float
    lowest: float
    highest: float
    apply: Callable

    def draw_level(self, n: int, generator: torch.Generator) -> torch.Tensor:
        """Levels of `n` training images, uniform in the range; shape (n,)."""
        share = torch.rand(n, generator=generator, device=generator.device)
        return self.lowest + (self.highest - self.lowest) * share

    def corrupt(self, clean: torch.Tensor, level: torch.Tensor, generator: torch.Generator):
        """Corrupt images, each by its own level.

        Parameters
        ----------
        clean : tensor, shape (n, 3, h, w)
            Photographs, from -0.5 to 0.5.
        level : tensor, shape (n,)
            How strong, of each.
        generator : torch.Generator
            On the device of the images.

        Returns
        -------
        noisy : tensor, shape (n, 3, h, w)
        mask : bool tensor, shape (n, 1, h, w), or None
            Pixels that carry information; None when all do or nobody knows.
        """
        return self.apply(clean, level.view(-1, 1, 1, 1), generator)


class Camera(Corruption):
    """Shot noise and read noise: a level is the number of photons at white, or that and the read noise."""

    def draw_level(self, n: int, generator: torch.Generator) -> torch.Tensor:
        """Photons at white and read noise of `n` training images, each uniform; shape (n, 2)."""
        photons = super().draw_level(n, generator)
        share = torch.rand(n, generator=generator, device=generator.device)
        return torch.stack([photons, MOST_READ_NOISE * share], dim=1)

    def corrupt(self, clean: torch.Tensor, level: torch.Tensor, generator: torch.Generator):
        """As `Corruption.corrupt`; `level` of shape (n, 2), or (n,) with a read noise of `READ_NOISE`."""
        if level.ndim == 1:
            level = torch.stack([level, torch.full_like(level, READ_NOISE)], dim=1)
        return self.apply(clean, level[..., None, None, None], generator)


def _uniform(shape, like: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    return torch.rand(shape, generator=generator, device=like.device, dtype=like.dtype)


def _normal(like: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    return torch.randn(like.shape, generator=generator, device=like.device, dtype=like.dtype)


def gaussian(clean, sigma, generator):
    """White noise of standard deviation `sigma`; the range of values is 1."""
    return clean + sigma * _normal(clean, generator), None


def poisson(clean, photons, generator):
    """Shot noise with `photons` at white: variance (x + 0.5) / photons."""
    return torch.poisson(photons * (clean + 0.5), generator) / photons - 0.5, None


def camera(clean, level, generator):
    """Shot noise, then read noise: variance (x + 0.5) / photons + read**2."""
    photons, read = level.unbind(dim=1)
    shot, _ = poisson(clean, photons, generator)
    return shot + read * _normal(clean, generator), None


def bernoulli(clean, share, generator):
    """A `share` of the pixels is dropped to black, all channels together."""
    kept = _uniform((len(clean), 1, *clean.shape[2:]), clean, generator) >= share
    return torch.where(kept, clean, -0.5), kept


def text(clean, share, generator):
    """Strings cover a `share` of the pixels."""
    return _text_bank(clean.device).paste(clean, share.flatten(), generator), None


def impulse(clean, share, generator):
    """A `share` of the pixels is replaced by colours, uniform in the cube of all colours."""
    struck = _uniform((len(clean), 1, *clean.shape[2:]), clean, generator) < share
    return torch.where(struck, _uniform(clean.shape, clean, generator) - 0.5, clean), None


@functools.cache
def _text_bank(device: torch.device) -> TextBank:
    """One bank per device, drawn when text is first asked for."""
    return TextBank.of(0, device)


CORRUPTIONS: dict[str, Corruption] = {
    kind.name: kind
    for kind in (
        # Level: standard deviation, range of values 1.
        Corruption("gaussian", "l2", 25 / 255, 0.0, 50 / 255, gaussian),
        # Level: photons at white.
        Corruption("poisson", "l2", 30.0, 0.001, 50.0, poisson),
        # Level: share of pixels dropped.
        Corruption("bernoulli", "masked_l2", 0.5, 0.0, 0.95, bernoulli),
        # Level: share of pixels covered.
        Corruption("text", "l1", 0.25, 0.0, 0.5, text),
        # Level: share of pixels replaced.
        Corruption("impulse", "annealed_l0", 0.7, 0.0, 0.95, impulse),
        # Level: photons at white, and read noise (range of values 1).
        Camera("camera", "l2", 50.0, 5.0, 200.0, camera),
    )
}


def pair(clean: torch.Tensor, corruption: Corruption, generator: torch.Generator, clean_targets: bool) -> dict:
    """Source and target to train with, each with its own level and noise.

    The source does not depend on `clean_targets`: it is drawn first, so that two trainings that differ in the
    targets alone can be compared.

    Parameters
    ----------
    clean : tensor, shape (n, 3, h, w)
        Photographs, from -0.5 to 0.5.
    corruption : Corruption
        What is done to them.
    generator : torch.Generator
        On the device of the images.
    clean_targets : bool
        True: the target is the clean image itself.

    Returns
    -------
    dict
        source, target: tensors, shape (n, 3, h, w); source_mask, target_mask as from `Corruption.corrupt`.
    """
    n = len(clean)
    source, source_mask = corruption.corrupt(clean, corruption.draw_level(n, generator), generator)
    target, target_mask = clean, None
    if not clean_targets:
        target, target_mask = corruption.corrupt(clean, corruption.draw_level(n, generator), generator)
    return {"source": source, "target": target, "source_mask": source_mask, "target_mask": target_mask}
