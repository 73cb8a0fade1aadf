"""Seals: a file between the stages proves that every byte of it is as it was written.

An HDF5 file begins with a block of `BLOCK` bytes that HDF5 leaves to its owner. It names the size and the checksum of
all bytes behind it. The checksum is a CRC-32 over the CRC-32 of pieces of `PIECE` bytes: it finds every changed byte,
and pieces are read side by side, at several GB/s where the file is in memory already. A JSON table ends with the
SHA-256 of its text. FITS files have CHECKSUM and DATASUM (`n2n.formats.checksum`). Why so:
docs/decisions/0018-sealed-files.md.
"""

import contextlib
import hashlib
import json
import os
import re
import shlex
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from n2n.errors import UserError
from n2n.formats.atomic import atomic_path

if TYPE_CHECKING:  # loaded where HDF5 is met: who reads tables alone, as ingest with nothing new, does without numpy
    import h5py

BLOCK = 512  # bytes; the smallest block that HDF5 leaves to a file's owner
PIECE = 4 * 2**20  # bytes; larger pieces leave the caches between reading and summing
READERS = 4  # threads; more do not read faster
_HDF5 = b"\x89HDF\r\n\x1a\n"
_SEAL = re.compile(rb"n2n seal 1 size (\d{1,19}) crc32 ([0-9a-f]{8})\n\0*")
# Files that the next run makes again; of FITS files only those that bear a name which n2n gives.
_MADE_AGAIN = re.compile(
    r".*\.(h5|json|csv|safetensors|pt|bin)|(stack|denoised)\.fits|(bias|dark|flat|defects)-.*-[0-9a-f]{10}\.fits"
)
_LAST_FIELD = re.compile(rb',\n "sha256": "([0-9a-f]{64})"\n}\n\Z')


def damaged(path: Path, what: str, *beside: Path) -> UserError:
    """The error for a damaged file: its name, what is wrong, and a command that makes the next run mend it.

    A file that is not one of n2n's own, by its name, is only refused.

    Parameters
    ----------
    path : Path
        The damaged file; a folder is removed with all it holds.
    what : str
        What is wrong.
    beside : Path
        Files that have to be made again, too.
    """
    # A wrong argument may be a raw frame or a photograph: what n2n cannot make again, nobody is told to delete.
    if not Path(path).is_dir() and not _MADE_AGAIN.fullmatch(Path(path).name):
        return UserError(f"{path} cannot be used ({what}); give a file that n2n wrote, as it wrote it")
    # As a person may paste it: the workflow can have run in another folder than they are in.
    names = shlex.join(dict.fromkeys(str(Path(file).absolute()) for file in (path, *beside)))
    command = f"rm -r {names}" if Path(path).is_dir() else f"rm {names}"
    return UserError(f"{path} is damaged ({what}); delete it and run the same command again: {command}")


def missing(path: Path) -> UserError:
    """The error for a file that is not there, with the command that makes it.

    Snakemake is told the file's name: of what lies between the stages it makes nothing anew that no product needs.
    """
    return UserError(f"{path} is missing; run snakemake again, with its name: {making(path)}")


def making(path: Path) -> str:
    """The command that makes a file; `--resources` would take a name behind it for one of its own."""
    path, here = Path(path), Path.cwd()
    name = path.relative_to(here) if path.is_relative_to(here) else path
    return f"snakemake {shlex.quote(str(name))} --cores 2 --resources gpu=0"


@contextlib.contextmanager
def writing(path: Path) -> Iterator["h5py.File"]:
    """Write an HDF5 file that is sealed when it is whole, or not there at all."""
    import h5py

    with atomic_path(path) as temporary:
        with h5py.File(temporary, "w", userblock_size=BLOCK) as file:
            yield file
        seal(temporary)


def seal(path: Path) -> None:
    """Write the seal of an HDF5 file with a user block as the file is now."""
    text = _of_content(path)
    with open(path, "r+b") as file:
        file.write(text.encode().ljust(BLOCK, b"\0"))


