"""Whether the pattern of a detector is found, taken off, and seen where it is left.

    python benchmarks/detector/run.py [--groups 100] [--nights DITHERED DRIFTING ...]
    python benchmarks/detector/run.py --groups 0 --nights DITHERED DRIFTING ...

Groups are made in memory (`made.py`), `--groups` of each kind, judged as `n2n assess` would judge them, then treated as
`n2n pairs` does, and judged again: no network is needed for that. `--nights` compares nights that were run, of which
only the first was dithered: folders of `benchmarks/strange/run.py --work`, or copies that were run with
`pairs.pattern: false`. Without groups those of the page stay as they are.

Question: Is a pattern of the detector found, and no harm done where there is none?
Asked: every untreated drift is found and no dithered night; after treatment the true gain of a drifting night's sky is
    0.7 of that of a dithered night and more.
"""

import argparse
import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from made import KINDS, SHAPE, made

from n2n.config import load_config
from n2n.fidelity.gates.detector import is_found
from n2n.group.detector import find_pattern, on_grid
from n2n.group.shared import shared_in_stack

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import _bench

FIRST = 5000  # seed; others were looked at while this was made
EDGE = 24
HEADS = ["kind", "groups", "found", "failed", "not judged", "share", "its error", "taken off of", "found then",
         "share then", "left, as told", "variance before", "then", "without a pattern"]  # fmt: skip
NIGHT = ["night", "group", "taken off", "share", "left, as told", "verdict", "gain of the sky, true", "fine",
         "of the dithered night's", "fine"]  # fmt: skip


def one(kind: str, seed: int) -> dict:
    """A group before and after the treatment."""
    sky = made(kind, seed)
    group = sky.group({})
    before = shared_in_stack(group)
    row = {"share": before.value, "error": before.error, "found": is_found(before), "note": before.note}
    row |= {"before": variance(sky.pixels, sky), "none": variance(sky.plain, sky)}
    pattern, told = find_pattern((sky.pixels, sky.flags), sky.exposures, group, 4000)
    row |= {"then": row["before"], "taken": pattern is not None, "left": told.get("left", np.nan)}
    if pattern is not None:
        for image, exposure in zip(sky.pixels, sky.exposures, strict=True):
            image -= on_grid(pattern, exposure, exposure.placement.aligned_by is None, SHAPE)
        row["then"] = variance(sky.pixels, sky)
    after = shared_in_stack(sky.group(told))
    return row | {"share_then": after.value, "found_then": is_found(after)}


def variance(pixels: np.ndarray, sky) -> float:
    """Variance of the mean's error beside stars, over that of white noise as it was resampled."""
    dark = (np.abs(sky.sky) < 1)[EDGE:-EDGE, EDGE:-EDGE]
    error = (pixels.mean(axis=0) - sky.sky)[EDGE:-EDGE, EDGE:-EDGE][dark]
    return float(np.var(error) / np.sum([one.sigma**2 for one in sky.exposures]) * len(pixels) ** 2)


def line(kind: str, rows: list[dict], limit: float) -> list[str]:
    """Means over the groups of a kind."""

    def mean(key: str, form: str = ".1%") -> str:
        values = [row[key] for row in rows if np.isfinite(row[key])]
        return format(np.mean(values), form) if values else "-"

    failed = sum(row["share"] - 2 * row["error"] > limit for row in rows)
    counts = [sum(row[key] for row in rows) for key in ("found", "taken", "found_then")]
    silent = sum(bool(row["note"]) for row in rows)
    cells = [kind, str(len(rows)), str(counts[0]), str(failed), str(silent), mean("share", ".2%"), mean("error", ".2%")]
    cells += [str(counts[1]), str(counts[2]), mean("share_then", ".2%"), mean("left", ".2%")]
    return [*cells, *(mean(key, ".3f") for key in ("before", "then", "none"))]


