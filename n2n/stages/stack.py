"""Stage `stack`: the weighted, outlier-free mean of all accepted exposures.

Writes stack.fits: the image in the primary HDU (float32, linear, never clipped), then VAR, MASK, COVERAGE
and PROVENANCE.
"""

from pathlib import Path

import numpy as np

from n2n.formats import flags as bits
from n2n.formats.products import set_cards, write_fits
from n2n.formats.provenance import product_hdus, stack_cards
from n2n.formats.store import strips
from n2n.log import logger
from n2n.stages.pairs import Pairs
from n2n.stages.register import reference_header


def add_arguments(parser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("pairs", type=Path, help="pairs.h5 of the group")
    parser.add_argument("-o", "--output", type=Path, required=True, help="stack.fits to write")


def run(args) -> None:
    """Execute the stage."""
    pairs = Pairs(args.pairs)
    mean, weight, coverage = pairs.mean()
    variance = stack_variance(pairs, weight)
    mask = stack_mask(pairs, coverage)
    image = (mean + np.float32(pairs.meta["sky"])).astype(np.float32)
    header = reference_header(pairs.meta)
    set_cards(header, stack_cards(pairs.frames, pairs.meta))
    header["PROCTYPE"] = ("STACK", "weighted mean of exposures, not denoised")
    write_fits(args.output, product_hdus(image, header, variance, mask, coverage, pairs.frames, pairs.left_out))
    noise = np.sqrt(np.nanmedian(variance))
    logger.info("%d exposures, noise of the sky %.3g %s a pixel", len(pairs.frames), noise, pairs.meta["unit"])


def stack_variance(pairs: Pairs, weight: np.ndarray) -> np.ndarray:
    """Variance of the mean: that of one standard exposure over the number of them (NaN uncovered)."""
    with np.errstate(divide="ignore"):
        return np.where(weight > 0, pairs.variance / weight, np.nan).astype(np.float32)


def stack_mask(pairs: Pairs, coverage: np.ndarray) -> np.ndarray:
    """Bits of `n2n.formats.flags` a pixel collected in any exposure; uint8, shape (h, w)."""
    mask = np.zeros(pairs.shape, np.uint8)
    for rows, _, _ in strips(*pairs.shape, len(pairs.frames)):
        flags = pairs.file["flags"][:, rows]
        reject = pairs.file["reject"][:, rows]
        mask[rows] = np.bitwise_or.reduce(flags & (bits.SATURATED | bits.DEFECT), axis=0)
        mask[rows][reject.any(axis=0)] |= bits.OUTLIER
    mask[coverage == 0] |= bits.NO_DATA
    return mask
