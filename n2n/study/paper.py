"""The U-Net of Lehtinen et al. 2018 (Noise2Noise), table 2 of the paper."""

import torch
import torch.nn.functional as F
from torch import nn

from n2n.nets.activations import ACTIVATIONS

LEVELS = 5
MULTIPLE = 2**LEVELS  # height and width must be multiples of this


class PaperUNet(nn.Module):
    """Five levels of pooling, skip connections, and the input itself joined before the last layers.

    With 48 channels this is the paper's table: 0.99 M parameters for colour images.

    Parameters
    ----------
    channels : int
        Of input and output.
    width : int
        Channels of the encoder, a multiple of 3; the decoder has twice as many.
    activation : str
        A key of `ACTIVATIONS`; the paper's is "leaky_relu".
    """

    def __init__(self, channels: int = 3, width: int = 48, activation: str = "leaky_relu"):
        super().__init__()
        if width % 3:
            raise ValueError(f"width {width} is not a multiple of 3")
        encoder = [_conv(channels, width), *(_conv(width, width) for _ in range(LEVELS + 1))]
        skips = [channels, *[width] * (LEVELS - 1)]  # joined at full resolution, half, ..., 1/16
        decoder = []
        for level in reversed(range(1, LEVELS)):
            below = width if level == LEVELS - 1 else 2 * width
            decoder += [_conv(below + skips[level], 2 * width), _conv(2 * width, 2 * width)]
        self.encoder, self.decoder = nn.ModuleList(encoder), nn.ModuleList(decoder)
        self.last = nn.ModuleList([_conv(2 * width + channels, 4 * width // 3), _conv(4 * width // 3, 2 * width // 3)])
        self.output = nn.Conv2d(2 * width // 3, channels, 3, padding=1)
        self.activation = ACTIVATIONS[activation]()
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, a=0.1)
                nn.init.zeros_(layer.bias)
        nn.init.kaiming_normal_(self.output.weight, nonlinearity="linear")

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map (n, channels, h, w) to the same shape; h and w multiples of 32."""
        skips = [image]
        x = self.activation(self.encoder[0](image))
        for layer in self.encoder[1:-1]:
            x = F.max_pool2d(self.activation(layer(x)), 2)
            skips.append(x)
        x = self.activation(self.encoder[-1](skips.pop()))
        for first, second in zip(self.decoder[::2], self.decoder[1::2], strict=True):
            x = torch.cat([F.interpolate(x, scale_factor=2, mode="nearest"), skips.pop()], dim=1)
            x = self.activation(second(self.activation(first(x))))
        x = torch.cat([F.interpolate(x, scale_factor=2, mode="nearest"), skips.pop()], dim=1)
        for layer in self.last:
            x = self.activation(layer(x))
        return self.output(x)


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)