def opened(path: Path, *beside: Path) -> "h5py.File":
    """Open an HDF5 file of ours for reading once its seal has been checked; errors as of `check`."""
    import h5py

    check(path, *beside)
    try:
        return h5py.File(path, "r")
    except OSError as error:  # a full seal, but no HDF5
        raise damaged(path, str(error), *beside) from error


def check(path: Path, *beside: Path) -> None:
    """Read all of an HDF5 file and compare it with its seal.

    Parameters
    ----------
    path : Path
        The HDF5 file.
    beside : Path
        Files that have to be made again if this one is.

    Raises
    ------
    UserError
        When the file is missing, has no seal, or is not as it was written.
    """
    written = seal_of(path, *beside)
    if _of_content(path) != written:
        raise damaged(path, "its content is not what was written", *beside)


def seal_of(path: Path, *beside: Path) -> str:
    """The seal that a file bears, read without its content; errors as of `check`, as far as they can be seen."""
    try:
        with open(path, "rb") as file:
            block, size = file.read(BLOCK), os.fstat(file.fileno()).st_size
    except FileNotFoundError as error:
        raise missing(path) from error
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error
    found = _SEAL.fullmatch(block)
    if not found or len(block) < BLOCK:
        raise damaged(path, "it has no seal: cut, overwritten, or written by an older n2n", *beside)
    if int(found[1]) != size:
        raise damaged(path, f"{size} bytes instead of {int(found[1])}", *beside)
    return block.rstrip(b"\0").decode()


def write_bytes(path: Path, data: bytes | memoryview) -> None:
    """Write bytes behind a seal, atomically."""
    with atomic_path(path) as temporary:
        with open(temporary, "wb") as file:
            file.write(bytes(BLOCK))
            file.write(data)
        seal(temporary)


def read_bytes(path: Path) -> bytes:
    """What `write_bytes` wrote; errors as of `check`."""
    check(path)
    with open(path, "rb") as file:
        file.seek(BLOCK)
        return file.read()


def never_sealed(path: Path) -> bool:
    """Tell whether an HDF5 or JSON file is of an n2n that knew no seals; no changed byte makes a sealed one look so."""
    with open(path, "rb") as file:
        if file.read(len(_HDF5)) == _HDF5:
            return True
    if Path(path).suffix != ".json":
        return False
    data = Path(path).read_bytes()
    try:
        json.loads(data)
    except ValueError:
        return False
    return not had_seal(data)


def with_seal(text: str) -> str:
    """A JSON object, as `n2n.formats.tables` writes it, with the SHA-256 of its text as the last field."""
    if not text.endswith("\n}\n"):
        raise ValueError("only a JSON object with an entry a line can be sealed")
    digest = hashlib.sha256(text.encode()).hexdigest()
    return f'{text[:-3]},\n "sha256": "{digest}"\n}}\n'


def without_seal(data: bytes) -> bytes | None:
    """The text of a sealed JSON object; None where the seal is missing or does not fit."""
    found = _LAST_FIELD.search(data)
    if not found:
        return None
    text = data[: found.start()] + b"\n}\n"
    return text if hashlib.sha256(text).hexdigest().encode() == found[1] else None


def had_seal(data: bytes) -> bool:
    """Tell whether the end of a JSON text holds a SHA-256, or what a changed byte leaves of one."""
    return re.search(rb"[0-9a-f]{32}", data[-80:]) is not None


def _of_content(path: Path) -> str:
    """The seal that fits the bytes behind the first `BLOCK` ones."""
    from concurrent.futures import ThreadPoolExecutor  # reading a table or a plan does without

    size = os.path.getsize(path)
    tops = range(BLOCK, size, PIECE)
    with open(path, "rb", buffering=0) as file:

        def of_piece(top: int) -> int:
            return zlib.crc32(os.pread(file.fileno(), min(PIECE, size - top), top))

        # Threads end before anything forks.
        with ThreadPoolExecutor(max(1, min(READERS, os.cpu_count() or 1, len(tops)))) as pool:
            sums = list(pool.map(of_piece, tops))
    return f"n2n seal 1 size {size} crc32 {zlib.crc32(struct.pack(f'>{len(sums)}I', *sums)):08x}\n"
