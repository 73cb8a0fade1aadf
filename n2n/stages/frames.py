"""Stage `frames`: denoise every exposure by itself, with a network that was trained on none of them.

That network is the prior, which knows skies in general (`n2n/nets/prior.md`): all exposures of a series are treated
alike, whichever block they are in and whatever the night's own model learned from. Nothing is proved about a single
exposure, and its header says so (QASTAT = WARN). Groups of any size will do, also of a single exposure.
"""

import re
import shutil
from pathlib import Path

import numpy as np
from astropy.io import fits

from n2n.config import add_settings
from n2n.formats import flags as bits
from n2n.formats.products import reference_header, set_cards, write_fits
from n2n.formats.provenance import denoise_cards, history_line, mask_plane, provenance_table, stack_cards
from n2n.group.group import Pairs
from n2n.group.suited import measured_band_noise
from n2n.log import Progress, logger
from n2n.stages.denoise import check_tiles
from n2n.stages.train import add_device

UNPROVED = "a single exposure: nothing about it is proved"


def add_arguments(parser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("pairs", type=Path, help="pairs.h5 of the group")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder to write the denoised exposures to")
    add_device(parser)
    add_settings(parser, "denoise")


def run(args) -> None:
    """Execute the stage."""
    from n2n.nets import prior
    from n2n.nets.device import choose_device, set_threads
    from n2n.nets.inference import denoise
    from n2n.nets.memory import Place, within_memory

    check_tiles(args)
    pairs = Pairs(args.pairs)
    device = choose_device(args.device, args.gpus)
    set_threads(args.threads)
    model = prior.network()
    band_noise = measured_band_noise(pairs)
    settings = {name: getattr(args, name) for name in ("overlap", "orientations")}
    group = pairs.path.resolve().parent
    facts = {"night": group.parent.name, "group": group.name, "product": "DENOISED"}
    names = file_names([entry["path"] for entry in pairs.frames])
    background = pairs.meta["variance_background"]
    unfinished = args.output.with_name(f".{args.output.name}.part")
    shutil.rmtree(unfinished, ignore_errors=True)
    place = Place.on(device, args.tile)
    for index, name in enumerate(Progress(names, "denoise")):
        mean, depth, _ = pairs.mean([index])

        def work(device, tile, mean=mean, depth=depth):
            network, variance = model.to(device), pairs.quiet_variance(mean)
            return denoise(network, mean, depth, variance, background, band_noise, tile=tile, **settings)

        # What did not fit once is not tried again with the next exposure.
        result, place = within_memory(work, place, args.overlap)
        header = reference_header(pairs.meta)
        where = {"tile": place.tile, "device": place.name}
        cards = denoise_cards(prior.description(), settings | where, facts)
        entry = pairs.frames[index]
        set_cards(header, stack_cards([entry], pairs.meta) | cards | of_exposure(entry))
        header.add_history(history_line("frames", "one exposure, QASTAT=WARN"))
        image, mask = assemble(mean, result, pairs.file["flags"][index])
        image += np.float32(pairs.meta["sky"])
        hdus = [fits.PrimaryHDU(image, header), mask_plane(mask), provenance_table([entry], [])]
        write_fits(unfinished / name, hdus)
    shutil.rmtree(args.output, ignore_errors=True)
    unfinished.rename(args.output)
    logger.info("%d exposures denoised one by one: %s", len(names), UNPROVED)


def assemble(mean: np.ndarray, result: np.ndarray, flags: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The denoised exposure and its mask.

    Saturated pixels pass through untouched; rejected ones are filled by the network, and marked.

    Parameters
    ----------
    mean, result : float32 ndarray, shape (h, w)
        The exposure, NaN where it has no valid pixel, and what the network made of it.
    flags : uint8 ndarray, shape (h, w)

    Returns
    -------
    image : float32 ndarray, shape (h, w)
        NaN where the exposure does not reach.
    mask : uint8 ndarray, shape (h, w)
    """
    seen, saturated = (flags & bits.NO_DATA) == 0, (flags & bits.SATURATED) > 0
    untouched = saturated & np.isfinite(mean)
    image = np.where(untouched, mean, np.where(seen, result, np.nan)).astype(np.float32)
    mask = flags.copy()
    mask[seen & ~np.isfinite(mean)] |= bits.OUTLIER
    mask[untouched] |= bits.BYPASS
    return image, mask


def file_names(paths: list[str]) -> list[str]:
    """Names of the exposures' files, made different where only their folders differ."""
    stems = [re.sub(r"\.(fits?|fts)(\.(gz|fz))?$", "", Path(path).name, flags=re.I) for path in paths]
    return [
        f"{stem}.fits" if stems.count(stem) == 1 else f"{stem}-{number:03d}.fits" for number, stem in enumerate(stems)
    ]


def of_exposure(entry: dict) -> dict:
    """Cards of one exposure in place of the reference's."""
    return {
        "DATE-OBS": (entry.get("date_obs") or None, "start of the exposure"),
        "EXPTIME": (float(entry["exptime_s"]) if entry["exptime_s"] else None, "[s] exposure time"),
        "IMCMB001": (Path(entry["path"]).name.encode("ascii", "replace").decode()[-60:], "the exposure"),
        "PROCTYPE": ("DENOISED", "denoised exposure, not a measured image"),
        "QASTAT": ("WARN", "PASS, WARN or FAIL"),
        "QAREASON": (UNPROVED, "why"),
    }
