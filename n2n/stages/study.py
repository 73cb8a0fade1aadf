"""Stage `study`: what the trained networks on photographs say, with errors: tables, curves, pictures, verdicts.

Reads the models that `n2n photo train` made for a grid of noises, activations, targets and seeds.
"""

from pathlib import Path

from n2n.errors import UserError
from n2n.formats.atomic import atomic_path, write_text
from n2n.formats.tables import read_csv, read_json, write_json
from n2n.log import logger
from n2n.study.comparisons import comparisons
from n2n.study.photographs import read_photograph
from n2n.study.pictures import curves_figure, examples_figure
from n2n.study.runs import Run
from n2n.study.verdict import comparison_table, table, verdict


def add_arguments(parser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("models", type=Path, nargs="+", help="model.json of `n2n photo train`, one a run")
    parser.add_argument("-o", "--output", type=Path, required=True, help="verdict.md to write, the rest beside it")


def run(args) -> None:
    """Execute the stage."""
    runs = [read_run(path) for path in args.models]
    folder, found = args.output.parent, comparisons(runs)
    write_text(folder / "scores.csv", table(runs))
    write_text(folder / "comparisons.csv", comparison_table(found))
    for name, figure in (("curves.png", curves_figure(runs)), ("examples.png", examples_figure(runs))):
        with atomic_path(folder / name) as temporary:
            figure.savefig(temporary, format="png")
    sentences = verdict(runs, found)
    write_json(folder / "study.json", {"runs": len(runs), "comparisons": found})
    write_text(args.output, sentences)
    logger.info("%d networks compared; %s", len(runs), args.output)
    print(sentences)


def read_run(path: Path) -> Run:
    """One network, from model.json and what lies beside it."""
    facts = read_json(path, unsealed=True)
    if facts.get("kind") != "photo" or not facts.get("sets"):
        raise UserError(f"{path} is not a network trained and tested by `n2n photo train --noise`")
    rows = read_csv(path.with_name("training.csv"))
    curve = {key: [float(row[key]) for row in rows] for key in rows[0]}
    example = path.with_name("example.png")
    return Run.of(facts, curve, read_photograph(example) if example.exists() else None)
