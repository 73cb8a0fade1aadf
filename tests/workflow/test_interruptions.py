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


def run_until(workspace: Workspace, happened) -> None:
    """Start the workflow in a process group of its own; kill -9 all of it when `happened()`."""
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
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    # What a person does after a kill; the lock is the only thing left behind.
    workspace.snakemake("--unlock")


def test_same_frames_and_seed_give_the_same_bytes_also_after_kills(finished, tmp_path):
    other = new_workspace(tmp_path)
    run_until(other, lambda: any(other.folder.glob("models/*/*/state.pt")))
    assert not other.models, "killed too late to prove anything"
    night, group = other.group.parts[-2:]
    run_until(other, (other.folder / "results/logs" / night / group / "denoise.log").exists)
    assert other.models
    assert not (other.group / "candidate.h5").exists(), "killed too late to prove anything"
    other.snakemake()
    ours, theirs = data_of(finished), data_of(other)
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if ours[name] != theirs[name]] == []
    weights = [next(w.folder.glob("models/*/*/model.safetensors")).read_bytes() for w in (finished, other)]
    assert weights[0] == weights[1]


def test_nothing_half_written_bears_a_final_name(finished):
    assert [path for path in finished.folder.rglob("*.part") if ".snakemake" not in path.parts] == []
