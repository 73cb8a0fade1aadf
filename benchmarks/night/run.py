"""The main job against known truth, and on real frames: one command, a table out.

    python benchmarks/night/run.py [--seeds 0 1 2] [--size 2048x1920] [--hatp32 FOLDER_OF_NIGHTS] [--work DIR]

Simulates the demo night for every seed, runs the whole workflow on it, compares the products with the truth, and
writes README.md beside this file, where seeds, sizes and nights of before stay: claimed and true gain, gain by zone,
star flux, whether the held-out exposures agree with VAR of the product, wall time, what of it the proof took, and peak
memory, with date and machine.


Question: What is a whole night worth, from raw frames to the verdict, and does n2n know it?
Asked: claims off by at most 10 %, VAR within 5 % in the background and 10 % in light, proof at most 25 % of the time.
"""

import argparse
import datetime
import json
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import _bench

HEADS = [
    "| seed | group | claimed | true | background | extended | stars | star flux % | VAR χ² | held out |"
    " placed | verdict | s | proof | GB |",
    "|---" * 15 + "|",
]
REAL = "HAT-P-32, 110 real exposures (MicroObservatory, no calibration frames)"
GAIN = 11  # e-/adu of MicroObservatory's camera, if its 12 bits hold the 45,000 electrons of its kind of detector


def run(*command: str, cwd: Path | None = None) -> tuple[float, float]:
    """Run a command; return wall seconds and the peak memory of any child so far, in GB."""
    started = time.monotonic()
    subprocess.run(command, cwd=cwd, check=True)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    return time.monotonic() - started, peak


def workflow(folder: Path, *arguments: str) -> tuple[float, float]:
    """Run snakemake in `folder` without a GPU on all cores."""
    return run(*_bench.snakemake(folder=folder), *arguments)


def share_of_proof(folder: Path) -> float:
    """Share of the time of all jobs that `assess` and `report` took, from the log of snakemake's last run; percent."""
    log = max((folder / ".snakemake/log").glob("*.log"), key=lambda path: path.stat().st_mtime)
    rule, now, started, seconds = "", None, {}, {}
    for line in log.read_text().splitlines():
        if stamp := re.match(r"\[(.+)\]$", line):
            now = datetime.datetime.strptime(stamp[1], "%a %b %d %H:%M:%S %Y")
        elif heading := re.match(r"(?:local)?rule (\w+):$", line):
            rule = heading[1]
        elif job := re.match(r" +jobid: (\d+)$", line):
            started[job[1]] = rule, now
        elif (done := re.match(r"Finished jobid: (\d+)", line)) and done[1] in started:
            name, since = started[done[1]]
            seconds[name] = seconds.get(name, 0) + (now - since).total_seconds()
    return 100 * (seconds.get("assess", 0) + seconds.get("report", 0)) / max(sum(seconds.values()), 1)


def agreement(facts: dict) -> str:
    """`held_out_chi2` of every class of brightness, from the faintest."""
    classes = (facts.get("held_out_chi2") or {}).get("classes", [])
    return " ".join("-" if one["value"] is None else f"{one['value']:.2f}" for one in classes)


def simulated(folder: Path, seed: int, size: str | None) -> tuple[list[str], list[str]]:
    """Rows of the table for one simulated night; of every group what was claimed and what is true."""
    n2n = [sys.executable, "-m", "n2n"]
    shape = ["--size", size] if size else []
    run(*n2n, "simulate", str(folder / "data/raw"), "--preset", "demo", "--seed", str(seed), *shape)
    wall, peak = workflow(folder)
    run(*n2n, "truth", str(folder), "--json", str(folder / "truth.json"))
    rows, gains = [], []
    for row in json.loads((folder / "truth.json").read_text()):
        zones = " | ".join(f"{row['zones'][name]:.2f}" for name in ("background", "extended", "stars"))
        claimed = f"{row['claimed']:.1f} ± {row['claimed_error']:.1f}" if row["claimed"] else "none"
        flux = f"{100 * row['flux_bias']:+.2f} ± {100 * row['flux_error']:.2f}"
        name = row["group"].split("/")[1]
        chi2 = f"{row['chi2']['background']:.2f} / {row['chi2']['light']:.2f}"
        placed = f"{row['registration_px']['median']:.3f} ({row['registration_px']['max']:.3f})"
        facts = json.loads((folder / "results" / row["group"] / "assessment.json").read_text())
        cells = [seed, name, claimed, f"{row['gain']:.1f}", zones, flux, chi2, agreement(facts)]
        cells += [placed, row["qastat"], f"{wall:.0f}", f"{share_of_proof(folder):.0f}", f"{peak:.2f}"]
        rows.append(_bench.row(cells))
        gains.append(f"{claimed} / {row['gain']:.1f}")
    return rows, gains


