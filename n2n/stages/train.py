"""Stage `train`: train the U-Net on the night's own repeated exposures.

Only blocks A and B take part; block C is never read. The training can be killed at any moment: the same
command goes on where it was, and ends with the same network.
"""

import hashlib
import json
import re
from dataclasses import asdict
from pathlib import Path

from n2n.config import add_settings, settings_of
from n2n.formats.atomic import write_text
from n2n.formats.provenance import versions
from n2n.formats.tables import write_json
from n2n.group.group import Group
from n2n.group.learning import exposures_learned, lacking, load_regions, pixels_learned
from n2n.group.suited import likeness, measured_band_noise
from n2n.log import logger
from n2n.report.curves import plot_curves
from n2n.stages.args import add_device, device_of

MEMORY = 1.2e9  # bytes of exposures kept in memory; larger groups train on a random choice of regions


def add_arguments(parser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("pairs", type=Path, nargs="+", help="pairs.h5 of the groups to train on")
    parser.add_argument("-o", "--output", type=Path, required=True, help="model.json to write, weights beside it")
    add_device(parser)
    add_settings(parser, "train")


def run(args) -> None:
    """Execute the stage."""
    from n2n.nets import prior
    from n2n.nets.device import device_name
    from n2n.nets.model import describe, save_weights
    from n2n.nets.sampling import Region
    from n2n.nets.training import Recipe, train

    device = device_of(args)
    recipe = Recipe(**vars(settings_of(args, "train"))).settled()
    groups = [Group(path) for path in args.pairs]
    names = [group.identity for group in groups]
    reasons = [lacking(group, recipe.crop) for group in groups]
    enough = [group for group, reason in zip(groups, reasons, strict=True) if not reason]
    folder, known_as = args.output.parent, named(args.output)
    if not enough:
        reason = "; ".join(dict.fromkeys(reasons))
        logger.warning("no training: %s", reason)
        write_json(args.output, {"refused": reason, "groups": names} | known_as)
        return
    regions = [
        Region.from_arrays(*arrays, device=device)
        for group in enough
        for arrays in load_regions(group, recipe.crop, recipe.seed, MEMORY / len(enough))
    ]
    frames = exposures_learned(enough)
    start = {"prior_sha256": prior.digest()} if recipe.start == "prior" else {}
    content = json.dumps([asdict(recipe), start, frames, pixels_learned(enough)], sort_keys=True)
    fingerprint = hashlib.sha256(content.encode()).hexdigest()
    logger.info("training on %d exposures of %s (%s)", len(frames), ", ".join(names), device_name(device))
    folder.mkdir(parents=True, exist_ok=True)
    model, curves = train(regions, recipe, fingerprint=fingerprint, state_path=folder / "state.pt", report=logger.info)
    columns = "step,training_loss,validation_loss,learning_rate,seconds"
    lines = [f"{step},{a:.6f},{b:.6f},{rate:.3e},{seconds:.1f}" for step, a, b, rate, seconds in curves.rows]
    write_text(folder / "training.csv", "\n".join([columns, *lines]) + "\n")
    plot_curves(folder / "training.png", curves.rows)
    digest = save_weights(folder / "model.safetensors", model)
    # model.json comes last: where it is, the model is whole.
    write_json(
        args.output,
        describe(model, recipe)
        | start
        | {
            "weights_sha256": digest,
            "groups": names,
            "frames": frames,
            "likeness": [likeness(group, measured_band_noise(group)) for group in enough],
            "device": device_name(device),
            "final_training_loss": curves.rows[-1][1],
            "final_validation_loss": curves.rows[-1][2],
            "seconds": curves.rows[-1][4],
            "versions": versions(),
        }
        | known_as,
    )
    logger.info("trained %d steps in %.0f s", recipe.steps, curves.rows[-1][4])


def named(path: Path) -> dict:
    """Name and id of a model that the workflow trains, by its folders, so that a copy in another's place is found."""
    folder = path.absolute().parent
    return {"model": f"{folder.parent.name}/{folder.name}"} if re.fullmatch("[0-9a-f]{12}", folder.name) else {}
