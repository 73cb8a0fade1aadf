import json

import h5py
import numpy as np
import pytest
from astropy.io import fits
from finished import call, finished, read, truths, with_model

from n2n.group.group import Group
from n2n.group.singles import file_names
from n2n.group.split import held_out_exposures
from n2n.nets import inference, prior
from n2n.nets.memory import CPU_TILE
from n2n.stages import denoise as stage


@pytest.fixture
def night(chain):
    return finished(chain)


@pytest.fixture
def candidate(night):
    with h5py.File(night.candidate) as file:
        return {name: file[name][:] for name in file}, dict(file.attrs)


def test_a_candidate_holds_three_images(night, candidate, group):
    images, attributes = candidate
    assert set(images) == {"full", "judged", "single"}
    assert all(image.shape == group.shape and image.dtype == np.float32 for image in images.values())
    assert attributes["held_out"].tolist() == np.flatnonzero(group.blocks == "C").tolist()
    assert attributes["single"] in attributes["held_out"]
    assert json.loads(attributes["settings"])["device"] == "cpu"
    assert json.loads(attributes["model"])["frames"] == 11


def test_the_single_exposure_is_the_one_that_frames_ships(night, candidate, tmp_path):
    images, attributes = candidate
    call("frames", night.pairs, "-o", tmp_path / "frames", "--gpus", "0", "--threads", "1", "--orientations", "2")
    group = Group(night.pairs)
    name = file_names([one.path for one in group.exposures])[int(attributes["single"])]
    shipped = fits.getdata(tmp_path / "frames" / name) - np.float32(group.facts.sky)
    # Where the exposure has a pixel that counts; saturated and rejected ones are another matter.
    same = np.isfinite(group.mean([int(attributes["single"])])[0]) & ~group.saturated
    np.testing.assert_allclose(images["single"][same], shipped[same], atol=1e-2)


def test_what_no_exposure_covers_stays_unknown_and_all_else_is_a_number(candidate, group):
    images, attributes = candidate
    training = np.flatnonzero(group.blocks != "C")
    for name, chosen in (("full", slice(None)), ("judged", training), ("single", [int(attributes["single"])])):
        np.testing.assert_array_equal(np.isfinite(images[name]), np.isfinite(group.mean(chosen)[0]))


def test_saturated_pixels_are_the_means_bit_by_bit(candidate, group):
    images, _ = candidate
    saturated = group.saturated
    assert saturated.sum() >= 4
    for name, chosen in (("full", slice(None)), ("judged", group.blocks != "C")):
        mean = group.mean(chosen)[0]
        assert images[name][saturated].tobytes() == mean[saturated].tobytes()
        assert (images[name] != mean)[~saturated & np.isfinite(mean)].mean() > 0.9


def test_saturated_pixels_pass_even_where_the_network_would_change_them(night, group, tmp_path, monkeypatch):
    """Full wells are far above the noise and pass anyhow; here faint pixels are called saturated."""
    real = Group.__init__

    def faint(self, path):
        real(self, path)
        self.saturated[60:70, 80:95] = True

    monkeypatch.setattr(Group, "__init__", faint)
    night.denoise(night.model, tmp_path / "c.h5")
    images, _ = read(tmp_path / "c.h5")
    assert images["full"][60:70, 80:95].tobytes() == group.mean()[0][60:70, 80:95].tobytes()


def test_noise_is_taken_away(chain, candidate, group):
    images, _ = candidate
    for name in ("full", "judged"):
        facts = getattr(truths(chain), name)
        dark = np.isfinite(facts.mean) & (facts.truth < 10) & ~group.saturated
        before, after = ((image - facts.truth)[dark].std() for image in (facts.mean, images[name]))
        assert after < 0.6 * before


@pytest.mark.parametrize("change", ["brighter", "noise"])
def test_the_held_out_exposures_never_reach_the_judged_image(night, candidate, tmp_path, monkeypatch, change):
    real = Group.load

    def load(self, chosen=slice(None), region=(slice(None), slice(None))):
        values, valid = real(self, chosen, region)
        held_out = self.blocks[chosen] == "C"
        noise = np.random.default_rng(0).normal(0, 100, values.shape) if change == "noise" else 500.0
        return (values + noise * (held_out[:, None, None] & valid)).astype(np.float32), valid

    monkeypatch.setattr(Group, "load", load)
    night.denoise(night.model, tmp_path / "c.h5")
    images, _ = read(tmp_path / "c.h5")
    assert images["judged"].tobytes() == candidate[0]["judged"].tobytes()
    assert not np.array_equal(images["single"], candidate[0]["single"])


def test_an_exposure_the_model_has_seen_is_no_judge(night, candidate, group, tmp_path):
    _, attributes = candidate
    seen = int(attributes["held_out"][0])
    model = with_model(
        night, tmp_path / "m", lambda facts: facts["frames"].append({"sha256": group.exposures[seen].sha256})
    )
    night.denoise(model, tmp_path / "c.h5")
    images, after = read(tmp_path / "c.h5")
    assert after["held_out"].tolist() == attributes["held_out"].tolist()[1:] and after["single"] != seen
    # It is judged as a part of the image.
    rest = np.setdiff1d(np.arange(len(group.exposures)), after["held_out"])
    np.testing.assert_array_equal(np.isfinite(images["judged"]), np.isfinite(group.mean(rest)[0]))
    assert not np.array_equal(images["judged"], candidate[0]["judged"])


