"""The `n2n` command: one verb a stage, and a few for people."""

import argparse
import gc
import importlib
import os
import sys
from pathlib import Path

# The linear algebra of a stage is small: further threads would only spin while the work is done elsewhere, and cost
# every stage a tenth of a second to start. Must be said before numpy is loaded.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from n2n import __version__
from n2n.errors import BadFrame, UserError

# verb: (module, one line of help). Modules are imported only when their verb is used.
VERBS = {
    "ingest": ("n2n.stages.ingest", "find a night's frames, read their headers, list them in frames.csv"),
    "master": ("n2n.stages.master", "combine bias, dark or flat frames, or map the detector's defects"),
    "vet": ("n2n.stages.vet", "look at what masters make of a few exposures, refuse those that do harm"),
    "measure": ("n2n.stages.measure", "calibrate exposures, find stars, grade every exposure"),
    "reference": ("n2n.stages.reference", "choose the reference exposure and the limits of quality"),
    "register": ("n2n.stages.register", "bring exposures onto the reference's grid, scale and sky"),
    "pairs": ("n2n.stages.pairs", "split a group's exposures into A, B and the held-out C; reject outliers"),
    "stack": ("n2n.stages.stack", "weighted mean of all exposures, with variance, mask and coverage"),
    "train": ("n2n.stages.train", "train the U-Net on the night's own repeated exposures"),
    "denoise": ("n2n.stages.denoise", "apply the network to the stack (not yet judged)"),
    "frames": ("n2n.stages.frames", "denoise every exposure by itself, with a network that saw none of them"),
    "inject": ("n2n.stages.inject", "put known stars and nebulae into every exposure, see what is left when denoised"),
    "assess": ("n2n.stages.assess", "judge on held-out exposures, then write denoised.fits"),
    "compare": ("n2n.stages.compare", "the same gates for the denoised image of any program"),
    "colour": ("n2n.stages.colour", "a picture in colour from several filters of one target"),
    "report": ("n2n.stages.report", "write the night's report.html"),
    "crate": ("n2n.stages.crate", "describe a night's results and their origin as RO-Crate"),
    "export": ("n2n.stages.export", "a product as TIFF for editing programs"),
    "verify": ("n2n.stages.verify", "check a FITS file n2n wrote and say where it came from"),
    "photo": ("n2n.stages.photo", "Noise2Noise on photographs: train a network, denoise a picture"),
    "study": ("n2n.stages.study", "compare networks on photographs: tables, curves, verdicts"),
    "simulate": ("n2n.simulate.night", "make a night of raw frames whose truth is known"),
    "truth": ("n2n.stages.truth", "compare a simulated night's results with its truth"),
}


def build_parser(verb: str | None = None) -> argparse.ArgumentParser:
    """Build the parser; only the chosen verb's module is imported."""
    parser = argparse.ArgumentParser(
        prog="n2n",
        description="Raw night in, proven denoised FITS out. A whole night is run by snakemake "
        "(`snakemake --cores 8 --resources gpu=1`); these are its single steps.",
        epilog="`n2n VERB --help` explains a step.",
    )
    parser.add_argument("--version", action="version", version=f"n2n {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name, (module, text) in VERBS.items():
        sub = verbs.add_parser(name, help=text, formatter_class=argparse.RawDescriptionHelpFormatter)
        sub.add_argument("--log", type=Path, help="also write all messages to this file")
        if name == verb:
            stage = _load(name, module)
            sub.description = (stage.__doc__ or text).strip()
            stage.add_arguments(sub)
            sub.set_defaults(run=stage.run)
    return parser


def _load(verb: str, module: str):
    """Import a verb's module.

    Raises
    ------
    UserError
        Where it, or something it needs, cannot be loaded: one line that says what is missing.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        remedy = "this installation of n2n is not whole; install it again"
        if not (error.name or "").startswith("n2n"):
            remedy = f"install it: {sys.executable} -m pip install {error.name}, or all again with `make setup`"
        raise UserError(f"n2n {verb} needs the module {error.name}, which is not there; {remedy}") from error
    except Exception as error:
        text = " ".join(f"{type(error).__name__}: {error}".split())
        raise UserError(
            f"n2n {verb} cannot be loaded: {text}; this installation is damaged, install it again"
        ) from error


def _verb(arguments: list[str]) -> str | None:
    """The verb is the first word that is no option: n2n itself has no option with a value."""
    first = next((word for word in arguments if not word.startswith("-")), None)
    return first if first in VERBS else None


def main(arguments: list[str] | None = None) -> int:
    """Run one verb; expected errors become one line and exit status 1."""
    from n2n import log

    arguments = sys.argv[1:] if arguments is None else arguments
    verb = _verb(arguments)
    # What modules make while they load stays until the end: looking through it for garbage only delays the start.
    gc.disable()
    try:
        args = build_parser(verb).parse_args(arguments)
    except UserError as error:
        print(f"[{verb}] error: {error}", file=sys.stderr)
        return 2
    finally:
        gc.freeze()
        gc.enable()
    try:
        log.set_up(args.verb, args.log)
        return args.run(args) or 0
    except (UserError, BadFrame) as error:
        log.logger.error("error: %s", error)
        return 1
    except MemoryError:
        log.logger.error("error: not enough memory; close other programs or use smaller jobs (--cores 1)")
        return 1
    except KeyboardInterrupt:
        log.logger.error("stopped; nothing is lost, the same command goes on from here")
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception:
        log.logger.exception("this is a fault in n2n, please report it with this text")
        return 2


if __name__ == "__main__":
    sys.exit(main())
