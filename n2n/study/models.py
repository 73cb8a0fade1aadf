"""A trained network for photographs as facts: what model.json says, and the network made from it."""

import hashlib
import json
from dataclasses import asdict

import torch

from n2n.errors import UserError
from n2n.formats.provenance import versions
from n2n.nets.device import device_name
from n2n.nets.loop import Curves
from n2n.nets.unet import parameters
from n2n.study.training import PhotoRecipe, build_network

COLUMNS = ("step", "training_loss", "validation_loss", "validation_psnr", "learning_rate", "seconds")


def fingerprint_of(recipe: PhotoRecipe, source_facts: dict) -> str:
    """What a saved state must have been made from to be gone on with: SHA-256 of recipe and photographs."""
    content = json.dumps([asdict(recipe), source_facts], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def describe(model: torch.nn.Module, recipe: PhotoRecipe, source, curves: Curves, device: torch.device) -> dict:
    """Facts for model.json; the scores and the digest of the weights are added by who has them.

    Parameters
    ----------
    model : module
        As it was trained.
    recipe : PhotoRecipe
        How it was trained.
    source : Synthetic or NoisyPairs
        What it was trained on.
    curves : Curves
        What its training gave.
    device : torch.device
        Where it was trained.
    """
    last = curves.rows[-1]
    return {
        "kind": "photo",
        "noise": source.facts["noise"],
        "targets": source.facts.get("targets", "noisy"),
        "recipe": asdict(recipe),
        "parameters": parameters(model),
        "data": source.facts,
        "final": dict(zip(COLUMNS, last, strict=True)),
        "crops_per_second": recipe.steps * recipe.batch / max(last[-1], 1e-9),
        "device": device_name(device),
        "threads": torch.get_num_threads(),
        "versions": versions(),
    }


def curves_text(curves: Curves) -> str:
    """The rows of training.csv."""
    lines = [f"{r[0]},{r[1]:.6f},{r[2]:.6f},{r[3]:.4f},{r[4]:.3e},{r[5]:.1f}" for r in curves.rows]
    return "\n".join([",".join(COLUMNS), *lines]) + "\n"


def check(facts: dict, name: str) -> None:
    """UserError where `facts`, read from the file `name`, are not those of a network for photographs."""
    if facts.get("kind") != "photo":
        raise UserError(f"{name} is not a model for photographs; `n2n photo train` makes one")


def network_of(facts: dict, weights: dict[str, torch.Tensor], device: torch.device) -> torch.nn.Module:
    """The network that `describe` described, in evaluation mode on the device.

    Parameters
    ----------
    facts : dict
        As `describe` made them.
    weights : dict of str to tensor
        Those of its state.
    device : torch.device
        Where it is to run.
    """
    model = build_network(PhotoRecipe(**facts["recipe"]))
    model.load_state_dict(weights)
    return model.to(device).eval()
