import dataclasses
from pathlib import Path

import numpy as np
import pytest

from n2n.formats.flags import DEFECT, NO_DATA
from n2n.formats.products import reference_header
from n2n.formats.store import open_store, read_attributes
from n2n.formats.tables import read_json, write_json
from n2n.simulate import optics, recipe, simulate_night
from n2n.sky.background import plane
from n2n.sky.warp import warp

CORNERS = np.array([[0, 0, 1], [255, 0, 1], [0, 239, 1], [255, 239, 1]], float)


def entries(chain):
    return [entry for c in chain.group.chunks for entry in read_attributes(chain.folder / f"registered-{c}.h5")[0]]


def accepted(chain):
    return [entry for entry in entries(chain) if not entry["rejected"]]


def reference(chain):
    return chain.entry(read_json(chain.folder / "reference.json")["reference"]["path"])


def to_frame(truth):
    """Matrix (3, 3) from scene to frame coordinates."""
    angle, centre = np.radians(truth["rotation"]), np.array([127.5, 119.5])
    dither = np.array([truth["dx"], truth["dy"]])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.vstack([np.column_stack([turn, centre + dither - turn @ centre]), [0, 0, 1]])


def test_every_good_light_is_registered(chain):
    assert len(entries(chain)) == 16 and len(accepted(chain)) == 14


@pytest.mark.parametrize(
    ("mishap", "words"),
    [("cloudy", ("transparency", "few stars", "stars in common")), ("elongated", ("trailed",))],
)
def test_bad_lights_are_left_out_with_a_reason_in_words(chain, mishap, words):
    name = chain.light(**{mishap: True})
    entry = next(entry for entry in entries(chain) if Path(entry["path"]).name == name)
    text = "; ".join(entry["rejected"])
    assert any(word in text for word in words) and " " in text


def test_the_transform_is_the_truths_within_015_px_at_the_corners(chain):
    base = np.linalg.inv(to_frame(reference(chain)))
    square = []
    for entry in accepted(chain):
        expected = (to_frame(chain.entry(entry["path"])) @ base)[:2]
        offset = CORNERS @ (np.array(entry["matrix"]) - expected).T
        square.append((offset**2).sum(axis=1))
    rms = np.sqrt(np.mean(square, axis=1))
    assert np.sqrt(np.mean(np.square(rms))) < 0.15 and np.median(rms) < 0.1


def test_the_transparency_is_the_truths_within_3_percent(chain):
    base = reference(chain)["transparency"]
    for entry in accepted(chain):
        assert entry["transparency"] == pytest.approx(chain.entry(entry["path"])["transparency"] / base, rel=0.03)


def test_the_reference_is_put_onto_itself_unchanged(chain):
    (entry,) = [e for e in accepted(chain) if e["path"].endswith(reference(chain)["file"])]
    assert entry["matrix"] == [[1, 0, 0], [0, 1, 0]] and entry["transparency"] == 1
    assert entry["sky"] == [0, 0, 0]


def test_registered_frames_agree_with_the_truth_of_the_reference(chain):
    for chunk in chain.group.chunks:
        frames, _ = read_attributes(chain.folder / f"registered-{chunk}.h5")
        frames = [frame for frame in frames if not frame["rejected"]]
        with open_store(chain.folder / f"registered-{chunk}.h5") as file:
            pixels, flags = file["pixels"][:], file["flags"][:]
        assert pixels.dtype == np.float32 and len(pixels) == len(frames)
        target = chain.expected(reference(chain)["file"])
        for image, mask, frame in zip(pixels, flags, frames, strict=True):
            good = (mask == 0) & (target < np.median(target) + 30)
            residual = image[good] - target[good]
            assert np.median(residual) == pytest.approx(0, abs=0.5), frame["path"]
            assert (image[(mask & NO_DATA) > 0] == 0).all()


def test_recorded_steps_reproduce_the_noiseless_frame(chain):
    target = chain.expected(reference(chain)["file"])
    clear = np.zeros(target.shape, np.uint8)
    for entry in accepted(chain):
        image, flags = warp(chain.expected(entry["path"]), clear, np.array(entry["matrix"]), target.shape)
        image = image / entry["transparency"] - plane(np.array(entry["sky"]), target.shape)
        dark = (flags == 0) & (target < np.median(target) + 10)
        residual = (image - target)[dark]
        # A tenth of the noise of one exposure, everywhere.
        assert np.abs(np.percentile(residual, [2, 50, 98])).max() < 1.2


