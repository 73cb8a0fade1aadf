"""The study on photographs, driven by snakemake."""

import pytest

pytestmark = pytest.mark.workflow


def test_the_study_needs_no_night_and_its_grid_is_whole(workspace_without_night):
    jobs = workspace_without_night.jobs("study")
    assert jobs == {"photo": 48, "study": 1}
    assert workspace_without_night.jobs("--config", "study=full") == {"photo": 48, "study": 1}


def test_a_cell_of_the_grid_is_trained_and_not_again(workspace_without_night):
    cell = "results/study/quick/runs/gaussian-elu-noisy-1/model.json"
    place = workspace_without_night
    place.snakemake(cell, "--config", "study=quick")
    folder = (place.folder / cell).parent
    assert {"model.json", "model.safetensors", "training.csv", "example.png"} <= {p.name for p in folder.iterdir()}
    assert place.jobs(cell, "--config", "study=quick") == {}
    assert place.jobs("study") == {"photo": 47, "study": 1}


def test_a_wrong_size_is_one_clear_line(workspace_without_night):
    done = workspace_without_night.snakemake("study", "--config", "study=huge", check=False)
    assert done.returncode != 0 and "'huge' is not one of none, quick, full" in done.stdout + done.stderr
