import pytest
import torch
from torch import nn

from n2n.study.inference import denoise_photograph, to_bytes
from n2n.study.paper import PaperUNet


class Identity(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, image):
        assert image.shape[-2] % 32 == 0 and image.shape[-1] % 32 == 0
        return image * self.scale


@pytest.mark.parametrize("shape", [(1, 1), (5, 33), (64, 96), (321, 481), (500, 130)])
def test_any_size_comes_back_as_it_was(shape):
    image = torch.rand(3, *shape, generator=torch.Generator().manual_seed(1)) * 3 - 1.5
    out = denoise_photograph(Identity(), image, tile=128, overlap=64)
    assert out.shape == image.shape
    assert torch.allclose(out, image, atol=1e-5)


def test_no_seam_shows_between_tiles():
    """With what a tile's margin sees, tiles and the whole image agree far better than neighbouring pixels do."""
    torch.manual_seed(0)
    model = PaperUNet(width=6).eval()
    image = torch.rand(3, 416, 640) - 0.5
    whole = denoise_photograph(model, image, tile=640, overlap=128)
    tiled = denoise_photograph(model, image, tile=256, overlap=128)
    assert (tiled - whole).std() < 0.05 * whole.std()


def test_bytes_are_rounded_and_clipped():
    image = torch.tensor([-2.0, -0.5, -0.5 + 0.4 / 255, -0.5 + 0.6 / 255, 0.0, 0.5, 3.0]).view(1, 1, 7)
    assert to_bytes(image)[0, :, 0].tolist() == [0, 0, 0, 1, 128, 255, 255]
