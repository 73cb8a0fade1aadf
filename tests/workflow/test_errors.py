"""A user's mistake is one or two clear lines that name the remedy."""

import os
import shutil

import pytest

from .conftest import NIGHT, Workspace, new_workspace

pytestmark = pytest.mark.workflow


@pytest.fixture
def empty(tmp_path) -> Workspace:
    """A folder with nothing but data/raw."""
    (tmp_path / "data/raw").mkdir(parents=True)
    return Workspace(tmp_path)


def complaint(workspace: Workspace, *arguments: str) -> str:
    """What a failing call says, which must not be a traceback."""
    done = workspace.snakemake(*arguments, check=False)
    text = done.stdout + done.stderr
    assert done.returncode != 0, text
    assert "Traceback" not in text
    return text


def test_unknown_key_offers_the_nearest(finished):
    assert "did you mean 'device'" in complaint(finished, "--config", "devise=cpu")


def test_wrong_value_names_the_choices(finished):
    assert "'gpu' is not one of auto, cpu, cuda" in complaint(finished, "--config", "device=gpu")


def test_an_error_is_said_once_and_by_a_quiet_run_too(finished):
    for quiet in ([], ["--quiet", "all"], ["--dry-run", "--quiet", "all"]):
        text = complaint(finished, *quiet, "--config", "devise=cpu")
        assert text.count("did you mean 'device'") == 1, quiet


def test_a_settings_file_that_cannot_be_read_is_one_line_also_for_cron(empty):
    (empty.folder / "config").mkdir()
    (empty.folder / "config/config.yaml").write_bytes(b"raw: data/raw\nmodels: l\xe4tin\n")
    assert "config/config.yaml, line 2: not UTF-8 text; save the file as UTF-8" in complaint(empty, "--quiet", "all")


def test_a_settings_file_of_another_ending_is_not_passed_over(empty):
    (empty.folder / "config").mkdir()
    (empty.folder / "config/config.yml").write_text("device: cpu\n")
    assert "config/config.yml is not read; call it config/config.yaml" in complaint(empty)


def test_a_lock_that_another_machine_may_hold_stays_with_what_to_type(finished, tmp_path):
    workspace = finished.copy(tmp_path / "night")
    shutil.rmtree(workspace.group)
    lock = workspace.folder / ".snakemake/locks/0.output.lock"
    lock.parent.mkdir(exist_ok=True)
    lock.write_text(f"results/{NIGHT}/report.html\n")
    text = complaint(workspace, "--quiet", "all")
    assert "type: snakemake --unlock" in text and lock.exists()


def test_no_raw_folder(tmp_path):
    assert "data/raw, does not exist" in complaint(Workspace(tmp_path))


def test_no_night(empty):
    assert "no night in data/raw" in complaint(empty)


def test_empty_night(empty):
    (empty.folder / "data/raw/tonight").mkdir()
    assert "night tonight: no FITS file in data/raw/tonight" in complaint(empty)


def test_unknown_night(finished):
    text = complaint(finished, "--config", "nights=2020-01-01")
    assert "2020-01-01" in text
    assert NIGHT in text


def test_no_lights(empty, finished):
    source = finished.folder / f"data/raw/{NIGHT}"
    shutil.copytree(source / "BIAS", empty.folder / "data/raw/tonight/BIAS")
    assert "no lights among 4 files" in complaint(empty)


def test_one_light_only(empty, finished):
    lights = sorted((finished.folder / f"data/raw/{NIGHT}/LIGHT").glob("*.fits"))
    folder = empty.folder / "data/raw/tonight"
    folder.mkdir()
    shutil.copy(lights[0], folder)
    text = complaint(empty)
    assert "only one light" in text
    assert "at least two exposures" in text


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_folder(empty):
    folder = empty.folder / "data/raw/tonight"
    folder.mkdir(mode=0)
    assert "tonight" in complaint(empty)


def test_cuda_insisted_on_without_a_gpu(tmp_path):
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    workspace = new_workspace(tmp_path)
    text = complaint(workspace, "--config", "device=cuda")
    assert "device: cuda is set but no CUDA GPU is usable here; set device: auto" in text
    log = next((workspace.folder / "results/logs/models").glob("*.log"))
    assert "device: cuda is set" in log.read_text()
    assert not workspace.models


def test_strict_gates_end_with_an_error_after_the_report(finished, tmp_path):
    workspace = finished.copy(tmp_path / "night")
    (workspace.folder / "config/config.yaml").write_text(
        (workspace.folder / "config/config.yaml").read_text() + "gates: {strict: true, min_gain: 1.0e+6}\n"
    )
    text = complaint(workspace)
    assert "NGC7000_Ha" in text
    assert (workspace.folder / f"results/{NIGHT}/report.html").is_file()
    from astropy.io import fits

    with fits.open(workspace.group / "denoised.fits") as hdus:
        assert hdus[0].header["PROCTYPE"] == "STACK"
        assert hdus[0].header["QASTAT"] == "FAIL"
        assert "Gain" in hdus[0].header["QAREASON"]
        assert hdus[0].data.tobytes() == hdus["STACK"].data.tobytes()
