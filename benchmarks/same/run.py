"""Are the products of two runs the same? Every FITS file below both folders, HDU by HDU, byte by byte of its data.

    python benchmarks/same/run.py BEFORE/results AFTER/results [--tables]

prints a line for every HDU that differs (how many pixels, by how much of its scatter), and exits with 1 if one does.
Cards are not compared: they hold times and versions. Tables are compared column by column, new columns are named.
--tables compares every CSV and every assessment.json as well, but for what names a run: versions, dates, commits, ids,
seconds, and where things lie.

Question: Are the products of two runs the same?
Asked: the data of every HDU, byte for byte.
Reached: a check, not a figure; it exits with 1 where something differs
"""

import argparse
import csv
import json
import re
import sys
from pathlib import Path

import numpy as np
from astropy.io import fits

# Names of values that are another in every run: when, where, with which code and under which name.
OF_A_RUN = re.compile(r"/(versions?|date|created|commit|recipe|prov_id|model|model_id|seconds)(/|$)", re.I)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--tables", action="store_true", help="compare CSV tables and assessments, too")
    args = parser.parse_args()
    kinds = ("*.fits", "*.csv", "assessment.json") if args.tables else ("*.fits",)
    folders = args.before, args.after
    names = {path.relative_to(one) for one in folders for kind in kinds for path in one.rglob(kind)}
    if not names:
        print(f"no products below {args.before} and {args.after}")
        return 1
    differing = 0
    for name in sorted(names):
        if not (args.before / name).is_file() or not (args.after / name).is_file():
            print(f"{name}: only {'after' if (args.after / name).is_file() else 'before'}")
            differing += 1
            continue
        if name.suffix == ".fits":
            with fits.open(args.before / name) as one, fits.open(args.after / name) as other:
                found = [f"{hdu.name or hdu.__class__.__name__}: {what}" for hdu, what in differences(one, other)]
        else:
            found = list(different_values(*(values_of(folder / name) for folder in folders)))
        differing += bool(found)
        print(f"{name}: " + ("; ".join(found) or "same"))
    return 1 if differing else 0


def differences(one: fits.HDUList, other: fits.HDUList):
    """HDUs whose data differ, each with what differs."""
    for hdu in one:
        twin = next((candidate for candidate in other if candidate.name == hdu.name), None)
        if twin is None:
            yield hdu, "missing after"
        elif hdu.data is None or twin.data is None:
            if (hdu.data is None) != (twin.data is None):
                yield hdu, "has data on one side only"
        elif hdu.is_image:
            if hdu.data.shape != twin.data.shape:
                yield hdu, f"shape {hdu.data.shape} against {twin.data.shape}"
            elif hdu.data.tobytes() != twin.data.tobytes():
                yield hdu, by_how_much(hdu.data.astype(float), twin.data.astype(float))
        else:
            old, new = set(hdu.columns.names), set(twin.columns.names)
            changed = [name for name in sorted(old & new) if not np.array_equal(hdu.data[name], twin.data[name])]
            if changed or old - new:
                yield (
                    hdu,
                    f"columns {', '.join(changed) or 'none'} differ, lost {', '.join(sorted(old - new)) or 'none'}",
                )


def values_of(path: Path) -> dict[str, str]:
    """Values of a table or of an assessment by row and column, or by the names that lead there; not those of a run."""
    if path.suffix == ".csv":
        with open(path, newline="", encoding="utf-8") as file:
            content = list(csv.DictReader(file))
    else:
        content = json.loads(path.read_text(encoding="utf-8"))
    return {place: value for place, value in leaves(content) if not OF_A_RUN.search(place)}


def leaves(content, place: str = ""):
    """Every single value, with where it stands."""
    if isinstance(content, dict | list):
        inside = content.items() if isinstance(content, dict) else enumerate(content)
        for name, value in inside:
            yield from leaves(value, f"{place}/{name}")
    else:
        yield place, str(content)


def different_values(one: dict[str, str], other: dict[str, str], most: int = 5):
    """The first values that differ, and how many more do."""
    differ = [place for place in sorted(one.keys() | other.keys()) if one.get(place) != other.get(place)]
    for place in differ[:most]:
        yield f"{place}: {one.get(place, 'missing')} against {other.get(place, 'missing')}"
    if len(differ) > most:
        yield f"and {len(differ) - most} more"


def by_how_much(a: np.ndarray, b: np.ndarray) -> str:
    """How many pixels differ, and by how much of the image's robust scatter."""
    differ = ~((a == b) | (np.isnan(a) & np.isnan(b)))
    gap = np.abs(a - b)[differ]
    scatter = 1.4826 * np.nanmedian(np.abs(a - np.nanmedian(a)))
    typical, largest = np.nanmedian(gap) / max(scatter, 1e-30), np.nanmax(gap, initial=0) / max(scatter, 1e-30)
    return f"{differ.mean():.2%} of the pixels differ, typically by {typical:.2g} of the scatter, at most {largest:.2g}"


if __name__ == "__main__":
    sys.exit(main())
