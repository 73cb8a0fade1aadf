"""Stage `crate`: what a night's results are and what they were made from, as RO-Crate.

`ro-crate-metadata.json` follows RO-Crate 1.1 and the profile Process Run Crate 0.5. It names every file of the night
with its SHA-256, and for every product the action that made it (PROV_ID of the FITS header) with the exposures, the
network, the masters and the settings that went in. Files that lie elsewhere are named by their digest (RFC 6920).
"""

from pathlib import Path

from n2n.formats.tables import read_csv, read_json, write_json
from n2n.log import logger
from n2n.report.crate import OF_NIGHT, Crate, describe_composite, describe_group
from n2n.report.words import verdict_of


def add_arguments(parser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("assessments", type=Path, nargs="+", help="assessment.json of the night's groups")
    parser.add_argument("--frames", type=Path, required=True, help="frames.csv of the night")
    parser.add_argument("--colour", type=Path, nargs="*", default=[], help="colour composites of the night")
    parser.add_argument("-o", "--output", type=Path, required=True, help="ro-crate-metadata.json to write")


def run(args) -> None:
    """Execute the stage."""
    crate = Crate(args.output.parent)
    digests = {row["path"]: row["sha256"] for row in read_csv(args.frames)}
    groups = [(path.parent, read_json(path)) for path in sorted(args.assessments)]
    for name, words in OF_NIGHT.items():
        crate.file(name, words)
    ends = [describe_group(crate, folder, facts, digests) for folder, facts in groups]
    for path in sorted(args.colour):
        describe_composite(crate, path)
    crate.action("#report", "n2n report", [f"{folder.name}/assessment.json" for folder, _ in groups],
                 ["report.html", "summary.csv"], description="n2n report, over all groups")  # fmt: skip
    night, ended = groups[0][1]["night"], max(ends)
    verdicts = "; ".join(f"{facts['group']}: {verdict_of(facts)}" for _, facts in groups)
    versions = {name: version for _, facts in groups for name, version in (facts.get("versions") or {}).items()}
    write_json(
        args.output, crate.document(f"Night {night}", f"Astronomical images by n2n. {verdicts}", ended, versions)
    )
    logger.info("%s: %d files, %d actions", args.output, len(crate.parts), len(crate.actions))
