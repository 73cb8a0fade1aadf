"""Names from outside reach commands whole, run nothing, and leave products where they belong."""

import os
import random
import re
import subprocess
import sys
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from n2n.formats.tables import read_csv
from n2n.planning.names import WILDCARDS, why_no_night

from .conftest import NIGHT, REPOSITORY, Workspace, new_workspace

pytestmark = pytest.mark.workflow

PLAIN = "2026-01-01"
PIECES = [
    *"aZ09é日 '\"`$(){}[]<>&|;*?!#~%=,:@^\\-+._",
    *("$(touch PWNED)", "`touch PWNED`", "'; touch PWNED; '", "{Ha}", "{0}", "{{", "}}", "{input}", "{night", "<logs>"),
    *("${HOME}", "$HOME", "\\n", "--help", "-o", "&&", "%s", "'\"'\"'", "{params.options}", "<a>", "||", "!!"),
]
# Words of commands that may stand unquoted in a rule: numbers, choices of a list, or options quoted when they are made.
SAFE = re.compile(
    r"threads|resources\.(mem_mb|gpu|device)|params\.(options|environment|recipe|photographs)"
    r"|wildcards\.(palette|noise|activation|targets|seed)"
)


def hostile(chance: random.Random, ascii_only: bool = False) -> str:
    """A name that means something to a shell, to str.format or to snakemake."""
    # In a header a ? stands for a lost letter; n2n asks what it was.
    pieces = [piece for piece in PIECES if piece.isascii() and piece != "?"] if ascii_only else PIECES
    return "".join(chance.choices(pieces, k=chance.randint(1, 9)))


def nights_of(chance: random.Random, count: int) -> list[str]:
    found = {"x'$(touch PWNED)'y", "-rf", "2026-10-03 {Ha}", "~", "<results>", "é" * 127, "n" * 241 + "$(touch PWNED)"}
    while len(found) < count:
        name = hostile(chance)
        if not name.startswith(".") and name != PLAIN and not why_no_night(name):
            found.add(name)
    return sorted(found)


def light(path: Path, chance: random.Random, number: int, target: str, band: str) -> None:
    pixels = np.random.default_rng(chance.random().hex().encode()[2] + number).normal(1000, 20, (64, 64))
    header = fits.Header({"IMAGETYP": "Light Frame", "EXPTIME": 60.0, "INSTRUME": "Cam", "EGAIN": 1.0})
    header["OBJECT"], header["FILTER"], header["DATE-OBS"] = target, band, f"2026-01-01T20:00:{number:02d}"
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.writeto(path, (pixels + chance.random() * 50).astype(np.uint16), header)


def commands(workspace: Workspace, *arguments: str) -> list[list[str]]:
    """What each job would hand to n2n: all shell commands of a dry run, run by bash with an n2n that only echoes."""
    done = workspace.snakemake("--dry-run", "--printshellcmds", *arguments)
    lines = re.findall(r"^\s*Shell command: (?!None$)(.+)$", done.stdout + done.stderr, re.M)
    script = workspace.folder / "echo.sh"
    script.write_text("n2n() { printf '%s\\0' \"$@\"; printf '\\1\\0'; }\n" + "\n".join(lines) + "\n")
    subprocess.run(["bash", "-n", script], check=True)
    echoed = subprocess.run(["bash", script], cwd=workspace.folder, capture_output=True, check=True)
    assert not echoed.stderr
    jobs = [job.split("\0") for job in echoed.stdout.decode().split("\1\0") if job]
    jobs = [job[:-1] for job in jobs]
    assert len(jobs) == len(lines)
    return jobs


def nothing_ran(folder: Path) -> None:
    assert not [path for path in folder.rglob("PWNED*") if path.is_file()]


