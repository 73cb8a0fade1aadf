"""Figures of strange nights: kept in a file, and made into a page."""

import csv
import itertools
from pathlib import Path

import _bench
import numpy as np
from figures import CLASSES, DISTANCES, PLACES

from n2n.fidelity.zones import BRIGHTNESSES

HEADS = ["case", "group", "size", "seed", "claimed", "true", "off", "pull", "true, fine", "off", "pull"]
HEADS += ["sky", "stack", "gaps", "flux 20-50", "above 50", "width 20-50", "above 50", "detail"]
HEADS += ["verdict", "failed", "s"]
ENDS = ("lowest", "highest")
TEXT = ("date", "commit", "case", "size", "group", "qastat", "failed")


def read(path: Path) -> list[dict]:
    """Rows of a results.csv, all as text; none where there is no file."""
    if not path.exists():
        return []
    with open(path, newline="") as file:
        return [{key: value for key, value in row.items() if value != ""} for row in csv.DictReader(file)]


def write(path: Path, rows: list[dict]) -> None:
    """Write them again, every figure to five digits."""
    names = list(dict.fromkeys(itertools.chain.from_iterable(rows)))
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: short(key, value) for key, value in row.items()} for row in rows)


def short(key: str, value: str) -> str:
    """A figure to five digits."""
    return value if key in TEXT or value.lstrip("-").isdigit() else f"{float(value):.5g}"


def numbers(rows: list[dict]) -> list[dict]:
    """The rows with their figures as numbers."""
    return [{key: value if key in TEXT else float(value) for key, value in row.items()} for row in rows]


def of(row: dict, key: str, form: str, times: float = 1.0) -> str:
    """A figure as text; a dash where there is none."""
    value = row.get(key, np.nan)
    return format(times * value, form) if np.isfinite(value) else "-"


def with_error(row: dict, key: str, form: str) -> str:
    """A figure with its standard error."""
    plain = form.replace("+", "")
    return f"{of(row, key, form)} ± {of(row, f'{key}_error', plain)}" if key in row else "-"


def cells(row: dict, names: list[str], prefix: str = "", end: str = "_fine") -> str:
    """Mean and robust chi2 of classes."""
    pairs = ([of(row, f"{prefix}{what}_{name}{end}", ".2f") for what in ("chi2", "robust")] for name in names)
    return ", ".join(f"{mean} ({typical})" for mean, typical in pairs)


def of_both(row: dict) -> str:
    """In how many cells of brightness and distance VAR is right, and how far it is off."""
    if "cells_fine" not in row:
        return "-"
    typical, mean = ("-".join(of(row, f"cells_{which}{end}_fine", ".2f") for end in ENDS) for which in ("", "mean_"))
    return f"{of(row, 'cells_right_fine', '.0f')} of {of(row, 'cells_fine', '.0f')}, {typical} ({mean})"


def page(rows: list[dict], order: list[str]) -> tuple[list[str], str]:
    """Lines of the page, and what was reached in one sentence.

    Parameters
    ----------
    rows : list of dict
        From `numbers`.
    order : list of str
        Of the cases.
    """
    rank = {case: index for index, case in enumerate(order)}
    rows = sorted(rows, key=lambda row: (rank.get(row["case"], len(rank)), *which(row), row["seed"]))
    edges = [f"below {BRIGHTNESSES[0]:g}", *(f"{a:g}-{b:g}" for a, b in itertools.pairwise(BRIGHTNESSES))]
    edges += [f"above {BRIGHTNESSES[-1]:g}"]
    places = ["on it", *(f"{a:.0f}-{b:.0f} px" for a, b in itertools.pairwise((1, *(d - 0.5 for d in DISTANCES[1:]))))]
    text = [
        "Case: the faults of the night; `none` is the same sky and night without any, `all` has all of them.",
        "Gain: error of the stack over error of the denoised image, weighted by 1/variance. Claimed from held-out",
        "exposures; off: claimed over true; pull: that in errors of both, positive where too much is claimed.",
        "Fine: without what is smoother than some 100 px in the stack's error (flats of another colour, glow): the",
        "denoised image takes it over and no held-out exposure shows it. Sky: its level in denoised image and stack",
        "against the truth, in sigma of the stack; gaps: that of the darkest fifth, fine. Stars: flux in mmag",
        "(positive is too bright) and width in percent against the truth, on the scale of the stack's stars, by S/N",
        "in the stack. Detail: what is kept of light finer than 1 px, in percent, at 10-30 sigma and above. Failed:",
        "gates. s: seconds it ran.",
        "",
        *_bench.table(
            ["case", "group", "size", "nights", "off", "pull", "off, fine", "sky", "stars 20-50", "above 50"],
            [summary(list(same)) for _, same in itertools.groupby(rows, key=which)],
        ),
        "",
        "Every night:",
        "",
        *_bench.table(
            HEADS,
            [line(row) for row in rows],
        ),
        "",
        "Squared error (fine) over VAR: mean, and in brackets of the typical pixel (median over that of χ²), in cells",
        f"of at least 2,000 px. By brightness in sigma of the stack ({', '.join(edges)}), and by distance to",
        f"light above 3 sigma ({', '.join(places)}, farther). Both: cells of brightness and distance, as the denoised",
        "image tells them: in how many the typical pixel is within 0.8-1.2, from where to where it goes, and, in",
        "brackets, the mean.",
        "",
        *_bench.table(
            [*HEADS[:4], "both", "by brightness", "by distance", "stack", "by brightness, all scales"],
            [
                [
                    *named(row),
                    *(of_both(row), cells(row, CLASSES), cells(row, PLACES), cells(row, CLASSES, "stack_")),
                    cells(row, CLASSES, end=""),
                ]
                for row in rows
            ],
        ),
    ]
    return text, reached(rows)


