"""Photographs on a device, cut into random crops there."""

from dataclasses import dataclass, field

import numpy as np
import torch
from PIL import Image

from n2n.study.photographs import Named


@dataclass
class Photographs:
    """Photographs on a device, ready to be cut.

    Attributes
    ----------
    pixels : uint8 tensor, shape (n, 3, H, W)
        Padded with 0 at the bottom and right.
    sizes : int64 tensor, shape (n, 2)
        True height and width.
    names : list of str
    smallest : int
        Shortest side of all. Kept as a plain number: asking the device in every step would make it wait.
    """

    pixels: torch.Tensor
    sizes: torch.Tensor
    names: list[str]
    smallest: int = field(init=False)

    def __post_init__(self):
        self.smallest = int(self.sizes.min())

    @classmethod
    def of(cls, images: Named, device: torch.device, smallest: int) -> "Photographs":
        """Put photographs on `device`.

        Parameters
        ----------
        images : list of (str, uint8 ndarray of shape (h, w, 3))
            At least one.
        device : device
            Where to put them.
        smallest : int
            Images with a shorter side are enlarged to it (bicubic, aspect kept), as in the paper.
        """
        sizes = [_enlarged_size(*pixels.shape[:2], smallest) for _, pixels in images]
        height, width = (max(sides) for sides in zip(*sizes, strict=True))
        # Filled in place, one by one: tens of thousands of photographs are not held twice.
        padded = torch.zeros((len(images), 3, height, width), dtype=torch.uint8, device=device)
        for index, ((_, pixels), (h, w)) in enumerate(zip(images, sizes, strict=True)):
            if pixels.shape[:2] != (h, w):
                pixels = np.array(Image.fromarray(pixels).resize((w, h), Image.Resampling.BICUBIC))
            padded[index, :, :h, :w] = torch.from_numpy(np.ascontiguousarray(pixels)).to(device).permute(2, 0, 1)
        return cls(padded, torch.tensor(sizes, device=device), [name for name, _ in images])

    def crops(self, count: int, size: int, generator: torch.Generator) -> torch.Tensor:
        """Random crops: every photograph is as likely, and so is every position inside it.

        All crops of one call are turned alike, by one of the eight flips and rotations.

        Parameters
        ----------
        count, size : int
            Number of crops and their side in pixels.
        generator : torch.Generator
            On the device of the photographs.

        Returns
        -------
        float32 tensor, shape (count, 3, size, size)
            In [-0.5, 0.5].

        Raises
        ------
        ValueError
            `size` exceeds the shortest side of the photographs.
        """
        if size > self.smallest:
            raise ValueError(f"crops of {size} pixels do not fit into photographs of {self.smallest}")
        device = self.pixels.device
        image = torch.randint(len(self.pixels), (count,), generator=generator, device=device)
        # The remainder of a large integer never leaves the image; uneven by less than one part in a million.
        large = torch.randint(2**31, (count, 2), generator=generator, device=device)
        top, left = (large % (self.sizes[image] - size + 1)).T[:, :, None, None, None]
        turn = torch.randint(2, (3,), generator=generator, device=device).bool()
        offsets = torch.arange(size, device=device)
        rows, columns = offsets[:, None], offsets[None, :]
        rows, columns = torch.where(turn[0], columns, rows), torch.where(turn[0], rows, columns)
        rows = torch.where(turn[1], size - 1 - rows, rows)
        columns = torch.where(turn[2], size - 1 - columns, columns)
        channels = torch.arange(3, device=device)[:, None, None]
        cut = self.pixels[image[:, None, None, None], channels, top + rows, left + columns]
        return cut.float() / 255 - 0.5


def _enlarged_size(height: int, width: int, smallest: int) -> tuple[int, int]:
    scale = max(1.0, smallest / min(height, width))
    return max(smallest, round(height * scale)), max(smallest, round(width * scale))
