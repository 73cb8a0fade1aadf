"""Write benchmarks/README.md: a row for every benchmark, from what programs and pages say of themselves.

    python benchmarks/index.py [--check]

A program's docstring says question and what is asked; the page it wrote says what was reached, by which command, when,
at which commit and on which machine. A page without a program (`snakemake study`) says all of it. A new benchmark
appears by itself.
"""

import argparse
import sys
from pathlib import Path

from _bench import BENCHMARKS, FACTS, UNKNOWN, facts_of, page_of, row, told

HEAD = """\
# Benchmarks

Written by `python benchmarks/index.py` from the programs and their pages: do not edit. A figure is the one that was
measured at that date and commit, and no newer one. "{unknown}": nobody wrote it down. Words in capitals are folders of
your own. How a benchmark is built, and how its notes are kept: `benchmarks/_bench.py`.
"""


def benchmarks() -> list[dict[str, str]]:
    """Facts of every benchmark, in the order of their folders; ``name``, ``page`` or "" beside."""
    found = []
    for folder in sorted(path for path in BENCHMARKS.iterdir() if path.is_dir()):
        programs = {page_of(path): path for path in sorted(folder.glob("*.py")) if "Question" in told(path)}
        pages = {p: facts_of(p.read_text(encoding="utf-8")) for p in sorted(folder.glob("*.md"))}
        pages = {path: facts for path, facts in pages.items() if facts or path in programs}
        for path in sorted({*programs, *pages}):
            said = told(programs[path]) if path in programs else {}
            facts = dict.fromkeys(FACTS, UNKNOWN) | said | pages.get(path, {})
            # The program knows best what it asks; the page what came of it.
            facts |= {name: said[name] for name in ("Question", "Asked") if name in said}
            name = folder.name if path.name == "README.md" else f"{folder.name}/{path.stem}"
            found.append(facts | {"name": name, "page": str(path.relative_to(BENCHMARKS)) if path in pages else ""})
    return found


def page() -> str:
    """The text of benchmarks/README.md."""
    lines = [row(["benchmark", *map(str.lower, FACTS)]), "|---" * (len(FACTS) + 1) + "|"]
    for one in benchmarks():
        name = f"[{one['name']}]({one['page']})" if one["page"] else one["name"]
        # A bar would end the cell.
        cells = [f"`{one[fact]}`" if fact == "Command" else one[fact] for fact in FACTS]
        lines.append(row([name, *(cell.replace("|", "\\|") for cell in cells)]))
    return HEAD.format(unknown=UNKNOWN) + "\n" + "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 when the page is old")
    args = parser.parse_args()
    path, text = BENCHMARKS / "README.md", page()
    if args.check:
        same = path.exists() and path.read_text(encoding="utf-8") == text
        print("up to date" if same else f"{Path('benchmarks/README.md')} is old: run `python benchmarks/index.py`")
        return 0 if same else 1
    path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
