"""How much evidence alone decides: every labelled real frame without its cards of kind, filter and exposure time.

    python benchmarks/realsets/stripped.py SHARED_DATA

Writes stripped.md beside this file: frames a set, and of how many words and pixels told kind, filter and exposure
time, right or wrong. The truth is what the untouched header says, the set's name where it says nothing
(tests/real/test_stripped_headers.py).

Question: How often do words and pixels tell kind, filter and exposure time of a frame without these cards?
Asked: right or left open, never wrong.
"""

import argparse
import sys
import tempfile
import warnings
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = map(str, (REPOSITORY, REPOSITORY / "benchmarks", REPOSITORY / "tests/real"))
import _bench  # noqa: E402
from test_stripped_headers import SETS, strip  # noqa: E402

from n2n.formats import headers, words  # noqa: E402
from n2n.formats.filters import filter_in_path  # noqa: E402
from n2n.formats.fits import read_header  # noqa: E402
from n2n.formats.pixels import read_pixels  # noqa: E402
from n2n.formats.profiles import Cards  # noqa: E402
from n2n.sky import evidence  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of the shared frames")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    rows, total = [], {"kind": [0, 0], "filter": [0, 0], "exposure": [0, 0]}
    for folder, kinds, filters, times in SETS:
        files = sorted(path for path in (args.data / folder).glob("*") if ".fit" in path.name.lower())
        frames, counts = 0, {"kind": [0, 0], "filter": [0, 0], "exposure": [0, 0]}
        for path in files:
            if (words.kind_in_path(f"night/{path.name}") or ("",))[0] == "master":
                continue  # the set's own average: no exposure
            told = told_without_header(path)
            frames += 1
            truth = {"kind": next(kind for start, kind in kinds.items() if path.name.startswith(start))}
            for what, value, right in (
                ("kind", told["kind"], told["kind"] == truth["kind"]),
                ("filter", told["filter"], told["filter"] in filters),
                ("exposure", told["exposure"], told["exposure"] in times),
            ):
                if value:
                    counts[what][not right] += 1
        cells = [f"{right} / {wrong}" for right, wrong in counts.values()]
        rows.append([folder, frames, *cells])
        total = {what: [a + b for a, b in zip(total[what], counts[what], strict=True)] for what in total}
        print(_bench.row(rows[-1]), flush=True)
    heads = ["set", "frames", *(f"{what} right / wrong" for what in total)]
    reached = f"of {sum(row[1] for row in rows)} frames, right / wrong: "
    reached += ", ".join(f"{what} {right} / {wrong}" for what, (right, wrong) in total.items())
    text = [
        "Every labelled frame without its cards of kind, filter and exposure time; what words and pixels tell, right",
        "or wrong. The rest is left open. Averages that lie beside their exposures are no exposures, and known by",
        "their names.",
        "",
        *_bench.table(heads, rows),
    ]
    _bench.write_page(__file__, "What evidence alone decides", text, reached)


def told_without_header(path: Path) -> dict:
    """What words and pixels tell of a frame."""
    with tempfile.TemporaryDirectory() as scratch:
        name = path.name.removesuffix(".gz")
        strip(path, Path(scratch) / name)
        cards = Cards(read_header(Path(scratch) / name)[0])
        pixels, _ = read_pixels(Path(scratch) / name, counts=True)
    inside = f"night/{name}"
    assert not headers.told_kind(cards, inside)
    exposure = words.exposure_in_path(inside)
    look = evidence.look(pixels, exposure and exposure[0])
    found = filter_in_path(inside)
    return {
        "kind": evidence.decide(words.kind_in_path(inside), look, exposure and exposure[0]).kind,
        "filter": found[0].canonical if found else "",
        "exposure": exposure[0] if exposure else None,
    }


if __name__ == "__main__":
    main()
