"""Read one frame as its row of ``frames.csv`` says it is to be read: whole numbers unwrapped, scaled, trimmed.

Every stage that opens a raw frame does it here, so that lights and calibration frames are read alike.
"""

from pathlib import Path

import numpy as np

from n2n.errors import BadFrame
from n2n.formats.pixels import read_pixels

UNSIGNED = "unsigned"  # 16 bit written without BZERO: what is above 32767 came out negative
SHIFTED = "shifted"  # 16 bit whose BZERO was lost: every number is 32768 too small
FRACTION = "0-1"  # divided by full scale, as Siril and PixInsight write
FULL_SCALE = 65535.0


def read_frame(row: dict, raw: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read a frame of `frames.csv`.

    Parameters
    ----------
    row : dict
        A row of ``frames.csv``; `path`, `stored`, `trim` and `stage` are used, the last three may be missing.
    raw : Path
        Folder of the raw nights.

    Returns
    -------
    pixels : ndarray of uint16 or float32, shape (height, width)
        ADU, with the camera's pedestal. 0 where `invalid`.
    invalid : ndarray of bool, shape (height, width)

    Raises
    ------
    BadFrame
        When the file cannot be read, or is smaller than the row says.
    """
    pixels, invalid = read_pixels(Path(raw) / row["path"], counts=True)
    return as_told(pixels, invalid, row)


def as_told(pixels: np.ndarray, invalid: np.ndarray, row: dict) -> tuple[np.ndarray, np.ndarray]:
    """Apply to stored numbers what a row says of them; see `read_frame`.

    Parameters
    ----------
    pixels : ndarray, shape (h, w)
        As the file holds them, ``BSCALE`` and ``BZERO`` applied.
    invalid : ndarray of bool, shape (h, w)
        Pixels the file marks as missing.
    row : dict
        Of ``frames.csv``.
    """
    stored = row.get("stored", "")
    if stored == UNSIGNED:
        pixels = np.where(pixels < 0, pixels + np.float32(65536), pixels)
    elif stored == SHIFTED:
        pixels = pixels + np.float32(32768)
    elif stored == FRACTION:
        pixels = pixels * np.float32(FULL_SCALE)
    if trim := row.get("trim", ""):
        left, right, top, bottom = map(int, trim.split())
        if bottom > pixels.shape[0] or right > pixels.shape[1]:
            raise BadFrame("geometry", f"{pixels.shape[1]} x {pixels.shape[0]} pixels, smaller than its TRIMSEC")
        pixels, invalid = (np.ascontiguousarray(plane[top:bottom, left:right]) for plane in (pixels, invalid))
    if row.get("stage") == "registered":
        invalid = invalid | uncovered(pixels)
        pixels[invalid] = 0
    return pixels, invalid


def uncovered(pixels: np.ndarray) -> np.ndarray:
    """Exact zeros that reach the border: registering programs write them where a frame does not cover the field."""
    from scipy import ndimage  # few nights need it

    labels, count = ndimage.label(pixels == 0)
    if not count:
        return np.zeros(pixels.shape, bool)
    edge = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    return np.isin(labels, edge[edge > 0])
