"""The report's views of exposures and files: table rows, plots over the night, files set aside."""

import datetime
from collections import Counter

from n2n.formats.tables import number
from n2n.report.charts import night_chart
from n2n.report.words import counted

# Plots over the night: key of a frame, title, limit of the assessment that belongs to it.
PLOTS = (("fwhm_px", "FWHM [px]", "fwhm_px"), ("background", "Background [{unit}/px]", None))
PLOTS += (("transparency", "Transparency [%]", None),)


def frame_rows(facts: dict) -> list[dict]:
    """Rows of the table of exposures: rejected ones first, then by time."""
    rows = [frame_row(frame, facts.get("reference")) for frame in facts.get("frames") or []]
    return sorted(rows, key=lambda row: (row["used"], row["date"], row["name"]))


def frame_row(frame: dict, reference: str | None) -> dict:
    """One exposure, ready to be printed; a cell is a pair of what is shown and what is sorted by."""
    used = bool(frame.get("accepted"))
    transparency = number(frame.get("transparency"))
    shown = (
        (frame.get("fwhm_px"), 1, ".2f"),
        (frame.get("ellipticity"), 1, ".2f"),
        (frame.get("background"), 1, ".4g"),
        (frame.get("n_stars"), 1, ".0f"),
        (transparency, 100, ".0f"),
    )
    weight = number(frame.get("weight"))
    date = str(frame.get("date_obs") or "")
    return {
        "name": str(frame.get("filename", "")).rsplit("/", 1)[-1],
        "path": frame.get("filename", ""),
        "date": date,
        "time": date[11:19] or "–",
        "cells": [cell(*value) for value in shown],
        "block": frame.get("block") or "–",
        "weight": cell(weight, 1, ".2f"),
        "used": used,
        "reference": used and frame.get("filename") == reference,
        "reasons": "; ".join(map(str, frame.get("reasons") or [])) or ("" if used else "no reason given"),
    }


def cell(value, factor: float, form: str) -> tuple[str, str]:
    """What is shown and what is sorted by."""
    value = number(value)
    return ("–", "") if value is None else (f"{factor * value:{form}}".replace("-", "−"), f"{value:.6g}")


def night_plots(facts: dict) -> list[dict]:
    """Small plots over the night of what decides about an exposure."""
    frames, limits = facts.get("frames") or [], facts.get("limits") or {}
    unit = {"electron": "e⁻"}.get(facts.get("unit"), "ADU")
    times = [moment(frame.get("date_obs")) for frame in frames]
    timed = bool(times) and all(times)
    plots = []
    for key, title, limit in PLOTS:
        factor = 100 if key == "transparency" else 1
        points = []
        for index, (frame, time) in enumerate(zip(frames, times, strict=True)):
            value = number(frame.get(key))
            points.append(
                {
                    "x": (time - min(times)).total_seconds() if timed else index,
                    "y": None if value is None else factor * value,
                    "used": bool(frame.get("accepted")),
                    "tick": f"{time:%H:%M}" if timed else str(index + 1),
                    "words": point_words(frame, value, factor),
                }
            )
        title = title.format(unit=unit)
        chart = night_chart(points, title, number(limits.get(limit)) if limit else None)
        if chart:
            plots.append({"title": title, "svg": chart})
    return plots


def point_words(frame: dict, value: float | None, factor: float) -> str:
    """What is said when a point is pointed at."""
    name = str(frame.get("filename", "")).rsplit("/", 1)[-1]
    reasons = "; ".join(map(str, frame.get("reasons") or []))
    return f"{name}: {factor * (value or 0):.4g}" + (f" (rejected: {reasons})" if reasons else "")


def moment(text) -> datetime.datetime | None:
    """The moment of a DATE-OBS, without its time zone."""
    try:
        return datetime.datetime.fromisoformat(str(text)).replace(tzinfo=None)
    except ValueError:
        return None


def inventory(frames: list[dict], quarantined: list[dict]) -> str:
    """All files of the night in one line."""
    kinds = Counter(row.get("kind", "") for row in frames)
    order = ("light", "bias", "dark", "darkflat", "flat")
    words = {"light": "lights", "darkflat": "dark flats", "flat": "flats", "bias": "bias", "dark": "darks"}
    parts = [f"{kinds[kind]} {words[kind]}" for kind in order if kinds[kind]]
    other = sum(count for kind, count in kinds.items() if kind not in order)
    parts += [f"{other} of another kind"] if other else []
    total = len(frames) + len(quarantined)
    return f"{counted(total, 'file')} found" + (f": {', '.join(parts)}" if parts else "")


def leftovers(frames: list[dict], groups: set[str]) -> list[str]:
    """Lights that are in none of the groups the report shows, a sentence a group."""
    counts = Counter(row.get("group", "") for row in frames if row.get("kind") == "light")
    said = []
    for group, count in sorted(counts.items()):
        if group not in groups:
            why = "at least two exposures of a target are needed" if count < 2 else "it has no assessment"
            said.append(f"{group or 'without a group'}: {counted(count, 'light')}, not processed ({why})")
    return said


def header_notes(frames: list[dict], group: str) -> list[str]:
    """What had to be assumed while the group's headers were read."""
    rows = [row for row in frames if row.get("group") == group and row.get("kind") == "light"]
    counts = Counter(note for row in rows for note in (row.get("notes") or "").split("; ") if note)
    counts.update(f"inferred: {why}" for row in rows for why in (row.get("evidence") or "").split("; ") if why)
    return [f"{note} ({counted(count, 'light')})" for note, count in counts.most_common()]


def inferred(frames: list[dict]) -> str:
    """A sentence on what no header of the night says and n2n inferred; empty where all was said."""
    fields = Counter(why.partition(": ")[0] for row in frames for why in (row.get("evidence") or "").split("; ") if why)
    names = {
        "kind": "the kind",
        "filter": "the filter",
        "exptime_s": "the exposure time",
        "stored": "the scale of numbers",
    }
    said = [f"{names.get(field, field)} of {counted(count, 'frame')}" for field, count in fields.most_common()]
    return f"Inferred, since no header says it: {', '.join(said)} (column evidence of frames.csv)." if said else ""


def calibration_rows(facts: dict) -> list[dict]:
    """Choices and refusals of calibration; a refusal of a master is one that names no frames."""
    rows = []
    for sentence in facts.get("calibration") or []:
        kind, _, rest = str(sentence).partition(": ")
        chosen = " frames of " in rest or kind in ("defects", "gain")
        rows.append({"kind": kind, "text": rest or kind, "chosen": chosen})
    return rows