def test_no_rule_hands_on_a_word_unquoted():
    rules = [*(REPOSITORY / "workflow").rglob("*.smk")]
    assert len(rules) > 15
    for rule in rules:
        text = rule.read_text()
        for command in re.findall(r"^    shell:\n((?: {8}.+\n?)+)", text, re.M):
            assert "'{" not in command, f"{rule.name}: quote with :q"
            for word in re.findall(r"\{([^{}]+)\}", command):
                assert word.endswith(":q") or SAFE.fullmatch(word), f"{rule.name}: {{{word}}} is not quoted"


def test_every_wildcard_of_a_rule_is_known_to_be_one():
    for rule in (REPOSITORY / "workflow").rglob("*.smk"):
        text = rule.read_text()
        used = set(re.findall(r"\{\{(\w+)\}\}", text)) | set(re.findall(r'="\{(\w+)\}"', text))
        assert used <= set(WILDCARDS), f"{rule.name}: add to n2n.planning.names.WILDCARDS"


def test_hostile_names_of_nights_targets_and_filters_reach_every_command_whole(tmp_path):
    chance = random.Random(20261003)
    workspace = Workspace(tmp_path)
    nights = nights_of(chance, 80)
    names = set(nights)
    for night in [PLAIN, *nights]:
        target, band = (word + hostile(chance, True)[:60] for word in "TF") if night != PLAIN else ("M 31", "Ha")
        names |= {target, band, f"{night}.fits"}
        for number in (1, 2):
            name = f"{hostile(chance)[:40].lstrip('.') or 'x'}{number}.fits".replace("/", "")
            light(tmp_path / "data/raw" / night / name, chance, number, target, band)
    assert len(names) >= 200
    jobs = commands(workspace)
    # Every night has the jobs of the plain one, word for word, but for its own name and its group's.
    shapes = defaultdict(list)
    for night in [PLAIN, *nights]:
        group = {row["group"] for row in read_csv(tmp_path / "results" / night / "frames.csv")}
        assert len(group) == 1 and re.fullmatch(r"[A-Za-z0-9+._-]+", *group), (night, group)
        for job in jobs:
            words = [word.replace(f"/{night}/{group_of(group)}/", "/@/@/").replace(f"/{night}/", "/@/") for word in job]
            words = ["@/@" if word == f"{night}/{group_of(group)}" else word for word in words]
            if words != job:
                shapes[night].append(words)
    assert {"measure", "stack", "denoise", "assess", "report", "crate"} <= {job[0] for job in shapes[PLAIN]}
    plain = sorted(shapes[PLAIN])
    assert [night for night in nights if sorted(shapes[night]) != plain] == []
    for job in jobs:
        if job[0] == "master":
            assert re.fullmatch(r"results/masters/[\w+.-]+\.fits", job[job.index("--output") + 1])
            assert job[job.index("--raw") + 1] == "data/raw"
    nothing_ran(tmp_path)


def group_of(group: set[str]) -> str:
    return next(iter(group))


@pytest.mark.parametrize(
    ("raw", "results", "models"),
    [
        ("-raw {0}", "-rf {Ha} $(touch PWNED)", "--help"),
        ("it's `touch PWNED`", "o'ut <logs> {input}", '{models}\'s "x" \\'),
        ("./a//b/", "./res ~ {{x}} ; touch PWNED", "m\\o $HOME &"),
        ("~/sky {Ha}", "~/it's", "~/m {id"),
    ],
)
def test_hostile_roots_reach_every_command_whole(tmp_path, monkeypatch, raw, results, models):
    monkeypatch.setenv("HOME", str(tmp_path / "ho'me {x}"))
    workspace = Workspace(tmp_path / "at {w} $(touch PWNED) it's")
    workspace.folder.mkdir()
    roots = {"raw": raw, "results": results, "models": models}
    real = {name: Path(workspace.folder, root.replace("~/", f"{os.environ['HOME']}/")) for name, root in roots.items()}
    chance = random.Random(1)
    for number in range(1, 13):
        light(real["raw"] / "a {Ha}'s" / f"{number}.fits", chance, number, "M 31", "Ha")
    (workspace.folder / "config").mkdir()
    quoted = [f"{name}: '{root.replace(chr(39), chr(39) * 2)}'\n" for name, root in roots.items()]
    (workspace.folder / "config/config.yaml").write_text("".join(quoted))
    given = defaultdict(set)
    for job in commands(workspace):
        for option, word in pairwise(job):
            if option in ("--raw", "--results", "--models", "--output", "--log", "--model"):
                assert not word.startswith("-"), "taken for an option"
                given[job[0], option].add(Path(workspace.folder, word))
    assert given["measure", "--raw"] == given["master", "--raw"] == {real["raw"]}
    assert given["measure", "--results"] == {real["results"]}
    assert given["report", "--models"] == {real["models"]}
    assert {path.parents[2] for path in given["train", "--output"] | given["denoise", "--model"]} == {real["models"]}
    assert {path.parents[2] for path in given["stack", "--output"]} == {real["results"]}
    assert (real["results"] / "a {Ha}'s" / "frames.csv").is_file()
    nothing_ran(tmp_path)


