"""Stage `stack`: the weighted, outlier-free mean of all accepted exposures, which `pairs` made in its one pass.

Writes stack.fits: the image in the primary HDU (float32, linear, never clipped), then VAR, MASK, COVERAGE
and PROVENANCE.
"""

from pathlib import Path

import numpy as np

from n2n.formats.products import reference_header, set_cards, write_fits
from n2n.formats.provenance import product_hdus, stack_cards
from n2n.group.group import Pairs
from n2n.log import logger


def add_arguments(parser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("pairs", type=Path, help="pairs.h5 of the group")
    parser.add_argument("-o", "--output", type=Path, required=True, help="stack.fits to write")


def run(args) -> None:
    """Execute the stage."""
    pairs = Pairs(args.pairs)
    image, variance, mask, coverage = (pairs.file["stack"][name][:] for name in ("mean", "variance", "mask", "count"))
    image += np.float32(pairs.meta["sky"])
    if pairs.meta["unit"] != "electron":
        from n2n.group.variance import variance_from_scatter  # stacks of a known gain need none of it

        scatter = variance_from_scatter(pairs)
        variance = variance if scatter is None else scatter
    header = reference_header(pairs.meta)
    set_cards(header, stack_cards(pairs.frames, pairs.meta))
    weights = np.array([frame["weight"] for frame in pairs.frames])
    beside = np.array([frame.get("noise_beside", 0.0) for frame in pairs.frames])
    header["RESAMPLE"] = ("LANCZOS4", "kernel of the one resampling")
    header["NOISECOR"] = (round(float(np.average(beside, weights=weights)), 3), "correlation of noise, next pixels")
    header["PROCTYPE"] = ("STACK", "weighted mean of exposures, not denoised")
    noise = np.sqrt(np.nanmedian(variance[::4, ::4]))
    write_fits(args.output, product_hdus(image, header, variance, mask, coverage, pairs.frames, pairs.left_out))
    logger.info("%d exposures, noise of the sky %.3g %s a pixel", len(pairs.frames), noise, pairs.meta["unit"])
