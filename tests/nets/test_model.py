import json
from dataclasses import asdict

import pytest
import torch

from n2n.config import load_config
from n2n.errors import UserError
from n2n.nets import prior
from n2n.nets.model import describe, load_model, save_weights
from n2n.nets.recipe import WIDTH, Recipe, suits
from n2n.nets.unet import Denoiser, parameters
from n2n.recipes import OLDEST_MODEL, RECIPES

CPU = torch.device("cpu")


@pytest.fixture(params=["leaky_relu", "elu"])
def saved(tmp_path, request):
    recipe = Recipe(activation=request.param, width=8)
    torch.manual_seed(5)
    model = Denoiser(recipe.width, recipe.activation).to(memory_format=torch.channels_last)
    torch.nn.init.normal_(model.unet.head.weight)
    facts = describe(model, recipe) | {"weights_sha256": save_weights(tmp_path / "model.safetensors", model)}
    return tmp_path, model, json.loads(json.dumps(facts)), recipe


def test_a_model_comes_back_bit_by_bit(saved):
    folder, model, facts, _ = saved
    again = load_model(folder, facts, CPU)
    assert not again.training
    before, after = model.state_dict(), again.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    image = torch.randn((1, 1, 32, 32), generator=torch.Generator().manual_seed(0))
    one = torch.ones_like(image)
    with torch.no_grad():
        results = [m(image, one, one[..., :1, :1], one, torch.full((5,), 0.3)) for m in (model.eval(), again)]
    assert torch.equal(*results)


def test_the_description_says_what_was_trained(saved):
    _, model, facts, recipe = saved
    assert facts["recipe"] == asdict(recipe)
    assert facts["parameters"] == parameters(model)
    assert recipe.activation in facts["architecture"]


def test_the_same_weights_have_the_same_digest(saved, tmp_path):
    _, model, facts, _ = saved
    assert save_weights(tmp_path / "again.safetensors", model) == facts["weights_sha256"]
    with torch.no_grad():
        model.unet.head.bias[0] += 1e-6
    assert save_weights(tmp_path / "other.safetensors", model) != facts["weights_sha256"]


def test_altered_weights_are_refused(saved):
    folder, _, facts, _ = saved
    path = folder / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"is damaged .*: rm .*model.safetensors .*model.json"):
        load_model(folder, facts, CPU)


def test_missing_weights_are_refused(saved):
    folder, _, facts, _ = saved
    (folder / "model.safetensors").unlink()
    with pytest.raises(UserError, match=r"cannot read the model .*model.safetensors"):
        load_model(folder, facts, CPU)


def test_older_networks_that_can_be_applied_are_read_and_others_are_refused(saved):
    folder, _, facts, _ = saved
    for version in range(OLDEST_MODEL, RECIPES["train"] + 1):
        load_model(folder, facts | {"recipe": facts["recipe"] | {"version": version}}, CPU)
    for version, age in ((OLDEST_MODEL - 1, "an older"), (RECIPES["train"] + 1, "a newer")):
        with pytest.raises(UserError, match=f"is of {age} version of n2n"):
            load_model(folder, facts | {"recipe": facts["recipe"] | {"version": version}}, CPU)


def test_the_default_network_is_the_one_whose_weights_come_with_n2n():
    """Its width stands in the schema of the settings, too: with another one a training would start at random."""
    train = load_config()["train"]
    assert suits(train["width"], train["activation"])
    assert Recipe().settled().start == "prior"
    assert prior.network().unet.down[0].out_channels == WIDTH
