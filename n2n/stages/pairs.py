"""Stage `pairs`: one view over all registered exposures, split into A, B and the held-out C.

No pixel is copied: the HDF5 file is a virtual dataset over the chunks, with what belongs to the group as
a whole: blocks, weights, rejected samples, and the variance map that training uses (made without C).
"""

import json
from pathlib import Path

import h5py

from n2n.config import add_settings
from n2n.errors import UserError
from n2n.formats.atomic import atomic_path
from n2n.formats.store import read_attributes, reading_registered, virtual
from n2n.group.split import blocks, deciding, pointings
from n2n.log import logger


def add_arguments(parser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("registered", type=Path, nargs="+", help="chunks of `n2n register`, in order")
    parser.add_argument("-o", "--output", type=Path, required=True, help="pairs.h5 to write")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads (default: 2)")
    parser.add_argument("--memory-mb", type=int, default=4000, help="memory to stay within [MB] (default: 4000)")
    add_settings(parser, "pairs")


def run(args) -> None:
    """Execute the stage."""
    from n2n.group.combine import analyse  # those who only read the file need none of it

    chunks = [read_attributes(path) for path in args.registered]
    meta = chunks[0][1]
    everything = [entry for frames, _ in chunks for entry in frames]
    frames = [entry for entry in everything if not entry["rejected"]]
    if not frames:
        raise UserError(f"no exposure of {args.output.parent.name} was accepted; see its frames in the report")
    matrices, first = [entry["matrix"] for entry in frames], deciding(frames)
    for entry, unit, block in zip(frames, pointings(matrices, first), blocks(matrices, first), strict=True):
        entry["pointing"], entry["block"] = int(unit), block
    with (
        atomic_path(args.output) as temporary,
        reading_registered(args.registered) as source,
        h5py.File(temporary, "w") as file,
    ):
        link(file, args.registered, args.output)
        analyse(source, file, frames, meta, args)
        file.attrs["frames"] = json.dumps(frames)
        file.attrs["left_out"] = json.dumps([entry for entry in everything if entry["rejected"]])
        file.attrs["meta"] = json.dumps(meta)
    counts = {block: sum(f["block"] == block for f in frames) for block in "ABC"}
    logger.info("%d exposures: %s", len(frames), ", ".join(f"{n} in {b}" for b, n in counts.items()))


def link(file: h5py.File, chunks: list[Path], final: Path) -> None:
    """Make the virtual datasets; links are relative to the folder of `final`."""
    for name in ("pixels", "flags", "small"):
        file.create_virtual_dataset(name, virtual(chunks, name, final))
