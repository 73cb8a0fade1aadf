"""What the bare numbers of a frame tell of how they were stored: sign, scale, step."""

import numpy as np

from n2n.formats.rawframe import FRACTION, SHIFTED, UNSIGNED

STEPS = (64, 32, 16, 8, 4, 2)  # 8- to 15-bit converters whose numbers were shifted up to 16 bits
SAMPLE = 100_000
FULL = 60_000  # ADU: numbers above may be cut off by 16 bits
EITHER = "unsigned or shifted"
DEEP = -2000  # ADU: no sky lies so far below its dark


def stored_as(pixels: np.ndarray, invalid: np.ndarray, bitpix: int, kind: str = "") -> str:
    """Tell how the numbers of a file are meant.

    Parameters
    ----------
    pixels : ndarray, shape (height, width)
        As the file holds them, ``BSCALE`` and ``BZERO`` applied.
    invalid : ndarray of bool, shape (height, width)
        Pixels the file marks as missing.
    bitpix : int
        Of the file.
    kind : str
        Of the frame, where it is known.

    Returns
    -------
    str
        ``""`` as they stand, ``"unsigned"`` where 16 bits were written without their sign being taken care of,
        ``"shifted"`` where their BZERO was lost, `EITHER` where it was one of these two, ``"0-1"`` where numbers were
        divided by full scale.
    """
    if bitpix == 16 and pixels.dtype != np.uint16 and (pixels < 0).any():
        return _signed(pixels, kind)
    if bitpix < 0:
        good = pixels[~invalid] if invalid.any() else pixels
        if good.size and good.max() > 0 and good.max() <= 1 and good.min() > -0.5:
            return FRACTION
    return ""


def step_of(pixels: np.ndarray) -> int | None:
    """Step of whole numbers: 16 for 12 bits shifted to 16, 1 for most; None for fractions, and where all are one."""
    some = pixels.ravel()[:: max(1, pixels.size // SAMPLE)]
    if some.size and some.max() > FULL:  # full scale is often no multiple
        some = some[some < 0.95 * some.max()]
    if (
        some.size == 0
        or some.min() == some.max()
        or (some.dtype != np.uint16 and not np.array_equal(some, np.rint(some)))
    ):
        return None
    steps = some.astype(np.int64) - int(some[0])
    return next((step for step in STEPS if not (steps % step).any()), 1)


def _signed(pixels: np.ndarray, kind: str) -> str:
    """Tell what became of 16 unsigned bits that were read with a sign; empty where negative numbers mean what they say.

    Unsigned bits jump at 32768 from the highest number to the lowest; numbers without their BZERO run smoothly through
    zero; light below a subtracted dark lies about zero.
    """
    level = float(np.median(pixels[::3, ::3]))
    unwrapped = np.where(pixels < 0, pixels + np.float32(65536), pixels)
    if level < DEEP and kind not in ("", "flat"):
        return SHIFTED  # no sky and no dark lies above half of full scale
    if level < DEEP:
        above = pixels >= 0
        if not above.any():
            return EITHER
        return SHIFTED if _step_to_neighbours(pixels, above) < _step_to_neighbours(unwrapped, above) else UNSIGNED
    deep = pixels < DEEP
    if deep.any():
        # A wrapped star lies among bright pixels: unwrapped, it is smooth.
        return UNSIGNED if _step_to_neighbours(unwrapped, deep) < _step_to_neighbours(pixels, deep) else ""
    # Shallow ones far below the sky, nearly all of one value, are full scale.
    noise = 1.4826 * float(np.median(np.abs(pixels[::3, ::3] - level)))
    values, counts = np.unique(pixels[pixels < 0], return_counts=True)
    full_scale = values.max() == values[counts.argmax()] and counts.max() > 0.5 * counts.sum() > 0.5
    return UNSIGNED if level > 10 * noise and full_scale else ""


def _step_to_neighbours(pixels: np.ndarray, places: np.ndarray) -> float:
    """Mean difference between some pixels and their neighbours in the row."""
    padded = np.pad(pixels, ((0, 0), (1, 1)), mode="edge")
    steps = np.abs(pixels - padded[:, :-2]) + np.abs(pixels - padded[:, 2:])
    return float(steps[places].mean())
