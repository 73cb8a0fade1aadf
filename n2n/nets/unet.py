"""The denoising network: a small U-Net that corrects a significance test.

The image is split into bands (`bands.py`). Each band is kept where it stands out of its noise and removed
where it does not; the U-Net, which sees the image, its bands and the depth, moves that decision up or
down and adds a correction. Untrained, this is a soft 3.5-sigma starlet filter; nothing outside the image's own
bands can appear except through the correction, and no pixel changes by more than noise may have changed it. Far above
the noise the input passes unchanged.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from n2n.nets.activations import ACTIVATIONS
from n2n.nets.bands import SMOOTHING, split
from n2n.nets.device import half_precision

THRESHOLD = 3.5  # sigma, where an untrained gate is half open
MOST = 5.0  # sigma by which a pixel may change: noise is no larger, a defect that is taken for a star would
BYPASS = 30.0  # sigma of the finest band, above which the input passes through: stars of S/N 180 and more
LEVELS = 3  # of the U-Net that denoises nights; on 2x2 blocks, so that sides must be multiples of
MULTIPLE = 2**LEVELS  # pixels
INPUTS = 4 + len(SMOOTHING)
OUTPUTS = 1 + len(SMOOTHING)


class Block(nn.Sequential):
    """Two 3x3 convolutions, each followed by the activation."""

    def __init__(self, inputs: int, outputs: int, activation: str, padding: str):
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, padding=1, padding_mode=padding),
            ACTIVATIONS[activation](),
            nn.Conv2d(outputs, outputs, 3, padding=1, padding_mode=padding),
            ACTIVATIONS[activation](),
        )


class UNet(nn.Module):
    """Two or three levels with skip connections, on 2x2 pixel blocks. The untrained output is zero.

    Parameters
    ----------
    inputs, outputs : int
        Channels.
    width : int
        Channels of the upper level; the lower ones have twice as many.
    activation : str
        A key of `ACTIVATIONS`.
    levels : {2, 3}
    padding : str
        Of the convolutions: "reflect", or "zeros", which is faster and on nights the better (docs/notebook.md).
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        width: int = 32,
        activation: str = "leaky_relu",
        levels: int = 2,
        padding: str = "reflect",
    ):
        super().__init__()
        self.down = Block(4 * inputs, width, activation, padding)
        self.bottom = Block(width, 2 * width, activation, padding)
        if levels == 3:
            self.deep = Block(2 * width, 2 * width, activation, padding)
            self.join = Block(4 * width, 2 * width, activation, padding)
        self.levels = levels
        self.up = Block(3 * width, width, activation, padding)
        self.head = nn.Conv2d(width, 4 * outputs, 1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (n, inputs, h, w) to (n, outputs, h, w); h and w multiples of 2^levels."""
        upper = self.down(F.pixel_unshuffle(x, 2))
        lower = self.bottom(F.avg_pool2d(upper, 2))
        if self.levels == 3:
            deep = F.interpolate(self.deep(F.avg_pool2d(lower, 2)), scale_factor=2, mode="nearest")
            lower = self.join(torch.cat([lower, deep], dim=1))
        lower = F.interpolate(lower, scale_factor=2, mode="nearest")
        return F.pixel_shuffle(self.head(self.up(torch.cat([upper, lower], dim=1))), 2)


class ResidualUNet(nn.Module):
    """The U-Net for photographs: it adds a correction to the image. Parameters as of `UNet`."""

    def __init__(self, channels: int = 3, width: int = 32, activation: str = "leaky_relu"):
        super().__init__()
        self.unet = UNet(channels, channels, width, activation)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d) and layer is not self.unet.head:
                nn.init.kaiming_normal_(layer.weight, a=0.1)
                nn.init.zeros_(layer.bias)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map (n, channels, h, w) to the same shape; h and w multiples of 4."""
        # Photographs lie within 0.5 of 0: bring them to the size the layers were drawn for.
        return image + 0.25 * self.unet(4 * image)


class Denoiser(nn.Module):
    """Band gates driven by the U-Net.

    Parameters
    ----------
    width, activation
        See `UNet`.
    """

    def __init__(self, width: int = 32, activation: str = "leaky_relu"):
        super().__init__()
        self.unet = UNet(INPUTS, OUTPUTS, width, activation, LEVELS, "zeros")

    def forward(self, image, depth, sky_variance, variance, band_noise):
        """Denoise sky-subtracted, linear images.

        Parameters
        ----------
        image : tensor, shape (n, 1, h, w)
            Mean of some exposures; sides multiples of `MULTIPLE`.
        depth : tensor, shape (n, 1, h, w)
            How many standard exposures each pixel is worth.
        sky_variance : tensor, shape (n, 1, 1, 1)
            Sky variance of one standard exposure.
        variance : tensor, shape (n, 1, h, w)
            Variance of one standard exposure; what is beyond photon noise counts as a defect.
        band_noise : tensor, shape (5,) or (n, 5)
            From `bands.band_noise`.

        Returns
        -------
        tensor, shape (n, 1, h, w)
            In the units of `image`.
        """
        seen = look(image, depth, sky_variance, variance, band_noise)
        return decide(seen, *judge(seen, self.opinion(seen.features)))

    def opinion(self, features: torch.Tensor) -> torch.Tensor:
        """What the U-Net says of `Seen.features`; float32, shape (n, `OUTPUTS`, h, w).

        It alone may compute in half precision: nearly all arithmetic is here, and its opinion needs no more. Light
        itself stays in float32: 8 bits would leave steps of 4 sigma in a nebula of 1000 sigma.
        """
        with half_precision(features.device):
            out = self.unet(features)
        return out.float()


@dataclass(frozen=True)
class Seen:
    """What is known of images before the U-Net speaks; tensors of shape (n, channels, h, w).

    Attributes
    ----------
    image, rest, sigma
        The image, its smooth rest and the noise by which it may change.
    bands, significance
        Five bands, and the largest of each within 5 x 5 pixels in units of its noise.
    features
        What the U-Net sees. None of this depends on how the image is turned.
    """

    image: torch.Tensor
    rest: torch.Tensor
    sigma: torch.Tensor
    bands: torch.Tensor
    significance: torch.Tensor
    features: torch.Tensor


def look(image, depth, sky_variance, variance, band_noise) -> Seen:
    """Split images into bands and bring all into units of noise.

    Parameters
    ----------
    image, depth, variance : tensor, shape (n, 1, h, w)
        As of `Denoiser.forward`.
    sky_variance : tensor, shape (n, 1, 1, 1)
        As of `Denoiser.forward`.
    band_noise : tensor, shape (5,) or (n, 5)
        As of `Denoiser.forward`.
    """
    sky_sigma = torch.sqrt(sky_variance / depth)
    bands, rest = split(image)
    # Where the exposures scatter more than light can, a defect is left in one of them: that is not the noise by
    # which the image may change. In electrons, photons add no more than this; the bands but the finest two are a
    # smooth image.
    light = (rest + bands[:, 2:].sum(dim=1, keepdim=True)).clamp(min=0) / sky_sigma
    sigma = torch.minimum(torch.sqrt(variance / depth), sky_sigma * torch.sqrt(1 + light))
    band_noise = band_noise.view(-1, len(SMOOTHING), 1, 1)
    in_noise = bands / sky_sigma / band_noise
    significance = in_noise.abs()
    # The maximum of 5x5 pixels, one axis after the other.
    significance = F.max_pool2d(F.max_pool2d(significance, (1, 5), 1, (0, 2)), (5, 1), 1, (2, 0))
    features = [
        torch.asinh(image / (3 * sky_sigma)),
        torch.log2(depth) / 4,
        torch.log2(sigma / sky_sigma) / 2,
        torch.asinh(0.5 * in_noise),
        torch.asinh(0.5 * rest / (sky_sigma * band_noise[:, -1:])),
    ]
    return Seen(image, rest, sigma, bands, significance, torch.cat(features, dim=1))


def judge(seen: Seen, out: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """What the U-Net's output means: how far each band's gate is open, and a correction in units of noise."""
    gates = torch.sigmoid(torch.clamp(1.5 * (seen.significance - THRESHOLD), -5, 25) + 3 * out[:, 1:])
    return gates, out[:, :1]


def decide(seen: Seen, gates: torch.Tensor, correction: torch.Tensor) -> torch.Tensor:
    """The denoised images.

    Parameters
    ----------
    seen : Seen
        From `look`.
    gates : tensor, shape (n, 5, h, w)
        Share of each band that is kept.
    correction : tensor, shape (n, 1, h, w)
        What is added, in units of the noise.
    """
    result = seen.rest + (gates * seen.bands).sum(dim=1, keepdim=True) + correction * seen.sigma
    most = MOST * seen.sigma
    change = torch.minimum(torch.maximum(result - seen.image, -most), most)
    # Far above the noise nothing can be gained and much lost.
    return seen.image + change / (1 + (seen.significance[:, :1] / BYPASS) ** 4)


def parameters(model: nn.Module) -> int:
    """Number of trained values."""
    return sum(p.numel() for p in model.parameters())
