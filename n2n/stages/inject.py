"""Stage `inject`: stars, blobs and filaments of known light put into every exposure, stacked and denoised again.

Writes inject.json: which of them are found and at what price in false ones (gate G4 of `assess`), and how much of their
flux, place and shape is left. Two images go through the network, in one orientation only, which is the harder case:

- the stack of A and B with the objects in it, put into each exposure before registration
  (`n2n.fidelity.injection`); outliers are rejected anew, with the objects in place;
- a control without them: the denoised scene with other noise, that of the difference of two halves of A and B, which
  holds no source. Its scene is known, so that what is found beside it is false.

Nothing is trained, and the held-out exposures only tell where bright stars are.
"""

import json
from pathlib import Path

import h5py
import numpy as np

from n2n.config import add_settings
from n2n.fidelity.injected import SCHEMA, cut, inject
from n2n.formats.tables import read_json, write_json
from n2n.group.group import Pairs
from n2n.log import logger
from n2n.stages.denoise import network
from n2n.stages.train import add_device


def add_arguments(parser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("pairs", type=Path, help="pairs.h5 of the group")
    parser.add_argument("--candidate", type=Path, required=True, help="candidate.h5 of `n2n denoise`")
    parser.add_argument("--model", type=Path, help="model.json that made the candidate")
    parser.add_argument("-o", "--output", type=Path, required=True, help="inject.json to write")
    add_device(parser)
    add_settings(parser, "inject")
    add_settings(parser, "pairs")


def run(args) -> None:
    """Execute the stage."""
    pairs = Pairs(args.pairs)
    with h5py.File(args.candidate, "r") as file:
        attributes = dict(file.attrs)
        reason = attributes.get("refused") or ("" if args.realisations else "inject.realisations is 0")
        judged = None if reason else file["judged"][:]
    if reason:
        logger.info("nothing injected: %s", reason)
        return write_json(args.output, {"schema": SCHEMA, "refused": reason})
    from n2n.nets.inference import denoise

    untrained = json.loads(attributes["model"]).get("untrained")
    facts = read_json(args.model) if args.model and not untrained else {}
    device, _, model, band_noise = network(pairs, args, facts, untrained)
    model.to(device)
    settings = json.loads(attributes["settings"])
    window = cut(pairs, np.asarray(attributes["held_out"], int), judged)

    def denoised(image, depth):
        result = denoise(
            model, image, depth, window.variance, pairs.meta["variance_background"], band_noise,
            tile=settings["tile"], overlap=settings["overlap"], orientations=1,
        )  # fmt: skip
        known = np.isfinite(image) & ~pairs.saturated[window.rows, window.columns]
        return np.where(known, result, image)

    write_json(args.output, inject(pairs, window, denoised, args) | {"seed": args.seed})
