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

import numpy as np

from n2n.config import add_settings, settings_of
from n2n.fidelity.injected import SCHEMA, inject
from n2n.fidelity.window import cut
from n2n.formats import sealed
from n2n.formats.tables import write_json
from n2n.group.group import Group
from n2n.group.suited import described, measured_band_noise, network_for
from n2n.log import logger
from n2n.stages.args import add_device, device_of


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
    group = Group(args.pairs)
    with sealed.opened(args.candidate) as file:
        attributes = dict(file.attrs)
        group.check_made(args.candidate, attributes.get("pairs", ""))
        reason = attributes.get("refused") or ("" if args.realisations else "inject.realisations is 0")
        judged = None if reason else file["judged"][:]
    if reason:
        logger.info("nothing injected: %s", reason)
        return write_json(args.output, {"schema": SCHEMA, "refused": reason, "pairs": group.seal})
    from n2n.nets.inference import denoise

    untrained = json.loads(attributes["model"]).get("untrained")
    told = {"refused": untrained} if untrained else described(args.model)
    device, band_noise = device_of(args), measured_band_noise(group)
    _, model = network_for(group, band_noise, told, args.model)
    model.to(device)
    settings = json.loads(attributes["settings"])
    window = cut(group, np.asarray(attributes["held_out"], int), judged)

    def denoised(image, depth):
        result = denoise(
            model, image, depth, window.variance, group.facts.sky_variance, band_noise,
            tile=settings["tile"], overlap=settings["overlap"], orientations=1,
        )  # fmt: skip
        known = np.isfinite(image) & ~group.saturated[window.rows, window.columns]
        return np.where(known, result, image)

    found = inject(group, window, denoised, settings_of(args, "inject", "pairs"))
    write_json(args.output, found | {"seed": args.seed, "pairs": group.seal})
