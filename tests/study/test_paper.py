import pytest
import torch
from torch import nn

from n2n.nets.activations import ACTIVATIONS
from n2n.nets.unet import parameters
from n2n.study.paper import PaperUNet

# Table 2 of Lehtinen et al. 2018: inputs and outputs of every convolution, n = m = 3.
TABLE = [
    (3, 48), (48, 48), (48, 48), (48, 48), (48, 48), (48, 48), (48, 48),
    (96, 96), (96, 96), (144, 96), (96, 96), (144, 96), (96, 96), (144, 96), (96, 96),
    (99, 64), (64, 32), (32, 3),
]  # fmt: skip


def test_the_layers_are_the_papers():
    layers = [layer for layer in PaperUNet().modules() if isinstance(layer, nn.Conv2d)]
    assert [(layer.in_channels, layer.out_channels) for layer in layers] == TABLE
    assert parameters(PaperUNet()) == 991_203
    assert len({id(layer.weight) for layer in layers}) == len(TABLE)  # no layer is used twice


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_layer_learns(activation):
    torch.manual_seed(0)
    model = PaperUNet(width=6, activation=activation)
    out = model(torch.rand(2, 3, 64, 96) - 0.5)
    assert out.shape == (2, 3, 64, 96)
    out.square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def test_one_level_deeper_sees_farther():
    """A change of one pixel reaches 1/32 resolution: dozens of pixels away."""
    torch.manual_seed(0)
    model = PaperUNet(width=6).eval()
    image = torch.rand(1, 3, 128, 128)
    other = image.clone()
    other[0, :, 64, 64] += 5
    with torch.no_grad():
        changed = (model(image) - model(other)).abs().amax(dim=1)[0] > 0
    assert changed[64, 64] and changed[30, 30]


def test_a_width_that_is_no_multiple_of_three_is_refused():
    with pytest.raises(ValueError, match="multiple of 3"):
        PaperUNet(width=16)
