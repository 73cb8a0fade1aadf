"""The weights a training starts from: they know skies in general; the night teaches them its own.

How they were made, on what, and what they must not be used for: prior.md beside this file.
"""

import hashlib
from functools import cache
from importlib.resources import files

import torch
from safetensors.torch import load

from n2n.nets.recipe import ACTIVATION, WIDTH
from n2n.nets.unet import LEVELS, Denoiser


def weights() -> dict[str, torch.Tensor]:
    """Weights for `unet.Denoiser`, on the CPU."""
    return load(_data())


@cache
def digest() -> str:
    """SHA-256 of the file."""
    return hashlib.sha256(_data()).hexdigest()


def network() -> Denoiser:
    """The network as it comes with n2n, in evaluation mode."""
    model = Denoiser(WIDTH, ACTIVATION)
    model.load_state_dict(weights())
    return model.to(memory_format=torch.channels_last).eval()


def description() -> dict:
    """What model.json would say of this network, as it does of a trained one."""
    return {
        "architecture": f"band-gated U-Net, {LEVELS} levels, width {WIDTH}, {ACTIVATION}",
        "recipe": {"start": "prior", "steps": 0, "seed": 1},
        "groups": [],
        "frames": [],
        "weights_sha256": digest(),
        "path": "n2n/nets/prior.md",
    }


def _data() -> bytes:
    return (files(__package__) / "prior.safetensors").read_bytes()
