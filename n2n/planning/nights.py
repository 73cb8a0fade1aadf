"""Which nights there are, and what to say of one without anything to stack."""

from collections.abc import Callable
from pathlib import Path

from n2n.errors import UserError
from n2n.formats.tables import read_csv
from n2n.planning.names import shown, why_no_night


def find_nights(
    raw: Path,
    wanted: str | list[str],
    results: Path,
    leave_out: Callable[[str], None] = lambda text: None,
    literal: bool = True,
) -> list[str]:
    """Names of the nights to process.

    Parameters
    ----------
    raw, results : Path
        Roots of the raw frames and of the results. A night whose frames are archived is known by its results.
    wanted : str or list of str
        ``all``, or names.
    leave_out : callable
        Receives a line for every night whose name cannot be used (`n2n.planning.names`); the others go on.
    literal : bool
        Whether braces in names mean themselves.

    Raises
    ------
    UserError
        When the raw folder or a named night does not exist, or no night is left.
    """
    raw = Path(raw)
    there = _folders(raw)
    known = {path.parent.name for path in Path(results).glob("*/frames.csv")} | set(there)
    if wanted == "all":
        if not there:
            raise UserError(f"no night in {raw}; put your frames into {raw}/<night>/, one folder a night")
        nights = there
    else:
        nights = list(dict.fromkeys(map(str, wanted if isinstance(wanted, list) else [wanted])))
    for night in nights:
        if night not in known:
            others = ", ".join(map(shown, there)) or "nothing"
            raise UserError(f"night {shown(night)!r} is not in {raw}; there: {others}")
    refused = {night: why for night in nights if (why := why_no_night(night, literal))}
    lines = [f"night {shown(night)} is left out: its name {why}; rename its folder" for night, why in refused.items()]
    if len(refused) == len(nights):
        raise UserError("; ".join(lines) or f"no night to process: nights is empty; there: {', '.join(there)}")
    for line in lines:
        leave_out(line)
    return [night for night in nights if night not in refused]


def _folders(raw: Path) -> list[str]:
    if not raw.is_dir():
        raise UserError(
            f"the folder of raw nights, {raw}, does not exist; create {raw}/<night>/ and put your frames there"
        )
    try:
        return sorted(entry.name for entry in raw.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    except OSError as error:
        raise UserError(f"cannot read {raw}: {error.strerror}; check its permissions") from error


def why_nothing(raw: str, night: str, rows: list[dict], results: Path) -> str:
    """Why a night has nothing to stack, with the first reason of its quarantine.

    Parameters
    ----------
    raw : str
        Root of the raw frames, as the settings name it.
    night : str
        Name of the night.
    rows : list of dict
        The night's frames.csv.
    results : Path
        Root of the results.
    """
    quarantined = results / night / "quarantine.csv"
    refused = read_csv(quarantined) if quarantined.is_file() else []
    if not rows and not refused:
        return f"night {night}: no FITS file in {raw}/{night}; put .fits, .fit, .fts (or .gz, .fz of them) there"
    if any(row["kind"] == "light" for row in rows):
        return f"night {night}: no target with at least two exposures"
    text = f"night {night}: no lights among {len(rows) + len(refused)} files of {raw}/{night}"
    if refused:
        text += f"; first reason: {refused[0]['path']}: {refused[0]['reason']} (all in {quarantined})"
    return text
