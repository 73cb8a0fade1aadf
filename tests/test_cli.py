"""The door: every verb explains itself, and what cannot be loaded is one line."""

import importlib
import subprocess
import sys
import types

import pytest

from n2n import cli
from n2n.cli import VERBS, main


def test_every_verb_answers_help(capsys):
    for verb, (_, text) in VERBS.items():
        with pytest.raises(SystemExit) as ended:
            main([verb, "--help"])
        shown = capsys.readouterr().out
        assert ended.value.code == 0 and f"usage: n2n {verb}" in shown and "--log" in shown, verb
        assert len(text) < 100


@pytest.mark.parametrize("raised", [ImportError("no such\nthing"), SyntaxError("invalid"), ValueError("x"), OSError(5)])
def test_a_verb_that_cannot_be_loaded_is_one_line(monkeypatch, capsys, raised):
    def fail(name):
        raise raised

    monkeypatch.setattr(importlib, "import_module", fail)
    assert main(["stack", "pairs.h5", "-o", "x"]) != 0
    said = capsys.readouterr().err
    assert said.startswith("[stack] error: n2n stack cannot be loaded: ") and said.count("\n") == 1


def test_a_missing_package_is_named_with_how_to_install_it(monkeypatch, capsys):
    def fail(name):
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.setattr(importlib, "import_module", fail)
    assert main(["denoise", "x"]) != 0
    said = capsys.readouterr().err
    assert "needs the module torch" in said and "pip install torch" in said and said.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "verb"),
    [
        (["report", "--log", "ingest"], "report"),
        (["--version"], None),
        (["--help", "stack"], "stack"),
        (["nonsense", "stack"], None),
        ([], None),
    ],
)
def test_only_the_first_word_is_the_verb(arguments, verb):
    assert cli._verb(arguments) == verb


def test_a_value_that_is_called_like_a_verb_is_a_value(monkeypatch, tmp_path):
    seen = []
    stage = types.SimpleNamespace(
        __doc__="x", add_arguments=lambda parser: parser.add_argument("word"), run=lambda args: seen.append(args)
    )
    monkeypatch.setattr(importlib, "import_module", lambda name: seen.append(name) or stage)
    assert main(["report", "--log", str(tmp_path / "ingest"), "master"]) == 0
    assert seen[0] == "n2n.stages.report" and seen[1].word == "master" and (tmp_path / "ingest").exists()


def test_the_command_itself_says_its_version_and_refuses_an_unknown_verb():
    run = [sys.executable, "-m", "n2n"]
    assert subprocess.run([*run, "--version"], capture_output=True, text=True).stdout.startswith("n2n ")
    done = subprocess.run([*run, "stak"], capture_output=True, text=True)
    assert done.returncode == 2 and "invalid choice: 'stak'" in done.stderr and "Traceback" not in done.stderr
