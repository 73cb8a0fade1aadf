"""Text over an image: random strings of random size, place, angle and colour.

Letters are drawn once, on the CPU, into a bank of layers; pasting them is index arithmetic on the device.
"""

import functools
import math
import string
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

COVERED = 0.6  # share of every layer that its strings cover together, at least
NONE = np.iinfo(np.int16).max  # index of a pixel without any string
SMALLEST, LARGEST = 10, 40  # height of the font in pixels
SHORTEST, LONGEST = 3, 12  # letters of a string
LETTERS = np.array(list(string.ascii_letters + string.digits))


@dataclass
class TextBank:
    """Layers of text to choose from.

    A layer keeps the first string that covers a pixel. Its first k strings therefore cover the pixels below k, and
    any share of covered pixels is one threshold.

    Attributes
    ----------
    layers : int16 tensor, shape (m, size, size)
        Index of the first string on every pixel, `NONE` where there is none. Strings that leave at one border come
        back at the other, so that a layer can be rolled and tiled.
    between : tensor, shape (m, k)
        Share of covered pixels halfway between the first i and the first i + 1 strings: as many as lie below the
        wanted share are the number of strings that comes nearest to it.
    """

    layers: torch.Tensor
    between: torch.Tensor

    @classmethod
    def of(cls, seed: int, device: torch.device, layers: int = 48, size: int = 256) -> "TextBank":
        """Draw a bank. The same seed gives the same bank; another version of Pillow may draw letters otherwise."""
        rng = np.random.default_rng(seed)
        drawn = np.stack([_layer(rng, size) for _ in range(layers)])
        strings = int(drawn[drawn < NONE].max()) + 1
        counts = np.stack([np.bincount(layer[layer < NONE], minlength=strings) for layer in drawn])
        between = (counts.cumsum(axis=1) - counts / 2) / size**2
        return cls(torch.from_numpy(drawn).to(device), torch.from_numpy(between.astype(np.float32)).to(device))

    def paste(self, clean: torch.Tensor, share: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Paste strings over images.

        Parameters
        ----------
        clean : tensor, shape (n, 3, h, w)
            Photographs, from -0.5 to 0.5.
        share : tensor, shape (n,)
            Of covered pixels, 0 to 0.6, on the area of a layer; a smaller image has more or less than that by chance.
        generator : torch.Generator
            On the device of the images.

        Returns
        -------
        tensor, shape (n, 3, h, w)
            One colour per string, uniform in [-0.5, 0.5]; other pixels untouched.
        """
        n, _, height, width = clean.shape
        device = clean.device
        m, size, _ = self.layers.shape
        strings = self.between.shape[1]
        layer = torch.randint(m, (n,), generator=generator, device=device)
        top, left = torch.randint(size, (2, n, 1, 1), generator=generator, device=device)
        rows = (top + torch.arange(height, device=device)[:, None]) % size
        columns = (left + torch.arange(width, device=device)) % size
        first = self.layers[layer[:, None, None], rows, columns].long()
        used = torch.searchsorted(self.between[layer], share.to(self.between.dtype)[:, None])
        colours = torch.rand((n, 3, strings), generator=generator, device=device, dtype=clean.dtype) - 0.5
        which = first.clamp_max(strings - 1).view(n, 1, -1).expand(-1, 3, -1)
        return torch.where((first < used[:, :, None])[:, None], colours.gather(2, which).view_as(clean), clean)


def _layer(rng: np.random.Generator, size: int) -> np.ndarray:
    """One layer: strings are added until they cover enough."""
    layer = np.full((size, size), NONE, np.int16)
    index = 0
    while np.count_nonzero(layer != NONE) < COVERED * size**2:
        rows, columns = np.nonzero(_string(rng))
        rows, columns = (rows + rng.integers(size)) % size, (columns + rng.integers(size)) % size
        free = layer[rows, columns] == NONE
        layer[rows[free], columns[free]] = index
        index += 1
    return layer


def _string(rng: np.random.Generator) -> np.ndarray:
    """Bool ndarray: the pixels of a random string at a random angle."""
    # Uniform in the logarithm: small letters take less room, so there must be more of them to be seen as often.
    height = round(math.exp(rng.uniform(math.log(SMALLEST), math.log(LARGEST))))
    text = "".join(rng.choice(LETTERS, rng.integers(SHORTEST, LONGEST + 1)))
    font = _font(height)
    left, top, right, bottom = (int(edge) for edge in font.getbbox(text))
    picture = Image.new("L", (right - left + 2, bottom - top + 2))
    ImageDraw.Draw(picture).text((1 - left, 1 - top), text, fill=255, font=font)
    turned = picture.rotate(rng.uniform(0, 360), Image.Resampling.BILINEAR, expand=True)
    return np.asarray(turned) > 127


@functools.cache
def _font(height: int) -> ImageFont.FreeTypeFont:
    """The font inside Pillow (Aileron): none has to be found on the system."""
    return ImageFont.load_default(size=height)