def test_nights_that_no_name_can_be_made_of_are_left_out_alone(tmp_path):
    workspace = Workspace(tmp_path)
    chance = random.Random(1)
    bad = ["two\nlines", "logs", "masters", "a {night} b", os.fsdecode(b"l\xe4tin")]
    for night in [PLAIN, *bad]:
        for number in (1, 2):
            light(tmp_path / "data/raw" / night / f"{number}.fits", chance, number, "M 31", "Ha")
    done = workspace.snakemake("--dry-run")
    said = [line for line in done.stderr.splitlines() if "is left out: its name" in line]
    assert len(said) == len(bad) and all("rename its folder" in line for line in said)
    for shown in ("two\\nlines", "night logs ", "night masters ", "a {night} b", "l\\udce4tin"):
        assert len([line for line in said if shown in line]) == 1, shown
    assert sorted(path.parent.name for path in (tmp_path / "results").glob("*/frames.csv")) == [PLAIN]
    done = workspace.snakemake("--dry-run", "--config", "nights=logs", check=False)
    said = done.stdout + done.stderr
    assert done.returncode != 0 and "night logs is left out" in said and "Traceback" not in said


def test_the_worst_names_run_through_to_the_stack(tmp_path):
    source = tmp_path / "chec'k {out}: $(touch PWNED)"
    source.mkdir()
    for name in ("n2n", "workflow", "profiles", "Snakefile"):
        (source / name).symlink_to(REPOSITORY / name)
    python = source / "python"
    python.symlink_to(sys.executable)
    folder = tmp_path / "wor'k {x} $(touch PWNED)"
    folder.mkdir()
    workspace = new_workspace(folder, seed=5)
    raw = folder / "data/raw"
    worst = "-x'$(touch PWNED)'y {Ha} <logs> `touch PWNED` $a_$ "
    worst += "é" * ((255 - len(worst.encode())) // 2)
    for frame in [path for path in (raw / NIGHT).rglob("*.fits") if "LIGHT" not in path.parts]:
        frame.unlink()
    for frame in sorted((raw / NIGHT).rglob("*.fits"))[5:]:
        frame.unlink()
    (raw / NIGHT).rename(raw / worst)
    site = next(path for path in sys.path if path.endswith("site-packages"))
    command = [str(python), *workspace.command("--until", "stack")[1:]]
    command[command.index("--snakefile") + 1] = str(source / "Snakefile")
    environment = workspace.environment() | {"PYTHONPATH": f"{REPOSITORY}:{site}"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert (folder / "results" / worst / "NGC7000_Ha/stack.fits").is_file(), done.stdout + done.stderr
    assert (folder / "results/logs" / worst / "NGC7000_Ha/stack.log").is_file()
    assert "WildcardError" not in done.stderr and "usage: n2n" not in done.stderr and "not found" not in done.stderr
    nothing_ran(tmp_path)
