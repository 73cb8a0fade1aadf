"""Snakemake itself, run on a tiny simulated night."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from n2n.simulate import simulate_night

REPOSITORY = Path(__file__).parents[2]
NIGHT = "2026-10-03"
# Small enough for seconds; the gates' verdict does not matter to these tests.
CONFIG = """\
train: {steps: 100, batch: 2, crop: 32, width: 8}
denoise: {orientations: 1}
"""


@dataclass
class Workspace:
    """A folder in which the workflow runs."""

    folder: Path
    source: Path = REPOSITORY

    def snakemake(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess:
        """Run snakemake here; its output is text."""
        done = subprocess.run(
            self.command(*arguments), cwd=self.folder, env=self.environment(), capture_output=True, text=True
        )
        if check:
            assert done.returncode == 0, done.stdout + done.stderr
        return done

    def command(self, *arguments: str) -> list[str]:
        """Arguments of a run on two cores without a GPU."""
        snakefile = str(self.source / "Snakefile")
        # Targets among the arguments come first: --resources would take them for its own.
        standard = ["--snakefile", snakefile, "--cores", "2", "--resources", "gpu=0"]
        return [sys.executable, "-m", "snakemake", *arguments, *standard]

    def environment(self) -> dict:
        """The tests' environment, with this workspace's sources first."""
        return {**os.environ, "PYTHONPATH": str(self.source), "OMP_NUM_THREADS": "2"}

    def jobs(self, *arguments: str) -> dict[str, int]:
        """Jobs a dry run announces, by rule; empty when nothing is to be done."""
        text = self.snakemake("--dry-run", *arguments)
        text = text.stdout + text.stderr
        if "Nothing to be done" in text:
            return {}
        table = text.split("Job stats:")[1].split("total")[0]
        counted = {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", table, re.MULTILINE)}
        # The targets themselves do nothing.
        return {name: count for name, count in counted.items() if name not in ("all", "default")}

    def copy(self, folder: Path) -> "Workspace":
        """The same state in another folder, time stamps kept."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        return Workspace(folder, self.source)

    @property
    def group(self) -> Path:
        """Results of the simulated group."""
        return self.folder / "results" / NIGHT / "NGC7000_Ha"

    @property
    def models(self) -> list[Path]:
        """All trained models."""
        return sorted(self.folder.glob("models/*/*/model.json"))


def new_workspace(folder: Path, **settings) -> Workspace:
    """A tiny simulated night, not yet processed."""
    simulate_night(folder / "data/raw", preset="tiny", night=NIGHT, report=lambda text: None, **settings)
    (folder / "config").mkdir()
    (folder / "config/config.yaml").write_text(CONFIG)
    return Workspace(folder)


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Workspace:
    """A night that has run through; tests copy it and must not change it."""
    workspace = new_workspace(tmp_path_factory.mktemp("finished"))
    workspace.snakemake()
    return workspace


@pytest.fixture
def workspace(finished, tmp_path) -> Workspace:
    """A copy of the finished night."""
    return finished.copy(tmp_path / "night")


@pytest.fixture
def workspace_without_night(tmp_path) -> Workspace:
    """An empty folder: no night, no configuration."""
    folder = tmp_path / "empty"
    folder.mkdir()
    return Workspace(folder)
