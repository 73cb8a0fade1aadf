import pytest
import torch

from n2n.errors import UserError
from n2n.nets.loop import Curves
from n2n.study.models import check, curves_text, describe, fingerprint_of, network_of
from n2n.study.training import PhotoRecipe, build_network

CPU = torch.device("cpu")


class Source:
    facts = {"noise": "pairs", "photographs": "digest", "training_images": 3}  # noqa: RUF012


def test_a_network_comes_back_from_its_facts():
    recipe = PhotoRecipe(width=6, activation="elu", steps=10, batch=4)
    model, curves = build_network(recipe), Curves([(10, 0.5, 0.25, 28.0, 1e-3, 2.0)])
    facts = describe(model, recipe, Source, curves, CPU)
    check(facts, "model.json")
    assert facts["targets"] == "noisy" and facts["crops_per_second"] == 20 and facts["final"]["validation_loss"] == 0.25
    again, image = network_of(facts, model.state_dict(), CPU), torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(again(image), model(image))
    assert curves_text(curves).splitlines()[1] == "10,0.500000,0.250000,28.0000,1.000e-03,2.0"


def test_another_recipe_or_other_photographs_are_another_training():
    recipes = PhotoRecipe(), PhotoRecipe(seed=2)
    digests = {fingerprint_of(recipe, Source.facts | {"photographs": d}) for recipe in recipes for d in "ab"}
    assert len(digests) == 4


def test_a_nights_model_is_named():
    with pytest.raises(UserError, match=r"m\.json is not a model for photographs"):
        check({"recipe": {}}, "m.json")
