"""Are the products of two runs the same? Every FITS file below both folders, HDU by HDU, byte by byte of its data.

    python benchmarks/same/run.py BEFORE/results AFTER/results

prints a line for every HDU that differs (how many pixels, by how much of its scatter), and exits with 1 if one does.
Cards are not compared: they hold times and versions. Tables are compared column by column, new columns are named.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from astropy.io import fits


def main() -> int:
    """Compare two folders."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    args = parser.parse_args()
    names = {path.relative_to(folder) for folder in (args.before, args.after) for path in folder.rglob("*.fits")}
    differing = 0
    for name in sorted(names):
        if not (args.before / name).is_file() or not (args.after / name).is_file():
            print(f"{name}: only {'after' if (args.after / name).is_file() else 'before'}")
            differing += 1
            continue
        with fits.open(args.before / name) as one, fits.open(args.after / name) as other:
            found = [f"{hdu.name or hdu.__class__.__name__}: {what}" for hdu, what in differences(one, other)]
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


def by_how_much(a: np.ndarray, b: np.ndarray) -> str:
    """How many pixels differ, and by how much of the image's robust scatter."""
    differ = ~((a == b) | (np.isnan(a) & np.isnan(b)))
    gap = np.abs(a - b)[differ]
    scatter = 1.4826 * np.nanmedian(np.abs(a - np.nanmedian(a)))
    typical, largest = np.nanmedian(gap) / max(scatter, 1e-30), np.nanmax(gap, initial=0) / max(scatter, 1e-30)
    return f"{differ.mean():.2%} of the pixels differ, typically by {typical:.2g} of the scatter, at most {largest:.2g}"


if __name__ == "__main__":
    sys.exit(main())
