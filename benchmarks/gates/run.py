"""How often the gates refuse a good image, and how often they find harm: one command, a table out.

    python benchmarks/gates/run.py [--side 1024] [--scenes nebula ...] [--realisations 50] [--spoilt 20]

Cameras for astronomy have 1.2 megapixels and more, so that 1024 px a side is what the goals are for; in 384 px there
may be too few stars to tell anything. No network is trained. Every realisation is another sky of its kind, observed
anew; stand-ins for a perfect denoiser know the truth, and harm of known size is done to what they give (harms.py). All
gates of `n2n assess` judge that are no matter of bookkeeping: G11 and G15 are left out, and G1 is judged by its form
for stars, there and over all. Results are added to results.csv as they come and not computed again; README.md beside
it is written anew.

Question: How often do the gates refuse a good image, and how often do they find harm of known size?
Asked: at most 2 % of good images refused by a gate, at least 95 % of spoilt ones found, in frames of 1024 px.
"""

import argparse
import csv
import os
import sys
from pathlib import Path
from types import SimpleNamespace

os.environ.setdefault("OMP_NUM_THREADS", "1")
HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "denoise")]

import _bench
import harms
import numpy as np
import scenes

from n2n.config import load_config
from n2n.fidelity import gates
from n2n.fidelity.gates.gate import FAIL
from n2n.fidelity.images import Images, Shipped
from n2n.fidelity.risk import held_out_gain
from n2n.fidelity.zones import ZONES, divide
from n2n.nets.tiles import overlaps

RESULTS = HERE / "results.csv"
COLUMNS = ("side", "scene", "realisation", "candidate", "harm", "failed", "commit", "date")
DIFFUSE = ("nebula", "filaments", "galaxies", "glow")
FALSE_ALARMS, POWER = 0.02, 0.95  # goals


def judge(image: np.ndarray, facts: harms.Night, limits) -> list:
    """All gates on one image."""
    usable = np.isfinite(image + facts.own + facts.held_out) & (facts.depth > 0)
    image = np.nan_to_num(image)
    weight = np.where(usable, facts.depth / facts.variance, 0)
    sigma = np.sqrt(np.median(facts.variance) / np.maximum(facts.depth, 1e-6))
    zones = divide(image, sigma, usable)
    own = np.where(usable, facts.own, 0)

    def gain(chosen):
        return held_out_gain(image, facts.stack, np.nan_to_num(facts.held_out), own, weight, chosen).as_dict()

    unknown = {"value": np.nan, "standard_error": np.nan}
    by_zone = {name: gain(zones == index) if name == "stars" else unknown for index, name in enumerate(ZONES)}
    return gates.judge(
        Images(
            denoised=image, stack=facts.stack, depth=facts.depth, variance=facts.variance, sigma=sigma, usable=usable,
            saturated=np.zeros(usable.shape, bool), fwhm=3.0, shipped=Shipped(facts.stack, image),
            held_out=facts.held_out, halves=lambda: facts.parts, weight=weight, gains={"all": gain(usable)} | by_zone,
            tiles=tuple(overlaps(side, harms.tile(side), harms.OVERLAP) for side in image.shape),
        ),
        limits,
    )  # fmt: skip


def realise(scene: str, number: int, exposures: int, wanted, limits):
    """Yield a row for every candidate and harm of one realisation."""
    group = scenes.make(scene, 1000 + number, exposures)
    rng = np.random.default_rng([number, list(scenes.KINDS).index(scene)])
    facts = harms.night(group, rng)
    for name, candidate in harms.CANDIDATES.items():
        good = candidate(facts, facts.stack)
        for harm in (harms.nothing, *harms.HARMS):
            if (name, harm.__name__) not in wanted:
                continue
            before = hasattr(harm, "before")
            spoilt = candidate(facts, harm(facts.stack, facts, rng)) if before else harm(good, facts, rng)
            seen = harm.sky(facts, rng) if hasattr(harm, "sky") else facts
            verdicts = judge(spoilt.astype(np.float32), seen, limits)
            failed = [f"{verdict.name} {verdict.title}" for verdict in verdicts if verdict.verdict == FAIL]
            yield scene, number, name, harm.__name__, "; ".join(failed)


