"""Stage `pairs`: one view over all registered exposures, split into A, B and the held-out C.

No pixel is copied: the HDF5 file is a virtual dataset over the chunks, with what belongs to the group as
a whole: blocks, weights, rejected samples, and the variance map that training uses (made without C). Only where the
detector has a pattern of its own that would stay in the stack does the file hold the exposures anew, without it.
"""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

from n2n.config import add_settings, settings_of
from n2n.errors import UserError
from n2n.formats import sealed
from n2n.formats.store import read_attributes, reading_registered, sources_of, virtual
from n2n.group.exposure import Exposure
from n2n.group.facts import Facts, pattern_told
from n2n.log import logger
from n2n.stages.args import add_resources


def add_arguments(parser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("registered", type=Path, nargs="+", help="chunks of `n2n register`, in order")
    parser.add_argument("--group", metavar="NIGHT/GROUP", help="refuse chunks of any other group")
    parser.add_argument("-o", "--output", type=Path, required=True, help="pairs.h5 to write")
    add_resources(parser, 2)
    add_settings(parser, "pairs")


def run(args) -> None:
    """Execute the stage."""
    from n2n.group.combine import Resources, analyse  # those who only read the file need none of it

    for path in args.registered:
        sealed.check(path)
    chunks = [read_attributes(path) for path in args.registered]
    facts, *others = (Facts.from_json(content) for _, content in chunks)
    for path, other in zip(args.registered, [facts, *others], strict=True):
        if args.group and other.identity != args.group:
            raise sealed.damaged(path, f"it is of another group: {other.identity}")
        for what, value in other.shared().items():
            if value != facts.shared()[what]:
                raise sealed.damaged(path, f"its {what} is not that of {args.registered[0]}", args.registered[0])
    seen: set[str] = set()
    for path, (contents, _) in zip(args.registered, chunks, strict=True):
        names = {content["path"] for content in contents}
        if names & seen:
            raise sealed.damaged(path, f"{min(names & seen)} is in another chunk, too", *args.registered)
        seen |= names
    everything = [Exposure.from_json(content) for contents, _ in chunks for content in contents]
    placed = [exposure for exposure in everything if not exposure.rejected]
    if not placed:
        raise UserError(f"no exposure of {facts.group} was accepted; see its frames in the report")
    resources, settings = Resources(args.threads, args.memory_mb), settings_of(args, "pairs")
    with reading_registered(args.registered) as source, sealed.writing(args.output) as file:
        link(file, args.registered, args.output)
        exposures, found = analyse(source, file, placed, facts.unit == "electron", settings, resources)
        left_out = [exposure for exposure in everything if exposure.rejected]
        facts = replace(facts, **found)
        content = {"exposures": [exposure.to_json() for exposure in exposures]}
        content |= {"left_out": [exposure.to_json() for exposure in left_out], "facts": facts.to_json()}
        content["registered"] = sources_of(args.registered, args.output)
        for name, value in content.items():
            file.attrs[name] = json.dumps(value)
    counts = Counter(exposure.weighed.block for exposure in exposures)
    if told := pattern_told(facts.pattern):
        logger.info("%s", told)
    logger.info("%d exposures: %s", len(exposures), ", ".join(f"{counts[block]} in {block}" for block in "ABC"))


def link(file, chunks: list[Path], final: Path) -> None:
    """Make the virtual datasets; links are relative to the folder of `final`."""
    for name in ("pixels", "flags", "small"):
        file.create_virtual_dataset(name, virtual(chunks, name, final))
