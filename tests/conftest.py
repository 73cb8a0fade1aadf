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


def pytest_collection_modifyitems(items):
    """What takes longest begins first; with several workers a file stays with one (`--dist loadfile`)."""

    def place(item):
        room = Path(item.path).relative_to(Path(__file__).parent).parts[0]
        return LONGEST.index(room) if room in LONGEST else len(LONGEST)

    items.sort(key=place)
