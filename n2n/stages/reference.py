"""Stage `reference`: choose the group's reference exposure and its limits of quality.

Both rest on the exposures that arrived first and are then frozen: a late frame is judged by
the same limits and changes no earlier result. Where no stars are, as in a nebula or beside a planet, blobs of noise
have widths that tell nothing: sharpness and number of stars count only where exposures show the same stars.
"""

from pathlib import Path

from n2n.config import add_settings
from n2n.errors import UserError
from n2n.formats.tables import read_json, write_json
from n2n.group.quality import choose, quality_limits, reasons, stars_are_real, typical
from n2n.log import logger


def add_arguments(parser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("measured", type=Path, nargs="+", help="tables of `n2n measure`")
    parser.add_argument("-o", "--output", type=Path, required=True, help="reference.json to write")
    add_settings(parser, "reference")


def run(args) -> None:
    """Execute the stage."""
    tables = [read_json(path) for path in args.measured]
    frames = [frame for table in tables for frame in table["frames"]]
    readable = [frame for frame in frames if not frame["rejected"]]
    if not readable:
        raise UserError(f"none of the {len(frames)} exposures can be read: {frames[0]['rejected'][0]}")
    stars = stars_are_real(readable)
    if not stars:
        logger.info("the exposures show no stars in common: none is judged by sharpness or number of stars")
    limits = quality_limits(readable, vars(args), stars)
    good = [frame for frame in frames if not reasons(frame, limits)]
    chosen = choose(good or readable) if stars else typical(good or readable)
    print(f"reference {chosen['path']}; {len(good)} of {len(frames)} exposures within the limits")
    facts = {"reference": chosen, "limits": limits, "unit": tables[0]["unit"], "gain": tables[0]["gain"]}
    write_json(args.output, facts if stars else facts | {"no_stars": True})
