"""A default that a text states is the one in the code: help of every command, documents, shipped settings."""

import argparse
import re
from dataclasses import asdict
from pathlib import Path

import pytest

from n2n.cli import VERBS, build_parser
from n2n.config import check_config
from n2n.nets.memory import CPU_TILE
from n2n.nets.recipe import FROM_PRIOR, FROM_RANDOM, Recipe
from n2n.study.training import PhotoRecipe

ROOT = Path(__file__).parents[1]
TEXTS = {
    path.relative_to(ROOT).as_posix(): " ".join(path.read_text(encoding="utf-8").split())
    for folder in ("", "docs", "docs/decisions", "config")
    for path in (ROOT / folder).glob("*.md")
    if path.name not in ("CHANGELOG.md", "notebook.md")  # these tell of what was
}
for name in ("config/config.yaml", "n2n/config.schema.yaml"):
    TEXTS[name] = " ".join((ROOT / name).read_text(encoding="utf-8").replace("#", " ").split())
# What texts say of defaults that no schema holds: the words with the numbers in brackets, and the numbers. Some may go.
STATED = {
    r"0: (\d+) from the prior, (\d+) from random weights": (FROM_PRIOR[0], FROM_RANDOM[0]),
    r"0: (0\.\d+) from the prior, (0\.\d+) from random weights": (FROM_PRIOR[1], FROM_RANDOM[1]),
    r"(\d+) steps at (?:a rate of )?(0\.\d+) \(the default\)": FROM_PRIOR,
    r"goes on(?: with the night's own exposures, [\w ,]+)? for (\d+) steps": FROM_PRIOR[:1],
    r"for (\d+) steps instead of (\d+)": (FROM_PRIOR[0], FROM_RANDOM[0]),
    r"0: (\d+) on a CPU": (CPU_TILE,),
    r"nothing but your exposures, (\w+) times as long": ({3: "three", 2: "two"}.get(FROM_RANDOM[0] / FROM_PRIOR[0]),),
}


@pytest.mark.parametrize("words", STATED)
def test_documents_state_the_defaults_of_the_code(words):
    found = {(name, match.groups()) for name, text in TEXTS.items() for match in re.finditer(words, text)}
    assert found or words.startswith(r"(\d+) steps"), "nobody says it any more: take it out of this list"
    assert [one for one in sorted(found) if one[1] != tuple(map(str, STATED[words]))] == []


def actions(parser: argparse.ArgumentParser):
    """All options of a command, those of its sub-commands too."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from actions(inner)
        else:
            yield action


@pytest.mark.parametrize("verb", VERBS)
def test_help_states_the_defaults_of_the_options(verb):
    parser = next(a for a in build_parser(verb)._actions if isinstance(a, argparse._SubParsersAction)).choices[verb]
    for action in actions(parser):
        said = re.search(r"\(default: ([^()]+)\)$", action.help or "")
        if said and action.default is not None and action.default != []:
            assert said[1] == str(action.default), action.dest
        elif number := re.search(r"\(([\d.]+)\)$", action.help or ""):
            assert float(number[1]) == action.default, action.dest


def test_a_recipe_by_hand_is_that_of_the_settings():
    settings = check_config({})["train"]
    assert {key: value for key, value in asdict(Recipe()).items() if key in settings} == settings


def test_a_recipe_of_photographs_by_hand_is_that_of_the_command():
    args = build_parser("photo").parse_args(["photo", "train", "--noise", "gaussian", "-o", "x"])
    recipe = asdict(PhotoRecipe())
    assert {key: value for key, value in recipe.items() if value != getattr(args, key, value)} == {"loss": "l2"}, (
        "which the noise decides"
    )
