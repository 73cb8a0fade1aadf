"""What runs again after what: each change of files or settings, and the jobs it may set off."""

import os
import shutil
import zipfile

import pytest
import yaml

from n2n.formats.tables import read_json
from n2n.simulate import simulate_late_frame, simulate_night

from .conftest import CONFIG, NIGHT, REPOSITORY, Workspace

pytestmark = pytest.mark.workflow


def change_config(workspace: Workspace, **sections) -> None:
    config = yaml.safe_load(CONFIG)
    for name, values in sections.items():
        config.setdefault(name, {}).update(values)
    (workspace.folder / "config/config.yaml").write_text(yaml.safe_dump(config))


def test_a_finished_night_has_every_product(finished):
    for name in ("stack.fits", "denoised.fits", "assessment.json", "preview.png", "before_after.png"):
        assert (finished.group / name).is_file(), name
    for name in ("report.html", "summary.csv", "settings.json", "ro-crate-metadata.json"):
        assert (finished.folder / "results" / NIGHT / name).is_file(), name
    assert len(finished.models) == 1


def test_nothing_changed_runs_nothing(finished):
    assert finished.jobs() == {}


@pytest.mark.parametrize(
    ("deleted", "rules"),
    [
        ("NGC7000_Ha/denoised.fits", "assess report crate"),
        ("NGC7000_Ha/stack.fits", "stack assess report crate"),
        ("NGC7000_Ha/changed_sources.png", "assess report crate"),
        ("summary.csv", "report crate"),
        ("ro-crate-metadata.json", "crate"),
    ],
)
def test_a_deleted_product_is_made_again_and_nothing_is_trained(workspace, deleted, rules):
    (workspace.folder / "results" / NIGHT / deleted).unlink()
    assert workspace.jobs() == dict.fromkeys(rules.split(), 1)


def test_all_deleted_products_are_made_again(workspace):
    night = workspace.folder / "results" / NIGHT
    inner = ("chunks", "calibration.json", "reference.json", "inject.json")
    products = [path for path in [*night.iterdir(), *workspace.group.iterdir()] if path.is_file()]
    products = [p for p in products if p.suffix in (".fits", ".png", ".json", ".csv", ".html")]
    products = [p for p in products if p.name not in inner and not p.name.startswith(("measured-", "vetted-", "."))]
    products = [p for p in products if p.name not in ("frames.csv", "quarantine.csv", "settings.json")]
    assert len(products) >= 10
    models = {path: path.read_bytes() for path in workspace.models}
    for path in products:
        path.unlink()
    workspace.snakemake()
    assert [path for path in products if not path.is_file()] == []
    assert models == {path: path.read_bytes() for path in workspace.models}
    assert workspace.jobs() == {}


def test_what_lies_between_may_be_deleted_to_save_space(workspace):
    for path in [*workspace.group.glob("*.h5"), *workspace.group.glob("measured-*.json")]:
        path.unlink()
    assert workspace.jobs() == {}


def test_a_new_night_runs_its_own_frames_and_reuses_the_model(workspace):
    simulate_night(workspace.folder / "data/raw", preset="tiny", night="2026-10-04", report=lambda text: None)
    expected = dict.fromkeys(
        ["measure", "reference", "register", "pairs", "stack", "denoise", "inject", "assess", "report", "crate"], 1
    )
    expected |= {"measure": 2, "register": 2, "vet": 1}  # 14 lights: two chunks
    assert workspace.jobs() == {**expected, "master": 3, "vet": 1}


def test_a_late_frame_runs_one_new_chunk_and_no_training(workspace):
    model = workspace.models[0]
    before = {path: path.stat().st_mtime_ns for path in workspace.group.glob("registered-*.h5")}
    simulate_late_frame(
        workspace.folder / f"data/raw/{NIGHT}", workspace.folder / f"data/truth/{NIGHT}", "NGC7000_Ha", 40
    )
    expected = dict.fromkeys(
        ["measure", "register", "pairs", "stack", "denoise", "inject", "assess", "report", "crate"], 1
    )
    assert workspace.jobs() == expected
    # For real: the model and the earlier chunk stay as they are, and the product grows by one exposure.
    digest = model.read_bytes()
    workspace.snakemake()
    assert model.read_bytes() == digest
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert (workspace.group / "registered-001.h5").is_file()
    assert workspace.jobs() == {}


def test_a_comment_in_a_module_or_rule_runs_nothing(finished, tmp_path):
    source = tmp_path / "source"
    for name in ("n2n", "workflow", "profiles"):
        shutil.copytree(REPOSITORY / name, source / name)
    shutil.copy(REPOSITORY / "Snakefile", source)
    # The same workspace, run from a copy of the sources, then from the commented copy.
    workspace = finished.copy(tmp_path / "night")
    workspace.source = source
    assert workspace.jobs() == {}
    for name in ("n2n/nets/training.py", "n2n/stages/train.py", "workflow/rules/denoise.smk"):
        with open(source / name, "a") as file:
            file.write("\n# a comment\n")
    assert workspace.jobs() == {}