def which(row: dict) -> tuple[str, ...]:
    """What the nights of one line of means have in common."""
    return row["case"], row["group"], row["size"]


def named(row: dict) -> list[str]:
    """The first cells of a line about one night."""
    return [*which(row), f"{row['seed']:.0f}"]


def summary(rows: list[dict]) -> list[str]:
    """Means over the nights of one case and group, with their standard errors."""

    def mean(key: str, form: str, times: float = 1.0) -> str:
        values = times * np.array([row[key] for row in rows if np.isfinite(row.get(key, np.nan))])
        if not values.size:
            return "-"
        error = (
            f" ± {format(values.std(ddof=1) / np.sqrt(values.size), form.replace('+', ''))}" if values.size > 1 else ""
        )
        return format(values.mean(), form) + error

    off, pull, fine = mean("off", "+.0f", 100), mean("pull", "+.1f"), mean("off_fine", "+.0f", 100)
    sky, stars = mean("sky", "+.3f"), [mean(f"flux_{name}", "+.1f") for name in ("faint", "bright")]
    return [*which(rows[0]), str(len(rows)), f"{off} %", pull, f"{fine} %", sky, *stars]


def line(row: dict) -> list[str]:
    """Figures of one group of one night."""
    gains = [with_error(row, "claimed", ".1f")]
    for name in ("", "_fine"):
        gains += [with_error(row, f"true{name}", ".1f")]
        gains += [f"{of(row, f'off{name}', '+.0f', 100)} %", of(row, f"pull{name}", "+.1f")]
    stars = [with_error(row, key, "+.1f") for key in ("flux_faint", "flux_bright", "width_faint", "width_bright")]
    sky = [of(row, key, "+.3f") for key in ("sky", "sky_stack", "gaps_fine")]
    end = [row["qastat"], row.get("failed") or "none", of(row, "seconds", ".0f")]
    detail = ", ".join(of(row, f"detail_{name}", ".0f", 100) for name in ("faint", "bright"))
    return [*named(row), *gains, *sky, *stars, detail, *end]


def reached(rows: list[dict]) -> str:
    """What the claims of all nights were worth, of all scales and of fine ones."""
    told = [row for row in rows if np.isfinite(row.get("off", np.nan))]
    if not told:
        return f"no claim in {len(rows)} groups"
    parts = []
    for end, name in (("", ""), ("_fine", "fine: ")):
        off, pull = (np.array([row[f"{key}{end}"] for row in told]) for key in ("off", "pull"))
        held = np.sum((np.abs(off) <= 0.1) | (np.abs(pull) <= 2))
        error = f" ± {100 * off.std(ddof=1) / np.sqrt(off.size):.0f}" if off.size > 1 else ""
        parts.append(
            f"{name}within 10 % or two errors in {held} of {len(told)} groups, off by {100 * off.mean():+.0f}{error} % "
            f"in the mean, pulls {pull.mean():+.1f} with a scatter of {pull.std():.1f}"
        )
    return f"claims {'; '.join(parts)}{variances_reached(told)}"


def variances_reached(rows: list[dict]) -> str:
    """What VAR was worth in all cells of brightness and distance."""
    rows = [row for row in rows if "cells_fine" in row]
    if not rows:
        return ""
    right, cells = (sum(row[key] for row in rows) for key in ("cells_right_fine", "cells_fine"))
    lowest, highest = min(row["cells_lowest_fine"] for row in rows), max(row["cells_highest_fine"] for row in rows)
    return f"; robust χ² of VAR 0.8-1.2 in {right:.0f} of {cells:.0f} cells, {lowest:.2f} to {highest:.2f} in all"
