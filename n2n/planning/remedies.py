"""Lines of configuration that help where masters were refused or exposures left out; each works when pasted."""

from collections.abc import Iterable

from n2n.formats.overrides import matches
from n2n.formats.questions import hint, pattern_for
from n2n.formats.tables import number
from n2n.planning import setups
from n2n.planning.masters import Master, misfit, with_facts

_SET = "set in config/config.yaml: overrides: "


def telling_settings(library, night: str, light: dict, kinds: Iterable[str]) -> str:
    """What a user may state where only one side tells a setting: a line of configuration; empty where none helps.

    Parameters
    ----------
    library : n2n.planning.library.Library
        The masters of all nights.
    night : str
        Of the lights.
    light : dict
        Row that stands for the group.
    kinds : iterable of str
        Of the masters that were refused.
    """
    lines: dict[str, str] = {}
    for kind in kinds:
        for master in library.of_kind(kind, night):
            stated = _statable(library, master, light)
            if stated:
                lines = stated | lines
                break
    if not lines:
        return ""
    settings = ", ".join(lines.values())
    return f"if they were taken with the same settings, {_SET}{{{settings}}}"


def _statable(library, master: Master, light: dict) -> dict[str, str]:
    """Lines that would make a master fit, by their patterns; none where it would not, or others would suffer."""
    ours, theirs = {}, {}
    for name in setups.STATED:
        known = (master.facts.get(name, ""), light.get(name, ""))
        if known[0] and not known[1]:
            ours[name] = known[0]
        elif known[1] and not known[0]:
            theirs[name] = known[1]
    if (not ours and not theirs) or misfit(with_facts(master, theirs), light | ours, any_exposure=True):
        return {}
    lines = {}
    for fields, path in ((theirs, master.rows[0]["path"]), (ours, light["path"])):
        pattern = pattern_for(path)
        beside = [row for rows in library.nights.values() for row in rows if matches(pattern, row["path"])]
        if any(row.get(name, "") not in ("", value) for row in beside for name, value in fields.items()):
            return {}
        if fields:
            values = {name: value if name == "camera" else number(value) for name, value in fields.items()}
            lines[pattern] = hint(path, values).removeprefix(_SET)[1:-1]
    return lines


def pattern_of(master: Master, rows: list[dict]) -> str:
    """A pattern of `overrides` that means the frames of a master, and no other kind's."""
    paths = [row["path"] for row in master.rows]
    strangers = [row["path"] for row in rows if row["kind"] != master.kind]
    folder = paths[0].rpartition("/")[0]
    stem = paths[0]
    while stem and not all(path.startswith(stem) for path in paths):
        stem = stem[:-1]
    for pattern in (folder, f"{stem}*"):
        if "/" in pattern and not any(matches(pattern, path) for path in strangers):
            return pattern
    return paths[0]
