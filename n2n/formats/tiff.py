"""TIFF for editing programs: 16-bit whole numbers or 32-bit floats, grey or in colour."""

from pathlib import Path

import numpy as np

from n2n import __version__
from n2n.formats.atomic import atomic_path


def write_tiff(path: Path, pixels: np.ndarray, description: str) -> None:
    """Write an image atomically; the first row is the top one.

    Parameters
    ----------
    path : Path
        The file.
    pixels : uint8, uint16 or float32 ndarray, shape (h, w) or (h, w, 3)
        The first row is the top one.
    description : str
        What the numbers mean.
    """
    import tifffile

    kind = "rgb" if pixels.ndim == 3 else "minisblack"
    text = description.encode("ascii", "replace").decode()
    with atomic_path(path) as temporary:
        tifffile.imwrite(
            temporary, np.ascontiguousarray(pixels), photometric=kind, description=text, metadata=None,
            software=f"n2n {__version__}",
        )  # fmt: skip
