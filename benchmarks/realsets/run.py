"""What becomes of real sets of frames, untouched: each put into a night of its own, no header edited, no override.

    python benchmarks/realsets/run.py SHARED_DATA WORK [--repo CHECKOUT] [--only SET ...]

runs the workflow of a checkout (by default this one) on every set, with the shipped settings, and writes README.md
beside this file, one line a set: files taken and set aside, groups with verdict and claimed gain, what was said. With
--only or --repo the table is printed and nothing is written.

Question: What becomes of real sets of frames, untouched?
Asked: no traceback, nothing silently wrong: right, or a question whose answer works when pasted.
"""

import argparse
import collections
import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import _bench

SETS = {
    "HAT-P-32 (MicroObservatory)": "nights/2017-12-20",
    "Arp 186 (ASI290MM, Jocular)": "nights/arp186-asi290",
    "LCO drift (QHY600M)": "nights/lco-drift",
    "STL-1001 calibration": "calibration/stl1001",
    "Ou 5 (NOT, no header cards)": "halpha/ou5-not",
    "Ou 5 (SPM, image and slit)": "halpha/ou5-spm",
    "Siril r_lights (QSI 683)": "registered/siril-qsi683",
    "WW CrA (MaxIm, CALSTAT BDF)": "registered/wwcra-fli",
    "M 94 (Seestar)": "colour/seestar-m94",
    "PANOPTES (Canon)": "bayer/panoptes",
    "XISF (PixInsight)": "xisf",
    "Header stamps (MaxIm, AstroFX)": "headers",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of the real frames")
    parser.add_argument("work", type=Path, help="folder to work in; results stay there")
    parser.add_argument("--repo", type=Path, default=_bench.REPOSITORY, help="checkout of n2n (default: this one)")
    parser.add_argument("--only", nargs="+", choices=sorted(SETS), metavar="SET")
    args = parser.parse_args()
    heads, rows = ["set", "files used, set aside", "groups", "said"], []
    print("\n".join(_bench.table(heads, [])), flush=True)
    for name in args.only or SETS:
        rows.append([name, *outcome(args.data.resolve() / SETS[name], args.work, args.repo.resolve())])
        print(_bench.row(rows[-1]), flush=True)
    if args.only or args.repo.resolve() != _bench.REPOSITORY:
        return
    groups = [group for row in rows for group in row[2].split("; ") if ": " in group]
    passed, faults = sum(": PASS" in group for group in groups), sum("TRACEBACK" in row[3] for row in rows)
    reached = f"{len(rows)} sets, {len(groups)} groups, {passed} of them PASS, tracebacks: {faults}"
    text = [
        "What becomes of public frames as they lie in their repositories, each set a night of its own, no header",
        "edited, no override, the shipped settings.",
        "",
        *_bench.table(heads, rows),
    ]
    _bench.write_page(__file__, "Real sets, untouched", text, reached)


def outcome(source: Path, work: Path, repo: Path) -> tuple[str, str, str]:
    """Run one set; returns three cells."""
    night = source.name
    folder = work / night
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "data/raw").mkdir(parents=True)
    shutil.copytree(source, folder / "data/raw" / night, ignore=shutil.ignore_patterns("SOURCE.txt"))
    command = _bench.snakemake(repository=repo)
    environment = os.environ | {"PYTHONPATH": str(repo), "OMP_NUM_THREADS": "2"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    output = done.stdout + done.stderr
    (folder / "output.txt").write_text(output)
    results = folder / "results" / night
    used = table(results / "frames.csv")
    aside = collections.Counter(row["reason_code"] for row in table(results / "quarantine.csv"))
    counts = f"{len(used)}, {aside.total()}" + (
        f" ({', '.join(f'{n} {code}' for code, n in aside.items())})" if aside else ""
    )
    groups = []
    for path in sorted(results.glob("*/assessment.json")):
        facts = json.loads(path.read_text())
        gain = facts.get("exposure_gain") or {}
        worth = f" {gain['value']:.1f} ± {gain['standard_error']:.1f}" if facts.get("product") == "DENOISED" else ""
        used_of = facts["exposures"]
        groups.append(f"{path.parent.name} ({used_of['used']} of {used_of['found']}): {facts['qastat']}{worth}")
    said = [line for line in output.splitlines() if "left out " in line and line.startswith("ingest")]
    said = said or [line for line in output.splitlines() if "quarantine.csv)" in line or "no FITS file" in line]
    said = [line.partition(": ")[2] if line.startswith("ingest") else line for line in said[:1]]
    fault = ["TRACEBACK"] if "Traceback" in output or "fault in n2n" in output else []
    return (
        counts,
        "; ".join(groups) or f"none (exit {done.returncode})",
        " ".join([*fault, *said])[:300].replace("|", "/") or "–",
    )


def table(path: Path) -> list[dict]:
    """Rows of a table, none where it is not there."""
    return list(csv.DictReader(path.open(encoding="utf-8"))) if path.is_file() else []


if __name__ == "__main__":
    main()
