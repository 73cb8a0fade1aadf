"""Find a night's frames and write down, once and for all, what each one is."""

from collections.abc import Callable
from pathlib import Path

from n2n.planning.found import NightTables, changed, sample, scan, settle
from n2n.planning.telling import idle_overrides


def ingest(
    raw: Path,
    night: str,
    results: Path,
    *,
    overrides: dict[str, dict],
    chunk_size: int = 16,
    max_image_bytes: int = 2**31,
    settle_seconds: float = 2.0,
    report: Callable[[str], None] = print,
) -> list[dict[str, str]]:
    """Bring ``frames.csv`` and ``quarantine.csv`` of a night up to date.

    Parameters
    ----------
    raw, results : Path
        Roots of the raw frames and of the results; a night is a folder of the same name in both.
    night : str
        The night's folder.
    overrides : dict
        Path pattern to the fields a user states (`n2n.formats.overrides`).
    chunk_size : int
        Frames of one group and batch that are worked on together.
    max_image_bytes : int
        Images that declare more than this are refused.
    settle_seconds : float
        A file changed more recently than this is waited for once; if it still changes it is left for
        the next call.
    report : callable
        Receives lines of progress.

    Returns
    -------
    list of dict
        The rows of ``frames.csv``: text by column name.

    Raises
    ------
    UserError
        When the night's folder is missing or unreadable, or an override cannot be meant.
    """
    if overrides:
        from n2n.config import check_overrides  # a run without does without

        overrides = check_overrides(overrides)
    state = NightTables.load(Path(results) / night, report)
    found = scan(Path(raw), night)
    new = changed(state, found, overrides)
    if new:
        settle(new, state, settle_seconds)
        sample(new)
        # A run with nothing new does without: it is over before what these need is loaded.
        from n2n.planning.accepting import accept_all
        from n2n.planning.reading import Progress, read_all
        from n2n.planning.telling import summarise

        read_all(new, state, max_image_bytes, Progress(night, len(new), report))
        accept_all([item for item in new if item.seen], state, Path(raw), chunk_size, report)
        summarise(night, new, state, report)
    state.cache = {path: entry for path, entry in state.cache.items() if path in found}
    state.save()
    return list(state.frames.values())


def ingest_nights(config: dict, nights: list[str], report: Callable[[str], None]) -> None:
    """Bring the lists of frames up to date.

    Parameters
    ----------
    config : dict
        A checked configuration.
    nights : list of str
        Their folders.
    report : callable
        Receives lines of progress, and what a user should know.
    """
    for night in nights:
        ingest(
            Path(config["raw"]),
            night,
            Path(config["results"]),
            overrides=config["overrides"],
            chunk_size=config["ingest"]["chunk_size"],
            max_image_bytes=int(config["ingest"]["max_image_gb"] * 2**30),
            report=report,
        )
    for line in idle_overrides(config):
        report(line)
