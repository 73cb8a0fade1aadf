"""Whether a damaged file between the stages is ever used: bits flipped and ends cut off, kind by kind.

    python benchmarks/damage/run.py FOLDER [KIND ...] [--flips 40] [--cuts 10]

FOLDER is one that snakemake ran in, the smaller the night the better; it is copied, and only the copy is damaged. For
every kind of file one bit at a place drawn by lot is changed, and the command that reads the file is run; then the file
is put back. The same with a part of the file missing at its end. A file is used silently where the command ends with
exit code 0 and the file is still damaged; named where the last line said is about it.

Question: Does a damaged file between the stages ever get into a product without a word?
Asked: 0 used silently, all refused ones named, no traceback.
"""

import argparse
import contextlib
import io
import os
import random
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

from n2n.cli import main as n2n

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import _bench

HEADS = ["file", "read by", "flips", "silent", "put back", "named", "crash", "cuts", "silent", "put back", "named",
         "crash"]  # fmt: skip
OUTCOMES = ("silent", "put back", "named", "crash")


@dataclass(frozen=True)
class Kind:
    """A kind of file: one of them, and a command that reads it."""

    name: str
    path: Path
    command: list

    def outcome(self, damaged: bytes, whole: bytes) -> str:
        """What becomes of damaged content; the file is whole again afterwards."""
        # A new file: one that a command before left open would be seen as it was.
        self.path.unlink()
        self.path.write_bytes(damaged)
        status, said = call(self.command)
        after = self.path.read_bytes()
        self.path.unlink()
        self.path.write_bytes(whole)
        if status is None or "Traceback" in said or "fault in n2n" in said:
            return "crash"
        if status == 0:
            return "put back" if after == whole != damaged else "silent"
        return "named" if self.path.name in (said.splitlines() or [""])[-1] else "not named"


