import json
from types import SimpleNamespace

import numpy as np
import pytest
from finished import finished, read, with_model

from n2n.group import suited as suited
from n2n.group.group import Group
from n2n.nets import prior

NOISE = [0.7, 0.25, 0.14, 0.09, 0.05]


def like(fwhm_px=3.0, noise=NOISE):
    return {"fwhm_px": fwhm_px, "band_noise": list(noise)}


def test_the_width_of_stars_is_the_median_of_the_exposures():
    exposures = [SimpleNamespace(fwhm_px=value) for value in (2.9, 3.1, None, 3.4)]
    assert suited.likeness(SimpleNamespace(exposures=exposures), np.float32(NOISE))["fwhm_px"] == pytest.approx(3.1)
    assert suited.likeness(SimpleNamespace(exposures=exposures[2:3]), NOISE)["fwhm_px"] is None


@pytest.mark.parametrize(
    "own, word",
    [
        (like(3.2), ""),
        (like(4.0), "3.0 px wide, here they are 4.0 px"),
        (like(2.9), ""),
        (like(3.4), ""),
        (like(2.8), "here they are 2.8 px"),
        (like(None), ""),
        (like(noise=[0.9, 0.2, 0.1, 0.06, 0.03]), "correlated otherwise"),
    ],
)
def test_other_stars_and_other_noise_are_told(own, word):
    found = suited.unlikeness([like()], own)
    assert word in found and bool(found) == bool(word)


def test_one_group_that_is_alike_is_enough_and_nothing_known_is_no_reproach():
    assert not suited.unlikeness([like(4.5), like(3.0)], like(3.1))
    assert not suited.unlikeness([], like())


@pytest.fixture(scope="module")
def night(chain):
    return finished(chain)


def test_a_night_of_another_seeing_is_denoised_by_the_prior(night, tmp_path, capsys):
    def wider(facts):
        facts["recipe"]["start"] = "prior"
        facts["likeness"][0]["fwhm_px"] *= 1.5

    night.denoise(with_model(night, tmp_path / "m", wider), tmp_path / "c.h5")
    assert "denoised by the network that comes with n2n" in capsys.readouterr().err
    _, attributes = read(tmp_path / "c.h5")
    model = json.loads(attributes["model"])
    assert model["weights_sha256"] == prior.digest() and "px wide" in model["unsuited"]


def test_who_wanted_no_prior_is_warned_only(night, tmp_path, capsys):
    model = with_model(night, tmp_path / "m", lambda facts: facts["likeness"][0].update(fwhm_px=9.0))
    night.denoise(model, tmp_path / "c.h5")
    assert "9.0 px wide" in capsys.readouterr().err
    _, attributes = read(tmp_path / "c.h5")
    facts = json.loads(attributes["model"])
    assert facts["weights_sha256"] != prior.digest() and "unsuited" not in facts


def test_a_night_suits_its_own_network(night):
    facts = json.loads(night.model.read_text())
    own = suited.likeness(Group(night.pairs), suited.measured_band_noise(Group(night.pairs)))
    assert facts["likeness"] == [own] and not suited.unlikeness(facts["likeness"], own)
