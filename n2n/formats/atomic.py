"""Write files so that nothing half-written ever bears a final name.

Everything goes to a temporary name in the same folder, is flushed to disk and
then renamed, which POSIX makes atomic: after a kill or a full disk there is
either the old file, or the whole new one.
"""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from n2n.errors import UserError


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` on success.

    Raises
    ------
    UserError
        When the disk is full or the folder cannot be written.
    """
    path = Path(path)
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name[:40]}.", suffix=".part", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        if _concerns(error, path.absolute()):
            raise UserError(
                f"cannot write {path}: {error.strerror or error}; "
                "free some space or check the folder's permissions, then run the same command again"
            ) from error
        raise
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write `text` to `path` atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_text_if_changed(path: str | os.PathLike, text: str) -> bool:
    """Write `text` only if `path` does not hold it already; return whether it was written.

    Keeping the old modification time keeps Snakemake from rerunning what depends on the file.
    """
    path = Path(path)
    if path.is_file() and path.read_bytes() == text.encode():  # a damaged file may be no text at all
        return False
    write_text(path, text)
    return True


def _concerns(error: OSError, path: Path) -> bool:
    """Tell whether an error is about writing `path`: its folder, a folder above, or a file beside it."""
    if error.filename is None:  # a full disk
        return True
    named = Path(os.fsdecode(error.filename)).absolute()
    return path.parent in (named, named.parent) or named in path.parents


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
