"""Train a network on photographs: pairs come from a source of batches, the loop is the night's."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from n2n.errors import UserError
from n2n.nets.device import compiled, half_precision
from n2n.nets.loop import Curves, fit, generator_of
from n2n.nets.unet import ResidualUNet
from n2n.recipes import RECIPES
from n2n.study.losses import photo_loss
from n2n.study.paper import MULTIPLE, PaperUNet

NETWORKS = {
    "paper": PaperUNet,
    "ours": ResidualUNet,
}


@dataclass(frozen=True)
class PhotoRecipe:
    """What training depends on, besides the photographs; `version` is the number of `photo` in `n2n.recipes`."""

    network: str = "paper"
    width: int = 48
    activation: str = "leaky_relu"
    loss: str = "l2"
    steps: int = 20000
    batch: int = 4
    crop: int = 256
    learning_rate: float = 0.001
    seed: int = 1
    version: int = RECIPES["photo"]


def build_network(recipe: PhotoRecipe) -> nn.Module:
    """A new network, its weights drawn from the recipe's seed; channels last.

    Raises
    ------
    UserError
        For sizes the network cannot have.
    """
    if recipe.network == "paper" and recipe.width % 3:
        raise UserError(f"--width {recipe.width}: the paper's U-Net needs a multiple of 3, like 12, 24 or 48")
    if recipe.crop % MULTIPLE:
        raise UserError(f"--crop {recipe.crop} is not a multiple of {MULTIPLE}")
    torch.manual_seed(recipe.seed)
    model = NETWORKS[recipe.network](3, recipe.width, recipe.activation)
    return model.to(memory_format=torch.channels_last)


def train_on_photographs(
    recipe: PhotoRecipe,
    draw: Callable[[torch.Generator], dict],
    validation: list[dict],
    device: torch.device,
    *,
    fingerprint: str,
    state_path: Path | None = None,
    validate_every: int | None = None,
    report: Callable[[str], None] = print,
) -> tuple[nn.Module, Curves]:
    """Train and return the network in evaluation mode.

    Parameters
    ----------
    recipe : PhotoRecipe
        How to train.
    draw : callable
        Gives a batch: source and target, tensors of shape (n, 3, h, w), and target_mask or None.
    validation : list of dict
        Fixed batches like those of `draw`, with `clean` beside or None where nothing clean is known.
    device : device
        Where to train.
    fingerprint : str
        Identifies recipe and photographs; a saved state with another fingerprint is not resumed.
    state_path : Path, optional
        Where the state is saved, and resumed from.
    validate_every : int, optional
        Steps between validations and between saved states.
    report : callable
        Gets a line of text at every validation.

    Returns
    -------
    model : module
    curves : Curves
        Rows: step, training loss, validation loss (against the validation's own targets), PSNR of the validation
        against clean images in dB (NaN where none), rate, seconds.
    """
    model = build_network(recipe).to(device)
    fast = compiled(model, device)

    def predict(source):
        source = source.to(memory_format=torch.channels_last)
        with half_precision(device):
            return fast(source).float()

    def loss_of_step(step: int) -> torch.Tensor:
        batch = draw(generator_of(recipe.seed, step, device))
        output = predict(batch["source"])
        return photo_loss(recipe.loss, output, batch["target"], batch["target_mask"], step / recipe.steps)

    @torch.no_grad()
    def validate() -> tuple[float, float]:
        losses, errors = [], []
        for batch in validation:
            output = predict(batch["source"])
            losses.append(float(photo_loss(recipe.loss, output, batch["target"], batch["target_mask"], 0.5)))
            if batch["clean"] is not None:
                errors.append((output - batch["clean"]).square().mean(dim=(1, 2, 3)))
        # The mean of the images' PSNR, as the literature has it.
        psnr = float((-10 * torch.log10(torch.cat(errors))).mean()) if errors else float("nan")
        return sum(losses) / len(losses), psnr

    curves = fit(
        model,
        loss_of_step,
        validate,
        steps=recipe.steps,
        learning_rate=recipe.learning_rate,
        fingerprint=fingerprint,
        state_path=state_path,
        validate_every=validate_every,
        report=report,
    )
    return model.eval(), curves
