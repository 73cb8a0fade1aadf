"""Kill it, run it again: the same data as if nothing had happened."""

import os
import signal
import subprocess
import time

import numpy as np
import pytest
from astropy.io import fits

from .conftest import Workspace, new_workspace

pytestmark = pytest.mark.workflow


def data_of(workspace: Workspace) -> dict[str, bytes]:
    """Bytes of every array of the products."""
    result = {}
    for name in ("stack.fits", "denoised.fits"):
        with fits.open(workspace.group / name) as hdus:
            for hdu in hdus:
                result[f"{name}:{hdu.name}"] = np.asarray(hdu.data).tobytes()
    return result


def run_until(workspace: Workspace, happened, while_alive=lambda process: None) -> None:
    """Start the workflow in a process group of its own; kill -9 all of it when `happened()`. The lock stays behind."""
    process = subprocess.Popen(
        workspace.command(),
        cwd=workspace.folder,
        env=workspace.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    limit = time.monotonic() + 120
    while not happened():
        assert process.poll() is None, "the workflow ended before it could be killed"
        assert time.monotonic() < limit, "what was waited for did not happen"
        time.sleep(0.005)
    while_alive(process)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_same_frames_and_seed_give_the_same_bytes_also_after_kills(finished, tmp_path):
    other = new_workspace(tmp_path)

    def a_second_run_is_refused(process):
        locks = sorted(other.folder.glob(".snakemake/locks/*"))
        assert locks
        assert other.jobs()["assess"] == 1, "a dry run may look"
        done = other.snakemake(check=False)
        said = done.stdout + done.stderr
        assert done.returncode != 0 and "Directory cannot be locked" in said and "cleared" not in said
        assert process.poll() is None and sorted(other.folder.glob(".snakemake/locks/*")) == locks

    run_until(other, lambda: any(other.folder.glob("results/logs/*/*/measure-*.log")), a_second_run_is_refused)
    run_until(other, lambda: any(other.folder.glob("models/*/*/state.pt")))
    assert not other.models, "killed too late to prove anything"
    night, group = other.group.parts[-2:]
    run_until(other, (other.folder / "results/logs" / night / group / "denoise.log").exists)
    assert other.models
    assert not (other.group / "candidate.h5").exists(), "killed too late to prove anything"
    # Nobody unlocks, and no profile says rerun-incomplete: the same command goes on.
    done = other.snakemake("--workflow-profile", "none")
    assert done.stderr.count("its lock is cleared, this run goes on from there") == 1
    assert not any(other.folder.glob(".snakemake/n2n-runs/*"))
    ours, theirs = data_of(finished), data_of(other)
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if ours[name] != theirs[name]] == []
    weights = [next(w.folder.glob("models/*/*/model.safetensors")).read_bytes() for w in (finished, other)]
    assert weights[0] == weights[1]


def test_nothing_half_written_bears_a_final_name(finished):
    assert [path for path in finished.folder.rglob("*.part") if ".snakemake" not in path.parts] == []
