"""How much evidence alone decides: every labelled real frame without its cards of kind, filter and exposure time.

    python benchmarks/realsets/stripped.py SHARED_DATA

Prints a Markdown table: frames a set, and of how many words and pixels told kind, filter and exposure time, right or
wrong. The truth is what the untouched header says, the set's name where it says nothing
(tests/real/test_stripped_headers.py).
"""

import argparse
import sys
import tempfile
import warnings
from pathlib import Path

HERE = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE / "tests/real"))
from test_stripped_headers import SETS, strip  # noqa: E402

from n2n.formats import headers, words  # noqa: E402
from n2n.formats.filters import filter_in_path  # noqa: E402
from n2n.formats.fits import read_header  # noqa: E402
from n2n.formats.pixels import read_pixels  # noqa: E402
from n2n.formats.profiles import Cards  # noqa: E402
from n2n.sky import evidence  # noqa: E402


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    print(
        "| set | frames | kind right / wrong | filter right / wrong | exposure right / wrong |\n|---|---|---|---|---|"
    )
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
        print(f"| {folder} | {frames} | {' | '.join(cells)} |", flush=True)


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
