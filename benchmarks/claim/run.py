"""What `n2n assess` claims against the truth of simulated nights: one command, a table out.

    python benchmarks/claim/run.py FOLDER [FOLDER ...]

Each folder is one that snakemake ran in on a simulated night, with candidate.h5 of its groups (`n2n denoise`);
nothing is trained here. For every group the gain is claimed from the held-out exposures as `n2n assess` does it and
compared with the truth of the same exposures, zone by zone, at the depth of blocks A and B, where it is measured, and
at full depth, to which it is brought; VAR of the product is compared with the truth class by class. So is the gain of
the one held-out exposure that is denoised by itself.

Question: Is the gain that n2n claims from held-out exposures the true one?
Asked: off by at most 10 %, and within two errors in 90 % of at least six groups; held-out exposures over VAR 1 within
    5 % in every class of brightness.
"""

import argparse
import itertools
import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import h5py
import numpy as np

from n2n.fidelity.claim import claimed
from n2n.fidelity.errors import single_exposure
from n2n.fidelity.ground import ground_of, sky_noise
from n2n.fidelity.risk import true_gain
from n2n.fidelity.truth import fitted_truth
from n2n.fidelity.zones import BRIGHTNESSES, ZONES, brightness_class
from n2n.formats.products import read_product
from n2n.group.group import Group

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import _bench


def of_group(folder: Path, truth_folder: Path) -> tuple[dict, list[str]]:
    """Figures of one group, and chi2 of its VAR by brightness class."""
    group = Group(folder / "pairs.h5")
    with h5py.File(folder / "candidate.h5") as file:
        judged, full, held_out = file["judged"][:], file["full"][:], np.asarray(file.attrs["held_out"], int)
        single, attributes = file["single"][:], dict(file.attrs)
    ground = ground_of(group, held_out)
    full_mean, full_depth, _ = group.mean()
    _, stack = read_product(folder / "stack.fits", "VAR")
    claim, found = claimed(ground, judged, full, stack["VAR"], full_depth)
    truth = fitted_truth(group.only(ground.rest), truth_folder, np.nan_to_num(ground.mean), found.weight, ground.usable)
    true = true_gain(judged, ground.mean, truth, found.weight, ground.usable)
    weight = np.where(ground.usable, found.weight * full_depth / np.maximum(ground.depth, 1e-6), 0)
    full_truth = fitted_truth(group, truth_folder, np.nan_to_num(full_mean), weight, ground.usable)
    deep = true_gain(full, full_mean, full_truth, weight, ground.usable)
    zones = {}
    for index, name in enumerate(ZONES):
        chosen = found.zones == index
        zones[name] = found.gain(chosen), true_gain(judged, ground.mean, truth, found.weight, chosen)
    classes = brightness_class(full, sky_noise(group, full_depth))
    error = (full - full_truth) ** 2 / stack["VAR"]
    of_product = error / claim.variance_over_stack(classes)
    of_stack = (full_mean - full_truth) ** 2 / stack["VAR"]
    by_class = [
        # A class without enough pixels tells nothing of the held-out exposures.
        f"{of_product[chosen].mean():.2f} / {of_stack[chosen].mean():.2f} / "
        + ("-" if one["value"] is None else f"{one['value']:.2f}")
        for one, chosen in zip(
            claim.chi2, (ground.usable & (classes == index) for index in range(len(BRIGHTNESSES) + 1)), strict=True
        )
    ]
    alone = single_exposure(
        group, int(attributes["single"]), held_out, single, judged, full, found.one_variance(ground.depth), found.zones
    )
    exposure, depth, _ = group.mean([int(attributes["single"])])
    usable = ground.usable & np.isfinite(exposure)
    weight = np.where(usable, depth / group.variance, 0)
    one = group.only(np.array([int(attributes["single"])]))
    its_truth = fitted_truth(one, truth_folder, np.nan_to_num(exposure), weight, usable)
    of_one = []
    for name in ("all", *ZONES):
        chosen = usable if name == "all" else usable & (found.zones == ZONES.index(name))
        true_one = true_gain(single, np.nan_to_num(exposure), its_truth, weight, chosen)
        of_one.append(f"{alone[name]['value']:.1f} ± {alone[name]['standard_error']:.1f} / {true_one.value:.1f}")
    facts = {"name": folder.name, "claimed": claim.measured, "true": true, "zones": zones}
    facts |= {"brought": claim.gain, "deep": deep, "of_one": of_one}
    return facts | {"exponent": np.log(deep.value / true.value) / np.log(claim.ratio)}, by_class


