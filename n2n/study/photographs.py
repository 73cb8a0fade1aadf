"""Photographs: found, read, and cut into crops on the device."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps

from n2n.errors import UserError

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"}
# Colour photographs inside scikit-image's wheel. Neither list holds motorcycle_right.png: it shows the scene of
# motorcycle_left.png, and no scene may be trained on and judged.
BUILTIN_TRAINING = (
    "astronaut.png",
    "coffee.png",
    "hubble_deep_field.jpg",
    "ihc.png",
    "motorcycle_left.png",
    "retina.jpg",
)
BUILTIN_VALIDATION = ("chelsea.png", "rocket.jpg")
BUILTIN_SIDE = 512  # pixels on the long side at most


def find_photographs(folder: Path) -> list[Path]:
    """All image files below a folder, sorted by path.

    Hidden files are left out: macOS puts a ``._name.jpg`` that is no image beside every image it copies.

    Raises
    ------
    UserError
        The folder is missing or holds no image.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder; give the folder that holds the photographs")
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
    )
    if not found:
        kinds = ", ".join(sorted(suffix[1:] for suffix in SUFFIXES))
        raise UserError(f"no photographs in {folder}; put image files there ({kinds})")
    return found


def read_photograph(path: Path) -> np.ndarray:
    """One photograph as RGB, turned as its EXIF orientation says.

    Values stay as they are stored, without gamma or colour management: a loader that applies a gamma turns
    the 32.45 dB of Kodak into 32.97 dB (README of SSDN). Grey is repeated, alpha dropped.

    Returns
    -------
    uint8 ndarray, shape (h, w, 3)

    Raises
    ------
    UserError
        The file cannot be read, or holds one channel of more than 8 bits, which would have to be scaled.
    """
    try:
        with Image.open(path) as image:
            if image.mode[0] in "IF":
                raise UserError(f"{path} holds more than 8 bits per value; save it with 8 bits or remove it")
            return np.array(ImageOps.exif_transpose(image).convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UserError(f"cannot read the photograph {path} ({error}); replace or remove it") from error


def builtin_photographs() -> tuple[list[tuple[str, np.ndarray]], list[tuple[str, np.ndarray]]]:
    """Colour photographs that come with scikit-image, at most 512 pixels on the long side; nothing is downloaded.

    Returns
    -------
    training, validation : list of (name, uint8 ndarray of shape (h, w, 3))

    Raises
    ------
    UserError
        The installed scikit-image lacks one of them.
    """
    import skimage

    folder = Path(skimage.__file__).parent / "data"
    missing = [name for name in BUILTIN_TRAINING + BUILTIN_VALIDATION if not (folder / name).is_file()]
    if missing:
        raise UserError(
            f"scikit-image {skimage.__version__} has no {', '.join(missing)} in {folder}; "
            "install its wheel from PyPI or give a folder of photographs"
        )
    training, validation = (
        [(name, _reduced(read_photograph(folder / name))) for name in names]
        for names in (BUILTIN_TRAINING, BUILTIN_VALIDATION)
    )
    return training, validation


def _reduced(pixels: np.ndarray) -> np.ndarray:
    image = Image.fromarray(pixels)
    image.thumbnail((BUILTIN_SIDE, BUILTIN_SIDE), Image.Resampling.LANCZOS)
    return np.array(image)


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
    def of(cls, images: list[tuple[str, np.ndarray]], device: torch.device, smallest: int) -> "Photographs":
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