def hatp32(folder: Path, nights: Path) -> list[str]:
    """Lines about the real night."""
    wall, peak = workflow(folder, "--config", f"raw={nights}", "nights=2017-12-20")
    facts = json.loads(next(folder.glob("results/2017-12-20/*/assessment.json")).read_text())
    used, found = facts["exposures"]["used"], facts["exposures"]["found"]
    lines = [
        f"{facts['qastat']}, {used} of {found} exposures used, {wall:.0f} s, of which assess and report took "
        f"{share_of_proof(folder):.0f} %, peak {peak:.2f} GB. Held-out exposures over VAR: {agreement(facts)}.",
        "",
        "| gain on held-out exposures | background | extended | stars |",
        "|---|---|---|---|",
    ]
    for name, part in (("whole stack", facts["zones"]), ("one exposure", facts["single_exposure"])):
        cells = [
            f"{part[z]['value']:.2f} ± {part[z]['standard_error']:.2f}" for z in ("background", "extended", "stars")
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines += photometry(next(folder.glob("results/2017-12-20/*/pairs.h5")))
    lines += ["", "Left out:", ""]
    lines += [f"- {Path(f['filename']).name}: {'; '.join(f['reasons'])}" for f in facts["frames"] if not f["accepted"]]
    return lines


def photometry(pairs_file: Path, brightest: int = 50) -> list[str]:
    """Scatter of the brightest unsaturated stars against their ensemble, over what noise explains.

    The camera's gain is not in the headers. The noise of the sky in the same aperture is what all noise is above; for
    the photons of the star itself `GAIN` is assumed.
    """
    import numpy as np
    import sep
    from scipy import ndimage

    from n2n.group.group import Group

    group = Group(pairs_file)
    mean, weight, _ = group.mean()
    covered = np.isfinite(mean) & (weight > 0.8 * np.nanmax(weight))
    mesh = sep.Background(np.nan_to_num(mean))
    clean = np.nan_to_num(mean) - mesh.back()
    stars = sep.extract(clean, 10, err=mesh.globalrms, mask=~covered)
    radius = 1.5 * group.facts.fwhm_px
    centres = np.column_stack([stars["x"], stars["y"]]).astype(int)
    near = [np.s_[max(0, y - 8) : y + 9, max(0, x - 8) : x + 9] for x, y in centres]
    fair = [not group.saturated[part].any() and covered[part].all() for part in near]
    distance = np.hypot(stars["x"][:, None] - stars["x"], stars["y"][:, None] - stars["y"])
    np.fill_diagonal(distance, np.inf)
    brighter = stars["flux"][None, :] > 0.02 * stars["flux"][:, None]
    alone = np.where(brighter, distance, np.inf).min(axis=1) > 3 * radius
    stars = stars[np.array(fair) & alone]
    stars = stars[np.argsort(-stars["flux"])][:brightest]
    rng = np.random.default_rng(0)
    blank = rng.uniform(20, np.array(group.shape)[::-1] - 20, (4000, 2))
    blank = blank[clean[tuple(blank.astype(int).T[::-1])] < mesh.globalrms][:400]
    flux, sky = [], []
    reach = int(4 * radius) + 2

    def within(image, x, y, usable, lost):
        """Flux in apertures all of whose surroundings were seen and of which no sample was lost; NaN elsewhere."""
        seen = ndimage.minimum_filter(usable, 2 * reach + 1)[y.astype(int), x.astype(int)]
        seen &= sep.sum_circle(lost, x, y, radius, subpix=5)[0] == 0
        result = np.full(len(x), np.nan)
        if seen.any():
            result[seen], _, _ = sep.sum_circle(
                image, x[seen], y[seen], radius, bkgann=(2.5 * radius, 4 * radius), subpix=5
            )
        return result

    for index in range(len(group.exposures)):
        values, valid = group.load([index])
        # Single lost samples (a hot pixel was there) do not matter in a ring, and do in an aperture.
        usable = ndimage.binary_closing(valid[0], np.ones((3, 3))), (~valid[0]).astype(np.float32)
        flux.append(within(values[0], stars["x"], stars["y"], *usable))
        sky.append(within(values[0], *blank.T, *usable))
    # Of one place over the exposures: from place to place faint stars differ, too.
    flux, sky = np.array(flux), np.array(sky) - np.nanmedian(sky, axis=0)
    noise = 1.4826 * np.nanmedian(np.abs(sky))
    typical = np.nanmedian(flux, axis=0)
    ensemble = np.nanmedian(flux / typical, axis=1)
    deviation = flux / ensemble[:, None] - typical
    scatter = 1.4826 * np.nanmedian(np.abs(deviation), axis=0)
    ratio, with_photons = scatter / noise, scatter / np.sqrt(noise**2 + typical / GAIN)
    quarters = np.array_split(np.arange(len(stars)), 4)
    cells = [
        f"{1085.7 * np.median(scatter[part] / typical[part]):.1f} ({np.median(ratio[part]):.2f}, "
        f"{np.median(with_photons[part]):.2f})"
        for part in [*quarters, np.arange(len(stars))]
    ]
    rms = np.array([one.placement.rms_px for one in group.exposures if one.placement.n_matched])
    return [
        "",
        f"Flux of the {len(stars)} brightest unsaturated isolated stars against their ensemble in single exposures,",
        "scatter in mmag (over the noise of the sky in the aperture, and over that and the photons of the star, if the",
        f"camera has {GAIN} e-/adu, which no header says), from the brightest quarter to the faintest:",
        f"{', '.join(cells[:-1])};",
        f"median of all: {cells[-1]}. Exposures of which a hot pixel took a sample in the aperture are left out.",
        "",
        f"Stars match the reference to {np.median(rms):.3f} px rms a coordinate (worst exposure {rms.max():.3f}).",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--size", help="of the simulated frames, px: 2048x1920; default: the preset's")
    parser.add_argument("--hatp32", type=Path, help="folder that holds the night 2017-12-20")
    parser.add_argument("--work", type=Path, help="scratch folder (default: a temporary one)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        work = args.work or Path(scratch)
        nights = [simulated(work / f"seed{seed}", seed, args.size) for seed in args.seeds]
        rows, gains = ([item for night in nights for item in night[part]] for part in (0, 1))
        parts = {f"Seeds {' '.join(map(str, args.seeds))}, {args.size or 'size of the preset'}": [*HEADS, *rows]}
        if args.hatp32:
            (work / "hatp32").mkdir(parents=True, exist_ok=True)
            parts[REAL] = hatp32(work / "hatp32", args.hatp32.resolve())
    text = [
        "Gain: error of the stack over error of the product, weighted by 1/variance. Claimed: from held-out exposures,",
        "without the truth. Star flux: isolated stars of S/N > 50 against the truth. VAR χ²: squared error of",
        "stack.fits over its VAR, in the background and in light up to half of full scale. Held out: exposures that",
        "nothing was made of, against denoised.fits, over their VAR and its, from the sky to above 30 sigma. Placed:",
        "registration against the truth, px rms a coordinate, median over the exposures (and worst). Proof: percent of",
        "the time of all jobs that assess and report took. Every part says when and by which command it was measured.",
    ]
    reached = f"gain claimed / true: {', '.join(gains)}"
    print(_bench.write_page(__file__, "The whole night, against known truth", text, reached, parts=parts))


if __name__ == "__main__":
    main()
