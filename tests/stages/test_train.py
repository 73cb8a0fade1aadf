import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from chain import rewriting
from finished import QUICK, TRAINING, call, finished
from PIL import Image
from safetensors.numpy import load_file

from n2n.formats.tables import read_json
from n2n.group import learning
from n2n.group.group import Group
from n2n.group.learning import load_regions
from n2n.nets import loop, training
from n2n.stages import train as stage


@pytest.fixture
def night(chain):
    return finished(chain)


@pytest.fixture
def facts(night):
    return json.loads(night.model.read_text())


def test_everything_a_model_needs_is_there(night, facts):
    folder = night.model.parent
    names = {"model.json", "model.safetensors", "training.csv", "training.png", "state.pt"}
    assert {path.name for path in folder.iterdir()} == names
    assert sum(tensor.size for tensor in load_file(folder / "model.safetensors").values()) == facts["parameters"]
    assert facts["recipe"]["steps"] == 25 and facts["recipe"]["width"] == 8
    assert facts["groups"] == ["2026-10-03/M31_L"] and facts["device"] == "cpu"
    assert facts["versions"]["torch"] and facts["versions"]["n2n"]


def test_no_held_out_exposure_is_trained_on(night, facts):
    group = Group(night.pairs)
    expected = {exposure.sha256 for exposure in group.exposures if exposure.weighed.block != "C"}
    assert len(expected) == 11 and {frame["sha256"] for frame in facts["frames"]} == expected
    assert {frame["block"] for frame in facts["frames"]} == {"A", "B"}
    ((values, valid, weights, *_),) = load_regions(group, 64, 1, stage.MEMORY)
    assert len(values) == len(valid) == len(weights) == 11
    wanted, _ = group.load(group.blocks != "C")
    np.testing.assert_array_equal(values, wanted)


def test_the_curves_are_a_table_and_a_picture(night, facts):
    with open(night.model.parent / "training.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["step", "training_loss", "validation_loss", "learning_rate", "seconds"]
    assert rows[-1]["step"] == "25"
    assert float(rows[-1]["validation_loss"]) == pytest.approx(facts["final_validation_loss"], abs=1e-6)
    with Image.open(night.model.parent / "training.png") as picture:
        assert picture.format == "PNG" and picture.width > 300


def test_the_description_is_written_last(night, tmp_path, monkeypatch):
    written = []
    real = stage.write_json

    def write(path, content):
        written.append({other.name for other in path.parent.iterdir()})
        real(path, content)

    monkeypatch.setattr(stage, "write_json", write)
    night.train(tmp_path / "m" / "model.json", "--steps", "1", "--batch", "1")
    assert written == [{"model.safetensors", "training.csv", "training.png", "state.pt"}]


def test_killed_and_started_again_it_gives_the_same_weights(night, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(loop, "VALIDATE_EVERY", 4)
    small = ["--steps", "10", "--batch", "1", "--crop", "32"]
    whole, killed = tmp_path / "whole" / "model.json", tmp_path / "killed" / "model.json"
    night.train(whole, *small)
    real = training.paired_loss
    calls = []

    def dying(*args):
        calls.append(1)
        if len(calls) == 8:
            raise KeyboardInterrupt
        return real(*args)

    with monkeypatch.context() as patch:
        patch.setattr(training, "paired_loss", dying)
        call("train", night.pairs, "-o", killed, *TRAINING, *QUICK, *small, expect=130)
    assert not killed.exists()
    with caplog.at_level("INFO"):
        night.train(killed, *small)
    assert "resuming at step 4 of 10" in caplog.text
    one, other = (json.loads(path.read_text()) for path in (whole, killed))
    assert one["weights_sha256"] == other["weights_sha256"]


def test_other_pixels_of_the_same_exposures_are_trained_on_afresh(chain, night, tmp_path, caplog):
    """The same raw frames, registered and weighted otherwise: an old state must not be taken for the result."""
    folder = tmp_path / "2026-10-03" / "M31_L"
    folder.mkdir(parents=True)
    names = [f"registered-{chunk}.h5" for chunk in chain.group.chunks]
    for name in names:
        shutil.copy(chain.folder / name, folder / name)
    few = ["--steps", "2", "--batch", "1"]
    model = tmp_path / "model" / "model.json"
    call("pairs", *(folder / name for name in names), "-o", folder / "pairs.h5")
    night.train(model, *few, pairs=folder / "pairs.h5")
    first = json.loads(model.read_text())["weights_sha256"]
    with rewriting(folder / names[0]) as file:
        file["pixels"][...] = file["pixels"][:] * 1.5
    call("pairs", *(folder / name for name in names), "-o", folder / "pairs.h5")
    with caplog.at_level("INFO"):
        night.train(model, *few, pairs=folder / "pairs.h5")
    assert "resuming" not in caplog.text
    assert json.loads(model.read_text())["weights_sha256"] != first


def test_too_few_exposures_are_refused_with_a_reason(chain, night, tmp_path, monkeypatch):
    monkeypatch.setattr(learning, "MIN_TRAINING", 7)
    folder = tmp_path / "2026-10-03" / "M31_L"
    call("pairs", chain.folder / f"registered-{next(iter(chain.group.chunks))}.h5", "-o", folder / "pairs.h5")
    count = int((Group(folder / "pairs.h5").blocks != "C").sum())
    night.train(tmp_path / "m" / "model.json", pairs=folder / "pairs.h5")
    facts = read_json(tmp_path / "m" / "model.json")
    assert facts == {"refused": f"only {count} usable exposures, 7 needed", "groups": ["2026-10-03/M31_L"]}
    assert not (tmp_path / "m" / "model.safetensors").exists()


def test_images_smaller_than_a_crop_are_refused_with_a_reason(night, tmp_path):
    night.train(tmp_path / "model.json", "--crop", "512")
    assert "256 x 240 pixels" in json.loads((tmp_path / "model.json").read_text())["refused"]


def test_large_groups_are_trained_on_in_regions(night, monkeypatch):
    group = Group(night.pairs)
    monkeypatch.setattr(learning, "REGION", 64)
    regions = list(load_regions(group, 32, 1, memory=11 * 64 * 64 * 5 * 6))
    assert len(regions) == 6
    for values, valid, weights, variance, _, saturated in regions:
        assert values.shape == valid.shape == (11, *variance.shape) and len(weights) == 11
        assert variance.shape == saturated.shape and variance.shape[1] == 64 and variance.shape[0] in (64, 48)
    again = list(load_regions(group, 32, 1, memory=1e9))
    assert len(again) == 1 and again[0][0].shape == (11, 240, 256)


def test_a_model_of_the_workflow_knows_its_name_and_one_made_by_hand_has_none():
    assert stage.named(Path("models/Cam_Ha/ceb11dada7a8/model.json")) == {"model": "Cam_Ha/ceb11dada7a8"}
    assert stage.named(Path("mine/model.json")) == {}
