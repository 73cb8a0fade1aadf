"""Other denoisers before the same gates: one command, a table out.

    python benchmarks/peers/run.py [--folder DEMO] [--groups M31_L NGC7000_Ha] [--careamics peer/bin/python]

Of a simulated night it takes the stack of blocks A and B, denoises it with classical filters, each at the parameter
that the truth likes best, and has `n2n compare` judge them and n2n's own candidate by the held-out exposures. The
folder is one in which `n2n simulate` and snakemake ran; without one, the demo is simulated and run (minutes).
CAREamics' Noise2Noise trains on the stacks of A and of B, in an environment of its own (`pip install careamics`).
Writes README.md beside this file; groups that are not done anew stay in it.

Question: Do other denoisers pass the gates that n2n has to pass?
Asked: nothing of them; n2n passes.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np

BENCHMARKS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(BENCHMARKS), str(BENCHMARKS / "denoise")]

import _bench
import careamics_n2n
import methods

from n2n.config import load_config
from n2n.fidelity.foreign import compare
from n2n.fidelity.gates.gate import FAIL
from n2n.fidelity.truth import fitted_truth
from n2n.group.group import Group
from n2n.report.words import failure

GRIDS = {
    "gaussian": (0.5, 0.65, 0.8, 1.0),
    "starlet": (2.5, 3.0, 3.5, 4.0),
    "nlm": (0.5, 0.7, 0.9, 1.1),
    "bm3d": (1.25, 1.4),
}


def judged(folder: Path, truth_folder: Path, peer: SimpleNamespace | None):
    """Yield method, parameter, seconds and what compare says, for every method on one group."""
    group = Group(folder / "pairs.h5")
    chosen = np.flatnonzero(group.blocks != "C")
    stack, depth, _ = group.mean(chosen)
    usable = np.isfinite(stack) & ~group.saturated & (depth > 0)
    weight = np.where(usable, depth / group.variance, 0)
    truth = fitted_truth(group.only(chosen), truth_folder, np.nan_to_num(stack), weight, usable)
    sigma = np.sqrt(group.facts.sky_variance / np.maximum(depth, 1e-6))
    # Noise for the starlet: without the stars, which twinkle.
    values, valid = group.load(chosen)
    reach = 4 * np.sqrt(group.facts.sky_variance / group.weights[chosen])[:, None, None]
    values = np.clip(values - np.nan_to_num(stack), -reach, reach)
    # The group is in electrons: an electron of signal adds one to the variance of an exposure.
    noisy = SimpleNamespace(values=values, valid=valid, weights=group.weights[chosen], light_variance=1.0)
    limits = SimpleNamespace(**load_config()["gates"])

    def verdict(image):
        return compare(group, np.where(usable, image, stack), stack, limits, truth)

    with h5py.File(folder / "candidate.h5") as file:
        yield "n2n", "", None, verdict(file["judged"][:])
    if peer:
        halves = [np.nan_to_num(group.mean(np.flatnonzero(group.blocks == block))[0]) for block in "AB"]
        image, facts = careamics_n2n.careamics(np.array(halves, np.float32), np.zeros((512, 512), np.float32), peer)
        yield "careamics", "defaults", facts["seconds"], verdict(image)
    for name, grid in GRIDS.items():
        if not methods.available(name):
            continue
        results = {}
        for parameter in grid:
            began = time.monotonic()
            image = methods.BASELINES[name](noisy, np.nan_to_num(stack), sigma, parameter)
            error = float(np.sum((weight * (image - truth) ** 2)[usable]))
            results[error] = parameter, time.monotonic() - began, image
        parameter, seconds, image = results[min(results)]
        yield name, parameter, seconds, verdict(image)


def lines_of(rows: list) -> list[str]:
    """The table of one group, and under it what failed in plain words."""
    zones = ("all", "background", "extended", "stars")
    lines = ["| method | parameter | s | gain by C | true gain | sky | extended | stars | gates |"]
    lines += ["|---" * 9 + "|"]
    wrong = []
    for name, parameter, seconds, facts in rows:
        gain, true = facts["exposure_gain"], [f"{facts['true_gain'][zone]['value']:.3g}" for zone in zones]
        failed = [gate for gate in facts["gates"] if gate["verdict"] == FAIL]
        cells = [name, parameter, "" if seconds is None else f"{seconds:.0f}"]
        cells += [f"{gain['value']:.1f} ± {gain['standard_error']:.1f}", *true]
        cells.append(", ".join(dict.fromkeys(gate["name"] for gate in failed)) or "pass")
        lines.append(f"| {' | '.join(map(str, cells))} |")
        wrong += [f"- {name}: {'; '.join(failure(gate) for gate in failed)}." for _ in failed[:1]]
    return [*lines, "", *wrong]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="folder of a simulated night (default: simulate and run the demo)")
    parser.add_argument("--groups", nargs="+", default=["M31_L", "NGC7000_Ha"])
    parser.add_argument("--careamics", metavar="PYTHON", help="Python of an environment with careamics")
    parser.add_argument("--seconds", type=float, default=600, help="training time of CAREamics (default: 600)")
    args = parser.parse_args()
    peer = SimpleNamespace(peer=args.careamics, seconds=args.seconds, threads=_bench.cores())
    peer = peer if args.careamics else None
    parts, passed = {}, {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.folder or simulated(Path(scratch))
        for group in args.groups:
            found = next(iter(sorted(folder.glob(f"results/*/{group}/candidate.h5"))), None)
            if found is None:
                raise SystemExit(f"no candidate.h5 of {group} under {folder}")
            rows = []
            for row in judged(found.parent, folder / "data/truth" / found.parent.parent.name, peer):
                rows.append(row)
                print(group, *row[:3], row[3]["verdict"], flush=True)
            parts[group] = lines_of(rows)
            for name, *_, facts in rows:
                failed = any(gate["verdict"] == FAIL for gate in facts["gates"])
                passed[name] = passed.get(name, 0) + (not failed)
    head = [
        "The demo night's stacks of blocks A and B, denoised and judged by the held-out C (`n2n compare`). Filters run",
        "at the parameter of a short grid that the truth likes best, which nobody knows of a real night; n2n saw no",
        "truth. Saturated pixels are put back. Gain: times the exposures, from C and from the truth; sky, extended and",
        "stars from the truth. s: of the filter alone. Gates: those that failed.",
    ]
    reached = f"groups passed, of {len(parts)}: " + ", ".join(f"{name} {count}" for name, count in passed.items())
    print(_bench.write_page(__file__, "Other denoisers before the same gates", head, reached, parts=parts))


def simulated(folder: Path) -> Path:
    """Simulate the demo night and run the workflow on it."""
    _bench.n2n("simulate", folder / "data/raw", "--preset", "demo")
    _bench.workflow(folder)
    return folder


if __name__ == "__main__":
    main()
