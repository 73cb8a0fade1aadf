"""Stage `reference`: choose the group's reference exposure and its limits of quality.

Both rest on the exposures that arrived first and are then frozen: a late frame is judged by
the same limits and changes no earlier result. Where no stars are, as in a nebula or beside a planet, blobs of noise
have widths that tell nothing: sharpness and number of stars count only where exposures show the same stars.
"""

from collections import Counter
from pathlib import Path

from n2n.config import add_settings, settings_of
from n2n.errors import UserError
from n2n.formats.sealed import damaged
from n2n.formats.tables import read_json, write_json
from n2n.group.exposure import Exposure
from n2n.group.quality import choose, quality_limits, reasons, stars_are_real, typical
from n2n.log import logger
from n2n.stages.args import MEASURED


def add_arguments(parser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("measured", type=Path, nargs="+", help="tables of `n2n measure`")
    parser.add_argument("-o", "--output", type=Path, required=True, help="reference.json to write")
    add_settings(parser, "reference")


def run(args) -> None:
    """Execute the stage."""
    tables = [read_json(path, *MEASURED) for path in args.measured]
    exposures = [Exposure.from_json(content) for table in tables for content in table["frames"]]
    groups = Counter(exposure.of_group for exposure in exposures)
    twice = max(Counter(exposure.path for exposure in exposures).values(), default=0) > 1
    if twice or len(groups) > 1:
        what = "they are of several groups" if len(groups) > 1 else "exposures are in two of them"
        raise damaged(args.measured[0], f"or one beside it: {what}", *args.measured[1:])
    readable = [exposure for exposure in exposures if not exposure.rejected]
    if not readable:
        raise UserError(f"none of the {len(exposures)} exposures can be read: {exposures[0].rejected[0]}")
    stars = stars_are_real(readable)
    if not stars:
        logger.info("the exposures show no stars in common: none is judged by sharpness or number of stars")
    limits = quality_limits(readable, settings_of(args, "reference"), stars)
    good = [exposure for exposure in exposures if not reasons(exposure, limits)]
    chosen = choose(good or readable) if stars else typical(good or readable)
    logger.info("reference %s; %d of %d exposures within the limits", chosen.path, len(good), len(exposures))
    content = {"reference": chosen.to_json(stars=True), "limits": limits}
    content |= {name: tables[0][name] for name in ("unit", "gain")}
    write_json(args.output, content if stars else content | {"no_stars": True})
