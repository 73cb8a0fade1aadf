"""Denoisers on scenes whose truth is known: one command, a table out.

    python benchmarks/denoise/run.py [--scenes nebula ...] [--seeds 0 1 2] [--exposures 24 ...] [--data SHARED/data]
                                     [--methods starlet nlm n2n ...] [--final]

Every scene is simulated for every seed and number of exposures, and denoised by classical filters, each at the
parameter that the truth likes best (by chi2), and by n2n's network, which sees no truth. "single" is one more exposure,
not trained on, denoised by the network of the others, or by the prior, as the product `frames` is. Method "unseen"
observes twice as many exposures and trains a network on each half: "n2n seen" is the stack of a half denoised by its
own network, "n2n unseen" by the other's; mean of both. Gain is the error of the stack over that of the result: in sky,
in extended light, in stars.
Results are added to results.csv as they come and not computed again; README.md beside it is written anew. Scenes of
`scenes.FINAL` are for judging what was chosen on the others: --final runs them, and only them. Filters whose package is
not installed (bm3d; PyWavelets for wavelet) are left out.

Question: What is denoising worth where the truth is known, beside classical filters at their best?
Asked: above BM3D in chi2 on every scene; broadband stacks of 24 at least 22 in chi2, 50 in sky and 1.5 in stars; no
    scene, zone or seed worse than the stack.
"""

import argparse
import csv
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import methods
import numpy as np
import scenes
from scipy import ndimage

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import _bench

HERE = Path(__file__).parent
RESULTS = HERE / "results.csv"
KEY = ("scene", "seed", "exposures", "method")
MEASURED = ("chi2", "sky", "extended", "stars", "mse", "flux_5_15", "flux_50", "bias_16")
BRIGHT = 16  # sigma of the stack's sky: where light must stay as it is
APERTURE = 4  # px, radius in which the light of stars is added up
COLUMNS = (*KEY, "parameter", *MEASURED, "seconds", "commit", "date")
UNSEEN = "unseen"
BORDER = 16  # px; few exposures reach there


def recipes() -> dict:
    """Designs of the network; "n2n" is the default of the workflow, "prior" what its training starts from."""
    from n2n.nets.training import Recipe

    default = Recipe()
    return {
        "n2n": default,
        "prior": None,
        "n2n-random": replace(default, start="random"),
        "n2n-800": replace(default, steps=800, learning_rate=0.001),
        "n2n-elu": replace(default, activation="elu"),
        "n2n-narrow": replace(default, width=32),
    }


def measure(result, stack, depth, truth, starless, group) -> dict[str, float]:
    """Gains of a result over its stack."""
    error, before = (result - truth) ** 2, (stack - truth) ** 2
    s = 1.4826 * np.median(np.sqrt(before))
    sky_sigma = np.sqrt(group.sky_variance / np.maximum(depth, 1e-6))
    star = ndimage.binary_dilation(truth - starless > 3 * s)
    extended = ~star & (starless > s)
    inside = np.zeros(truth.shape, bool)
    inside[BORDER:-BORDER, BORDER:-BORDER] = True
    variance = group.sky_variance + group.light_variance * np.maximum(truth, 0)
    zones = {"sky": ~star & ~extended, "extended": extended, "stars": star, "mse": np.ones_like(star)}
    gains = {}
    for name, zone in zones.items():
        zone = zone & inside
        gains[name] = before[zone].mean() / error[zone].mean() if zone.sum() > 200 else np.nan
    gains["chi2"] = (before / variance)[inside].mean() / (error / variance)[inside].mean()
    bright = inside & (truth > BRIGHT * sky_sigma)
    gains["bias_16"] = float(((result - stack) / sky_sigma)[bright].mean()) if bright.sum() > 200 else np.nan
    return gains | star_flux(result, truth, starless, np.sqrt(variance / np.maximum(depth, 1e-6)))


def star_flux(result, truth, starless, sigma) -> dict[str, float]:
    """Light of isolated stars over the true one, in a small aperture: those of S/N 5 to 15, and above 50.

    S/N is that of a matched filter. NaN with fewer than 8 stars.
    """
    light = truth - starless
    y, x = np.mgrid[-APERTURE : APERTURE + 1, -APERTURE : APERTURE + 1]
    disc = (np.hypot(y, x) <= APERTURE).astype(np.float32)
    ratio = np.sqrt(ndimage.convolve((light / sigma) ** 2, disc, mode="nearest"))
    peaks = (light == ndimage.maximum_filter(light, 4 * APERTURE + 1)) & (light > 0.2 * sigma)
    # Isolated: what is 1.5 to 2 apertures away is faint, too.
    ring = (np.hypot(*np.mgrid[-8:9, -8:9]) > 1.5 * APERTURE) & (np.hypot(*np.mgrid[-8:9, -8:9]) <= 2 * APERTURE)
    peaks &= ndimage.maximum_filter(light, footprint=ring) < 0.05 * light
    peaks[:BORDER] = peaks[-BORDER:] = peaks[:, :BORDER] = peaks[:, -BORDER:] = False
    true, found = (ndimage.convolve(image, disc, mode="nearest") for image in (light, result - starless))
    gains = {}
    for name, low, high in (("flux_5_15", 5, 15), ("flux_50", 50, np.inf)):
        chosen = peaks & (ratio > low) & (ratio <= high)
        gains[name] = found[chosen].sum() / true[chosen].sum() if chosen.sum() >= 8 else np.nan
    return gains


