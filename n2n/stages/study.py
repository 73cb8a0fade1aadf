"""Stage `study`: what the trained networks on photographs say, with errors: tables, curves, pictures, verdicts.

Reads the models `n2n photo train` made for a grid of noises, activations, targets and seeds. Differences are taken
between runs that share everything else, seed included, so that what a seed brings cancels; a verdict is given where
the mean difference exceeds what its standard error allows at 95 % (Student's t), and withheld elsewhere.
"""

from pathlib import Path

import numpy as np

from n2n.errors import UserError
from n2n.formats.atomic import write_text
from n2n.formats.tables import read_json, write_json
from n2n.log import logger
from n2n.study.pictures import picture_sheet, plot_curves
from n2n.study.verdict import comparison_table, comparisons, table, verdict


def add_arguments(parser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("models", type=Path, nargs="+", help="model.json of `n2n photo train`, one a run")
    parser.add_argument("-o", "--output", type=Path, required=True, help="verdict.md to write, the rest beside it")


def run(args) -> None:
    """Execute the stage."""
    runs = [read_run(path) for path in args.models]
    folder = args.output.parent
    write_text(folder / "scores.csv", table(runs))
    found = comparisons(runs)
    write_text(folder / "comparisons.csv", comparison_table(found))
    plot_curves(folder / "curves.png", runs)
    picture_sheet(folder / "examples.png", runs)
    sentences = verdict(runs, found)
    write_json(folder / "study.json", {"runs": len(runs), "comparisons": found})
    write_text(args.output, sentences)
    logger.info("%d networks compared; %s", len(runs), args.output)
    print(sentences)


def read_run(path: Path) -> dict:
    """Figures and curves of one network."""
    facts = read_json(path, unsealed=True)
    if facts.get("kind") != "photo" or not facts.get("sets"):
        raise UserError(f"{path} is not a network trained and tested by `n2n photo train --noise`")
    with open(path.parent / "training.csv", encoding="utf-8") as file:
        curve = {key: [] for key in file.readline().strip().split(",")}
        for line in file:
            for key, value in zip(curve, line.split(","), strict=True):
                curve[key].append(float(value))
    sets = {
        name: {key: value for key, value in scores.items() if key != "each"} for name, scores in facts["sets"].items()
    }
    return {
        "path": path,
        "noise": facts["noise"],
        "activation": facts["recipe"]["activation"],
        "targets": facts["targets"],
        "seed": facts["recipe"]["seed"],
        "training_loss": float(np.mean(curve["training_loss"][-max(1, len(curve["step"]) // 10) :])),
        "validation_loss": facts["final"]["validation_loss"],
        "validation_psnr": facts["final"]["validation_psnr"],
        "test_psnr": float(np.mean([scores["psnr"] for scores in sets.values()])),
        "sets": sets,
        "curve": curve,
        "recipe": facts["recipe"],
        "data": facts["data"],
    }
