"""Stage `stack`: the weighted, outlier-free mean of all accepted exposures, which `pairs` made in its one pass.

Writes stack.fits: the image in the primary HDU (float32, linear, never clipped), then VAR, MASK, COVERAGE
and PROVENANCE.
"""

from pathlib import Path

import numpy as np

from n2n.formats.products import set_cards, write_fits
from n2n.group.cards import product_hdus, stack_cards
from n2n.group.group import Group
from n2n.group.mastered import hidden_variance
from n2n.log import logger


def add_arguments(parser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("pairs", type=Path, help="pairs.h5 of the group")
    parser.add_argument("-o", "--output", type=Path, required=True, help="stack.fits to write")


def run(args) -> None:
    """Execute the stage."""
    group = Group(args.pairs)
    image, _, coverage = group.mean()
    hidden = hidden_variance(group, image)
    variance, mask = (group.file["stack"][name][:] for name in ("variance", "mask"))
    image += np.float32(group.facts.sky)
    if group.facts.unit != "electron":
        from n2n.group.variance import variance_from_scatter  # stacks of a known gain need none of it

        scatter = variance_from_scatter(group)
        variance = variance if scatter is None else scatter
    if hidden is not None:
        variance = variance + hidden
        logger.info(
            "the telescope was hardly moved: the masters' noise, alike in all exposures, is %.1f %% of the variance",
            100 * float(np.nanmedian(hidden / variance)),
        )
    header = group.header()
    set_cards(header, stack_cards(group))
    beside = [exposure.placement.noise_beside for exposure in group.exposures]
    header["RESAMPLE"] = ("LANCZOS4", "kernel of the one resampling")
    beside = round(float(np.average(beside, weights=group.weights)), 3)
    header["NOISECOR"] = (beside, "correlation of noise, next pixels")
    header["PROCTYPE"] = ("STACK", "weighted mean of exposures, not denoised")
    noise = np.sqrt(np.nanmedian(variance[::4, ::4]))
    write_fits(args.output, product_hdus(image, header, variance, mask, coverage, group.everything))
    logger.info("%d exposures, noise of the sky %.3g %s a pixel", len(group.exposures), noise, group.facts.unit)