def compare(scene: str, seed: int, exposures: int, wanted: list[str], done: set, data: Path | None):
    """Yield a row for every wanted method that is not done."""
    one = (scene, seed, exposures)
    missing = [name for name in wanted if any((*one, row) not in done for row in rows_made(name))]
    if UNSEEN in missing:
        missing.remove(UNSEEN)
        yield from swapped(one, done, data)
    if not missing:
        return
    everything = scenes.make(scene, seed, exposures + 1, data)
    group = everything.part(slice(-1))
    stack, depth = group.stack()
    truth, starless = group.truth()
    sigma = np.sqrt(group.sky_variance / depth)
    for name in missing:
        began = time.monotonic()
        if name in methods.BASELINES:
            if not methods.available(name):
                continue
            method = methods.BASELINES[name]
            tried = []
            for value in methods.GRIDS[method]:
                began = time.monotonic()
                found = measure(method(group, stack, sigma, value), stack, depth, truth, starless, group)
                tried.append((found["chi2"], value, found, time.monotonic() - began))
            _, value, found, seconds = max(tried, key=lambda row: row[0])
            yield row_of((*one, name), value, found, seconds)
            continue
        recipe = recipes()[name]
        model, cut, seconds = methods.train(group, recipe, len(os.sched_getaffinity(0)))
        result = methods.apply(model, cut, group, stack, depth, quiet=recipe is None)
        if (*one, name) not in done:  # a run that was stopped may lack the other row alone
            yield row_of((*one, name), "", measure(result, stack, depth, truth, starless, group), seconds)
        alone, its_depth = everything.stack([exposures])
        shown = np.where(its_depth > 0, alone, np.nan)
        result = methods.apply(model, cut, group, shown, its_depth, quiet=recipe is None)
        own, plain = everything.truth([exposures])
        lit = np.isfinite(alone) & np.isfinite(result) & np.isfinite(own)
        alone, result, own, plain = (np.where(lit, image, 0) for image in (alone, result, own, plain))
        if (*one, f"{name} single") not in done:
            found = measure(result, alone, its_depth, own, plain, group)
            yield row_of((*one, f"{name} single"), "", found, time.monotonic() - began)


def rows_made(name: str) -> list[str]:
    """The rows that a choice of --methods stands for."""
    if name == UNSEEN:
        return ["n2n seen", "n2n unseen"]
    return [name] if name in methods.BASELINES else [name, f"{name} single"]


def swapped(one: tuple, done: set, data: Path | None):
    """Yield what networks make of the exposures they were trained on, and of as many others of the same sky."""
    scene, seed, exposures = one
    everything = scenes.make(scene, seed, 2 * exposures, data)
    halves = [everything.part(slice(exposures)), everything.part(slice(exposures, None))]
    found: dict[str, list] = {name: [] for name in rows_made(UNSEEN)}
    spent = []
    for trained in halves:
        model, cut, seconds = methods.train(trained, recipes()["n2n"], len(os.sched_getaffinity(0)))
        spent.append(seconds)
        for half in halves:
            stack, depth = half.stack()
            result = methods.apply(model, cut, half, stack, depth)
            name = "n2n seen" if half is trained else "n2n unseen"
            found[name].append(measure(result, stack, depth, *half.truth(), half))
    for name, pair in found.items():
        if (*one, name) not in done:
            mean = {key: float(np.mean([each[key] for each in pair])) for key in pair[0]}
            yield row_of((*one, name), "", mean, float(np.mean(spent)))


def row_of(key: tuple, parameter, found: dict, seconds: float) -> dict:
    """A line of results.csv."""
    facts = {"parameter": parameter, "seconds": f"{seconds:.1f}", "commit": _bench.commit(), "date": _bench.today()}
    facts |= {name: f"{found[name]:.4g}" for name in MEASURED}
    return dict(zip(KEY, key, strict=True)) | facts


def read_results() -> list[dict]:
    """All rows so far."""
    if not RESULTS.exists():
        return []
    with open(RESULTS, newline="") as file:
        return list(csv.DictReader(file))


