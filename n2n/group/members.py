"""Frames of one master: read them, and leave out by name what cannot be a member of the set."""

from collections import Counter
from pathlib import Path

import numpy as np

from n2n.errors import BadFrame
from n2n.formats.rawframe import read_frame
from n2n.formats.tables import number
from n2n.log import Progress
from n2n.sky.members import odd_ones, summary


def read_frames(rows: list[dict], raw: Path, memory: int, spool) -> tuple[np.ndarray, list[dict], dict[str, str]]:
    """Read frames in ADU, with their pedestal: those of the size that most of them have.

    Parameters
    ----------
    rows : list of dict
        Rows of the frames, as the plan wrote them.
    raw : Path
        Folder of the raw nights.
    memory : int
        Bytes the job may take; frames that would fill more than half of it are kept in a file.
    spool : file
        An open, nameless file for that.

    Returns
    -------
    frames : ndarray, shape (n, h, w)
        uint16 where the numbers allow it, else float32. Without a readable frame of shape (0, 0, 0).
    used : list of dict
        The rows behind them.
    lost : dict of str to str
        Paths of frames that cannot be read or have another size, and why.
    """
    frames, used, lost, sizes = None, [], {}, Counter()
    for row in Progress(rows, "read"):
        try:
            pixels, invalid = read_frame(row, raw)
        except BadFrame as error:
            lost[row["path"]] = str(error)
            continue
        sizes[pixels.shape] += 1
        if frames is not None and pixels.shape != frames.shape[1:]:
            lost[row["path"]] = "{1} x {0} pixels, the others have {3} x {2}".format(*pixels.shape, *frames.shape[1:])
            continue
        if invalid.any():
            pixels[invalid] = np.rint(np.median(pixels))
        counts = _as_counts(pixels)
        if frames is None:
            shape = (len(rows), *pixels.shape)
            small = counts.itemsize * np.prod(shape) <= memory // 2
            frames = np.empty(shape, counts.dtype) if small else np.memmap(spool, counts.dtype, "w+", shape=shape)
        elif frames.dtype != np.float32 and counts.dtype == np.float32:
            frames = frames.astype(np.float32)
        frames[len(used)] = counts
        used.append(row)
    if frames is None:
        return np.empty((0, 0, 0), np.float32), used, lost
    usual = sizes.most_common(1)[0][0]
    if sizes[usual] > len(used):  # the first frame was the odd one
        own = [row for row in rows if row in used]
        others = [row for row in rows if row not in own]
        return read_frames([*others, *own], raw, memory, spool)
    return frames[: len(used)], used, lost


def _as_counts(pixels: np.ndarray) -> np.ndarray:
    """The same numbers in half the memory, where they are whole and fit; uint16 or float32 ndarray."""
    if pixels.dtype == np.uint16:
        return pixels
    if pixels.min() >= 0 and pixels.max() <= 65535:
        counts = pixels.astype(np.uint16)
        if np.array_equal(counts, pixels):
            return counts
    return pixels


def members(kind: str, frames: np.ndarray, used: list[dict], zero: np.ndarray | None, with_zero: bool):
    """Leave out what cannot be a member of the set.

    Parameters
    ----------
    kind : str
        Of the frames.
    frames : ndarray, shape (n, h, w)
        ADU, with their pedestal.
    used : list of dict
        Their rows.
    zero : ndarray, shape (h, w), or None
        What is subtracted from flats, ADU.
    with_zero : bool
        Whether it holds a master.

    Returns
    -------
    frames : ndarray, shape (n, h, w)
        The same memory: the members come first.
    used : list of dict
    odd : dict of str to str
        Paths of the others, and why.
    """
    full = [number(row.get("saturate_adu")) for row in used]
    gains = [number(row.get("e_per_adu")) for row in used]
    seen = [summary(frame, zero, *known) for frame, *known in zip(frames, full, gains, strict=True)]
    # Flats whose bias another program subtracted are above it already; their unit may be any.
    free = bool(used) and kind == "flat" and bool(set(used[0].get("done", "")) & set("bd"))
    found = odd_ones(kind, seen, with_zero or free)
    kept = [i for i in range(len(used)) if i not in found]
    for new, old in enumerate(kept):
        if new != old:
            frames[new] = frames[old]
    return frames[: len(kept)], [used[i] for i in kept], {used[i]["path"]: why for i, why in found.items()}
