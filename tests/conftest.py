"""Fixtures that every room may use."""

import os
from pathlib import Path

import pytest

# Before anything imports torch: threads that wait spin, and starve each other where other programs use the cores.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

_DEFAULT = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the real frames; tests that need it are skipped where it does not exist."""
    folder = Path(os.environ.get("N2N_REAL_DATA", _DEFAULT))
    if not folder.is_dir():
        pytest.skip(f"no real frames in {folder}; set N2N_REAL_DATA to a folder that has them")
    return folder
