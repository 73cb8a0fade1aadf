"""Train the denoiser on a group's own exposures."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from n2n.nets import prior
from n2n.nets.fairness import Fairness
from n2n.nets.loop import Curves, fit, generator_of
from n2n.nets.losses import paired_loss
from n2n.nets.recipe import Recipe
from n2n.nets.sampling import Region, cut, draw_guide, draw_subset
from n2n.nets.unet import Denoiser

VALIDATION_CROPS = 16
FAIR = 0.003  # weight of `Fairness` in the loss


def train(
    regions: list[Region],
    recipe: Recipe,
    *,
    fingerprint: str,
    state_path: Path | None = None,
    report: Callable[[str], None] = print,
) -> tuple[Denoiser, Curves]:
    """Train and return the network in evaluation mode.

    Parameters
    ----------
    regions : list of Region
        Each step draws from one of them, in proportion to its area.
    recipe : Recipe
        How to train.
    fingerprint : str
        Identifies recipe and exposures; a saved state with another fingerprint is not resumed.
    state_path : Path, optional
        Where the state is saved every 50 steps, and resumed from.
    report : callable
        Gets a line of text at every validation.

    Returns
    -------
    model : Denoiser
    curves : Curves
    """
    recipe = recipe.settled()
    device = regions[0].values.device
    torch.manual_seed(recipe.seed)
    model = Denoiser(recipe.width, recipe.activation)
    if recipe.start == "prior":
        model.load_state_dict(prior.weights())
    model.to(device, memory_format=torch.channels_last)
    layouts = [Layout.of(region, recipe.crop) for region in regions]
    areas = torch.tensor([float(layout.positions) for layout in layouts])
    validation = _validation_pairs(regions, layouts, recipe)
    fairness = Fairness(FAIR).to(device)

    def loss_of_step(step: int) -> torch.Tensor:
        generator = generator_of(recipe.seed, step)
        which = int(torch.multinomial(areas, 1, generator=generator))
        pair = training_pair(regions[which], layouts[which], recipe, generator)
        output = _predict(model, pair, regions[which])
        return paired_loss(output, pair) + fairness(output, **brightness(pair))

    curves = fit(
        model,
        loss_of_step,
        lambda: (_validate(model, validation),),
        steps=recipe.steps,
        learning_rate=recipe.learning_rate,
        fingerprint=fingerprint,
        state_path=state_path,
        memory=fairness,
        report=report,
    )
    return model.eval(), curves


def brightness(pair: dict) -> dict[str, torch.Tensor]:
    """What `Fairness` asks for, of a pair with guides; nothing counts where one of the three has no exposure."""
    known = pair["trusted"] & (pair["guide_depth"] > 0) & (pair["witness_depth"] > 0)
    infinite = torch.full_like(pair["depth"], torch.inf)
    return {
        "sigma": torch.where(known, torch.sqrt(pair["variance"] / pair["depth"]), infinite),
        "guide": pair["guide"],
        "witness": pair["witness"],
        "guide_sigma": torch.sqrt(pair["variance"] / pair["guide_depth"].clamp_min(1e-6)),
    }


@dataclass(frozen=True)
class Layout:
    """Where crops may lie: a strip of columns is kept for validation, the rest trains.

    Attributes
    ----------
    height : int
        Number of top positions.
    left, right : range
        Left positions before and after the strip.
    strip : range
        Left positions within the strip.
    """

    height: int
    left: range
    right: range
    strip: range

    @classmethod
    def of(cls, region: Region, crop: int) -> "Layout":
        """Lay out a region; one too narrow for a strip trains and validates on all of it."""
        height, width = region.values.shape[1:]
        side = max(crop, width // 8)
        first = int(0.45 * width)
        if width < 4 * crop:
            everywhere = range(0, width - crop + 1)
            return cls(height - crop + 1, everywhere, range(0), everywhere)
        return cls(
            height - crop + 1,
            range(0, first - crop + 1),
            range(first + side, width - crop + 1),
            range(first, first + side - crop + 1),
        )

    @property
    def positions(self) -> int:
        """Number of training positions."""
        return self.height * (len(self.left) + len(self.right))


def training_pair(region: Region, layout: Layout, recipe: Recipe, generator: torch.Generator) -> dict:
    """Crops for one step, input and target of each from a split of its own; see `sampling.cut`.

    Parameters
    ----------
    region : Region
        Where to cut.
    layout : Layout
        Where crops may lie.
    recipe : Recipe
        Number and side of the crops.
    generator : Generator
        Random numbers of the step.
    """
    tops = torch.randint(layout.height, (recipe.batch,), generator=generator)
    picks = torch.randint(len(layout.left) + len(layout.right), (recipe.batch,), generator=generator)
    lefts = torch.tensor([_position(layout, int(pick)) for pick in picks])
    subsets = torch.stack([draw_subset(len(region.values), generator) for _ in range(recipe.batch)])
    guides = torch.stack([draw_guide(subset, generator) for subset in subsets])
    pair = cut(region, tops, lefts, recipe.crop, subsets, guides)
    turn = int(torch.randint(8, (), generator=generator))
    return {name: orient(tensor, turn) for name, tensor in pair.items()}


def _position(layout: Layout, pick: int) -> int:
    return layout.left[pick] if pick < len(layout.left) else layout.right[pick - len(layout.left)]


def orient(image: torch.Tensor, turn: int) -> torch.Tensor:
    """One of the eight flips and rotations of the last two axes."""
    image = torch.rot90(image, turn % 4, dims=(-2, -1))
    return image.flip(-1) if turn >= 4 else image


def restore(image: torch.Tensor, turn: int) -> torch.Tensor:
    """Undo `orient`."""
    image = image.flip(-1) if turn >= 4 else image
    return torch.rot90(image, -(turn % 4), dims=(-2, -1))


def _predict(model: Denoiser, pair: dict, region: Region) -> torch.Tensor:
    sky_variance = torch.full((1, 1, 1, 1), region.sky_variance, device=region.values.device)
    return model(pair["image"], pair["depth"], sky_variance, pair["variance"], region.band_noise)


def _validation_pairs(regions, layouts, recipe: Recipe) -> list[tuple[dict, Region]]:
    """Fixed crops from the strips, split once in halves."""
    generator = torch.Generator().manual_seed(recipe.seed + 7)
    result = []
    count = max(1, VALIDATION_CROPS // len(regions))
    for region, layout in zip(regions, layouts, strict=True):
        tops = torch.randint(layout.height, (count,), generator=generator)
        lefts = torch.tensor(
            [layout.strip[int(i)] for i in torch.randint(len(layout.strip), (count,), generator=generator)]
        )
        half = torch.zeros(len(region.values), dtype=torch.bool)
        half[torch.randperm(len(half), generator=generator)[: max(1, len(half) // 2)]] = True
        result.append((cut(region, tops, lefts, recipe.crop, half.expand(count, -1)), region))
    return result


@torch.no_grad()
def _validate(model: Denoiser, pairs) -> float:
    losses = [float(paired_loss(_predict(model, pair, region), pair)) for pair, region in pairs]
    return sum(losses) / len(losses)
