"""Stage `colour`: a picture in colour from the products of several groups of one target.

Channels are aligned by their stars, cut to what all of them cover, and stretched by the noise of their plain stacks.
The suffix of the output chooses the form: .png is for looking at (8 bit, at most 2400 pixels wide or high), .tif for
editing (16 bit, full size). Both are stretched.
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont, PngImagePlugin

from n2n.config import add_settings
from n2n.errors import UserError
from n2n.formats.atomic import atomic_path
from n2n.formats.flags import NO_DATA
from n2n.formats.palettes import PALETTES
from n2n.formats.products import read_product
from n2n.formats.tiff import write_tiff
from n2n.log import logger
from n2n.report.composite import Channel, align, compose
from n2n.report.images import robust_level
from n2n.sky.match import NoMatch

SIDE = 2400  # pixels of the longer side of a PNG


def add_arguments(parser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("products", type=Path, nargs="+", help="denoised.fits, one for every filter of the palette")
    parser.add_argument("--palette", choices=PALETTES, required=True, help="which filter becomes which colour")
    parser.add_argument("-o", "--output", type=Path, required=True, help="picture to write: .png or .tif")
    add_settings(parser, "colour")


def run(args) -> None:
    """Execute the stage."""
    palette = PALETTES[args.palette]
    if args.output.suffix.lower() not in (".png", ".tif", ".tiff"):
        raise UserError(f"{args.output}: a picture in colour is a .png or a .tif")
    channels, sources, plain = {}, [], []
    for path in args.products:
        name, channel, denoised = read_channel(path)
        if name in palette.filters and name not in channels:
            channels[name] = channel
            sources.append(f"{path.parent.name}/{path.name}")
            plain += [] if denoised else [name]
    missing = [name for name in palette.filters if name not in channels]
    if missing:
        raise UserError(
            f"{args.palette} also needs {', '.join(missing)}; of it there are {', '.join(channels) or 'none'}"
        )
    said = palette.words
    said += f"; not denoised: {', '.join(plain)}" if plain else ""
    try:
        aligned, reference = align(channels)
    except NoMatch as error:
        logger.warning("%s: %s; the picture only says so", args.output.name, error)
        pixels, said = message(f"No {args.palette}: {error}"), f"not made: {error}"
    else:
        channels.clear()
        colour = compose(aligned, palette, args.ha_share, args.saturation)[
            ::-1
        ]  # first row at the bottom, as in viewers
        deep = args.output.suffix.lower() != ".png"
        pixels = (colour * (65535 if deep else 255) + 0.5).astype(np.uint16 if deep else np.uint8)
        logger.info("%s: %s; grid of %s", args.output.name, said, reference)
    write(args.output, pixels, said, ", ".join(sources))


def read_channel(path: Path) -> tuple[str, Channel, bool]:
    """Filter, image above the sky, and whether it was denoised."""
    header, arrays = read_product(path, "STACK", "MASK")
    if not header.get("FILTCAN"):
        raise UserError(f"{path} does not say through which filter it was taken (FILTCAN); n2n did not write it")
    image, stack = arrays["IMAGE"], arrays.get("STACK", arrays["IMAGE"])
    known = stack[np.isfinite(stack)]
    sky = header.get("SKYLEVEL", robust_level(known)[0] if known.size else 0.0)
    flags = arrays.get("MASK", np.zeros(image.shape, np.uint8)).astype(np.uint8)
    flags[~np.isfinite(image)] |= NO_DATA
    channel = Channel(image - np.float32(sky), stack - np.float32(sky), flags)
    return header["FILTCAN"], channel, header.get("PROCTYPE") == "DENOISED"


def write(path: Path, pixels: np.ndarray, said: str, sources: str) -> None:
    """Write the picture; its description says what it is made of."""
    if path.suffix.lower() != ".png":
        write_tiff(path, pixels, f"{said}; stretched, not linear")
        return
    picture = Image.fromarray(pixels)
    picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    facts = PngImagePlugin.PngInfo()
    facts.add_text("Description", said)
    facts.add_text("Source", sources)
    with atomic_path(path) as temporary:
        picture.save(temporary, format="PNG", optimize=True, pnginfo=facts)


def message(words: str) -> np.ndarray:
    """A picture that says why there is none; uint8 ndarray, shape (h, w, 3)."""
    canvas = Image.new("RGB", (1200, 80), (23, 26, 33))
    ImageDraw.Draw(canvas).text(
        (20, 40), words[:130], fill=(232, 234, 238), font=ImageFont.load_default(16), anchor="lm"
    )
    return np.asarray(canvas)
