"""Claims on a real night against other exposures of the same sky, which had no part in what is claimed.

    python benchmarks/deep/run.py NIGHT_FOLDER [--exposures 12 24] [--draws 3] [--group NAME] [--work DIR]

Out of a deep series, in a folder of raw frames, exposures that follow each other are drawn, each draw from another part
of the night. They go through the workflow up to the verdict, as if there were no more; all others are stacked. Then the
claim is compared with what that deep stack tells (`n2n compare --against`). Calibration frames in the folder go to
both. A draw of 0.3 Mpx takes some three minutes on two cores. With --work the nights stay, and what was done before is
not done again; with --again nothing is run, and those in DIR are compared once more.

Question: On real nights, is what n2n claims true, by the word of exposures that had no part in it?
Asked: claims within two errors of both in 90 % of the draws.
"""

import argparse
import csv
import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import h5py
import numpy as np

from n2n.fidelity.pulls import product_against
from n2n.fidelity.zones import ZONES
from n2n.formats.tables import read_json
from n2n.group.group import Group

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import _bench

HEADS = ["draw", "exposures", "deep", "claimed", "by the deep stack", "off", "pull", "verdict", "area", "smooth"]
NAMES = {"all": "everywhere", "background": "empty sky", "extended": "nebulae", "stars": "stars"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("night", type=Path, help="folder of raw frames, named as the night is to be")
    parser.add_argument("--exposures", type=int, nargs="+", default=[12, 24], help="of a draw (default: 12 24)")
    parser.add_argument("--draws", type=int, default=3, help="of each number of exposures (default: 3)")
    parser.add_argument("--steps", type=int, default=0, help="of training (default: as many as n2n takes)")
    parser.add_argument("--group", help="which group, where the night has several (default: the largest)")
    parser.add_argument("--work", type=Path, help="folder for the draws, which stay there (default: nothing stays)")
    parser.add_argument("--again", action="store_true", help="run nothing: compare what is in --work once more")
    args = parser.parse_args()
    if args.again and not args.work:
        parser.error("--again needs --work, the folder in which the draws were left")
    with tempfile.TemporaryDirectory() as scratch:
        work = args.work or Path(scratch)
        group, lights, others = series(args.night.resolve(), work, args.group)
        rows = []
        for count in args.exposures:
            for number, chosen in enumerate(drawn(lights, count, args.draws)):
                folder = work / f"{count}-{number}"
                if not args.again:
                    prepare(folder, args.night, chosen, lights, others, args.steps)
                if (found := compared(folder, f"results/{args.night.name}/{group}")) is not None:
                    rows.append({"draw": f"{count} exposures, {number + 1}"} | found)
    text, reached = page(rows)
    heading = f"{args.night.name}/{group}"
    print(_bench.write_page(__file__, "Claims against deep real stacks", [], reached, parts={heading: text}))


def series(night: Path, work: Path, wanted: str | None) -> tuple[str, list[str], list[str]]:
    """Name of the group, its exposures in the order of time, and all that is no light, as paths below the night."""
    raw = work / "whole/data/raw"
    raw.mkdir(parents=True, exist_ok=True)
    if not (raw / night.name).exists():
        (raw / night.name).symlink_to(night)
    _bench.n2n("ingest", night.name, "--raw", raw, "--results", work / "whole/results")
    with open(work / "whole/results" / night.name / "frames.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    lights = [row for row in rows if row["kind"] == "light"]
    names = [row["group"] for row in lights]
    group = wanted or max(dict.fromkeys(names), key=names.count)
    own = sorted((row for row in lights if row["group"] == group), key=lambda row: (row["date_obs"], row["path"]))
    if not own:
        raise SystemExit(f"{night} has no group {group}; it has {', '.join(sorted(set(names)))}")
    paths = [[row["path"].partition("/")[2] for row in some] for some in (own, rows)]
    return group, paths[0], sorted(set(paths[1]) - {row["path"].partition("/")[2] for row in lights})


def drawn(lights: list[str], count: int, draws: int) -> list[list[str]]:
    """Exposures that follow each other, in the middle of every one of `draws` parts of the night."""
    if len(lights) < 2 * count:
        raise SystemExit(f"{len(lights)} exposures are too few to judge {count} by the others: 2 x {count} are needed")
    starts = [round((len(lights) - count) * (2 * number + 1) / (2 * draws)) for number in range(draws)]
    return [lights[start : start + count] for start in starts]


def prepare(folder: Path, night: Path, chosen: list[str], lights: list[str], others: list[str], steps: int = 0) -> None:
    """Make both nights of a draw and run them: to the verdict, and to the stack.

    Parameters
    ----------
    folder, night : Path
        Where to work, and the raw frames.
    chosen, lights, others : list of str
        Exposures of the draw, all exposures, and calibration frames; paths below `night`.
    steps : int
        Of training; as many as n2n takes where 0.
    """
    rest = [path for path in lights if path not in set(chosen)]
    for part, paths, last in (("few", chosen, "assess"), ("deep", rest, "stack")):
        for path in [*paths, *others]:
            link = folder / part / "data/raw" / night.name / path
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.is_symlink():
                link.symlink_to(night.resolve() / path)
        if steps:
            (folder / part / "config").mkdir(exist_ok=True)
            (folder / part / "config/config.yaml").write_text(f"train: {{steps: {steps}}}\n")
        _bench.workflow(folder / part, "--until", last)


def compared(folder: Path, group: str) -> dict | None:
    """Claim and deep truth of a draw; None where there is no denoised image to be judged."""
    few, deep = folder / "few" / group, folder / "deep" / group
    if not (few / "assessment.json").exists() or not (deep / "pairs.h5").exists():
        print(f"{folder.name}: not finished")
        return None
    facts, judged = read_json(few / "assessment.json", "qastat", unsealed=True), Group(few / "pairs.h5")
    with h5py.File(few / "candidate.h5") as file:
        if "full" not in file:
            print(f"{folder.name}: {facts['reason']}")
            return None
        images, held_out = {name: file[name][:] for name in ("judged", "full")}, np.asarray(file.attrs["held_out"], int)
    found = product_against(Group(deep / "pairs.h5"), judged, images, held_out)
    # A refused image is judged as well: it is the claim that is asked for.
    verdict = facts["qastat"] if facts["product"] == "DENOISED" else f"{facts['qastat']}, not shipped"
    return found | {"used": facts["exposures"]["used"], "verdict": verdict}


def page(rows: list[dict]) -> tuple[list[str], str]:
    """Lines of the page, and what was reached in one sentence."""
    told = [row["all"] for row in rows if "pull" in row["all"]]
    if not told:
        return ["No draw has a claim."], "no claim"
    off, pull = (np.array([of(one) for one in told]) for of in (lambda one: one["claimed"] / one["value"] - 1, pull_of))
    zones = np.array([row[zone]["pull"] for row in rows for zone in ZONES if "pull" in row[zone]])
    reached = (
        f"claims within two errors in {np.sum(np.abs(pull) <= 2)} of {len(told)} draws, off by {100 * off.mean():+.0f} "
        f"% in the mean, pulls {pull.mean():+.1f}; by zone {np.sum(np.abs(zones) <= 2)} of {len(zones)}"
    )
    text = [
        "Gain of the denoised image over its stack: claimed, from the draw's own held-out exposures; and told by the",
        "stack of all others. Off: claimed over told; pull: that in errors of both, positive where too much is",
        "claimed. Both on the same pixels: not around stars above 30 sigma, where the seeing of the others, which is",
        "fitted, leaves more than noise. Area: their share. Smooth: what of both stacks differs and is smoother than",
        "some 100 px, in sigma of the draw's stack; it was taken off, and no gain is told of it.",
        "",
        *_bench.table(HEADS, [line(row, "all") for row in rows]),
    ]
    for zone in ZONES:
        lines = [line(row, zone)[:7] for row in rows if row[zone]["pixels"]]
        text += ["", f"In {NAMES[zone]}:", "", *_bench.table(HEADS[:7], lines)]
    return text, reached


def pull_of(one: dict) -> float:
    """How much too much is claimed, in errors of both."""
    return one["pull"]


def line(row: dict, zone: str) -> list[str]:
    """Cells of one draw in one zone."""
    one = row[zone]
    truth = f"{one['value']:.2f} ± {one['standard_error']:.2f}"
    claim = ["none", truth, "-", "-"]
    if "pull" in one:
        off = one["claimed"] / one["value"] - 1
        claim = [f"{one['claimed']:.2f} ± {one['claimed_standard_error']:.2f}", truth, f"{100 * off:+.0f} %"]
        claim.append(f"{one['pull']:+.1f}")
    return [
        row["draw"], str(row["used"]), str(row["exposures"]), *claim, row["verdict"], f"{row['area']:.0%}",
        f"{row['smooth_sigma']:.2f}",
    ]  # fmt: skip


if __name__ == "__main__":
    main()
