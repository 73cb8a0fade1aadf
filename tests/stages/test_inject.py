import json

import numpy as np
import pytest
from finished import call, finished, shipped, truths
from scipy import ndimage

from n2n.fidelity import injected as stage
from n2n.fidelity.window import cut
from n2n.formats import sealed
from n2n.formats.tables import write_json
from n2n.group.group import Group


@pytest.fixture(scope="module")
def facts(chain, tmp_path_factory):
    night, output = finished(chain), tmp_path_factory.mktemp("inject") / "inject.json"
    inject(night, output)
    return json.loads(output.read_text())


def inject(night, output, *more):
    call("inject", night.pairs, "--candidate", night.candidate, "--model", night.model, "-o", output,
         "--gpus", "0", "--threads", "1", *more)  # fmt: skip


def test_objects_are_found_and_measured(facts):
    assert facts["objects"]["star"] > 30 and facts["covered"] < 0.05
    assert (facts["window"]["width"], facts["window"]["height"]) == (256, 240)
    images = facts["depth"]["images"]
    assert set(images) == {"denoised", "denoised_filtered", "filter", "stack"}
    assert sum(facts["depth"]["injected"]) == facts["objects"]["star"]
    for image in images.values():
        assert all(found <= there for found, there in zip(image["found"], facts["depth"]["injected"], strict=True))
    # The filter is worth what it always is, and its threshold that of Gaussian noise.
    assert images["filter"]["snr90"] < images["stack"]["snr90"]
    assert 2 < images["filter"]["threshold_sigma"] < 4.5
    assert facts["depth"]["delta_m90"]["standard_error"] > 0


def test_the_stack_gives_back_what_was_injected(facts):
    """Nothing is denoised in it: the bias of its photometry is that of the injection itself."""
    assert facts["stars"]
    for row in facts["stars"]:
        aperture = row["stack"]["aperture"]
        assert abs(aperture["bias_mmag"]) < 40 + 4 * aperture["standard_error_mmag"], row
    scatter = [row["stack"]["psf"]["scatter_mmag"] for row in facts["stars"]]
    assert scatter[0] > scatter[-1]


def test_injected_stars_look_like_the_nights_own(chain, facts):
    account = [entry["fwhm"] for entry in chain.account["lights"]]
    assert facts["psf"]["fwhm_px"] == pytest.approx(np.median(account), rel=0.15)


def test_the_same_seed_gives_the_same_figures_and_another_one_others(chain, facts, tmp_path):
    night = finished(chain)
    inject(night, tmp_path / "again.json")
    assert json.loads((tmp_path / "again.json").read_text()) == facts
    inject(night, tmp_path / "other.json", "--seed", "2")
    assert json.loads((tmp_path / "other.json").read_text())["depth"] != facts["depth"]


def test_two_realisations_have_twice_the_stars(chain, facts, tmp_path):
    inject(finished(chain), tmp_path / "two.json", "--realisations", "2")
    found = json.loads((tmp_path / "two.json").read_text())
    assert sum(found["depth"]["injected"]) > 1.7 * sum(facts["depth"]["injected"])


def test_without_realisations_nothing_is_injected(chain, tmp_path):
    inject(finished(chain), tmp_path / "none.json", "--realisations", "0")
    assert json.loads((tmp_path / "none.json").read_text())["refused"] == "inject.realisations is 0"


def test_the_control_is_noise_of_the_stacks_size_without_its_stars(chain):
    night, known = finished(chain), truths(chain).judged
    group = Group(night.pairs)
    held_out = np.flatnonzero(group.blocks == "C")
    window = cut(group, held_out, np.zeros(group.shape, np.float32))
    faint = np.isfinite(window.noise) & (known.truth < 3 * known.sigma)
    own = (window.stack - known.truth)[faint]
    assert (window.noise / window.sigma)[faint].std() == pytest.approx((own / window.sigma[faint]).std(), rel=0.1)
    assert abs(np.corrcoef(window.noise[faint], own)[0, 1]) < 0.05
    light = np.isfinite(window.noise) & (known.truth > 20 * known.sigma)
    assert np.abs(np.nanmedian((window.noise / np.abs(known.truth))[light])) < 0.02


@pytest.fixture(scope="module")
def judged(chain):
    """`inject` with made-up networks in place of the trained one: they know the sky, but not the objects."""
    group = Group(finished(chain).pairs)
    held_out = np.flatnonzero(group.blocks == "C")
    truth = np.nan_to_num(truths(chain).judged.truth)
    window = cut(group, held_out, truth)

    def result(network, realisations=2):
        settings = type("Settings", (), {"seed": 1, "realisations": realisations, "nsigma": 5.0, "slope": 0.7})
        return stage.inject(group, window, lambda image, depth: network(image, truth, window), settings)

    return result


def test_a_network_that_keeps_what_stands_out_of_the_noise_passes(judged, chain, tmp_path):
    def careful(image, truth, window):
        """What is not of the known sky is smoothed, and kept where it stands out."""
        smooth = ndimage.gaussian_filter(np.nan_to_num(image - truth), 1.1)
        noise = np.nan_to_num(window.sigma, posinf=1e9) / (2 * 1.1 * np.sqrt(np.pi))
        return truth + np.where(ndimage.maximum_filter(smooth / noise, 9) > 3, smooth, 0.1 * smooth)

    facts = judged(careful)
    deeper = facts["depth"]["delta_m90"]
    assert deeper["value"] > -0.05
    # With a hundred stars the depth is known to some tenths: then it passes only where it is deeper by twice its error.
    sure = deeper["value"] + 0.05 >= 2 * deeper["standard_error"] or deeper["standard_error"] < 0.05
    assert verdict(chain, facts, tmp_path) == ("PASS" if sure else "INFO")


def test_a_network_that_erases_what_it_does_not_know_fails(judged, chain, tmp_path):
    def forgetful(image, truth, window):
        """Pixels within 12 sigma of the known sky become that."""
        return np.where(np.abs(image - truth) < 12 * window.sigma, truth, image)

    # Of 121 stars in two realisations the loss is known to 0.6 mag only, of 239 to 0.3.
    facts = judged(forgetful, realisations=4)
    assert facts["depth"]["delta_m90"]["value"] < -0.3
    assert verdict(chain, facts, tmp_path) == "FAIL"


def verdict(chain, facts, folder):
    """What `assess` says about the depth of an else good candidate."""
    night = shipped(chain)
    write_json(folder / "inject.json", facts | {"pairs": sealed.seal_of(night.pairs)})
    assessed = night.assess(night.good, folder / "denoised.fits", "--injected", folder / "inject.json")
    gate = next(gate for gate in assessed["gates"] if gate["name"] == "G4")
    assert (assessed["product"] == "STACK") == (gate["verdict"] == "FAIL")
    return gate["verdict"]
