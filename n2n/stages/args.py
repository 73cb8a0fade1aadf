"""Arguments that several commands share, and what is made of them."""

from pathlib import Path

from n2n.formats import sealed
from n2n.formats.tables import read_csv, read_json
from n2n.formats.treatment import MASTER_KINDS
from n2n.group.calibrated import Calibrations
from n2n.group.exposure import Exposure

LIGHTS = ("path", "kind", "group", *MASTER_KINDS)  # columns of a table of exposures with their masters
MEASURED = ("frames", "unit", "gain")  # what a table of `n2n measure` holds


def add_calibration(parser) -> None:
    """Declare the arguments that say where the exposures of a chunk and their calibration lie."""
    parser.add_argument("frames", type=Path, help="CSV of the exposures of one chunk, with their masters")
    parser.add_argument("--raw", type=Path, default=Path("data/raw"), help="folder of the raw nights")
    parser.add_argument("--calibration", type=Path, required=True, help="calibration.json of the group")
    parser.add_argument("--vetted", type=Path, nargs="*", default=[], help="what `n2n vet` found about their masters")
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of the results")


def calibrations_of(args) -> Calibrations:
    """The calibrations that `add_calibration`'s arguments name."""
    rows = read_csv(args.frames, *LIGHTS, filled=True)
    group = Exposure.from_row(rows[0]).of_group
    return Calibrations(
        read_json(args.calibration, *MASTER_KINDS), args.results, [vetted(path, group) for path in args.vetted]
    )


def vetted(path: Path, group: str) -> dict:
    """What `vet` found about the set of masters that the file is named after, on exposures of `group`."""
    found = read_json(path, "set", "group", "accepted", "refused")
    if path.stem.removeprefix("vetted-") != found["set"]:
        raise sealed.damaged(path, f"it is about the set {found['set']}")
    if found["group"] != group:
        raise sealed.damaged(path, f"it is about exposures of {found['group']}")
    return found


def add_device(parser) -> None:
    """Declare the arguments that say where the network runs."""
    parser.add_argument(
        "--device", default="auto", choices=["auto", "cpu", "cuda"], help="where to run (default: auto)"
    )
    parser.add_argument("--gpus", type=int, default=1, help="GPUs granted; 0 runs on the CPU (default: 1)")
    parser.add_argument("--threads", type=int, help="CPU threads (default: all)")


def device_of(args):
    """The device that `add_device`'s arguments ask for; torch.device. The threads are set, too."""
    from n2n.nets.device import choose_device, set_threads

    device = choose_device(args.device, args.gpus)
    set_threads(args.threads)
    return device


def add_resources(parser, threads: int) -> None:
    """Declare the arguments that say how much a job may take; `threads` is the default."""
    parser.add_argument("--threads", type=int, default=threads, help=f"processes side by side (default: {threads})")
    parser.add_argument("--memory-mb", type=int, default=4000, help="memory to stay within [MB] (default: 4000)")
