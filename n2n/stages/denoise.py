"""Stage `denoise`: apply the network to the full stack, and to what `assess` will judge it by.

Writes candidate.h5, not yet a product: the denoised full stack, the denoised mean of blocks A and B (which
`assess` compares with the held-out block C), and one held-out exposure by itself, by the prior, as `frames` does
it. Groups too small to train on are denoised by the prior, as long as two exposures can be held out; so are
groups that the stored network of another night does not suit.
"""

import json
from pathlib import Path

import numpy as np

from n2n.config import add_settings
from n2n.formats import sealed
from n2n.group.group import Group
from n2n.group.split import held_out_exposures
from n2n.group.suited import described, measured_band_noise, network_for
from n2n.log import logger
from n2n.nets.tiles import check_tiles
from n2n.stages.args import add_device, device_of


def add_arguments(parser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("pairs", type=Path, help="pairs.h5 of the group")
    parser.add_argument("--model", type=Path, help="model.json; without it the stack is not denoised")
    parser.add_argument("-o", "--output", type=Path, required=True, help="candidate.h5 to write")
    add_device(parser)
    add_settings(parser, "denoise")


def run(args) -> None:
    """Execute the stage."""
    check_tiles(args.tile, args.overlap)
    group = Group(args.pairs)
    few = {"refused": f"only {len(group.everything)} exposures"}
    told = described(args.model) if args.model else few
    untrained = told.get("refused")
    held_out = held_out_exposures(group, set() if untrained else {frame["sha256"] for frame in told["frames"]})
    if len(held_out) < 2:
        few = f"only {len(held_out)} exposures are held out: the result could not be proved"
        reason = f"{untrained}: too few to train on and to prove the result" if untrained else few
        return refuse(args.output, reason, group)

    from n2n.nets import prior
    from n2n.nets.inference import denoise
    from n2n.nets.memory import Place, within_memory

    device, band_noise = device_of(args), measured_band_noise(group)
    facts, model = network_for(group, band_noise, told, args.model)
    rest = np.setdiff1d(np.arange(len(group.exposures)), held_out)
    single = held_out[len(held_out) // 2]
    jobs = {"full": np.arange(len(group.exposures)), "judged": rest, "single": np.array([single])}
    networks = {"full": model, "judged": model, "single": prior.network()}

    by_prior = {"single"} | ({"full", "judged"} if facts.keys() & {"untrained", "unsuited"} else set())

    def write_images(device, tile: int) -> None:
        # All of them, or none: what is judged went through the same tiles as what is shipped.
        for name, chosen in jobs.items():
            mean, depth, _ = group.mean(chosen)
            logger.info("denoising %d exposure%s", len(chosen), "s" if len(chosen) > 1 else "")
            # The single exposure is only looked at, not shipped: two orientations will do.
            result = denoise(
                networks[name].to(device),
                mean,
                depth,
                group.quiet_variance(mean) if name in by_prior else group.variance,
                group.facts.sky_variance,
                band_noise,
                tile=tile,
                overlap=args.overlap,
                orientations=min(args.orientations, 2) if name == "single" else args.orientations,
            )
            # Saturated stars pass through untouched; what nobody saw stays unknown.
            np.copyto(result, mean, where=group.saturated | ~np.isfinite(mean))
            file.require_dataset(name, result.shape, np.float32)[:] = result

    with sealed.writing(args.output) as file:
        _, place = within_memory(write_images, Place.on(device, args.tile), args.overlap)
        file.attrs["pairs"] = group.seal
        file.attrs["held_out"] = held_out.tolist()
        file.attrs["single"] = int(single)
        file.attrs["model"] = json.dumps(facts | {"frames": len(facts["frames"])})
        settings = {"overlap": args.overlap, "orientations": args.orientations}
        file.attrs["settings"] = json.dumps({"device": place.name, "tile": place.tile} | settings)


def refuse(path: Path, reason: str, group: Group) -> None:
    """Write a candidate that only says why there is none."""
    logger.warning("not denoised: %s", reason)
    with sealed.writing(path) as file:
        file.attrs["refused"] = reason
        file.attrs["pairs"] = group.seal