def planned(scene: str, number: int, name: str, harm) -> bool:
    """Whether a harm is done to this candidate of a realisation.

    It is done to one candidate in turn, which halves the time; what is done to the stack to the oracle alone, for
    "mixed" lets three tenths of it through.
    """
    if harm is harms.nothing:
        return True
    if harm is harms.drained and scene not in DIFFUSE:
        return False
    if hasattr(harm, "before"):
        return name == "oracle"
    return list(harms.CANDIDATES)[number % len(harms.CANDIDATES)] == name


def read_results() -> list[dict]:
    """All rows so far."""
    if not RESULTS.exists():
        return []
    with open(RESULTS, newline="") as file:
        return list(csv.DictReader(file))


def tables(rows: list[dict]) -> list[str]:
    """A table for every size of frames, the largest first."""
    lines = []
    for side in sorted({int(row["side"]) for row in rows}, reverse=True):
        lines += [f"## Frames of {side} x {side} px", "", *table([row for row in rows if int(row["side"]) == side]), ""]
    return lines[:-1]


def table(rows: list[dict]) -> list[str]:
    """False alarms of every gate and candidate, then how often every harm is found in every scene, and by what."""
    clean = [row for row in rows if row["harm"] == "nothing"]
    names = sorted({row["scene"] for row in rows}, key=list(scenes.KINDS).index)
    candidates = list(harms.CANDIDATES)
    lines = ["### False alarms", "", "Share of good images that a gate refuses; a goal of at most 2 % each.", ""]
    heads = [f"{scene}, {candidate}" for scene in names for candidate in candidates]
    lines += [f"| gate | {' | '.join(heads)} | all |", "|---" * (len(heads) + 2) + "|"]
    fired = sorted({gate for row in clean for gate in row["failed"].split("; ") if gate}, key=_order)
    cells = {(scene, candidate): [] for scene in names for candidate in candidates}
    for row in clean:
        cells[row["scene"], row["candidate"]].append(row["failed"])
    columns = [*cells.values(), [failed for found in cells.values() for failed in found]]
    for gate in fired:
        rates = [share([gate in failed.split("; ") for failed in found], FALSE_ALARMS, 1) for found in columns]
        lines.append(f"| {gate} | {' | '.join(rates)} |")
    lines.append(f"| any | {' | '.join(share([bool(f) for f in found], 1, 1) for found in columns)} |")
    lines.append(f"| images | {' | '.join(str(len(found)) for found in columns)} |")
    lines += ["", "Gates that are not listed refused none.", "", "### Harm found", ""]
    lines += [
        "Share of spoilt images that any gate refuses; a goal of at least 95 %. By: the gates that find most, percent. "
        f"{len([row for row in rows if row['harm'] == 'blurred']) // max(len(names), 1)} images a scene.",
        "",
    ]
    lines += [f"| harm | {' | '.join(names)} | all | by |", "|---" * (len(names) + 3) + "|"]
    for harm in harms.HARMS:
        of_harm = [row for row in rows if row["harm"] == harm.__name__]
        if not of_harm:
            continue
        found = [
            [bool(row["failed"]) for row in of_harm if row["scene"] in part] for part in (*([n] for n in names), names)
        ]
        by: dict[str, int] = {}
        for row in of_harm:
            for gate in {gate.split(" ")[0] for gate in row["failed"].split("; ") if gate}:
                by[gate] = by.get(gate, 0) + 1
        said = ", ".join(
            f"{g} {100 * n / len(of_harm):.0f}" for g, n in sorted(by.items(), key=lambda i: (-i[1], int(i[0][1:])))[:4]
        )
        words, goal = (harm.__doc__ or harm.__name__).rstrip("."), POWER
        if getattr(harm, "allowed", False):
            words, goal = f"{words} (allowed)", 0
        lines.append(f"| {words} | {' | '.join(share(part, goal, -1) for part in found)} | {said} |")
    return lines


