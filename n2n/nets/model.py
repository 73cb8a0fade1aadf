"""A trained model on disk: weights as safetensors, everything else as JSON beside them."""

import hashlib
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import load, save

from n2n.errors import UserError
from n2n.formats import sealed
from n2n.formats.atomic import atomic_path
from n2n.nets.recipe import Recipe
from n2n.nets.unet import LEVELS, Denoiser, parameters
from n2n.recipes import OLDEST_MODEL, RECIPES


def save_weights(path: Path, model: torch.nn.Module) -> str:
    """Write the weights atomically; return their SHA-256."""
    data = save({name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()})
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def load_model(folder: Path, facts: dict, device: torch.device | str = "cpu") -> Denoiser:
    """Read the model in `folder` described by `facts` (model.json). Errors as of `read_weights`.

    Parameters
    ----------
    folder : Path
        Holds ``model.safetensors``.
    facts : dict
        ``model.json``.
    device : device
        Where to put the network.
    """
    recipe = facts["recipe"]
    model = Denoiser(recipe["width"], recipe["activation"])
    if not OLDEST_MODEL <= recipe["version"] <= RECIPES["train"]:
        age = "an older" if recipe["version"] < OLDEST_MODEL else "a newer"
        raise UserError(f"the model in {folder} is of {age} version of n2n; delete its folder to train it again")
    model.load_state_dict(read_weights(folder, facts))
    return model.to(device, memory_format=torch.channels_last).eval()


def read_weights(folder: Path, facts: dict) -> dict[str, torch.Tensor]:
    """Read the weights in `folder` described by `facts` (model.json); checks their SHA-256.

    Raises
    ------
    UserError
        When the weights are missing or not those the description names.
    """
    path = Path(folder) / "model.safetensors"
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"cannot read the model {path}: {error.strerror}; delete its folder to train it again"
        ) from error
    if hashlib.sha256(data).hexdigest() != facts["weights_sha256"]:
        raise sealed.damaged(path, "it is not the file that model.json describes", path.with_name("model.json"))
    return load(data)


def describe(model: Denoiser, recipe: Recipe) -> dict:
    """Architecture and recipe for model.json."""
    return {
        "architecture": f"band-gated U-Net, {LEVELS} levels, width {recipe.width}, {recipe.activation}",
        "parameters": parameters(model),
        "recipe": asdict(recipe),
    }
