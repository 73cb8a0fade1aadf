"""`n2n export`: a product as TIFF, or as a FITS file of one image, for programs that do not open the product itself.

Some open no FITS file of several images, and Siril 1.0 takes 1 for full scale: `-o image.fits` writes the primary image
alone, divided by a power of two, which loses no digit, and with the darkest value where nobody looked, since NaN stops
some programs. The scale of a TIFF is one of

stretched  16 bit, by the automatic stretch of the pictures: ready to look at and to edit
linear     16 bit, darkest pixel 0, brightest 65535: for programs that stretch themselves
float      32 bit, the FITS file's own values: nothing is lost

16 linear bits may be coarser than the noise of a denoised image; where they are, a message says so.
"""

from pathlib import Path

import numpy as np
from astropy.io import fits

from n2n.errors import UserError
from n2n.formats.products import read_product, write_fits
from n2n.formats.tiff import write_tiff
from n2n.log import logger
from n2n.report.images import brightness, robust_level, stretch_limits, without_holes

TIFF, FITS = (".tif", ".tiff"), (".fits", ".fit", ".fts")
COARSE = 0.1  # steps of this many sigma of the plain stack may show in a denoised image


def add_arguments(parser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("product", type=Path, help="denoised.fits or stack.fits")
    parser.add_argument("--scale", choices=("stretched", "linear", "float"), default="stretched", help="see above")
    parser.add_argument(
        "-o", "--output", type=Path, help="TIFF or FITS file to write (default: a TIFF beside the product)"
    )


def run(args) -> None:
    """Execute the command."""
    output = args.output or args.product.with_suffix(".tif")
    if output.suffix.lower() not in (*TIFF, *FITS):
        raise UserError(f"{output}: the name must end in .tif or .fits")
    if output.resolve() == args.product.resolve():
        raise UserError(f"{output} is the product itself; choose another name")
    header, arrays = read_product(args.product, "STACK", edited=True)
    image, stack = arrays["IMAGE"], arrays.get("STACK", arrays["IMAGE"])
    if image is None or image.ndim != 2 or not np.isfinite(image).any():
        raise UserError(f"{args.product} holds no image of two dimensions")
    unit = header.get("BUNIT", "adu")
    if output.suffix.lower() in FITS:
        pixels, _ = plain(image, stack, unit)
        full = 2.0 ** np.ceil(np.log2(max(float(pixels.max()), 1.0)))
        header.remove("BUNIT", ignore_missing=True)
        header["EXPSCALE"] = (full, f"[{unit}] one unit of these pixels")
        write_fits(output, [fits.PrimaryHDU(pixels / np.float32(full), header)])
        return logger.info("%s: linear, in units of %g %s", output, full, unit)
    pixels, said = EXPORTS[args.scale](image, stack, unit)
    write_tiff(output, pixels[::-1], said)  # first row at the bottom, as in viewers
    logger.info("%s: %s", output, said)


def stretched(image: np.ndarray, stack: np.ndarray, unit: str) -> tuple[np.ndarray, str]:
    """16 bit, with the stretch of the plain stack."""
    pixels = np.rint(65535 * brightness(without_holes(image)[0], stretch_limits(stack))).astype(np.uint16)
    return pixels, "stretched, not linear; small gaps are filled from around them, other unknown pixels are 0"


def linear(image: np.ndarray, stack: np.ndarray, unit: str) -> tuple[np.ndarray, str]:
    """16 bit from the darkest to the brightest pixel."""
    low, high = float(np.nanmin(image)), float(np.nanmax(image))
    step = (high - low) / 65535 or 1.0
    sigma = robust_level(stack[np.isfinite(stack)])[1]
    if step > COARSE * sigma:
        logger.warning(
            "one step is %.2g of the stack's noise; --scale float keeps what 16 linear bits lose", step / sigma
        )
    pixels = np.rint((np.nan_to_num(image, nan=low).astype(np.float64) - low) / step).astype(np.uint16)
    return pixels, f"linear; value = {low:.6g} + {step:.6g} * number, in {unit}; unknown pixels are 0"


def plain(image: np.ndarray, stack: np.ndarray, unit: str) -> tuple[np.ndarray, str]:
    """The values themselves; unknown pixels get the darkest of them, since NaN stops some programs."""
    return np.nan_to_num(image, nan=float(np.nanmin(image))).astype(np.float32), f"linear, in {unit}"


EXPORTS = {"stretched": stretched, "linear": linear, "float": plain}
