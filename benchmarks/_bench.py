"""What all benchmarks share: who measured when and where, running things, and pages that a rerun does not erase.

A program below `benchmarks/` says in its docstring what it asks (`Question:`) and what is wanted (`Asked:`). What it
finds goes into a page beside it (`write_page`): README.md for run.py, NAME.md for NAME.py. Every page begins with the
same facts, which `index.py` collects into `benchmarks/README.md`. Hand-written words belong into notes.md
(NAME.notes.md) beside the page; they are appended to it, so that no rerun loses them. Needs nothing but Python: the
environments of other programs import it, too.
"""

import ast
import datetime
import os
import platform
import re
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parent
REPOSITORY = BENCHMARKS.parent
FACTS = ("Question", "Command", "Asked", "Reached", "Date", "Commit", "Machine")
UNKNOWN = "not recorded"
EARLIER = "Earlier runs"
NOTES_BEGIN = "<!-- From here on: "
NOTES = NOTES_BEGIN + "{}, written by hand. What is above is written anew by the command. -->"


# Who, when, where.


def cores() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0))


def today() -> str:
    """Date as in all pages: 2026-11-30."""
    return str(datetime.date.today())


def commit() -> str:
    """Short hash of the code that is measured; says so when the code was changed since."""
    git = ["git", "-C", str(REPOSITORY)]
    found = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    changed = subprocess.run([*git, "status", "--porcelain", "--", "n2n", "workflow"], capture_output=True, text=True)
    return (found + " with changes" if changed.stdout.strip() else found) or UNKNOWN


def machine(gpu: str = "no GPU") -> str:
    """Processors and accelerator."""
    return f"{cores()} cores {platform.machine()}, {gpu}"


def command_line() -> str:
    """The command as it was given; of paths only the last part, for folders are other ones on every machine."""
    program = Path(sys.argv[0]).resolve().relative_to(REPOSITORY)
    words = [Path(word).name if "/" in word else word for word in sys.argv[1:]]
    return " ".join(["python", str(program), *words])


def measured(rows: list[dict]) -> dict[str, str]:
    """Date and commit of rows that were measured one by one: the first and the last."""
    rows = sorted(rows, key=lambda row: row["date"])
    first, last, commits = rows[0], rows[-1], {row["commit"] for row in rows}
    date = first["date"] if first["date"] == last["date"] else f"{first['date']} to {last['date']}"
    names = first["commit"] if len(commits) == 1 else f"{first['commit']} to {last['commit']} ({len(commits)})"
    return {"date": date, "commit": names}


# What a program says of itself.


def told(program: Path) -> dict[str, str]:
    """Question and what is asked, from the docstring of a program; the command from its first line in code."""
    text = ast.get_docstring(ast.parse(Path(program).read_text(encoding="utf-8"))) or ""
    found = {
        name: " ".join(match[1].split())
        for name in ("Question", "Asked", "Reached")
        if (match := re.search(rf"^{name}: (.*(?:\n(?![A-Z]\w+: )(?!\s*$).*)*)", text, re.MULTILINE))
    }
    if usage := re.search(r"^ {4}(\S*python .*(?:\n {8,}\S.*)*)", text, re.MULTILINE):
        found["Command"] = " ".join(usage[1].replace("\\\n", " ").split())
    return found


def facts_of(page: str) -> dict[str, str]:
    """The facts at the head of a page."""
    lines = re.findall(rf"^- ({'|'.join(FACTS)}): (.*)$", page.partition(NOTES_BEGIN)[0], re.MULTILINE)
    return {name: value.strip("`") if name == "Command" else value for name, value in reversed(lines)}


def page_of(program: Path) -> Path:
    """Where a program's results are."""
    program = Path(program).resolve()
    return program.with_name("README.md" if program.stem == "run" else f"{program.stem}.md")


# Writing pages.


def write_page(
    program: str | Path,
    title: str,
    body: list[str],
    reached: str,
    *,
    path: Path | None = None,
    parts: dict[str, list[str]] | None = None,
    **facts: str,
) -> str:
    """Write a page of results: title, facts, body, parts, notes.

    Parameters
    ----------
    program : str or Path
        ``__file__`` of the benchmark.
    title : str
    body : list of str
        Lines of Markdown; none of them begins with ``## `` where there are `parts`.
    reached : str
        The figure, in one sentence: what the front page says of this benchmark.
    path : Path, optional
        Another page than `page_of`.
    parts : dict of str to list of str, optional
        Sections by heading. Those of the page as it was that are not among them are kept below: a run on other nights,
        or of a part, erases nothing. Every new one tells its date, commit and machine.
    facts : str
        Other values than those of this moment, for example ``machine``. A page with a ``date`` of its own is made from
        a file that keeps every figure (see `measured`); others keep a line of every earlier run.

    Returns
    -------
    str
        The page.
    """
    path = path or page_of(program)
    here = {"command": f"`{command_line()}`", "date": today(), "commit": commit(), "machine": machine()} | facts
    said = {"Question": UNKNOWN, "Asked": UNKNOWN} | told(Path(program)) | {"Reached": reached}
    said |= {name: here[name.lower()] for name in ("Command", "Date", "Commit", "Machine")}
    kept = parts_of(path)
    before = earlier(kept.pop(EARLIER, []), facts_of(path.read_text(encoding="utf-8")) if path.exists() else {}, said)
    lines = [f"# {title}", "", *(f"- {name}: {said[name]}" for name in FACTS), *(["", *body] if body else [])]
    if parts is not None:
        stamp = f"{here['command']}, {here['date']}, commit {here['commit']}, {here['machine']}."
        new = {heading: [stamp, "", *lines_of] for heading, lines_of in parts.items()}
        for heading, section in (new | {h: s for h, s in kept.items() if h not in new}).items():
            lines += ["", f"## {heading}", "", *section]
    if before and "date" not in facts:
        lines += ["", f"## {EARLIER}", "", *before]
    notes = path.with_name("notes.md" if path.name == "README.md" else f"{path.stem}.notes.md")
    if notes.exists():
        lines += ["", NOTES.format(notes.name), "", *notes.read_text(encoding="utf-8").strip().splitlines()]
    text = "\n".join(lines).rstrip() + "\n"
    path.write_text(text, encoding="utf-8")
    return text


