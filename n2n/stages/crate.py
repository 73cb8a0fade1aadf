"""Stage `crate`: what a night's results are and what they were made from, as RO-Crate.

`ro-crate-metadata.json` follows RO-Crate 1.1 and the profile Process Run Crate 0.5. It names every file of the night
with its SHA-256, and for every product the action that made it (PROV_ID of the FITS header) with the exposures, the
network, the masters and the settings that went in. Files that lie elsewhere are named by their digest (RFC 6920).
"""

from functools import partial
from pathlib import Path

from PIL import Image

from n2n.formats.fits import sha256_file
from n2n.formats.products import read_product_header
from n2n.formats.tables import read_csv, read_json, write_json
from n2n.log import logger
from n2n.report.crate import OF_NIGHT, Crate, Made, describe_composite, describe_group, end_of
from n2n.report.words import verdict_of

KINDS = ("bias", "dark", "flat", "defects")


def add_arguments(parser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("assessments", type=Path, nargs="+", help="assessment.json of the night's groups")
    parser.add_argument("--frames", type=Path, required=True, help="frames.csv of the night")
    parser.add_argument("--colour", type=Path, nargs="*", default=[], help="colour composites of the night")
    parser.add_argument("-o", "--output", type=Path, required=True, help="ro-crate-metadata.json to write")


def run(args) -> None:
    """Execute the stage."""
    root = args.output.parent
    crate = Crate(partial(look, root))
    digests = {row["path"]: row["sha256"] for row in read_csv(args.frames, "path", "sha256")}
    groups = [made(path.parent, read_json(path, "schema", "group", "product")) for path in sorted(args.assessments)]
    for name, words in OF_NIGHT.items():
        crate.file(name, words)
    for group in groups:
        describe_group(crate, group, digests)
    for path in sorted(args.colour):
        with Image.open(path) as picture:
            words, sources = picture.info.get("Description", ""), picture.info.get("Source", "")
        describe_composite(crate, path.name, words, [source for source in sources.split(", ") if source])
    crate.action("#report", "n2n report", [f"{group.name}/assessment.json" for group in groups],
                 ["report.html", "summary.csv"], description="n2n report, over all groups")  # fmt: skip
    night, ended = groups[0].facts["night"], max(group.ended for group in groups)
    verdicts = "; ".join(f"{group.facts['group']}: {verdict_of(group.facts)}" for group in groups)
    versions = {name: version for group in groups for name, version in (group.facts.get("versions") or {}).items()}
    document = crate.document(f"Night {night}", f"Astronomical images by n2n. {verdicts}", ended, versions)
    write_json(args.output, document, seal=False)  # the format is not ours
    logger.info("%s: %d files, %d actions", args.output, len(crate.parts), len(crate.actions))


def look(root: Path, name: str) -> tuple[int, str] | None:
    """Size and SHA-256 of a file below a folder, if it is there."""
    path = root / name
    return (path.stat().st_size, sha256_file(path)) if path.is_file() else None


def made(folder: Path, facts: dict) -> Made:
    """What is known of how a group's results were made."""
    rows = [read_json(folder / "calibration.json")] if (folder / "calibration.json").is_file() else []
    for table in sorted((folder / "chunks").glob("*.csv")):  # exposures may have masters of their own
        rows += read_csv(table)
    results, masters = folder.parent.parent, {}
    for key in dict.fromkeys(row[kind] for row in rows for kind in KINDS if row.get(kind)):
        if found := look(results, f"masters/{key}.fits"):
            masters[f"masters/{key}.fits"] = found[1]
    return Made(folder.name, facts, end_of(read_product_header(folder / "denoised.fits")), masters)
