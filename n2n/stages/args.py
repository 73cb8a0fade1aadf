"""Arguments that several commands share, and what is made of them."""

from pathlib import Path

from n2n.formats import sealed
from n2n.formats.tables import read_json
from n2n.group.calibrated import Calibrations


def add_calibration(parser) -> None:
    """Declare the arguments that say where the exposures of a chunk and their calibration lie."""
    parser.add_argument("frames", type=Path, help="CSV of the exposures of one chunk, with their masters")
    parser.add_argument("--raw", type=Path, default=Path("data/raw"), help="folder of the raw nights")
    parser.add_argument("--calibration", type=Path, required=True, help="calibration.json of the group")
    parser.add_argument("--vetted", type=Path, nargs="*", default=[], help="what `n2n vet` found about their masters")
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of the results")


def calibrations_of(args) -> Calibrations:
    """The calibrations that `add_calibration`'s arguments name."""
    return Calibrations(read_json(args.calibration), args.results, [vetted(path) for path in args.vetted])


def vetted(path: Path) -> dict:
    """What `vet` found about the set of masters that the file is named after."""
    found = read_json(path)
    if path.stem.removeprefix("vetted-") != found["set"]:
        raise sealed.damaged(path, f"it is about the set {found['set']}")
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