def test_changed_training_settings_make_a_new_model_beside_the_old(workspace):
    old = workspace.models
    change_config(workspace, train={"steps": 60})
    assert workspace.jobs() == {"train": 1, "denoise": 1, "inject": 1, "assess": 1, "report": 1, "crate": 1}
    workspace.snakemake()
    assert len(workspace.models) == 2
    assert set(old) < set(workspace.models)
    assert workspace.jobs() == {}


def test_exposures_are_denoised_one_by_one_where_asked_for(workspace):
    change_config(workspace, denoise={"products": ["stack", "frames"]})
    assert workspace.jobs() == {"frames": 1}
    workspace.snakemake()
    used = read_json(next(workspace.folder.glob("results/*/*/assessment.json")))["exposures"]["used"]
    assert len(list(workspace.folder.glob("results/*/*/frames/*.fits"))) == used
    assert workspace.jobs() == {}


def test_touched_raw_files_run_nothing(workspace):
    for path in (workspace.folder / "data/raw").rglob("*.fits"):
        os.utime(path)
    assert workspace.jobs() == {}


def test_a_touched_model_runs_nothing(workspace):
    for path in workspace.models[0].parent.iterdir():
        os.utime(path)
    assert workspace.jobs() == {}


def test_raw_frames_moved_to_an_archive_run_nothing(workspace):
    (workspace.folder / f"data/raw/{NIGHT}").rename(workspace.folder / "archive")
    (workspace.folder / f"data/raw/{NIGHT}").mkdir()
    assert workspace.jobs() == {}


def test_reuse_without_a_model_is_a_clear_error(workspace):
    shutil.rmtree(workspace.folder / "models")
    change_config(workspace, model={"mode": "reuse"})
    done = workspace.snakemake("--dry-run", check=False)
    text = done.stdout + done.stderr
    assert done.returncode != 0
    assert "model.mode is reuse" in text
    assert "model.json" in text
    assert "set model.mode: auto" in text
    assert "Traceback" not in text


def test_reuse_with_a_model_never_trains(workspace):
    change_config(workspace, model={"mode": "reuse"})
    assert workspace.jobs() == {}


def test_retrain_needs_forcerun_and_then_trains(workspace):
    change_config(workspace, model={"mode": "retrain"})
    assert workspace.jobs() == {}
    change_config(workspace, model={"mode": "retrain"}, train={"start": "random", "learning_rate": 0.002})
    assert workspace.jobs() == {"crate": 1}  # defaults written out: only the settings that the crate names changed
    change_config(workspace, model={"mode": "retrain"})
    assert workspace.jobs("--forcerun", "train") == {
        "train": 1,
        "denoise": 1,
        "inject": 1,
        "assess": 1,
        "report": 1,
        "crate": 1,
    }


def test_changed_gates_judge_again_and_nothing_else(workspace):
    change_config(workspace, gates={"min_gain": 1.1})
    assert workspace.jobs() == {"assess": 1, "report": 1, "crate": 1}


def test_settings_that_change_no_result_run_nothing(workspace):
    change_config(workspace, gates={"strict": True}, model={"mode": "reuse"}, denoise={"products": ["stack"]})
    asked = ("memory_gb=2", "device=cpu", "palettes=none", "study=none")
    assert workspace.jobs("--config", *asked) == {"verdict": 1}, "which looks at the verdicts alone"


def test_a_default_that_is_written_out_trains_nothing(workspace):
    train = yaml.safe_load(CONFIG)["train"]
    change_config(workspace, train=train | {"start": "random", "learning_rate": 0.002, "seed": 1})
    assert workspace.jobs() == {"crate": 1}, "the settings are part of it"


def test_changed_colours_concern_nights_with_several_filters_alone(workspace):
    change_config(workspace, colour={"saturation": 1.2})
    assert workspace.jobs() == {"crate": 1}, "the settings are part of it"


def test_snakemakes_own_report_shows_the_night(finished, tmp_path):
    finished.snakemake("--report", str(tmp_path / "report.zip"))
    with zipfile.ZipFile(tmp_path / "report.zip") as archive:
        text = "".join(archive.read(name).decode("utf-8", "ignore") for name in archive.namelist())
        files = {name.rsplit("/", 1)[-1] for name in archive.namelist()}
    assert {"before_after.png", "preview.png", "summary.csv", "assessment.json"} <= files
    assert "Crop at full resolution, one stretch for both" in text and f"night {NIGHT}" in text
