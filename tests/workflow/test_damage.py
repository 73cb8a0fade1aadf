"""Damaged files between the stages: named, never used, and made again once the command in the message was pasted."""

import json
import re
import subprocess

import h5py
from astropy.io import fits
from chain import rewriting

from n2n.formats.tables import read_json, write_json


def flip(path, place=0.6):
    """Change one bit; size and time stamp stay."""
    before, data = path.stat(), bytearray(path.read_bytes())
    data[int(place * len(data))] ^= 4
    path.write_bytes(data)
    subprocess.run(["touch", "-d", f"@{before.st_mtime}", path], check=True)


def data_of(path):
    with fits.open(path) as hdus:
        return [hdu.data.tobytes() for hdu in hdus]


def images_of(path):
    with h5py.File(path) as file:
        return {name: file[name][:].tobytes() for name in file}


def named_and_mended(workspace, *names):
    """Run until all is well: each run but the last names one of the damaged files, whose remedy is then pasted."""
    left = set(names)
    for _ in names:
        done = workspace.snakemake(check=False)
        said = done.stdout + done.stderr
        assert done.returncode != 0 and "Traceback" not in said, said
        found = re.search(r"/([^/\s]+) is damaged \(.*\); delete it and run the same command again: (rm .*)", said)
        assert found and found[1] in left, said
        left.remove(found[1])
        subprocess.run(found[2], shell=True, check=True, cwd="/")
    workspace.snakemake()


def test_damaged_exposures_and_candidates_are_named_and_made_again(workspace):
    product = workspace.group / "denoised.fits"
    before, denoised = data_of(product), images_of(workspace.group / "candidate.h5")
    flip(workspace.group / "candidate.h5", 0.999)
    flip(workspace.group / "registered-001.h5", 0.3)
    product.unlink()
    named_and_mended(workspace, "candidate.h5", "registered-001.h5")
    assert data_of(product) == before
    assert images_of(workspace.group / "candidate.h5") == denoised


def test_damaged_masters_and_models_are_named_and_made_again_as_they_were(workspace):
    product, model = workspace.group / "denoised.fits", workspace.models[0]
    before, weights = data_of(product), read_json(model)["weights_sha256"]
    dark = next((workspace.folder / "results/masters").glob("dark-*.fits"))
    flip(dark)
    flip(model.parent / "model.safetensors")
    for path in [product, *workspace.group.glob("*.h5"), *workspace.group.glob("measured-*.json")]:
        path.unlink()
    named_and_mended(workspace, dark.name, "model.safetensors")
    assert data_of(product) == before and read_json(model)["weights_sha256"] == weights


def test_the_exposures_of_another_group_are_named(workspace):
    with rewriting(workspace.group / "registered-000.h5") as file:
        file.attrs["facts"] = json.dumps(json.loads(file.attrs["facts"]) | {"group": "NGC7000_OIII"})
    done = workspace.snakemake(str((workspace.group / "pairs.h5").relative_to(workspace.folder)), check=False)
    said = done.stdout + done.stderr
    assert done.returncode != 0 and "registered-000.h5 is damaged (it is of another group" in said, said


def test_a_model_in_the_place_of_another_is_named_before_any_job_runs(workspace):
    model = workspace.models[0]
    name = "/".join(model.parts[-3:-1])
    assert read_json(model)["model"] == name
    write_json(model, read_json(model) | {"model": "Other_Ha/000000000000"})
    done = workspace.snakemake("--dry-run", check=False)
    assert done.returncode != 0 and "it is the model Other_Ha/000000000000" in done.stdout + done.stderr


def test_a_damaged_list_of_frames_is_put_back_and_sets_nothing_but_the_report_off(workspace):
    table = workspace.group.parent / "frames.csv"
    before = table.read_bytes()
    table.write_bytes(before.replace(b",Ha,", b",Hb,"))
    assert set(workspace.jobs()) <= {"report", "crate"}
    assert table.read_bytes() == before


def test_a_damaged_description_of_a_model_is_named_before_any_job_runs(workspace):
    flip(workspace.models[0])
    done = workspace.snakemake("--dry-run", check=False)
    assert done.returncode != 0 and "model.json is damaged" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_damaged_tables_of_the_plan_are_written_anew(workspace):
    tables = [*workspace.group.glob("chunks/*.csv"), *workspace.group.glob("vetting/*.csv")]
    tables += [
        *workspace.group.glob("vetting/*.sha256"),
        workspace.group / "calibration.json",
        *workspace.folder.glob("results/masters/*.csv"),
    ]
    before = {path: path.read_bytes() for path in tables}
    for path, data in before.items():
        path.write_bytes(data[:100] + b"\xff" + data[101:])
    assert workspace.jobs() == {}
    assert {path: path.read_bytes() for path in tables} == before