def test_without_two_judges_there_is_no_candidate(night, group, tmp_path):
    held_out = [exposure.to_json() for exposure in group.exposures if exposure.weighed.block == "C"]
    model = with_model(night, tmp_path / "m", lambda facts: facts["frames"].extend(held_out[1:]))
    night.denoise(model, tmp_path / "c.h5")
    images, attributes = read(tmp_path / "c.h5")
    assert not images and "only 1 exposures are held out" in attributes["refused"]
    assert held_out_exposures(group, set()).tolist() == np.flatnonzero(group.blocks == "C").tolist()


def test_a_group_too_small_to_train_on_is_denoised_by_the_prior(night, tmp_path):
    night.denoise(None, tmp_path / "none.h5")
    (tmp_path / "model.json").write_text('{"refused": "only 4 usable exposures, 6 needed", "groups": []}')
    night.denoise(tmp_path / "model.json", tmp_path / "refused.h5")
    for name, reason in (("none.h5", "only 16 exposures"), ("refused.h5", "only 4 usable exposures, 6 needed")):
        images, attributes = read(tmp_path / name)
        model = json.loads(attributes["model"])
        assert (model["untrained"], model["groups"], model["weights_sha256"]) == (reason, [], prior.digest())
        known = truths(night.chain).full
        usable = np.isfinite(known.mean) & np.isfinite(known.truth) & ~Group(night.pairs).saturated
        faint = usable & (known.truth < 3 * known.sigma)
        before, after = ((image - known.truth)[faint].std() for image in (known.mean, images["full"]))
        assert after < before / 2


def test_with_too_few_to_hold_out_there_is_no_candidate_but_a_reason(night, tmp_path, monkeypatch):
    monkeypatch.setattr(stage, "held_out_exposures", lambda group, trained_on: np.array([3]))
    night.denoise(None, tmp_path / "none.h5")
    images, attributes = read(tmp_path / "none.h5")
    assert not images and attributes["refused"] == "only 16 exposures: too few to train on and to prove the result"


def test_altered_weights_are_an_error_that_names_the_file(night, tmp_path, capsys):
    model = with_model(night, tmp_path / "m", lambda facts: facts.update(weights_sha256="0" * 64))
    night.denoise(model, tmp_path / "c.h5", expect=1)
    assert "m/model.safetensors is damaged (it is not the file that model.json describes)" in capsys.readouterr().err
    assert not (tmp_path / "c.h5").exists()


def test_an_overlap_as_wide_as_a_tile_is_an_error(night, tmp_path, capsys):
    night.denoise(night.model, tmp_path / "c.h5", "--tile", "64", "--overlap", "64", expect=1)
    assert "denoise.overlap, 64, must be smaller than denoise.tile, 64" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("tile", "overlap", "message"),
    [(32, 8, "denoise.tile, 32, must be at least 64"), (0, 256, "must be smaller than denoise.tile, 256")],
)
def test_tiles_of_no_use_are_an_error(night, tmp_path, capsys, tile, overlap, message):
    night.denoise(night.model, tmp_path / "c.h5", "--tile", tile, "--overlap", overlap, expect=1)
    assert message in capsys.readouterr().err


def test_when_memory_runs_out_all_images_are_made_again_in_smaller_tiles(night, candidate, tmp_path, monkeypatch):
    real, tried = inference.denoise, []

    def short_of_memory(*planes, tile, **more):
        tried.append(tile)
        if tile > 128 and len(tried) == 2:  # the first image fitted, the second does not
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate ...")
        return real(*planes, tile=tile, **more)

    monkeypatch.setattr(inference, "denoise", short_of_memory)
    night.denoise(night.model, tmp_path / "c.h5", "--tile", 256)
    images, attributes = read(tmp_path / "c.h5")
    assert tried == [256, 256, 128, 128, 128]
    assert json.loads(attributes["settings"]) | {"device": "cpu", "tile": 128} == json.loads(attributes["settings"])
    for name, image in images.items():
        np.testing.assert_allclose(image, candidate[0][name], rtol=1e-5, atol=1e-2)


def test_the_tile_that_n2n_chose_is_written_down(candidate):
    assert json.loads(candidate[1]["settings"])["tile"] == CPU_TILE


def test_the_same_model_gives_the_same_bytes(night, candidate, tmp_path):
    night.denoise(night.model, tmp_path / "c.h5")
    images, _ = read(tmp_path / "c.h5")
    assert all(images[name].tobytes() == candidate[0][name].tobytes() for name in images)


def test_a_missing_model_is_an_error(night, tmp_path, capsys):
    call("denoise", night.pairs, "--model", tmp_path / "none.json", "-o", tmp_path / "c.h5", expect=1)
    assert "none.json" in capsys.readouterr().err
