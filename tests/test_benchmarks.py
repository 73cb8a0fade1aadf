"""The front page of the benchmarks, and what their shared helpers promise: nothing written by hand is lost."""

import ast
import csv
import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

REPOSITORY = Path(__file__).resolve().parents[1]
BENCHMARKS = REPOSITORY / "benchmarks"
HEAVY = {"torch", "careamics", "safetensors"}  # seconds to import, or not installed

sys.path.insert(0, str(BENCHMARKS))
import _bench  # noqa: E402
import index  # noqa: E402

ROWS = index.benchmarks()
PROGRAMS = sorted(path for path in BENCHMARKS.glob("*/*.py") if "Question" in _bench.told(path))


def imports(program: Path) -> set[str]:
    """Packages that a program imports when it starts."""
    tree = ast.parse(program.read_text())
    nodes = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = [alias.name for node in nodes for alias in node.names] + [getattr(node, "module", "") for node in nodes]
    return {name.partition(".")[0] for name in names}


def test_the_front_page_is_up_to_date():
    assert (BENCHMARKS / "README.md").read_text() == index.page(), "run `python benchmarks/index.py`"


def test_every_folder_and_every_program_has_a_row():
    folders = {path.name for path in BENCHMARKS.iterdir() if path.is_dir() and any(path.glob("*.py"))}
    assert folders == {row["name"].partition("/")[0] for row in ROWS}
    for program in BENCHMARKS.glob("*/*.py"):
        # Parts of other programs have no table of their own and are named by the one that starts them.
        if "__main__" in program.read_text() and not program.name.startswith("peer_"):
            assert program in PROGRAMS, f"{program} says no Question"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_a_row_says_what_is_asked_and_how_to_repeat_it(row):
    assert _bench.UNKNOWN not in (row["Question"], row["Asked"], row["Command"], row["Reached"])
    for name in re.findall(r"benchmarks/\S+\.py", row["Command"]):
        assert (REPOSITORY / name).is_file()
    assert re.search(r"benchmarks/\S+\.py|^snakemake ", row["Command"])
    if row["page"]:
        told = _bench.facts_of((BENCHMARKS / row["page"]).read_text())
        assert (told["Question"], told["Asked"]) == (row["Question"], row["Asked"]), "page and program differ"


