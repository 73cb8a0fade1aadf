"""How long it takes to find that two fields have no star in common, beside an older checkout, in one run.

    python benchmarks/matching/run.py OLD_CHECKOUT

OLD_CHECKOUT is any earlier commit of n2n (until 8064698 triangles were compared by astroalign, which must then be
installed). Both get the same star lists, pair by pair in turn; CPU seconds of one thread. Writes README.md beside
this file.

Question: How long does it take to find that two fields have no star in common?
Asked: an exposure of another field costs no minutes.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import _bench

CHILD = """
import json, sys, time
import numpy as np
from n2n.sky.match import NoMatch, match_stars
def field(seed, number):
    rng = np.random.default_rng(seed)
    light = rng.pareto(1.2, number) * 1000 + 300
    return np.column_stack([rng.uniform(0, 2000, (number, 2)), light, np.full(number, 3.0)]).tolist()
for line in sys.stdin:
    number, seed = json.loads(line)
    one, other = field(seed, number), field(seed + 500, number)
    start = time.process_time()
    try:
        match_stars(one, other)
        found = True
    except NoMatch:
        found = False
    print(json.dumps([time.process_time() - start, found]), flush=True)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path, help="checkout to compare with")
    parser.add_argument("--pairs", type=int, default=3)
    args = parser.parse_args()
    programs = [child(args.old.resolve()), child(_bench.REPOSITORY)]
    rows = []
    for number in (30, 60, 150, 300):
        times = [[], []]
        for seed in range(args.pairs):
            for program, spent in zip(programs, times, strict=True):
                spent.append(ask(program, number, seed)[0])
        old, new = (sorted(spent)[len(spent) // 2] for spent in times)
        rows.append([number, f"{old:.3f}", f"{new:.3f}", f"{old / new:.0f}"])
        print(_bench.row(rows[-1]), flush=True)
    reached = f"{rows[0][2]} s for {rows[0][0]} stars to {rows[-1][2]} s for {rows[-1][0]}; before {rows[-1][1]} s"
    text = [
        "CPU seconds of one thread to find that two random star lists do not match, with the code of OLD_CHECKOUT and",
        "of this one, in one run:",
        "",
        *_bench.table(["stars", "old [s]", "new [s]", "old / new"], rows),
    ]
    _bench.write_page(__file__, "Fields that have nothing in common", text, reached)


def child(repo: Path) -> subprocess.Popen:
    """A process that matches with the code of a checkout."""
    environment = os.environ | {"PYTHONPATH": str(repo), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", CHILD],
        cwd=repo,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def ask(program: subprocess.Popen, number: int, seed: int) -> tuple[float, bool]:
    """Seconds a pair takes, and whether it was (wrongly) matched."""
    program.stdin.write(json.dumps([number, seed]) + "\n")
    program.stdin.flush()
    return json.loads(program.stdout.readline())


if __name__ == "__main__":
    main()
