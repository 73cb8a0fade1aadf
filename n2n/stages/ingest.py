"""Find a night's frames and write down, once and for all, what each one is.

Runs whenever snakemake reads its workflow, so with nothing new it only compares sizes and times with
its cache. Both tables grow and are never reshuffled: what was computed from a chunk stays valid when
later frames arrive.
"""

from pathlib import Path


def add_arguments(parser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("nights", nargs="*", metavar="NIGHT", help="folders below the raw folder (default: all)")
    parser.add_argument("--raw", help="folder with one sub-folder a night (default: that of the settings)")
    parser.add_argument("--results", help="where the tables go, <results>/<night>/ (default: that of the settings)")
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="settings, for overrides too (default: config/config.yaml)"
    )


def run(args) -> None:
    """Bring the tables of nights up to date and say where they are."""
    from n2n.config import check_config, read_settings
    from n2n.log import logger
    from n2n.planning.intake import ingest_nights
    from n2n.planning.nights import find_nights

    usual = Path("config/config.yaml")
    file = args.config or (usual if usual.exists() else None)
    settings = read_settings(file) if file else {}
    stated = {key: value for key, value in (("raw", args.raw), ("results", args.results)) if value is not None}
    config = check_config(settings | stated)
    results = Path(config["results"])
    wanted = args.nights or config["nights"]
    nights = find_nights(Path(config["raw"]), wanted, results, logger.warning)
    ingest_nights(config, nights, logger.info)
    for night in nights:
        logger.info("%s and quarantine.csv beside it", results / night / "frames.csv")