def parts_of(path: Path) -> dict[str, list[str]]:
    """Sections of the written part of a page, by heading."""
    if not path.exists():
        return {}
    generated = path.read_text(encoding="utf-8").partition(NOTES_BEGIN)[0]
    sections = re.split(r"^## ", generated, flags=re.MULTILINE)[1:]
    return {head.strip(): body.strip().splitlines() for head, _, body in (s.partition("\n") for s in sections)}


def earlier(lines: list[str], old: dict[str, str], new: dict[str, str]) -> list[str]:
    """The table of earlier runs, with the one that the page told of until now; newest first."""
    rows = [line for line in lines if line.startswith("| ")][1:]
    heads = ("Date", "Commit", "Machine", "Command", "Reached")
    new = new | {"Command": new["Command"].strip("`")}
    if old and any(old.get(name) != new[name] for name in heads):
        rows.insert(0, row([old.get(name, UNKNOWN).replace("|", "\\|") for name in heads]))
    return [*table(list(map(str.lower, heads)), []), *rows] if rows else []


def table(heads: list[str], rows: list[list]) -> list[str]:
    """Lines of a Markdown table."""
    return [row(heads), "|---" * len(heads) + "|", *map(row, rows)]


def row(cells: list) -> str:
    """One line of a Markdown table."""
    return f"| {' | '.join(map(str, cells))} |"


# Running things.


def n2n(*arguments: str | Path) -> None:
    """Run a verb of the command line."""
    subprocess.run([sys.executable, "-m", "n2n", *map(str, arguments)], check=True)


def snakemake(*arguments: str | Path, folder: Path | None = None, repository: Path = REPOSITORY) -> list[str]:
    """The command that runs the workflow of a checkout without a GPU on all processors, in `folder` or here."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(repository / "Snakefile"), *map(str, arguments)]
    return [
        *command,
        *(["--directory", str(folder)] if folder else []),
        "--cores",
        str(cores()),
        "--resources",
        "gpu=0",
    ]


def workflow(folder: Path, *targets: str, config: dict[str, object] | None = None) -> None:
    """Run the workflow in a folder, up to `targets` or whole."""
    settings = ["--config", *(f"{key}={value}" for key, value in config.items())] if config else []
    # Targets first: what follows an option that takes several values would be one of them.
    subprocess.run([*snakemake(*targets, folder=folder), *settings], check=True)


def timed(command: list[str], log: Path, **options) -> dict[str, float]:
    """Run `command`, its output into `log`.

    Returns
    -------
    dict
        ``wall`` and ``cpu`` in seconds, ``peak`` in GB: the largest sum of the proportional set sizes of the command
        and all it started, looked at five times a second.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    with open(log, "w") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, **options)
        peak = _Peak(process.pid)
        peak.start()
        status = process.wait()
    wall = time.monotonic() - started
    peak.stop()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if status:
        text = log.read_text(errors="replace").replace("\r", "\n")
        raise SystemExit(f"{command[0]} failed; the end of {log}:\n{text[-2000:]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall": wall, "cpu": cpu, "peak": peak.kilobytes / 2**20}


class _Peak(threading.Thread):
    def __init__(self, pid: int):
        super().__init__(daemon=True)
        self.pid, self.kilobytes, self.done = pid, 0, threading.Event()

    def run(self) -> None:
        while not self.done.wait(0.2):
            self.kilobytes = max(self.kilobytes, sum(map(_proportional, _family(self.pid))))

    def stop(self) -> None:
        self.done.set()
        self.join()


def _family(pid: int) -> list[int]:
    """A process and everything it started."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                fields = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents.setdefault(int(fields[1]), []).append(int(entry))
    found, waiting = [], [pid]
    while waiting:
        found.append(waiting.pop())
        waiting += parents.get(found[-1], [])
    return found


def _proportional(pid: int) -> int:
    """Memory of a process in kB, shared pages divided among those who share them."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
