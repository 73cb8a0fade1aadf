"""Fixtures that every room may use."""

import os
from pathlib import Path

import pytest

# Before anything imports torch: threads that wait spin, and starve each other where other programs use the cores.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from chain import chain, group  # noqa: F401  fixtures of all rooms

_DEFAULT = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the real frames; tests that need it are skipped where it does not exist."""
    folder = Path(os.environ.get("N2N_REAL_DATA", _DEFAULT)).resolve()  # tests link to it
    if not folder.is_dir():
        pytest.skip(f"no real frames in {folder}; set N2N_REAL_DATA to a folder that has them")
    return folder


# What takes longest begins first, so that two workers end at the same time.
LONGEST = ("workflow", "real", "notebooks", "stages", "study", "nets")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """With several workers (pytest-xdist) a file stays with one, and so do all files that use one finished night."""

    def place(item):
        room, *rest = Path(item.path).relative_to(Path(__file__).parent).parts
        return room, rest[0] if rest else ""

    items.sort(key=lambda item: LONGEST.index(place(item)[0]) if place(item)[0] in LONGEST else len(LONGEST))
    for item in items:
        room, name = place(item)
        shared = room == "workflow" and name not in ("test_colours.py", "test_study.py")
        item.add_marker(pytest.mark.xdist_group(room if shared else f"{room}/{name}"))
