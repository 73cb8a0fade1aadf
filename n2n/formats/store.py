"""The HDF5 files between the stages: registered chunks and the pairs of a group."""

import json
from pathlib import Path

import h5py
import numpy as np

from n2n.errors import UserError
from n2n.formats.atomic import atomic_path

TILE = 64  # chunk side in pixels: crops and strips both read few chunks


def write_registered(path: Path, pixels, flags, frames: list[dict], meta: dict) -> None:
    """Write the accepted exposures of one chunk.

    Parameters
    ----------
    pixels : float32 ndarray, shape (n, h, w)
    flags : uint8 ndarray, shape (n, h, w)
    frames : list of dict
        One entry for *every* exposure of the chunk, accepted (in the order of `pixels`) or not.
    meta : dict
        Facts about the group, e.g. the reference's header.
    """
    with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
        height, width = pixels.shape[1:]
        chunk = (1, min(TILE, height), width)
        if len(pixels):
            file.create_dataset("pixels", data=pixels, chunks=chunk)
            file.create_dataset("flags", data=flags, chunks=chunk, compression="gzip", compression_opts=1)
        else:
            file.create_dataset("pixels", data=pixels)
            file.create_dataset("flags", data=flags)
        file.attrs["frames"] = json.dumps(frames)
        file.attrs["meta"] = json.dumps(meta)


def read_attributes(path: Path) -> tuple[list[dict], dict]:
    """Return (frames, meta) of a registered chunk or a pairs file."""
    with open_store(path) as file:
        return json.loads(file.attrs["frames"]), json.loads(file.attrs["meta"])


def open_store(path: Path) -> h5py.File:
    """Open for reading; a missing or damaged file is a clear error."""
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise UserError(f"cannot read {path} ({error}); delete it and run snakemake again") from error


def virtual(paths: list[Path], name: str, beside: Path) -> h5py.VirtualLayout:
    """Lay the datasets `name` of several chunks behind one another without copying.

    Parameters
    ----------
    beside : Path
        The file the layout goes into; sources are stored relative to it.
    """
    shapes = []
    for path in paths:
        with open_store(path) as file:
            shapes.append((file[name].shape, file[name].dtype))
    total = sum(shape[0] for shape, _ in shapes)
    layout = h5py.VirtualLayout(shape=(total, *shapes[0][0][1:]), dtype=shapes[0][1])
    start = 0
    for path, (shape, _) in zip(paths, shapes, strict=True):
        if shape[0]:
            relative = _relative(path, beside.parent)
            layout[start : start + shape[0]] = h5py.VirtualSource(relative, name, shape=shape)
        start += shape[0]
    return layout


def strips(height: int, width: int, exposures: int, budget_bytes: int = 256 * 2**20, overlap: int = 0):
    """Cut an image into row strips whose exposures fit `budget_bytes`.

    Yields
    ------
    (outer, inner, within) : slices
        Rows to read (with `overlap` more on both sides), rows to write, and those rows within the read.
    """
    rows = max(8, int(budget_bytes / (max(exposures, 1) * width * 4 * 6)))
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        first, last = max(0, top - overlap), min(height, bottom + overlap)
        yield slice(first, last), slice(top, bottom), slice(top - first, bottom - first)


def _relative(path: Path, folder: Path) -> str:
    path, folder = Path(path).resolve(), Path(folder).resolve()
    try:
        return "./" + path.relative_to(folder).as_posix()
    except ValueError:
        return path.as_posix()


def usable(flags: np.ndarray, reject: np.ndarray, *, keep_saturated: bool) -> np.ndarray:
    """Samples that may be averaged: covered, no defect, no outlier, optionally not saturated."""
    from n2n.formats.flags import DEFECT, NO_DATA, SATURATED

    bad = NO_DATA | DEFECT | (0 if keep_saturated else SATURATED)
    return ((flags & bad) == 0) & ~reject
