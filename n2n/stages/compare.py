"""`n2n compare`: the gates of `assess` for a denoised image of any program.

    n2n compare --pairs pairs.h5 --write-stack AB.fits      the stack without the held-out exposures
    (denoise AB.fits with whatever you like)
    n2n compare denoised.fits AB.fits --pairs pairs.h5      judge it by the held-out exposures

The stack is the image that was denoised. Where it contains the held-out exposures, as stack.fits does, they cannot
judge: then only those gates are run that compare with the stack. Any linear scale will do. With --truth, the noiseless
image of a simulation, the true gain is printed as well. Exit status 0 also when a gate fails, 1 with --strict.

    n2n compare denoised.fits stack.fits --pairs pairs.h5 --against DEEP/stack.fits

also asks other exposures of the same sky, none of which had any part in the image: the stack of another night, or of
the rest of a long series, made by n2n in a folder of its own (`snakemake --until stack`). It prints what is claimed,
what the deep stack says, and the pull between both, zone by zone. Grid, scale, sky and seeing may differ; pairs.h5 and
what it is made of must lie beside it. Around bright stars no other stack can tell noise from seeing: they are left
out, of the claim, too. A whole table of such draws: benchmarks/deep.
"""

from pathlib import Path

import numpy as np
from astropy.io import fits

from n2n.config import add_settings, settings_of
from n2n.errors import BadFrame, UserError
from n2n.fidelity.foreign import compare
from n2n.fidelity.gates.gate import FAIL
from n2n.fidelity.pulls import product_against
from n2n.formats import sealed
from n2n.formats.pixels import read_pixels
from n2n.formats.products import set_cards, write_fits
from n2n.formats.tables import write_json
from n2n.group.cards import stack_cards
from n2n.group.group import Group
from n2n.log import logger
from n2n.report.comparison import table


def add_arguments(parser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("denoised", type=Path, nargs="?", help="FITS file of the denoised stack")
    parser.add_argument("stack", type=Path, nargs="?", help="FITS file of the stack that was denoised")
    parser.add_argument("--pairs", type=Path, required=True, help="pairs.h5 of the group")
    parser.add_argument("--write-stack", type=Path, help="write the stack without held-out exposures to this file")
    parser.add_argument("--truth", type=Path, help="FITS file of the noiseless image, on any linear scale")
    parser.add_argument("--against", type=Path, help="stack.fits of other exposures of the same sky, made by n2n")
    parser.add_argument("-o", "--output", type=Path, help="JSON file to write")
    parser.add_argument("--strict", action="store_true", help="exit status 1 when a gate fails")
    add_settings(parser, "gates")


def run(args) -> int:
    """Execute the command."""
    group = Group(args.pairs)
    if args.write_stack:
        write_stack(group, args.write_stack)
    if args.denoised is None or args.stack is None:
        if args.write_stack:
            return 0
        raise UserError("name two files, the denoised image and the stack it was made from, or use --write-stack")
    denoised, stack = (read_image(path, group.shape) for path in (args.denoised, args.stack))
    truth = read_image(args.truth, group.shape) if args.truth else None
    names = args.denoised.name, args.stack.name
    deep = Group(args.against.with_name("pairs.h5")) if args.against else None
    facts = compare(group, denoised, stack, settings_of(args, "gates"), truth, names, deep)
    if deep:
        own = {} if facts["held_out"] else product_told(deep, group, args.denoised, denoised)
        facts["deep"] |= own | {"stack": str(args.against)}
    print("\n".join(table(facts)))
    if args.output:
        write_json(args.output, facts)
    return int(args.strict and facts["verdict"] == FAIL)


def product_told(deep: Group, group: Group, path: Path, image: np.ndarray) -> dict:
    """What n2n claims of a product of its own, held against a deep stack; empty of any other image.

    Parameters
    ----------
    deep, group : Group
        The other exposures, and those of the image.
    path : Path
        Of the image; its candidate.h5 lies beside it.
    image : ndarray, shape (h, w)
        As read.
    """
    if not path.with_name("candidate.h5").exists():
        return {}
    with sealed.opened(path.with_name("candidate.h5")) as file:
        if file.attrs.get("pairs") != group.seal or "full" not in file:
            return {}
        images = {name: file[name][:] for name in ("judged", "full")}
        held_out = np.asarray(file.attrs["held_out"], int)
    off = np.abs(image - np.float32(group.facts.sky) - images["full"])[~group.saturated]
    own = np.nanmedian(off) < 1e-3 * np.sqrt(group.facts.sky_variance)
    return product_against(deep, group, images, held_out) if own else {}


def read_image(path: Path, shape: tuple[int, int]) -> np.ndarray:
    """Read one plane of `shape`; float32, NaN where undefined.

    Raises
    ------
    UserError
        With the file and the remedy.
    """
    try:
        pixels, invalid = read_pixels(path, min_side=16)
    except BadFrame as error:
        raise UserError(f"{path}: {error}; give a FITS file with one image in one colour") from error
    if pixels.shape != shape:
        (height, width), (rows, columns) = pixels.shape, shape
        raise UserError(
            f"{path} is {width} x {height} pixels, the group {columns} x {rows}; "
            "denoise the stack that n2n wrote, uncropped and unbinned"
        )
    pixels[invalid] = np.nan
    return pixels


def write_stack(group: Group, path: Path) -> None:
    """Write the mean of blocks A and B for other programs.

    They stop at NaN: pixels nobody saw get the level of the sky; and some open no file of several images.
    """
    chosen = group.blocks != "C"
    part, header = group.only(chosen), group.header()
    mean, _, _ = part.mean()
    set_cards(header, stack_cards(part))
    header["PROCTYPE"] = ("STACK", "weighted mean without the held-out exposures")
    image = np.nan_to_num(mean) + np.float32(group.facts.sky)
    write_fits(path, [fits.PrimaryHDU(image, header)])
    logger.info("%s: %d exposures, without the %d held out", path, chosen.sum(), (~chosen).sum())
