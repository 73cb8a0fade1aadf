import pytest
import torch

from n2n.errors import UserError
from n2n.study.training import PhotoRecipe, build_network


@pytest.mark.parametrize("network", ["paper", "ours"])
@pytest.mark.parametrize(
    ("name", "kind"), [("elu", torch.nn.ELU), ("leaky_relu", torch.nn.LeakyReLU), ("gelu", torch.nn.GELU)]
)
def test_networks_have_the_activation_that_was_asked_for(network, name, kind):
    model = build_network(PhotoRecipe(network=network, width=6, activation=name))
    assert any(isinstance(layer, kind) for layer in model.modules())


@pytest.mark.parametrize(("sizes", "words"), [({"width": 7}, "multiple of 3"), ({"crop": 50}, "multiple of 32")])
def test_sizes_that_the_network_cannot_have_are_refused(sizes, words):
    with pytest.raises(UserError, match=words):
        build_network(PhotoRecipe(**sizes))
