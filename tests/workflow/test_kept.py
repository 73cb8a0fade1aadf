"""Pixels change only together with the number of their recipe: the tiny night against what was kept of it."""

import copy
import json

import pytest

from n2n.recipes import RECIPES

from . import kept

pytestmark = pytest.mark.workflow
REMEDY = "then keep the new numbers: python -m tests.workflow.kept"


def complaint(stored: dict, found: dict, recipes: dict) -> str:
    """What is wrong with the counters of a night; empty when nothing is."""
    changed = kept.differing(stored, found)
    if changed and recipes[changed[0]] == stored["stages"][changed[0]]["recipe"]:
        stage = changed[0]
        return f"{stage} makes other pixels: undo that, or raise {stage!r} in n2n/recipes.py; {REMEDY}"
    raised = [stage for stage, one in stored["stages"].items() if recipes[stage] != one["recipe"]]
    return f"raised: {', '.join(raised)}; {REMEDY}" if raised else ""


@pytest.fixture(scope="module")
def stored():
    return json.loads(kept.FILE.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def found(finished):
    return kept.of_night(finished.folder)


def test_no_pixel_changed_without_its_recipe(stored, found):
    assert complaint(stored, found, RECIPES) == ""


def test_every_stage_that_makes_pixels_is_kept(stored, found):
    assert list(stored["stages"]) == list(found)
    assert set(found) <= set(RECIPES)


@pytest.mark.parametrize("stage", ["master", "register", "stack", "denoise", "assess"])
@pytest.mark.parametrize("machine", ["this", "another"])
def test_a_change_without_a_raise_names_the_recipe(stored, found, stage, machine):
    stored, other = copy.deepcopy(stored), copy.deepcopy(found)
    if machine == "another":
        stored["machine"] = machine
    share = 1.05 if stage in kept.RESTS_ON_TRAINING else 1.001
    other[stage] = [share * number for number in other[stage]]
    assert f"raise {stage!r} in n2n/recipes.py" in complaint(stored, other, RECIPES)
    raised = RECIPES | {stage: RECIPES[stage] + 1}
    assert f"raised: {stage}; " in complaint(stored, other, raised)


def test_the_last_digits_of_another_machine_are_no_change(stored, found):
    other = {stage: [number * (1 + 1e-7) for number in numbers] for stage, numbers in found.items()}
    assert complaint(stored | {"machine": "another"}, other, RECIPES) == ""