def night_lines(folders: list[Path]) -> list[list[str]]:
    """Gains of the sky of nights that were run, against the first of them."""
    from n2n.fidelity.risk import true_gain
    from n2n.fidelity.truth import known_truth
    from n2n.fidelity.zones import ZONES
    from n2n.formats.products import read_product
    from n2n.formats.tables import read_json
    from n2n.group.group import Group

    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "strange"))
    import h5py
    from figures import on_one_scale

    lines, first = [], {}
    for folder in folders:
        for path in sorted(folder.glob("results/*/*/assessment.json")):
            group, facts = Group(path.with_name("pairs.h5")), read_json(path, "qastat", unsealed=True)
            _, stack = read_product(path.with_name("stack.fits"), "VAR")
            with h5py.File(path.with_name("candidate.h5")) as file:
                product = file["full"][:]
            image = stack["IMAGE"] - np.float32(group.facts.sky)
            gains = []
            for known in on_one_scale(known_truth(group, folder / "data/truth" / group.night, image)):
                sky = known.usable & (known.zones == ZONES.index("background"))
                gains.append(true_gain(product, known.stack, known.truth, known.weight, sky))
            first.setdefault(group.name, gains)
            told, shared = group.facts.pattern, shared_in_stack(group)
            cells = [folder.name, group.name, f"{told['rms_sigma']:.2f} sigma" if "rms_sigma" in told else "nothing"]
            cells += [f"{shared.value:.2%} ± {shared.error:.2%}", f"{shared.left:.2%}", facts["qastat"]]
            cells += [f"{gain.value:.1f} ± {gain.error:.1f}" for gain in gains]
            lines.append([*cells, *(f"{a.value / b.value:.2f}" for a, b in zip(gains, first[group.name], strict=True))])
    return lines


def groups_part(rows: dict[str, list[dict]], limit: float) -> list[str]:
    """Lines about the groups, by their kind."""
    return [
        f"{SHAPE[1]} x {SHAPE[0]} px, 24 exposures each. Found: two standard errors above 1 %; failed: above "
        f"{limit:.0%}. Share of the stack's variance, before and after the treatment; variance of the stack's error "
        "beside stars, in units of that of white noise.",
        "",
        *(f"- {kind}: {KINDS[kind]}" for kind in rows),
        "",
        *_bench.table(HEADS, [line(kind, found, limit) for kind, found in rows.items()]),
    ]


def reached_by(rows: dict[str, list[dict]]) -> str:
    """The figures in one sentence."""
    drifts = rows.get("drift", [])
    others = [row for kind, found in rows.items() if kind != "drift" for row in found]
    return (
        f"{sum(row['found'] for row in drifts)} of {len(drifts)} untreated drifts found, "
        f"{sum(row['found'] for row in others)} false alarms in {len(others)} other groups"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--groups", type=int, default=100, help="groups of each kind (default: 100)")
    parser.add_argument("--kinds", default=";".join(KINDS), help="separated by semicolons (default: all)")
    parser.add_argument(
        "--nights", type=Path, nargs="+", default=[], help="nights that were run; the first was dithered"
    )
    parser.add_argument("--page", type=Path, help="write the page to this folder, not beside this file")
    args = parser.parse_args()
    from n2n.fidelity.gates.detector import PATTERN

    limit = PATTERN.limit.of(load_config()["gates"])
    rows = {kind: [one(kind, FIRST + seed) for seed in range(args.groups)] for kind in args.kinds.split(";")}
    page, parts = args.page / "README.md" if args.page else _bench.page_of(Path(__file__)), {}
    if args.groups:
        parts["Groups made in memory"] = groups_part(rows, limit)
    if args.nights:
        parts["Nights"] = [
            "Gain of the sky (error of the stack over error of the denoised image) against the truth; fine: without "
            "what is smooth over some 100 px in the stack's error.",
            "",
            *_bench.table(NIGHT, night_lines(args.nights)),
        ]
    reached = reached_by(rows) if args.groups else _bench.facts_of(page.read_text(encoding="utf-8"))["Reached"]
    title = "The pattern of the detector: found, taken off, left"
    print(_bench.write_page(__file__, title, [], reached, parts=parts, path=page))


if __name__ == "__main__":
    main()
