"""Stage `frames`: denoise every exposure by itself, with a network that was trained on none of them.

That network is the prior, which knows skies in general (`n2n/nets/prior.md`): all exposures of a series are treated
alike, whichever block they are in and whatever the night's own model learned from. Nothing is proved about a single
exposure, and its header says so (QASTAT = WARN). Groups of any size will do, also of a single exposure.
"""

import shutil
from pathlib import Path

import numpy as np
from astropy.io import fits

from n2n.config import add_settings
from n2n.formats.products import set_cards, write_fits
from n2n.formats.provenance import denoise_cards, history_line, mask_plane
from n2n.group.cards import provenance_table, stack_cards
from n2n.group.group import Group
from n2n.group.singles import UNPROVED, assemble, file_names, single_cards
from n2n.group.suited import measured_band_noise
from n2n.log import Progress, logger
from n2n.nets.tiles import check_tiles
from n2n.stages.args import add_device, device_of


def add_arguments(parser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("pairs", type=Path, help="pairs.h5 of the group")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder to write the denoised exposures to")
    add_device(parser)
    add_settings(parser, "denoise")


def run(args) -> None:
    """Execute the stage."""
    from n2n.nets import prior
    from n2n.nets.inference import denoise
    from n2n.nets.memory import Place, within_memory

    check_tiles(args.tile, args.overlap)
    group = Group(args.pairs)
    device = device_of(args)
    model = prior.network()
    band_noise = measured_band_noise(group)
    settings = {name: getattr(args, name) for name in ("overlap", "orientations")}
    names = file_names([exposure.path for exposure in group.exposures])
    unfinished = args.output.with_name(f".{args.output.name}.part")
    shutil.rmtree(unfinished, ignore_errors=True)
    place = Place.on(device, args.tile)
    for index, name in enumerate(Progress(names, "denoise")):
        mean, depth, _ = group.mean([index])

        def work(device, tile, mean=mean, depth=depth):
            network, variance = model.to(device), group.quiet_variance(mean)
            sky_variance = group.facts.sky_variance
            return denoise(network, mean, depth, variance, sky_variance, band_noise, tile=tile, **settings)

        # What did not fit once is not tried again with the next exposure.
        result, place = within_memory(work, place, args.overlap)
        header = group.header()
        where = {"tile": place.tile, "device": place.name}
        cards = denoise_cards(prior.description(), settings | where, group.identity, "DENOISED")
        one = group.exposures[index]
        set_cards(header, stack_cards(group.only([index])) | cards | single_cards(one))
        header.add_history(history_line("frames", "one exposure, QASTAT=WARN"))
        image, mask = assemble(mean, result, group.file["flags"][index])
        image += np.float32(group.facts.sky)
        hdus = [fits.PrimaryHDU(image, header), mask_plane(mask), provenance_table([one])]
        write_fits(unfinished / name, hdus)
    shutil.rmtree(args.output, ignore_errors=True)
    unfinished.rename(args.output)
    logger.info("%d exposures denoised one by one: %s", len(names), UNPROVED)