def row(seed: str, facts: dict) -> str:
    """One line of the table of gains."""
    claimed, true, brought, deep = (facts[key] for key in ("claimed", "true", "brought", "deep"))
    pull = (1 / claimed.value - 1 / true.value) / (claimed.error / claimed.value**2)
    cells = [seed, facts["name"], f"{claimed.value:.1f} ± {claimed.error:.1f}", f"{true.value:.1f}"]
    cells += [f"{100 * (claimed.value / true.value - 1):+.0f} %", f"{pull:+.1f}"]
    cells += [f"{a.value:.1f} / {b.value:.1f}" for a, b in facts["zones"].values()]
    cells += [f"{brought['value']:.1f} ± {brought['standard_error']:.1f}", f"{deep.value:.1f}"]
    cells.append(f"{facts['exponent']:+.2f}")
    return f"| {' | '.join(cells)} |"


def held(facts: dict) -> tuple[bool, bool]:
    """Whether what the user is told is within 10 % of the truth, and within two of its errors (of inverse gains)."""
    brought, true = facts["brought"], facts["deep"].value
    error = brought["standard_error"] / brought["value"] ** 2
    return abs(brought["value"] / true - 1) <= 0.1, abs(1 / brought["value"] - 1 / true) <= 2 * error


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    rows, chi2, singles, kept = [], [], [], []
    for folder in parser.parse_args().folders:
        truth_folder = next(folder.glob("data/truth/*/truth.json")).parent
        for path in sorted(folder.glob("results/*/*/candidate.h5")):
            facts, by_class = of_group(path.parent, truth_folder)
            rows.append(row(folder.name, facts))
            kept.append(held(facts))
            chi2.append(f"| {folder.name} | {facts['name']} | {' | '.join(by_class)} |")
            singles.append(f"| {folder.name} | {facts['name']} | {' | '.join(facts['of_one'])} |")
            print(rows[-1], chi2[-1], singles[-1], sep="\n", flush=True)
    edges = [f"below {BRIGHTNESSES[0]:g}", *(f"{a:g} to {b:g}" for a, b in itertools.pairwise(BRIGHTNESSES))]
    text = [
        "Gain: error of the stack over error of the product. Claimed from held-out exposures; off: over true;",
        "pull: difference of the inverse gains over its standard error. Zones: claimed / true.", "",
        "| night | group | claimed | true | off | pull | background | extended | stars | brought to full depth | true |"
        " exponent |",
        "|---" * 12 + "|", *rows, "",
        "Squared error over VAR by brightness in sigma of the stack, 1 is right: product against truth / stack against",
        "truth / held-out exposures against product, as in assessment.json.", "",
        f"| night | group | {' | '.join(edges)} | above {BRIGHTNESSES[-1]:g} |",
        "|---" * (len(BRIGHTNESSES) + 3) + "|", *chi2, "",
        "One exposure denoised by itself, claimed / true:", "",
        f"| night | group | whole image | {' | '.join(ZONES)} |", "|---" * (len(ZONES) + 3) + "|", *singles,
    ]  # fmt: skip
    within, close = (sum(flags) for flags in zip(*kept, strict=True))
    reached = f"within 10 % in {within}, within two errors in {close} of {len(kept)} groups (brought to full depth)"
    _bench.write_page(__file__, "The claim against the truth", text, reached)


if __name__ == "__main__":
    main()
