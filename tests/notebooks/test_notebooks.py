"""The notebooks, run from top to bottom as plain Python: they use no magics and need no Jupyter here."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

FOLDER = Path(__file__).parents[2] / "notebooks"
# The same cells with less of the same: what a person waits for, and what shortens it here.
SMALL = "train: {steps: 20, batch: 2, crop: 32, width: 8}\\ndenoise: {orientations: 1}\\ninject: {realisations: 0}\\n"
SHORTER = {
    "first_night": ('f"train: {{steps: {STEPS}}}\\n"', f'"{SMALL}"'),
    "activation_study": ("(1, 2), 60", "(1,), 4"),
}
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def read(path):
    return nbformat.read(path, as_version=4)


def test_both_are_there():
    assert {path.stem for path in NOTEBOOKS} == {"first_night", "activation_study"}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_stripped(path):
    notebook = read(path)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert cell.cell_type != "code" or (not cell.outputs and cell.execution_count is None)


@pytest.mark.workflow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_cell_runs(path, tmp_path):
    script, source = tmp_path / "notebook.py", "\n\n".join(c.source for c in read(path).cells if c.cell_type == "code")
    long, short = SHORTER[path.stem]
    assert source.count(long) == 1
    script.write_text(source.replace(long, short))
    work = tmp_path / "work"
    work.mkdir()
    environment = os.environ | {"N2N_NOTEBOOK_FOLDER": str(work), "MPLBACKEND": "agg", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, script], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    made = {"first_night": "results/*/*/denoised.fits", "activation_study": "verdict.md"}[path.stem]
    assert list(work.glob(made))
