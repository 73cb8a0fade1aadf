"""`n2n truth`: compare a simulated night's products with what was really there.

The noiseless exposures of the simulation go through the same matrices, scales, skies, masks and weights as the
noisy ones; what remains between a product and their mean is noise and harm. Errors are weighted by 1/variance;
"gain" is the error of the stack over that of the product. Errors that are smooth over some 100 px (flats of another
colour, glow) are in both alike; "true" leaves them out, as a claim does, and "with smooth" counts them.
"""

import json
from pathlib import Path

import numpy as np

from n2n.errors import UserError
from n2n.fidelity.proof import is_measured
from n2n.fidelity.truth import compare
from n2n.formats.products import read_product
from n2n.formats.tables import read_json
from n2n.group.group import Group


def add_arguments(parser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("folder", type=Path, help="the folder the workflow ran in (holds data/ and results/)")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")


def run(args) -> None:
    """Execute the comparison for every group of every simulated night."""
    rows = []
    for truth in sorted(args.folder.glob("data/truth/*/truth.json")):
        night = truth.parent.name
        for product in sorted(args.folder.glob(f"results/{night}/*/denoised.fits")):
            rows.append(figures(product.parent, truth.parent))
    if not rows:
        raise UserError(f"no simulated night with results under {args.folder}; run `n2n simulate` and snakemake first")
    print("\nAgainst the simulation's truth (gain: error of the stack over error of the product)")
    heads = ["background", "extended", "stars"]
    columns = "".join(f"{name:>12}" for name in heads)
    gains = f"{'claimed':>14}{'true':>8}{'with smooth':>13}"
    print(f"{'group':28}{gains}{columns}{'star flux':>16}{'VAR chi2':>14}{'placed, px':>14}")
    for row in rows:
        claimed = f"{row['claimed']:.1f} +- {row['claimed_error']:.1f}" if row["claimed"] else "none"
        zones = "".join(f"{row['zones'][name]:12.2f}" for name in heads)
        flux = f"{100 * row['flux_bias']:+.2f} +- {100 * row['flux_error']:.2f} %"
        chi2 = f"{row['chi2'].get('background', np.nan):.2f} / {row['chi2'].get('light', np.nan):.2f}"
        placed = row["registration_px"]
        placed = f"{placed['median']:.3f} ({placed['max']:.3f})" if placed else "none"
        print(
            f"{row['group']:28}{claimed:>14}{row['gain']:8.1f}{row['gain_plain']:13.1f}{zones}{flux:>16}{chi2:>14}{placed:>14}"
        )
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1) + "\n")


def figures(folder: Path, truth_folder: Path) -> dict:
    """What a group claims, and what is true."""
    group, facts = Group(folder / "pairs.h5"), read_json(folder / "assessment.json", "qastat", unsealed=True)
    _, product = read_product(folder / "denoised.fits", "STACK")
    _, stack = read_product(folder / "stack.fits", "VAR")
    claim = facts.get("exposure_gain", {})
    claimed = [claim[key] if is_measured(claim) else None for key in ("value", "standard_error")]
    told = dict(zip(("claimed", "claimed_error"), claimed, strict=True))
    found = compare(group, truth_folder, product["IMAGE"], product["STACK"], stack["VAR"])
    return {"qastat": facts["qastat"], "group": group.identity} | told | found
