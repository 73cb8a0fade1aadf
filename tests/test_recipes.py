"""One number a stage, and everything that is told by them."""

import pytest

from n2n import recipes
from n2n.formats import provenance
from n2n.nets.recipe import Recipe
from n2n.study.training import PhotoRecipe

FACTS = {"night": "n", "group": "g", "product": "DENOISED", "calibration": [], "reference": "r", "reason": ""}
FROM_MASTER_TO_ASSESS = (
    *("master", "vet", "measure", "reference", "register", "pairs", "stack"),
    *("train", "denoise", "frames", "inject", "assess"),
)


def identity() -> str:
    return provenance.provenance_id(FACTS, {"a": True})


def test_stages_that_make_a_products_pixels_are_those_from_master_to_assess():
    assert tuple(recipes.PIXELS) == FROM_MASTER_TO_ASSESS
    assert sum(recipes.RECIPES[stage] for stage in FROM_MASTER_TO_ASSESS) == recipes.RECIPE


@pytest.mark.parametrize("stage", FROM_MASTER_TO_ASSESS)
def test_a_raised_stage_makes_another_product_by_name(monkeypatch, stage):
    before = identity()
    monkeypatch.setitem(provenance.PIXELS, stage, provenance.PIXELS[stage] + 1)
    assert identity() != before


def test_networks_say_the_number_they_were_trained_by():
    assert Recipe().version == recipes.RECIPES["train"] >= recipes.OLDEST_MODEL
    assert PhotoRecipe().version == recipes.RECIPES["photo"]
