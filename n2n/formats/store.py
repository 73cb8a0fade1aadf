"""The HDF5 files between the stages: registered chunks and the pairs of a group."""

import contextlib
import json
import zlib
from collections.abc import Iterator
from pathlib import Path

import cv2
import h5py
import numpy as np

from n2n.formats import sealed
from n2n.formats.flags import NO_DATA, SATURATED

TILE = 8  # rows of a chunk: strips and crops read little more than they need


@contextlib.contextmanager
def writing_registered(path: Path, shape: tuple[int, int]) -> Iterator["RegisteredWriter"]:
    """Write a file of registered exposures, one exposure at a time; whole in the end, or not there at all.

    Parameters
    ----------
    path : path
        Final name.
    shape : (int, int)
        Height and width of the group's grid.
    """
    with sealed.writing(path) as file:
        yield RegisteredWriter(file, shape)


class RegisteredWriter:
    """Adds exposures to a registered file.

    Beside pixels and flags it keeps `small`, the exposure in blocks of `small_step` pixels, in which trails are looked
    for; NaN where more than half of a block is missing or saturated.
    """

    def __init__(self, file: h5py.File, shape: tuple[int, int]):
        self.file, self.count = file, 0
        self.step = small_step(shape)
        for name, kind in (("pixels", np.float32), ("flags", np.uint8), ("small", np.float32)):
            sides = tuple(side // self.step for side in shape) if name == "small" else tuple(shape)
            create_rows(file, name, kind, (0, *sides), (None, *sides), packed=name == "flags")

    def append(self, pixels: np.ndarray, flags: np.ndarray) -> None:
        """Add an exposure: float32 and uint8 ndarrays of the grid's shape."""
        small = in_blocks(pixels, self.step)
        small[in_blocks(((flags & (NO_DATA | SATURATED)) > 0).astype(np.float32), self.step) > 0.5] = np.nan
        for name, image in (("pixels", pixels), ("flags", flags), ("small", small)):
            self.file[name].resize(self.count + 1, axis=0)
            cut = pack_rows if name == "flags" else plain_rows
            write_rows(self.file[name], 0, {self.count: cut(image, self.file[name].chunks[1])})
        self.count += 1

    def describe(self, exposures: list[dict], facts: dict) -> None:
        """Write one entry for *every* exposure of the chunk, accepted (in order) or not, and the group's facts."""
        self.file.attrs["exposures"] = json.dumps(exposures)
        self.file.attrs["facts"] = json.dumps(facts)


def create_rows(file: h5py.File, name: str, kind, shape, largest=None, *, packed: bool = False) -> h5py.Dataset:
    """Make a dataset (n, h, w) of which whole chunks of `TILE` rows are written at once, as they are or `packed`.

    Going around the library's own cache saves most of the time of writing.

    Parameters
    ----------
    file : h5py.File
        Open for writing.
    name : str
        Of the dataset.
    kind : dtype
        Of its numbers.
    shape : (int, int, int)
        Images, height, width.
    largest : (int or None, int, int), optional
        What it may grow to.
    packed : bool
        Whether it is compressed.
    """
    compression = {"compression": "gzip", "compression_opts": 1} if packed else {}
    chunks = (1, min(TILE, shape[1]), shape[2])
    return file.create_dataset(name, shape, kind, maxshape=largest, chunks=chunks, **compression)


def plain_rows(image: np.ndarray, rows: int = TILE) -> list[bytes]:
    """Chunks of `rows` rows of an image, the last one filled up with zeros."""
    lacking = -image.shape[0] % rows
    if lacking:
        image = np.concatenate([image, np.zeros((lacking, *image.shape[1:]), image.dtype)])
    image = np.ascontiguousarray(image)
    return [memoryview(image[top : top + rows]).cast("B") for top in range(0, len(image), rows)]


def pack_rows(image: np.ndarray, rows: int = TILE) -> list[bytes]:
    """Chunks of `rows` rows, compressed as HDF5's gzip filter does it."""
    return [zlib.compress(chunk, 1) for chunk in plain_rows(image, rows)]


def write_rows(dataset: h5py.Dataset, top: int, images: dict[int, list[bytes]]) -> None:
    """Write what `plain_rows` or `pack_rows` made of rows from `top` on, a multiple of `TILE`, of some images.

    Parameters
    ----------
    dataset : h5py.Dataset, shape (n, h, w)
        From `create_rows`.
    top : int
        First row, a multiple of `TILE`.
    images : dict of int to list of bytes
        Index of an image: its rows, from `plain_rows` or `pack_rows`.
    """
    for index, chunks in images.items():
        for number, chunk in enumerate(chunks):
            dataset.id.write_direct_chunk((index, top + number * dataset.chunks[1], 0), chunk)


def small_step(shape: tuple[int, int]) -> int:
    """Side of the blocks of `small`: two pixels, more where an image would be larger than 1024 of them."""
    return max(2, -(-max(shape) // 1024))


def in_blocks(image: np.ndarray, step: int) -> np.ndarray:
    """Mean over blocks of `step` x `step` pixels; what does not fill a block at the end is left out."""
    height, width = (side // step * step for side in image.shape)
    return cv2.resize(image[:height, :width], (width // step, height // step), interpolation=cv2.INTER_AREA)


def read_attributes(path: Path) -> tuple[list[dict], dict]:
    """Return (exposures, facts) of a registered chunk that has been checked; UserError where it is none."""
    with open_store(path) as file:
        if "registered" in file.attrs or not {"exposures", "facts"} <= set(file.attrs):
            raise sealed.damaged(path, "another file is in its place, no registered exposures")
        return json.loads(file.attrs["exposures"]), json.loads(file.attrs["facts"])


def open_store(path: Path) -> h5py.File:
    """Open a file for reading whose content the caller checks with `sealed.check`: here only the seal is read.

    Raises
    ------
    UserError
        When the file is missing, has no seal, or not the size that its seal says.
    """
    sealed.seal_of(path)
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise sealed.damaged(path, str(error)) from error


@contextlib.contextmanager
def reading_registered(paths: list[Path]) -> Iterator[dict[str, "Samples"]]:
    """Open registered files that have been checked as one: pixels, flags and small of all their exposures."""
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(open_store(path)) for path in paths]
        yield {name: Samples([file[name] for file in files]) for name in ("pixels", "flags", "small")}


class Samples:
    """One dataset of several registered files, read like an array of shape (n, h, w).

    Takes ``[index]``, ``[index, rows]`` and ``[:, rows]``. Chunks that are stored as they are go straight to their
    place, around the library's cache and copies.
    """

    def __init__(self, parts: list[h5py.Dataset]):
        self.parts = parts
        self.owners = [(part, index) for part in parts for index in range(len(part))]
        self.shape, self.dtype = (len(self.owners), *parts[0].shape[1:]), parts[0].dtype

    def __getitem__(self, key) -> np.ndarray:
        if not isinstance(key, tuple):
            part, index = self.owners[key]
            return part[index]
        if not isinstance(key[0], slice):
            part, index = self.owners[key[0]]
            return part[index, key[1]]
        first, last, _ = key[1].indices(self.shape[1])
        result = np.empty((self.shape[0], last - first, *self.shape[2:]), self.dtype)
        place = 0
        for part in self.parts:
            block, step = result[place : place + len(part)], part.chunks[1]
            place += len(part)
            if part.compression is None and first % step == 0 and last % step == 0:
                for index, top in np.ndindex(len(part), (last - first) // step):
                    target = memoryview(block[index, top * step : (top + 1) * step]).cast("B")
                    part.id.read_direct_chunk((index, first + top * step, 0), out=target)
            elif len(part):
                part.read_direct(block, np.s_[:, first:last])
        return result


def virtual(paths: list[Path], name: str, beside: Path) -> h5py.VirtualLayout:
    """Lay the datasets `name` of several chunks behind one another without copying.

    Parameters
    ----------
    paths : list of Path
        Registered files, in order.
    name : str
        The dataset.
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


def sources_of(paths: list[Path], beside: Path) -> dict[str, str]:
    """Registered files and their seals, named as `virtual` names them: what a view of them was made of."""
    return {_relative(path, beside.parent): sealed.seal_of(path) for path in paths}


def _relative(path: Path, folder: Path) -> str:
    path, folder = Path(path).resolve(), Path(folder).resolve()
    try:
        return "./" + path.relative_to(folder).as_posix()
    except ValueError:
        return path.as_posix()
