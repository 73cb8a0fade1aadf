"""Stage `denoise`: apply the network to the full stack, and to what `assess` will judge it by.

Writes candidate.h5, not yet a product: the denoised full stack, the denoised mean of blocks A and B (which
`assess` compares with the held-out block C), and one held-out exposure by itself, by the prior, as `frames` does
it. Groups too small to train on are denoised by the prior, as long as two exposures can be held out; so are
groups that the stored network of another night does not suit.
"""

import json
from pathlib import Path

import h5py
import numpy as np

from n2n.config import add_settings
from n2n.errors import UserError
from n2n.formats.atomic import atomic_path
from n2n.formats.tables import read_json
from n2n.group.group import Pairs
from n2n.group.suited import likeness, measured_band_noise, unlikeness
from n2n.log import logger
from n2n.nets.tiles import SIDES, SMALLEST
from n2n.stages.train import add_device


def add_arguments(parser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("pairs", type=Path, help="pairs.h5 of the group")
    parser.add_argument("--model", type=Path, help="model.json; without it the stack is not denoised")
    parser.add_argument("-o", "--output", type=Path, required=True, help="candidate.h5 to write")
    add_device(parser)
    add_settings(parser, "denoise")


def run(args) -> None:
    """Execute the stage."""
    check_tiles(args)
    pairs = Pairs(args.pairs)
    facts = read_json(args.model) if args.model else {"refused": f"only {found(pairs)} exposures"}
    untrained = facts.get("refused")
    if untrained:
        facts = {"frames": []}
    trained_on = {frame["sha256"] for frame in facts["frames"]}
    held_out = held_out_exposures(pairs, trained_on)
    if len(held_out) < 2:
        few = f"only {len(held_out)} exposures are held out: the result could not be proved"
        return refuse(args.output, f"{untrained}: too few to train on and to prove the result" if untrained else few)

    from n2n.nets import prior
    from n2n.nets.inference import denoise
    from n2n.nets.memory import Place, within_memory

    device, facts, model, band_noise = network(pairs, args, facts, untrained)
    rest = np.setdiff1d(np.arange(len(pairs.frames)), held_out)
    single = held_out[len(held_out) // 2]
    jobs = {"full": np.arange(len(pairs.frames)), "judged": rest, "single": np.array([single])}
    networks = {"full": model, "judged": model, "single": prior.network()}

    by_prior = {"single"} | ({"full", "judged"} if facts.keys() & {"untrained", "unsuited"} else set())

    def write_images(device, tile: int) -> None:
        # All of them, or none: what is judged went through the same tiles as what is shipped.
        for name, chosen in jobs.items():
            mean, depth, _ = pairs.mean(chosen)
            logger.info("denoising %d exposure%s", len(chosen), "s" if len(chosen) > 1 else "")
            # The single exposure is only looked at, not shipped: two orientations will do.
            result = denoise(
                networks[name].to(device),
                mean,
                depth,
                pairs.quiet_variance(mean) if name in by_prior else pairs.variance,
                pairs.meta["variance_background"],
                band_noise,
                tile=tile,
                overlap=args.overlap,
                orientations=min(args.orientations, 2) if name == "single" else args.orientations,
            )
            # Saturated stars pass through untouched; what nobody saw stays unknown.
            np.copyto(result, mean, where=pairs.saturated | ~np.isfinite(mean))
            file.require_dataset(name, result.shape, np.float32)[:] = result

    with atomic_path(args.output) as temporary, h5py.File(temporary, "w") as file:
        _, place = within_memory(write_images, Place.on(device, args.tile), args.overlap)
        file.attrs["held_out"] = held_out.tolist()
        file.attrs["single"] = int(single)
        file.attrs["model"] = json.dumps(facts | {"frames": len(facts["frames"])})
        settings = {"overlap": args.overlap, "orientations": args.orientations}
        file.attrs["settings"] = json.dumps({"device": place.name, "tile": place.tile} | settings)


def check_tiles(args) -> None:
    """Raise UserError where a tile would hold nothing but what it shares; 0 stands for one of `tiles.SIDES`."""
    smallest = args.tile or min(SIDES)
    if 0 < args.tile < SMALLEST:
        raise UserError(f"denoise.tile, {args.tile}, must be at least {SMALLEST}, or 0 to let n2n choose")
    if args.overlap >= smallest:
        raise UserError(f"denoise.overlap, {args.overlap}, must be smaller than denoise.tile, {smallest}")


def network(pairs: Pairs, args, facts: dict, untrained: str | None):
    """The device to use, the network, still in main memory, and the noise of its bands in this group.

    Parameters
    ----------
    args : namespace
        `model`, and what `add_device` declares.
    facts : dict
        model.json.
    untrained : str or None
        Why no network was trained for the group: then it is the one that comes with n2n.

    Returns
    -------
    device : torch.device
    facts : dict
        What the candidate says about the network.
    model : n2n.nets.unet.Denoiser
    band_noise : torch.Tensor
    """
    from n2n.nets import prior
    from n2n.nets.device import choose_device, set_threads
    from n2n.nets.model import load_model

    device = choose_device(args.device, args.gpus)
    set_threads(args.threads)
    band_noise = measured_band_noise(pairs)
    if untrained:
        logger.info("%s: not trained on, denoised by the network that comes with n2n", untrained)
        return device, prior.description() | {"untrained": untrained}, prior.network(), band_noise
    unsuited = unlikeness(facts.get("likeness", []), likeness(pairs, band_noise))
    if unsuited and facts["recipe"]["start"] == "prior":
        logger.warning("%s: denoised by the network that comes with n2n; model.mode: retrain trains anew", unsuited)
        return device, prior.description() | {"unsuited": unsuited}, prior.network(), band_noise
    if unsuited:
        logger.warning("%s; model.mode: retrain trains anew", unsuited)
    facts = facts | {"path": args.model.as_posix()}
    return device, facts, load_model(args.model.parent, facts), band_noise


def refuse(path: Path, reason: str) -> None:
    """Write a candidate that only says why there is none."""
    logger.warning("not denoised: %s", reason)
    with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["refused"] = reason


def found(pairs: Pairs) -> int:
    """Exposures of the group, accepted or not."""
    return len(pairs.frames) + len(pairs.left_out)


def held_out_exposures(pairs: Pairs, trained_on: set[str]) -> np.ndarray:
    """Indices of block C, without any exposure the model was trained on."""
    return np.array(
        [i for i, frame in enumerate(pairs.frames) if frame["block"] == "C" and frame["sha256"] not in trained_on], int
    )
