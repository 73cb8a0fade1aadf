"""Which fault of a real night bends the claim, VAR, the sky or the stars, and by how much.

    python benchmarks/strange/run.py [--seeds 0 1 2] [--faults none,few-flats,...] [--size 1024x960] [--work DIR]
                                     [--preset crowded]

Simulates a stranger's night (`n2n simulate --preset strange`; `crowded` is a field full of stars) without faults, with
every fault alone and with all of them, runs the workflow up to the verdict, and compares what it says with the truth.
A night of 1 Mpx takes some six minutes on two cores. Every figure is kept in results.csv; a night measured before at
this commit is not run again, and the page is made of all figures. Several faults at once: few-flats+banding.

Question: Which faults of real nights bend what n2n says of its own images?
Asked: claims within 10 % or two errors of both, no sign preferred: mean off within 3 %; pulls with a mean within 0.3
    and a scatter of 0.8 to 1.2; robust chi2 of VAR 0.8 to 1.2 in every cell; the sky within 0.02 sigma; stars of S/N
    20 to 50 within 10 mmag.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

from n2n.simulate import simulate_night
from n2n.simulate.recipe import preset_named
from n2n.simulate.strange import FAULTS, PRESETS

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import _bench
import figures
import pages

NIGHT = "2026-10-03"
RESULTS = Path(__file__).with_name("results.csv")


def measured(folder: Path, preset: str, case: str, seed: int, size: str, steps: int = 0) -> list[dict]:
    """Rows of one night: simulated, run, and compared with its truth.

    Parameters
    ----------
    folder : Path
        Of the night; made.
    preset : str
        ``strange`` or ``crowded``.
    case : str
        Its faults, with ``+`` between them.
    seed : int
        Of its random numbers.
    size : str
        Width and height of the frames in px, ``1024x960``.
    steps : int
        Of training; 0 for as many as n2n takes.
    """
    truth = folder / "data/truth" / NIGHT
    width, height = map(int, size.split("x"))
    faults = case.replace("+", ",")
    simulate_night(folder / "data/raw", preset=preset, faults=faults, seed=seed, size=(width, height), night=NIGHT)
    stamp = {"date": _bench.today(), "commit": _bench.commit(), "case": case, "seed": seed, "size": size}
    if steps:
        (folder / "config").mkdir()
        (folder / "config/config.yaml").write_text(f"train: {{steps: {steps}}}\n")
    groups, began = [f"results/{NIGHT}/{name}" for name in groups_of(preset)], time.monotonic()
    try:
        _bench.workflow(folder, *(f"{group}/assessment.json" for group in groups))
    except subprocess.CalledProcessError as error:
        # One night that cannot be worked on must not end a table of hours; it is a result, too.
        print(f"{case}, seed {seed}: {error}", file=sys.stderr)
    stamp["seconds"] = round(time.monotonic() - began)
    return [stamp | figures.of_group(folder / group, truth) for group in groups]


def groups_of(preset: str) -> list[str]:
    """Names of a night's groups."""
    return [target.group for target in preset_named(preset).targets]


def place(work: Path, preset: str, case: str, seed: int | str) -> Path:
    """Folder of a night."""
    return work / f"{'' if preset == 'strange' else f'{preset}-'}{case}-seed{seed}"


def compared(work: Path, preset: str, row: dict) -> dict:
    """A row with the figures that the night's products, which are still there, have by now."""
    folder = place(work, preset, row["case"], row["seed"])
    found = figures.of_group(folder / "results" / NIGHT / row["group"], folder / "data/truth" / NIGHT)
    kept = {key: row[key] for key in ("date", "commit", "case", "seed", "size", "seconds") if key in row}
    return kept | {key: str(value) for key, value in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--faults", default=",".join(["none", *FAULTS, "all"]), help="nights to make (default: all)")
    parser.add_argument("--preset", default="strange", choices=PRESETS, help="crowded: a field full of stars")
    parser.add_argument("--size", default="1024x960", help="of the frames, px (default: 1024x960)")
    parser.add_argument("--steps", type=int, default=0, help="of training (default: as many as n2n takes)")
    parser.add_argument("--work", type=Path, help="folder for the nights, which stay there (default: nothing stays)")
    parser.add_argument("--again", action="store_true", help="run nothing: compare the nights in --work once more")
    parser.add_argument("--page", type=Path, help="write page and figures to this folder, not beside this file")
    args = parser.parse_args()
    if args.again and not args.work:
        parser.error("--again needs --work, the folder in which the nights were left")
    results = args.page / RESULTS.name if args.page else RESULTS
    rows = pages.read(results)
    for seed in args.seeds:
        for case in args.faults.split(","):
            own = {"case": case, "seed": str(seed), "size": args.size}
            groups = groups_of(args.preset)
            before = [row for row in rows if own.items() <= row.items() and row["group"] in groups]
            if args.again:
                # Date, commit and seconds are those of the night, not of this comparison.
                rows = [compared(args.work, args.preset, row) if row in before else row for row in rows]
                pages.write(results, rows)
                continue
            if before and {row["commit"] for row in before} == {_bench.commit()}:
                print(f"{case}, seed {seed}: measured before at this commit")
                continue
            with tempfile.TemporaryDirectory() as scratch:
                folder = place(args.work or Path(scratch), args.preset, case, seed)
                shutil.rmtree(folder, ignore_errors=True)
                found = measured(folder, args.preset, case, seed, args.size, args.steps)
            rows = [row for row in rows if row not in before]
            rows += [{key: str(value) for key, value in row.items()} for row in found]
            pages.write(results, rows)
    rows = pages.numbers(rows)
    heading = {"path": args.page / "README.md"} if args.page else {}
    text, reached = pages.page(rows, ["none", *FAULTS, "all"])
    print(
        _bench.write_page(
            __file__, "A stranger's night, against its truth", text, reached, **heading, **_bench.measured(rows)
        )
    )


if __name__ == "__main__":
    main()
