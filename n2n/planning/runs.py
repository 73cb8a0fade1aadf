"""Runs of the workflow in a folder: whether the one that left a lock still lives.

Every run notes itself in ``.snakemake/n2n-runs`` while it reads the workflow, before it can hold the lock, and removes
its note when it ends. A note that outlived its process, as after ``kill -9`` or a power cut, tells whose lock it is.
"""

import atexit
import contextlib
import json
import os
import socket
from collections.abc import Callable
from pathlib import Path

from n2n.formats.atomic import write_text

_CLOCK_S = 5.0  # by so much a process's time of birth may seem to move when the clock is set


def enter(folder: Path, say: Callable[[str], None], *, unlocking: bool = False) -> None:
    """Note this run, and clear the lock of a run that was killed.

    A lock is cleared only where every run noted was on this machine and none of them lives, nor any other snakemake
    that works in this folder. Otherwise it stays, and `say` gets what to type.

    Parameters
    ----------
    folder : Path
        Where the workflow runs.
    say : callable
        Receives one line, or nothing.
    unlocking : bool
        The user asserts that no run lives (`snakemake --unlock`): all notes are dropped.
    """
    notes = Path(folder).resolve() / ".snakemake" / "n2n-runs"
    locks = [path for path in notes.with_name("locks").glob("*.lock") if path.is_file()]
    if unlocking:
        _drop(notes.glob("*.json"))
    try:
        _note(notes)
    except Exception as error:  # nobody's run may fail for a note
        say(f"note: cannot write {notes}: {error}")
        return
    others = {path: _read(path) for path in notes.glob("*.json") if path.name != _name()}
    dead = [path for path, run in others.items() if run and run["host"] == _host() and not _lives(run)]
    if not locks:
        _drop(dead)
    elif others and len(dead) == len(others) and not _others_work_in(notes.parent.parent):
        _drop(locks + dead)
        say("the last run was killed; its lock is cleared, this run goes on from there")
    elif len(dead) == len(others) or any(run and run["host"] != _host() for run in others.values()):
        say(
            f"note: {notes.parent.parent} is locked by a run that may live (elsewhere, or an older n2n); "
            "if none does, type: snakemake --unlock"
        )


def _host() -> str:
    """Name of the machine; processes of another container are none of ours, and their numbers mean nothing here."""
    with contextlib.suppress(OSError):
        return f"{socket.gethostname()} {os.readlink('/proc/self/ns/pid')}"
    return socket.gethostname()


def _name() -> str:
    return f"{os.getpid()}-{socket.gethostname()[:100].replace('/', '-')}.json"


def _note(notes: Path) -> None:
    import psutil

    path = notes / _name()
    run = {"host": _host(), "pid": os.getpid(), "born": psutil.Process().create_time()}
    write_text(path, json.dumps(run) + "\n")
    atexit.register(_leave, path, os.getpid())


def _leave(path: Path, pid: int) -> None:
    if os.getpid() == pid:  # no forked child
        path.unlink(missing_ok=True)


def _read(path: Path) -> dict | None:
    try:
        run = json.loads(path.read_text(encoding="utf-8"))
        return {"host": str(run["host"]), "pid": int(run["pid"]), "born": float(run["born"])}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _lives(run: dict) -> bool:
    import psutil

    try:
        process = psutil.Process(run["pid"])
        return abs(process.create_time() - run["born"]) < _CLOCK_S and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:
        return True


def _others_work_in(folder: Path) -> bool:
    """Whether another snakemake, of whatever version of n2n, works in the folder."""
    import psutil

    ours = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    for process in psutil.process_iter(["cmdline"]):
        words = [os.path.basename(word) for word in (process.info["cmdline"] or [])[:4]]
        if "snakemake" not in words or process.pid in ours:
            continue
        with contextlib.suppress(psutil.Error, OSError):
            if os.path.samefile(process.cwd(), folder) and process.status() != psutil.STATUS_ZOMBIE:
                return True
    return False


def _drop(paths) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