def test_what_is_not_covered_is_flagged(chain):
    for chunk in chain.group.chunks:
        frames, _ = read_attributes(chain.folder / f"registered-{chunk}.h5")
        frames = [frame for frame in frames if not frame["rejected"]]
        with open_store(chain.folder / f"registered-{chunk}.h5") as file:
            flags = file["flags"][:]
        for mask, frame in zip(flags, frames, strict=True):
            assert ((mask & NO_DATA) == 0).mean() == pytest.approx(frame["overlap"], abs=0.01)
            assert ((mask & DEFECT) > 0).any()


def test_the_references_header_travels(chain):
    _, facts = read_attributes(chain.folder / "registered-000.h5")
    header = reference_header(facts["header"])
    assert header["OBJECT"] == "M31" and header["INSTRUME"] and "BZERO" not in header
    assert facts["unit"] == "electron" and facts["gain"] == 0.8


def test_the_same_frames_give_the_same_bytes(chain, tmp_path):
    copy = chain.copy(tmp_path / "copy")
    copy.register("001")
    assert (copy.folder / "registered-001.h5").read_bytes() == (chain.folder / "registered-001.h5").read_bytes()


@pytest.mark.parametrize(
    ("option", "word"),
    [
        (["--min-transparency", "1.0"], "transparency"),
        (["--min-overlap", "0.99"], "of the reference, limit 99%"),
        (["--max-rms-px", "0.0001"], "0.0001"),
    ],
)
def test_limits_are_settings_and_the_reference_always_stays(chain, tmp_path, option, word):
    copy = chain.copy(tmp_path / "copy")
    for chunk in chain.group.chunks:
        copy.register(chunk, *option)
    left = [entry for entry in entries(copy) if entry["rejected"]]
    assert any(word in text for entry in left for text in entry["rejected"])
    assert len(left) > 3
    assert any(entry["path"].endswith(reference(chain)["file"]) for entry in accepted(copy))


def test_a_chunk_of_bad_frames_only_is_written_empty(chain, tmp_path):
    copy = chain.copy(tmp_path / "copy")
    table = read_json(copy.folder / "001.json")
    for frame in table["frames"]:
        frame["rejected"] = ["unreadable: the disk is broken"]
    write_json(copy.folder / "001.json", table)
    keep = read_json(copy.folder / "reference.json")
    assert keep["reference"]["path"] not in [frame["path"] for frame in table["frames"]]
    copy.register("001")
    with open_store(copy.folder / "registered-001.h5") as file:
        assert file["pixels"].shape == (0, 240, 256)
    copy.pairs()
    copy.stack()


def test_a_nebula_with_hardly_a_star_is_registered_by_its_pixels(chain, tmp_path, monkeypatch):
    bare = dataclasses.replace(recipe.HA, star_density=0.0, bright=0.0, bright_flux=(30.0, 40.0))
    monkeypatch.setitem(recipe.PRESETS, "tests", recipe.Preset((512, 480), (bare,), (8,), 4, 4, 4, ()))
    simulate_night(tmp_path / "raw", preset="tests", seed=3, night="2026-10-03", processes=1, report=lambda text: None)
    nebula = type(chain)(tmp_path, bare.group)
    nebula.prepare()
    nebula.masters()
    for chunk in nebula.group.chunks:
        nebula.measure(chunk)
    nebula.reference()
    reference = nebula.entry(read_json(nebula.folder / "reference.json")["reference"]["path"])
    x, y = np.random.default_rng(0).uniform(40, 440, (2, 100))
    here = np.stack(optics.to_frame(x, y, (480, 512), conditions_of(reference)))
    errors = []
    for chunk in nebula.group.chunks:
        nebula.register(chunk)
        for entry in read_attributes(nebula.folder / f"registered-{chunk}.h5")[0]:
            if entry["rejected"] or entry.get("aligned_by") is None:
                continue
            assert entry["aligned_by"] == "pixels"
            there = np.stack(optics.to_frame(x, y, (480, 512), conditions_of(nebula.entry(entry["path"]))))
            matrix = np.array(entry["matrix"])
            found = matrix[:, :2] @ here + matrix[:, 2:]
            errors.append(np.sqrt(np.mean((found - there) ** 2)))
    assert len(errors) >= 6 and np.median(errors) < 0.35 and max(errors) < 0.7


def conditions_of(entry):
    names = [field.name for field in dataclasses.fields(optics.Conditions)]
    return optics.Conditions(**{name: entry[name] for name in names})