def call(command: list) -> tuple[int | None, str]:
    """Exit status of a verb, None after an error that it let through, and all that it said."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
        try:
            status = n2n([str(word) for word in command])
        except SystemExit as error:
            status = error.code
        except Exception as error:
            print(repr(error))
            status = None
    return status, text.getvalue()


def kinds_in(folder: Path) -> list[Kind]:
    """All kinds of files between the stages of a night that was run in `folder`, where we are."""
    group = next(path.parent for path in sorted(folder.glob("results/*/*/inject.json")))
    masters, model = folder / "results/masters", next(iter(sorted(folder.glob("models/*/*/model.json"))))
    dark, flat, bias = (next(iter(sorted(masters.glob(f"{kind}-*.fits")))) for kind in ("dark", "flat", "bias"))
    vetted, calibration = next(iter(sorted(group.glob("vetted-*.json")))), group / "calibration.json"
    chunk, pairs, stack = group / "chunks/000.csv", group / "pairs.h5", group / "stack.fits"
    measured, reference = group / "measured-000.json", group / "reference.json"
    registered, candidate, inject = group / "registered-000.h5", group / "candidate.h5", group / "inject.json"
    out = folder / "out"
    out.mkdir()
    raw = ["--raw", folder / "data/raw"]
    where = [*raw, "--results", folder / "results", "--calibration", calibration, "--vetted", vetted]
    measure = ["measure", chunk, *where, "-o", out / "m.json"]
    choose = ["reference", *sorted(group.glob("measured-*.json")), "-o", out / "reference.json"]
    register = ["register", chunk, *where, "--measured", measured, "--reference", reference, "-o", out / "r.h5"]
    combine = ["pairs", *sorted(group.glob("registered-*.h5")), "-o", out / "pairs.h5"]
    denoise = ["denoise", pairs, "--model", model, "-o", out / "c.h5", "--gpus", "0", "--orientations", "1"]
    assess = ["assess", pairs, "--stack", stack, "--candidate", candidate, "--injected", inject]
    assess += ["--calibration", calibration, "--vetted", vetted, "-o", out / "denoised.fits"]
    flats = ["master", flat.with_suffix(".csv"), *raw, "--zero", bias, "-o", out / "flat.fits"]
    ingest = ["ingest", group.parent.name, *raw, "--results", folder / "results"]
    return [
        Kind("list of frames", group.parent / "frames.csv", ingest),
        Kind("master (dark)", dark, measure),
        Kind("master (flat)", flat, measure),
        Kind("master (--zero)", bias, flats),
        Kind("vetted", vetted, measure),
        Kind("calibration", calibration, measure),
        Kind("measured", measured, choose),
        Kind("reference", reference, register),
        Kind("registered", registered, combine),
        Kind("registered", registered, assess),
        Kind("pairs", pairs, ["stack", pairs, "-o", out / "stack.fits"]),
        Kind("pairs", pairs, assess),
        Kind("stack", stack, assess),
        Kind("candidate", candidate, assess),
        Kind("inject", inject, assess),
        Kind("model", model, denoise),
        Kind("weights", model.with_name("model.safetensors"), denoise),
        Kind("assessment", group / "assessment.json", ["report", group / "assessment.json", "-o", out / "report.html"]),
    ]


def flipped(whole: bytes, lot: random.Random) -> bytes:
    """One bit changed."""
    data = bytearray(whole)
    data[lot.randrange(len(data))] ^= 1 << lot.randrange(8)
    return bytes(data)


def cut(whole: bytes, lot: random.Random) -> bytes:
    """The end missing."""
    return whole[: lot.randrange(len(whole))]


def row_of(kind: Kind, numbers: dict, lot: random.Random) -> tuple[list, dict[str, int]]:
    """A row of the table, and how often each outcome came, flips and cuts together."""
    whole = kind.path.read_bytes()
    status, said = call(kind.command)
    if status:
        raise SystemExit(f"{kind.name}: the command fails with a whole file, too: {said[-500:]}")
    cells, total = [kind.name, f"`n2n {kind.command[0]}`"], dict.fromkeys([*OUTCOMES, "not named"], 0)
    for damage, number in numbers.items():
        found = [kind.outcome(damage(whole, lot), whole) for _ in range(number)]
        cells += [number, *(found.count(outcome) for outcome in OUTCOMES)]
        total = {outcome: count + found.count(outcome) for outcome, count in total.items()}
    return cells, total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where snakemake ran")
    parser.add_argument("kinds", nargs="*", metavar="KIND", help="only these, as the table calls them (default: all)")
    parser.add_argument("--flips", type=int, default=40, help="of one bit, a kind (default: 40)")
    parser.add_argument("--cuts", type=int, default=10, help="of the end, a kind (default: 10)")
    args = parser.parse_args()
    lot, rows, totals = random.Random(7), [], []
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "night"
        shutil.copytree(args.folder, copy, ignore=shutil.ignore_patterns(".snakemake"))
        with contextlib.chdir(copy):  # settings of the folder we are in are none of this night
            for kind in kinds_in(copy):
                if args.kinds and kind.name not in args.kinds:
                    continue
                cells, total = row_of(kind, {flipped: args.flips, cut: args.cuts}, lot)
                print(_bench.row(cells), flush=True)
                rows.append(cells)
                totals.append(total)
    if args.kinds:
        return
    sums = {outcome: sum(total[outcome] for total in totals) for outcome in totals[0]}
    reached = (
        f"{sums['silent']} of {sum(sums.values())} used silently; {sums['named']} refused and named, "
        f"{sums['not named']} refused and not named, {sums['put back']} put back, {sums['crash']} tracebacks"
    )
    body = ["Flips of one bit, then cuts of the end; what became of each.", "", *_bench.table(HEADS, rows)]
    _bench.write_page(__file__, "Damaged files between the stages", body, reached)
    print(reached)


if __name__ == "__main__":
    main()