def test_programs_answer_help():
    """In one process, where numpy and n2n are loaded once."""
    light = [str(path) for path in PROGRAMS if not imports(path) & HEAVY]
    assert len(light) > 12
    child = """
import runpy, sys
from pathlib import Path
plain = list(sys.path)
for program in sys.argv[1:]:
    sys.argv, sys.path[:] = [program, "--help"], [str(Path(program).parent), *plain]
    try:
        runpy.run_path(program, run_name="__main__")
    except SystemExit as end:
        if end.code == 0:
            continue
    print("no help:", program, file=sys.stderr)
    sys.exit(1)
"""
    done = subprocess.run([sys.executable, "-c", child, *light], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("usage:") == len(light)


DOCSTRING = """What.

    python benchmarks/x/run.py FOLDER [--more
        WORDS]

Question: Is it
    so?
Asked: 2 %.
"""


@pytest.fixture
def program(tmp_path, monkeypatch):
    """A benchmark of its own; its page is README.md beside it."""
    path = tmp_path / "run.py"
    path.write_text(f'"""{DOCSTRING}"""\n')
    monkeypatch.setattr(sys, "argv", [str(BENCHMARKS / "x/run.py"), "--frames", "/some/where/raw", "--seeds", "4"])
    return path


def test_a_program_says_what_it_asks(program):
    command = "python benchmarks/x/run.py FOLDER [--more WORDS]"
    assert _bench.told(program) == {"Question": "Is it so?", "Asked": "2 %.", "Command": command}


def test_a_page_gives_back_its_facts(program):
    text = _bench.write_page(program, "Title", ["body"], "1 %", machine="a cluster", commit="abc1234")
    facts = _bench.facts_of(text)
    assert facts["Reached"] == "1 %" and facts["Asked"] == "2 %." and facts["Question"] == "Is it so?"
    assert facts["Command"] == "python benchmarks/x/run.py --frames raw --seeds 4"
    assert (facts["Machine"], facts["Commit"], facts["Date"]) == ("a cluster", "abc1234", _bench.today())


def test_notes_written_between_two_runs_stay(program):
    _bench.write_page(program, "Title", ["first"], "1 %")
    program.with_name("notes.md").write_text("## By hand\n\n- Reached: the end of the night.\n")
    for body in ("second", "third"):
        text = _bench.write_page(program, "Title", [body], "2 %")
        assert text.count("## By hand") == 1 and text.endswith("the end of the night.\n")
    assert "third" in text and "second" not in text
    assert _bench.facts_of(text)["Reached"] == "2 %"  # a note is no fact


def test_parts_that_were_not_measured_anew_stay_with_their_own_date(program):
    _bench.write_page(program, "T", ["b"], "1", parts={"seed 1": ["one"], "real": ["r"]}, date="2020-01-01")
    program.with_name("notes.md").write_text("## By hand\n\nwords\n")
    _bench.write_page(program, "T", ["b"], "2", parts={"seed 2": ["two"]}, date="2021-01-01")
    text = _bench.write_page(program, "T", ["b"], "3", parts={"seed 1": ["uno"]}, date="2022-01-01")
    assert re.findall("^## (.*)$", text, re.MULTILINE) == ["seed 1", "seed 2", "real", "By hand"]
    assert "one" not in text and "uno" in text and text.count("words") == 1
    dates = {
        part: re.search(r"\d{4}-01-01", lines[0])[0] for part, lines in _bench.parts_of(_bench.page_of(program)).items()
    }
    assert dates == {"seed 1": "2022-01-01", "seed 2": "2021-01-01", "real": "2020-01-01"}


def test_a_rerun_keeps_a_line_of_what_was_reached_before(program):
    for figure in ("1 %", "2 %", "2 %", "3 %"):
        _bench.write_page(program, "Title", ["body"], figure, commit="abc1234", parts={"a": ["x"]})
    text = _bench.write_page(program, "Title", ["body"], "4 %", commit="def5678")
    rows = re.findall(r"^\| \d{4}-.* \| (.*) \|$", text, re.MULTILINE)
    assert rows == ["3 %", "2 %", "1 %"] and text.count("## Earlier runs") == 1
    assert _bench.facts_of(text)["Reached"] == "4 %"


def same(*arguments) -> subprocess.CompletedProcess:
    command = [sys.executable, str(BENCHMARKS / "same/run.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def test_same_compares_images_and_where_asked_tables_and_assessments(tmp_path):
    for name, prov, gain in (("before", "a", 2.0), ("after", "b", 2.5)):
        folder = tmp_path / name / "M31_L"
        folder.mkdir(parents=True)
        fits.writeto(folder / "stack.fits", np.arange(12.0).reshape(3, 4))
        (folder / "assessment.json").write_text(
            json.dumps({"prov_id": prov, "versions": {"n2n": prov}, "gain": [gain]})
        )
        with open(folder.parent / "frames.csv", "w", newline="") as file:
            csv.writer(file).writerows([["path", "commit", "kind"], ["x.fits", prov, "light"]])
    before, after = tmp_path / "before", tmp_path / "after"
    assert same(before, after).returncode == 0
    done = same(before, after, "--tables")
    assert done.returncode == 1 and "assessment.json: /gain/0: 2.0 against 2.5" in done.stdout
    assert "frames.csv: same" in done.stdout and "prov_id" not in done.stdout
    with fits.open(after / "M31_L/stack.fits", mode="update") as file:
        file[0].data[0, 0] += 1
    assert same(before, after).returncode == 1
    assert same(before, tmp_path / "nothing").returncode == 1


def test_figures_of_strange_nights_survive_their_file_and_make_a_page(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS / "strange")
    import pages

    row = {"date": "2026-11-30", "commit": "1234567", "size": "384x384", "group": "M31_L", "seed": "1"}
    told = {"qastat": "PASS", "claimed": "41.59", "claimed_error": "7.5", "true": "34.6", "true_error": "2.7"}
    told |= {"off": "0.2", "pull": "0.98", "off_fine": "0.1", "pull_fine": "0.4"}
    told |= {"chi2_b0_fine": "0.96", "robust_b0_fine": "0.17", "flux_faint": "nan"}
    told |= {"cells_fine": "8", "cells_right_fine": "7", "cells_lowest_fine": "0.71", "cells_highest_fine": "1.14"}
    told |= {"cells_mean_lowest_fine": "0.97", "cells_mean_highest_fine": "1.48"}
    rows = [row | {"case": "none"} | told, row | {"case": "banding", "qastat": "no product"}]
    rows.append(rows[0] | {"seed": "2", "off": "0.1", "pull": "0.5", "qastat": "FAIL", "failed": "G9 G11"})
    pages.write(tmp_path / "results.csv", rows)
    text, reached = pages.page(pages.numbers(pages.read(tmp_path / "results.csv")), ["none", "banding"])
    assert reached.startswith("claims within 10 % or two errors in 2 of 2 groups, off by +15 ± 5 %")
    page = "\n".join(text)
    assert "| none | M31_L | 384x384 | 2 | +15 ± 5 % | +0.7 ± 0.2 |" in page
    assert "41.6 ± 7.5 | 34.6 ± 2.7 | +20 %" in page and "0.96 (0.17)" in page
    assert "no product" in page and "G9 G11" in page
    assert "7 of 8, 0.71-1.14 (0.97-1.48)" in page
    assert reached.endswith("robust χ² of VAR 0.8-1.2 in 14 of 16 cells, 0.71 to 1.14 in all")
    assert "nan" not in page


def test_draws_of_a_deep_night_follow_each_other_and_their_figures_make_a_page(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS / "deep"), *sys.path])
    program = runpy.run_path(str(BENCHMARKS / "deep/run.py"))
    lights = [f"{number:03d}.fits" for number in range(110)]
    draws = program["drawn"](lights, 24, 3)
    assert [draw[0] for draw in draws] == ["014.fits", "043.fits", "072.fits"]
    assert all(draw == lights[lights.index(draw[0]) :][:24] for draw in draws)
    with pytest.raises(SystemExit, match="too few"):
        program["drawn"](lights[:40], 24, 3)
    gain = {"value": 5.0, "standard_error": 0.2, "pixels": 900}
    told = gain | {"claimed": 6.0, "claimed_standard_error": 0.4, "pull": 2.4}
    row = {"draw": "12 exposures, 1", "all": told, "background": told | {"pull": 1.0}, "extended": gain, "stars": told}
    row |= {"used": 12, "exposures": 96, "verdict": "PASS", "area": 0.5, "smooth_sigma": 0.1}
    text, reached = program["page"]([row])
    assert reached.startswith("claims within two errors in 0 of 1 draws, off by +20 %") and "1 of 2" in reached
    assert "| 12 exposures, 1 | 12 | 96 | 6.00 ± 0.40 | 5.00 ± 0.20 | +20 % | +2.4 | PASS | 50% | 0.10 |" in text
