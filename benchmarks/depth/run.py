"""One network, every depth, on real exposures: HAT-P-32 with its block C held out.

    python benchmarks/depth/run.py FOLDER_OF_NIGHTS [--work DIR] [--depths 1 4 16 64]

Runs the workflow on the night 2017-12-20 as far as the trained network, then denoises means of 1, 4, 16, ... exposures
of blocks A and B, and all of them, and asks the exposures of block C how far each is off before and after. Block C was
neither trained on nor used for a mask or scale. Writes README.md beside this file.

Question: What is a denoised mean of 1, 4, 16, ... real exposures worth, judged by exposures nobody trained on?
Asked: in faint sky at 1 / 16 / 64 exposures 6 / 3 / 2.3 (the aim beyond: 8 / 4 / 3), stars at least 0.98.
"""

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import _bench

NIGHT = "2017-12-20"
DRAWS = 3  # choices of exposures for every depth


def prepared(nights: Path, work: Path) -> tuple[Path, Path]:
    """pairs.h5 and model.json of the night; nothing runs that has run already."""
    target = f"results/{NIGHT}/HATP-32_Clear/assessment.json"
    _bench.workflow(work, target, config={"raw": nights, "nights": NIGHT})
    return next(work.glob(f"results/{NIGHT}/*/pairs.h5")), next(work.glob("models/*/*/model.json"))


def measured(pairs_file: Path, model_file: Path, depths: list[int]) -> list[tuple]:
    """Label, gain and its error in background, extended light and stars, mean over `DRAWS` choices of exposures."""
    from n2n.fidelity.ground import ground_of, sky_noise, weighted_errors
    from n2n.fidelity.risk import gain_of
    from n2n.fidelity.zones import ZONES, divide
    from n2n.formats.tables import read_json
    from n2n.group.group import Group
    from n2n.group.suited import measured_band_noise
    from n2n.nets import prior
    from n2n.nets.inference import denoise
    from n2n.nets.model import load_model

    group = Group(pairs_file)
    model = load_model(model_file.parent, read_json(model_file), "cpu")
    noise = measured_band_noise(group)
    everything = ground_of(group, np.flatnonzero(group.blocks == "C"))

    def denoised(mean, depth, network=model):
        facts = group.variance, group.facts.sky_variance, noise
        result = denoise(network, mean, depth, *facts)
        return np.where(group.saturated | ~np.isfinite(mean), mean, result)

    rows = []
    # Where stars and empty sky are is told once, by the deepest image, of those held out, too (n2n.fidelity.risk).
    light = denoised(*group.mean()[:2])
    zones = divide(np.nan_to_num(light), everything.sky_sigma, everything.usable)
    sizes = [n for n in depths if n < len(everything.rest)]
    for label, network, count in [
        ("1, by the prior", prior.network(), 1),
        *[(str(count), model, count) for count in [*sizes, len(everything.rest)]],
    ]:
        draws = 1 if count == len(everything.rest) else DRAWS
        found = {name: [] for name in ZONES}
        rng = np.random.default_rng(count)  # both networks get the same exposures
        for _ in range(draws):
            chosen = np.sort(rng.choice(everything.rest, count, replace=False))
            mean, depth, _ = group.mean(chosen)
            ground = replace(everything, rest=chosen, mean=mean, depth=depth, sky_sigma=sky_noise(group, depth))
            usable = ground.usable & np.isfinite(mean) & (depth > 0)
            place = np.where(usable, zones, -1)
            judged = weighted_errors(ground, denoised(mean, depth, network), light)
            before, after = judged.before, judged.after
            for index, name in enumerate(ZONES):
                found[name].append(gain_of(before, after, place == index))
        cells = []
        for name in ZONES:
            # The mean error, not the mean gain: a gain is large by chance where an error is small by chance.
            risk = np.mean([1 / gain.value for gain in found[name]])
            cells.append((1 / risk, np.mean([gain.error / gain.value**2 for gain in found[name]]) / risk**2))
        rows.append((label, cells))
        print(label, "  ".join(told(*cell) for cell in cells), flush=True)
    return rows


def told(value: float, error: float) -> str:
    """A gain with its error, or what it is above of where the error of the image is too small to be measured."""
    if error > value / 2:
        return f"> {1 / (1 / value + 2 * error / value**2):.1f}"
    return f"{value:.2f} ± {error:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("nights", type=Path, help=f"folder that holds the night {NIGHT}")
    parser.add_argument("--work", type=Path, help="scratch folder (default: a temporary one)")
    parser.add_argument("--depths", type=int, nargs="+", default=[1, 4, 16, 64])
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        work = (args.work or Path(scratch)).resolve()
        work.mkdir(parents=True, exist_ok=True)
        rows = measured(*prepared(args.nights.resolve(), work), args.depths)
    text = [
        "HAT-P-32, 110 exposures of MicroObservatory, no calibration frames. Gain against the mean of the same",
        f"exposures, judged by block C; from the mean error of {DRAWS} random choices from A and B, with the standard",
        "error of one. Where an image has so little error that block C cannot measure it: the least gain, two standard",
        "errors away. The exposures were trained on, block C was not. By the prior: what",
        "`denoise.products: [stack, frames]` ships. The report judges one exposure by squared differences, in which a",
        "sky that is another in the held-out exposures counts: see `benchmarks/night`.",
        "",
        "| exposures | background | extended | stars |",
        "|---|---|---|---|",
    ]
    for label, cells in rows:
        text.append(f"| {label} | {' | '.join(told(*cell) for cell in cells)} |")
    reached = "; ".join(f"{label}: {' / '.join(told(*cell) for cell in cells)}" for label, cells in rows)
    _bench.write_page(__file__, "Every depth, on real exposures", text, f"sky / extended / stars by depth: {reached}")


if __name__ == "__main__":
    main()
