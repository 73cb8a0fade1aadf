"""Whose lock is it? A killed run's is cleared, a living one's never."""

import json
import os
import subprocess
import sys

import psutil
import pytest

from n2n.planning import runs


@pytest.fixture
def locked(tmp_path):
    """A folder with a lock, as a killed run leaves it."""
    folder = tmp_path / ".snakemake"
    (folder / "locks").mkdir(parents=True)
    (folder / "n2n-runs").mkdir()
    (folder / "locks/0.output.lock").write_text("x\n")
    yield tmp_path
    for note in (folder / "n2n-runs").glob("*"):
        note.unlink()


def note(folder, pid: int, born: float, host: str | None = None) -> None:
    run = {"host": runs._host() if host is None else host, "pid": pid, "born": born}
    (folder / f".snakemake/n2n-runs/{pid}-{host or 'here'}.json").write_text(json.dumps(run))


def gone() -> tuple[int, float]:
    """Number and birth of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        return process.pid, psutil.Process(process.pid).create_time()


def enter(folder, **options) -> tuple[bool, list[str]]:
    """Whether the lock is still there, and what was said."""
    said = []
    runs.enter(folder, said.append, **options)
    return (folder / ".snakemake/locks/0.output.lock").exists(), said


def test_the_lock_of_a_killed_run_is_cleared_with_one_line(locked):
    note(locked, *gone())
    there, said = enter(locked)
    assert not there and len(said) == 1 and "cleared" in said[0]
    assert [path.name.split("-")[0] for path in locked.glob(".snakemake/n2n-runs/*")] == [str(os.getpid())]


def test_a_number_that_another_process_has_now_does_not_keep_the_lock(locked):
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        note(locked, process.pid, psutil.Process(process.pid).create_time() - 3600)
        assert enter(locked)[0] is False


def test_a_living_run_keeps_its_lock(locked):
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        note(locked, process.pid, psutil.Process(process.pid).create_time())
        note(locked, *gone())
        assert enter(locked) == (True, [])


def test_a_snakemake_without_a_note_that_works_here_keeps_the_lock(locked):
    note(locked, *gone())
    wait = [sys.executable, "-c", "input()", "snakemake"]
    with subprocess.Popen(wait, cwd=locked, stdin=subprocess.PIPE):
        there, said = enter(locked)
    assert there and "snakemake --unlock" in said[0]


def test_a_snakemake_elsewhere_does_not_matter(locked, tmp_path_factory):
    note(locked, *gone())
    wait = [sys.executable, "-c", "input()", "snakemake"]
    with subprocess.Popen(wait, cwd=tmp_path_factory.mktemp("else"), stdin=subprocess.PIPE):
        assert enter(locked)[0] is False


@pytest.mark.parametrize("host", [None, "another"])
def test_a_lock_of_nobody_known_or_of_another_machine_stays_with_what_to_type(locked, host):
    if host:
        note(locked, *gone(), host=host)
        note(locked, *gone())
    there, said = enter(locked)
    assert there and len(said) == 1 and "type: snakemake --unlock" in said[0]


def test_unlocking_by_hand_drops_all_notes(locked):
    note(locked, *gone(), host="another")
    enter(locked, unlocking=True)
    assert len(list(locked.glob(".snakemake/n2n-runs/*"))) == 1


def test_a_torn_note_keeps_the_lock(locked):
    (locked / ".snakemake/n2n-runs/1-x.json").write_text("{")
    assert enter(locked)[0] is True


def test_nothing_is_said_without_a_lock(tmp_path):
    said = []
    runs.enter(tmp_path, said.append)
    assert said == []
    for path in tmp_path.glob(".snakemake/n2n-runs/*"):
        path.unlink()
