"""Stage `train`: train the U-Net on the night's own repeated exposures.

Only blocks A and B take part; block C is never read. The training can be killed at any moment: the same
command goes on where it was, and ends with the same network.
"""

import hashlib
import json
from pathlib import Path

import numpy as np

from n2n.config import add_settings
from n2n.formats.atomic import write_text
from n2n.formats.provenance import versions
from n2n.formats.tables import write_json
from n2n.group.group import Pairs
from n2n.group.suited import likeness, measured_band_noise
from n2n.log import logger
from n2n.report.curves import plot_curves

MIN_TRAINING = 6  # exposures in A and B together
MEMORY = 1.2e9  # bytes of exposures kept in memory; larger groups train on a random choice of regions
REGION = 256


def add_arguments(parser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("pairs", type=Path, nargs="+", help="pairs.h5 of the groups to train on")
    parser.add_argument("-o", "--output", type=Path, required=True, help="model.json to write, weights beside it")
    add_device(parser)
    add_settings(parser, "train")


def add_device(parser) -> None:
    """Declare the arguments that say where the network runs."""
    parser.add_argument(
        "--device", default="auto", choices=["auto", "cpu", "cuda"], help="where to run (default: auto)"
    )
    parser.add_argument("--gpus", type=int, default=1, help="GPUs granted; 0 runs on the CPU (default: 1)")
    parser.add_argument("--threads", type=int, help="CPU threads (default: all)")


def run(args) -> None:
    """Execute the stage."""
    from n2n.nets import prior
    from n2n.nets.device import choose_device, device_name, set_threads
    from n2n.nets.model import describe, save_weights
    from n2n.nets.sampling import Exposures
    from n2n.nets.training import Recipe, train

    device = choose_device(args.device, args.gpus)
    set_threads(args.threads)
    recipe = Recipe(**{key: getattr(args, key) for key in Recipe.__dataclass_fields__ if hasattr(args, key)}).settled()
    groups = [Pairs(path) for path in args.pairs]
    names = ["/".join(path.parts[-3:-1]) for path in args.pairs]
    reasons = [lacking(group, recipe.crop) for group in groups]
    enough = [group for group, reason in zip(groups, reasons, strict=True) if not reason]
    folder = args.output.parent
    if not enough:
        reason = "; ".join(dict.fromkeys(reasons))
        logger.warning("no training: %s", reason)
        write_json(args.output, {"refused": reason, "groups": names})
        return
    regions = [
        Exposures.from_arrays(*arrays, device=device)
        for group in enough
        for arrays in load_regions(group, recipe.crop, recipe.seed, MEMORY / len(enough))
    ]
    frames = [
        {"group": name, "filename": frame["path"], "sha256": frame["sha256"], "block": frame["block"]}
        for name, group in zip(names, groups, strict=True)
        if group in enough
        for frame in group.frames
        if frame["block"] != "C"
    ]
    # The same frames calibrated otherwise are other pixels: what `pairs` measured on them tells.
    measured = [
        [group.meta["sky"], group.meta["variance_background"], group.weights[group.blocks != "C"].tolist()]
        for group in enough
    ]
    start = {"prior_sha256": prior.digest()} if recipe.start == "prior" else {}
    content = json.dumps([describe_recipe(recipe), start, frames, measured], sort_keys=True)
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
        },
    )
    logger.info("trained %d steps in %.0f s", recipe.steps, curves.rows[-1][4])


def lacking(pairs: Pairs, crop: int) -> str:
    """Why a group cannot be trained on; empty when it can."""
    exposures = int((pairs.blocks != "C").sum())
    if exposures < MIN_TRAINING:
        return f"only {exposures} usable exposures, {MIN_TRAINING} needed"
    if min(pairs.shape) < crop:
        return f"images of {pairs.shape[1]} x {pairs.shape[0]} pixels, smaller than train.crop, {crop}"
    return ""


def describe_recipe(recipe) -> dict:
    """The recipe as plain values."""
    from dataclasses import asdict

    return asdict(recipe)


def load_regions(pairs: Pairs, crop: int, seed: int, memory: float):
    """Read blocks A and B: all of the image, or random regions of it where that would not fit.

    Yields
    ------
    tuple
        Arguments of `Exposures.from_arrays`, without the device.
    """
    training = np.flatnonzero(pairs.blocks != "C")
    height, width = pairs.shape
    facts = pairs.weights[training], pairs.meta["variance_background"]
    if len(training) * height * width * 5 <= memory:
        windows = [(slice(0, height), slice(0, width))]
    else:
        rows = [slice(top, min(top + REGION, height)) for top in range(0, height - crop + 1, REGION)]
        columns = [slice(left, min(left + REGION, width)) for left in range(0, width - crop + 1, REGION)]
        cells = [(row, column) for row in rows for column in columns if row.stop - row.start >= crop]
        cells = [cell for cell in cells if cell[1].stop - cell[1].start >= crop]
        count = max(4, int(memory / (len(training) * REGION**2 * 5)))
        order = np.random.default_rng(seed).permutation(len(cells))[:count]
        windows = [cells[index] for index in sorted(order)]
    for window in windows:
        values, valid = pairs.load(training, window)
        yield values, valid, facts[0], pairs.variance[window], facts[1], pairs.saturated[window]
