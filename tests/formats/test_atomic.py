import errno
import os
import stat
from pathlib import Path

import pytest

from n2n.errors import UserError
from n2n.formats import atomic
from n2n.formats.atomic import atomic_path, write_text, write_text_if_changed


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_file_appears_whole_and_alone(tmp_path):
    path = tmp_path / "new" / "folder" / "a.txt"
    with atomic_path(path) as temporary:
        temporary.write_text("half")
        assert not path.exists() and temporary.parent == path.parent
        temporary.write_text("whole")
    assert path.read_text() == "whole" and names(path.parent) == ["a.txt"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_nothing_is_left_behind_when_writing_fails(tmp_path, error):
    with pytest.raises(error), atomic_path(tmp_path / "a.txt") as temporary:
        temporary.write_text("half")
        raise error()
    assert names(tmp_path) == []


def test_the_old_file_survives_a_failure(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(ValueError), atomic_path(path) as temporary:
        temporary.write_text("new, half")
        raise ValueError
    assert path.read_text() == "old" and names(tmp_path) == ["a.txt"]


def full(*_):
    raise OSError(errno.ENOSPC, "No space left on device")  # the kernel names no file


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_is_one_line_that_names_the_file(tmp_path, monkeypatch, call):
    path = tmp_path / "a.txt"
    write_text(path, "old")
    monkeypatch.setattr(atomic.os, call, full)
    with pytest.raises(UserError) as caught:
        write_text(path, "new")
    text = str(caught.value)
    assert str(path) in text and "No space left" in text and "free some space" in text and "\n" not in text
    monkeypatch.undo()
    assert path.read_text() == "old" and names(tmp_path) == ["a.txt"]


def test_a_disk_that_fills_while_the_body_writes_is_told_too(tmp_path):
    path = tmp_path / "a.fits"
    with pytest.raises(UserError, match=r"cannot write .*a\.fits: No space left"), atomic_path(path):
        full()
    assert names(tmp_path) == []


def test_a_folder_that_is_a_file_is_told(tmp_path):
    (tmp_path / "results").write_text("")
    with pytest.raises(UserError, match=r"cannot write .*results/a\.txt"):
        write_text(tmp_path / "results" / "a.txt", "x")


def test_a_folder_without_permission_is_told(tmp_path, monkeypatch):
    def refuse(prefix, suffix, dir):
        raise PermissionError(errno.EACCES, "Permission denied", str(dir / "x"))

    monkeypatch.setattr(atomic.tempfile, "mkstemp", refuse)
    with pytest.raises(UserError, match=r"cannot write .*a\.txt: Permission denied"):
        write_text(tmp_path / "a.txt", "x")


def test_a_folder_above_without_permission_is_told(tmp_path, monkeypatch):
    def refuse(self, mode=0o777, parents=False, exist_ok=False):
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "a"))

    monkeypatch.setattr(atomic.Path, "mkdir", refuse)
    with pytest.raises(UserError, match=r"cannot write .*a/b/c/t\.txt: Permission denied"):
        write_text(tmp_path / "a" / "b" / "c" / "t.txt", "x")


def test_an_error_about_another_file_is_not_taken_for_a_write_error(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in (tmp_path / "a.txt", "a.txt"):
        with pytest.raises(FileNotFoundError), atomic_path(path):
            Path("/nowhere/at/a.txt").read_text()
    assert names(tmp_path) == []


def test_the_mode_is_what_the_umask_allows(tmp_path):
    old = os.umask(0o027)
    try:
        write_text(tmp_path / "a.txt", "x")
        assert os.umask(0o027) == 0o027  # left as it was
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o640


def test_unchanged_text_keeps_its_time(tmp_path):
    path = tmp_path / "a.txt"
    assert write_text_if_changed(path, "ü\n")
    os.utime(path, ns=(5, 5))
    assert not write_text_if_changed(path, "ü\n") and path.stat().st_mtime_ns == 5
    assert write_text_if_changed(path, "other\n") and path.read_text() == "other\n"
    assert path.stat().st_mtime_ns != 5


def test_a_long_name_can_be_written(tmp_path):
    path = tmp_path / ("n" * 240 + ".fits")
    write_text(path, "x")
    assert path.read_text() == "x"
