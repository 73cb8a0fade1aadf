"""Stage `report`: one page a night, for a person who looks at it in the morning.

The page is one file that needs nothing else, neither a network nor the files beside it. With --strict nothing
is written: the exit status says whether every group passed.
"""

from pathlib import Path

from n2n.errors import UserError
from n2n.formats.atomic import write_text
from n2n.formats.tables import read_csv, read_json
from n2n.log import logger
from n2n.report import charts as charts
from n2n.report import pictures as illustrations
from n2n.report import words as words
from n2n.report.page import check, group_view, link, page
from n2n.report.summary import summary_csv


def add_arguments(parser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("assessments", type=Path, nargs="+", help="assessment.json of the night's groups")
    parser.add_argument("--frames", type=Path, help="frames.csv of the night")
    parser.add_argument("--quarantine", type=Path, help="quarantine.csv of the night")
    parser.add_argument("--models", type=Path, help="folder of the models, for their training curves")
    parser.add_argument("--colour", type=Path, nargs="*", default=[], help="colour composites of the night")
    parser.add_argument("-o", "--output", type=Path, help="report.html to write")
    parser.add_argument("--summary", type=Path, help="summary.csv to write as well: one row a group")
    parser.add_argument("--strict", action="store_true", help="write nothing; fail if a group failed a gate")


def run(args) -> None:
    """Execute the stage."""
    groups = [(path, read_json(path, "schema", "group", "product")) for path in args.assessments]
    if args.strict:
        check([facts for _, facts in groups])
        return
    if args.output is None:
        raise UserError("say where the report is to be written: --output report.html")
    frames = read_csv(args.frames, "path", "kind") if args.frames else []
    quarantined = read_csv(args.quarantine, "path", "reason_code", "reason") if args.quarantine else []
    views = [group_view(path, facts, args, frames) for path, facts in groups]
    composites = [illustrations.composite_of(path, args.output.parent) for path in args.colour]
    summary = link(args.summary, args.output.parent)["href"] if args.summary else ""
    night = {"night": groups[0][1]["night"], "composites": composites, "summary": summary}
    write_text(args.output, page(views, frames, quarantined, **night))
    if args.summary:
        write_text(args.summary, summary_csv(groups, args.summary.parent))
    logger.info("%s: %s", args.output, words.tally([view["verdict"] for view in views]))
