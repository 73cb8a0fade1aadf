"""The end of a run in plain text. Loads nothing large: every run ends with it, also one that changed nothing."""

import sys
import textwrap
from pathlib import Path

from n2n.errors import UserError
from n2n.formats.tables import read_json
from n2n.report import words as words


def terminal_summary(results: Path, groups: list[tuple[str, str]]) -> str:
    """Two lines a group (night, name), worst first, then what to look at."""
    results = Path(results)
    found = []
    for night, group in groups:
        path = results / night / group / "assessment.json"
        try:
            facts = read_json(path, unsealed=True)
            lines = summary_lines(facts)
            found.append((words.ORDER[words.verdict_of(facts)], f"{night}/{group}", *lines))
        except (UserError, KeyError, TypeError, AttributeError):
            found.append((-1, f"{night}/{group}", *unfinished_lines(path)))
    found.sort(key=lambda entry: entry[0])
    width = max((len(entry[1]) for entry in found), default=0)
    lines = [""]
    for _, name, verdict, more in found:
        lines.append(f"  {name:<{width}}  {verdict}")
        lines.append(f"  {'':<{width}}  {textwrap.shorten(more, 100, placeholder=' ...')}")
    look = [results / night / "report.html" for night in dict.fromkeys(night for night, _ in groups)]
    for night in dict.fromkeys(night for night, _ in groups):
        look += sorted((results / night).glob("*.png"))
    for night, group in groups:
        folder = results / night / group
        product = "denoised.fits" if (folder / "denoised.fits").is_file() else "stack.fits"
        look += [folder / product, folder / "before_after.png"]
    there = [path.as_posix() for path in look if path.is_file()]
    lines += ["", "  Look at", *(f"    {path}" for path in there)] if there else []
    return printable("\n".join([*lines, ""]))


def summary_lines(facts: dict) -> tuple[str, str]:
    """Verdict and headline of one group, and the line below."""
    count = f"{facts['exposures']['used']} of {facts['exposures']['found']} exposures used"
    verdict = words.verdict_of(facts)
    said = words.said_of(facts).upper() if verdict == "FAIL" else words.said_of(facts)
    if verdict == "PASS":
        return f"{said}; {count}", words.headline(facts)
    shipped = "" if facts.get("product") == "DENOISED" else ", plain stack shipped"
    return f"{said}{shipped}; {count}", " ".join(words.reasons_of(facts, limits=False))


def unfinished_lines(assessment: Path) -> tuple[str, str]:
    """How far a group came that has no readable assessment: somebody may have asked for no more than its stack."""
    if not assessment.exists():
        for name, said in (("denoised.fits", "denoised, not judged"), ("stack.fits", "stacked, not denoised")):
            if (assessment.parent / name).exists():
                return said, "`snakemake` without a target makes the rest"
    return "no result", f"{assessment} is missing or damaged"


def printable(text: str) -> str:
    """The text as the terminal's encoding can show it."""
    encoding = getattr(sys.stderr, "encoding", None) or "ascii"
    try:
        text.encode(encoding)
        return text
    except (UnicodeEncodeError, LookupError):
        for nice, plain in (("±", "+-"), ("×", "x"), ("−", "-"), ("σ", "sigma"), ("–", "-"), ("\u2009", " ")):
            text = text.replace(nice, plain)
        return text.encode("ascii", "replace").decode("ascii")