def share(hits: list[bool], goal: float, sign: int) -> str:
    """Percent, bold where the goal is missed."""
    if not hits:
        return "-"
    rate = np.mean(hits)
    text = f"{100 * rate:.2g}" if 0 < rate < 0.01 else f"{100 * rate:.0f}"
    return f"**{text}**" if sign * (rate - goal) > 1e-9 else text


def _order(gate: str) -> tuple[int, str]:
    return int(gate.split(" ")[0][1:]), gate


def write_readme(rows: list[dict], exposures: int) -> None:
    """README.md from the results."""
    text = [
        f"{exposures} exposures, a quarter of them held out with a sky, a scale and a seeing of their own. Good:",
        "the truth and 0.3 of the noise (mixed), and wavelets of the stack kept where the truth has light (oracle).",
        "Percent; **bold** misses its goal.",
        "",
        *tables(rows),
    ]
    title = "Gates on images whose truth is known"
    _bench.write_page(__file__, title, text, reached(rows), **_bench.measured(rows))


def reached(rows: list[dict]) -> str:
    """Good images refused and harms found, in the largest frames."""
    side = max(int(row["side"]) for row in rows)
    rows = [row for row in rows if int(row["side"]) == side]
    refused = [bool(row["failed"]) for row in rows if row["harm"] == "nothing"]
    said, missed = f"{side} px: {sum(refused)} of {len(refused)} good images refused", []
    wanted = [harm for harm in harms.HARMS if not getattr(harm, "allowed", False)]
    for harm in wanted:
        found = [bool(row["failed"]) for row in rows if row["harm"] == harm.__name__]
        if found and np.mean(found) < POWER:
            missed.append(f"{harm.__name__} {100 * np.mean(found):.0f} %")
    found = f"{len(wanted) - len(missed)} of {len(wanted)} harms found in {100 * POWER:.0f} % or more"
    return f"{said}; {found}" + (f", not {', '.join(missed)}" if missed else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--scenes", nargs="+", choices=scenes.names(None), default=["nebula", "filaments", "galaxies", "sparse"]
    )
    parser.add_argument("--side", type=int, default=1024, help="px; height and width of the frames")
    parser.add_argument("--harms", nargs="+", choices=[harm.__name__ for harm in harms.HARMS], help="only these")
    parser.add_argument("--realisations", type=int, default=50)
    parser.add_argument("--spoilt", type=int, default=20, help="realisations to which harm is done as well")
    parser.add_argument("--exposures", type=int, default=24)
    args = parser.parse_args()
    scenes.SHAPE = (args.side, args.side)
    limits = SimpleNamespace(**load_config()["gates"])
    stamp = _bench.commit(), _bench.today()
    rows = read_results()
    done = {(row["scene"], int(row["realisation"]), row["candidate"], row["harm"])
            for row in rows if int(row["side"]) == args.side}  # fmt: skip
    chosen = [harms.nothing, *(harm for harm in harms.HARMS if not args.harms or harm.__name__ in args.harms)]
    everything = [(candidate, harm) for candidate in harms.CANDIDATES for harm in chosen]
    new = not RESULTS.exists()
    with open(RESULTS, "a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        if new:
            writer.writeheader()
        jobs = [(number, scene, clean) for clean in (True, False) for number in range(args.realisations)
                for scene in args.scenes if clean or number < args.spoilt]  # fmt: skip
        for number, scene, clean in jobs:
            wanted = {
                (name, harm.__name__) for name, harm in everything
                if (harm is harms.nothing) == clean and planned(scene, number, name, harm)
                and (scene, number, name, harm.__name__) not in done
            }  # fmt: skip
            if wanted:
                for row in realise(scene, number, args.exposures, wanted, limits):
                    rows.append(dict(zip(COLUMNS, (args.side, *row, *stamp), strict=True)))
                    writer.writerow(rows[-1])
                file.flush()
    write_readme(read_results(), args.exposures)
    print("\n".join(tables(read_results())))


if __name__ == "__main__":
    main()