def table(rows: list[dict]) -> list[str]:
    """Mean over seeds, and its standard error, a line for every scene, number of exposures and method."""
    names = ["scene", "exposures", "method", "seeds", *MEASURED, "s"]
    lines = [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
    cells: dict[tuple, list[dict]] = {}
    for row in rows:
        cells.setdefault((row["scene"], int(row["exposures"]), row["method"]), []).append(row)
    order = list(scenes.KINDS)
    for key in sorted(cells, key=lambda key: (order.index(key[0]), key[1], key[2])):
        found = cells[key]
        parts = []
        for name in MEASURED:
            values = np.array([float(row[name] or "nan") for row in found])
            error = f" ± {values.std(ddof=1) / np.sqrt(len(values)):.2g}" if len(values) > 1 else ""
            parts.append("-" if not np.isfinite(values).all() else f"{values.mean():.3g}{error}")
        seconds = np.median([float(row["seconds"]) for row in found])
        lines.append(f"| {key[0]} | {key[1]} | {key[2]} | {len(found)} | {' | '.join(parts)} | {seconds:.0f} |")
    return lines


def write_readme(rows: list[dict]) -> None:
    """README.md from results.csv."""
    text = [
        "Commit and date of every figure: results.csv.",
        "",
        "Gain: error of the stack over that of the result; mean over the seeds and its standard error. Classical",
        "filters at the parameter that the truth likes best; n2n sees no truth. s: seconds of filter or training.",
        "flux_5_15, flux_50: light of isolated stars of that S/N over the true one. bias_16: mean change of what is",
        f"truly brighter than {BRIGHT} sigma of the stack's sky, in such sigma. n2n seen, unseen: two networks, each",
        "trained on half of twice as many exposures, on the stack of its own half and of the other, with the start",
        "weights of before (docs/decisions/0007-no-cross-fitting.md). prior: the start weights alone. n2n-800: 800",
        "steps on the night at a rate of 0.001 instead of 400 at 0.0005. n2n-random: with width 32. single: one",
        "more exposure; what n2n ships of single exposures is prior single (docs/decisions/0009-single-exposures.md).",
        f"Held back for judging: {', '.join(scenes.FINAL)}.",
        "",
        *table(rows),
    ]
    _bench.write_page(__file__, "Denoisers where the truth is known", text, reached(rows), **_bench.measured(rows))


def reached(rows: list[dict]) -> str:
    """Gain of the default over that of the best filter, scene by scene, at 24 exposures."""
    said = []
    for scene in scenes.KINDS:
        of_scene = [row for row in rows if row["scene"] == scene and row["exposures"] == "24"]
        chi2 = {
            name: np.mean([float(row["chi2"]) for row in of_scene if row["method"] == name])
            for name in {row["method"] for row in of_scene} & {"n2n", *methods.BASELINES}
        }
        if mine := chi2.pop("n2n", None):
            best = max(chi2, key=chi2.get, default="")
            said.append(f"{scene} {mine:.3g}" + (f" ({best} {chi2[best]:.3g})" if best else ""))
    return f"gain in chi2 of n2n at 24 exposures (and of the best filter): {', '.join(said)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", nargs="+", choices=list(scenes.KINDS))
    parser.add_argument("--final", action="store_true", help="the scenes nothing was chosen on")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--exposures", type=int, nargs="+", default=[24])
    parser.add_argument("--methods", nargs="+", choices=[*methods.BASELINES, *recipes(), UNSEEN])
    parser.add_argument("--data", type=Path, help="folder of the shared frames; without it, no jwst")
    args = parser.parse_args()
    chosen = args.scenes or [n for n in scenes.names(args.data) if (n in scenes.FINAL) == args.final]
    wanted = args.methods or [*methods.BASELINES, "n2n", "prior"]
    rows = read_results()
    done = {(row["scene"], int(row["seed"]), int(row["exposures"]), row["method"]) for row in rows}
    for exposures in args.exposures:
        for scene in chosen:
            for seed in args.seeds:
                for row in compare(scene, seed, exposures, wanted, done, args.data):
                    rows.append(row)
                    fresh = not RESULTS.exists()
                    with open(RESULTS, "a", newline="") as file:
                        writer = csv.DictWriter(file, COLUMNS)
                        if fresh:
                            writer.writeheader()
                        writer.writerow(row)
                    shown = "  ".join(f"{name} {float(row[name]):6.2f}" for name in MEASURED)
                    print(f"{scene:10} {seed} {exposures:3} {row['method']:16} {shown}  {row['seconds']} s", flush=True)
    write_readme(rows)


if __name__ == "__main__":
    sys.exit(main())
