import copy
import csv
import json
import shutil

import numpy as np
import pytest
from astropy.io import fits
from chain import rewriting
from finished import dimmed, finished, shipped, truths, write_candidate
from PIL import Image
from reported import faults
from scipy import ndimage

from n2n.fidelity import claim, doubts
from n2n.fidelity.errors import BEYOND
from n2n.formats import flags as bits
from n2n.formats import sealed
from n2n.formats.tables import write_json
from n2n.report.words import reasons_of, said_of
from n2n.sky.photometry import find_stars

HDUS = ["PRIMARY", "MASK", "VAR", "COVERAGE", "STACK", "PROVENANCE"]


@pytest.fixture
def night(chain):
    return shipped(chain)


@pytest.fixture
def product(night):
    with fits.open(night.product, memmap=False) as hdus:
        yield hdus


def valid_checksums(path):
    with fits.open(path, checksum=True, memmap=False) as hdus:
        for hdu in hdus:
            assert hdu.verify_checksum() == 1 and hdu.verify_datasum() == 1, hdu.name
    return True


def test_a_good_candidate_is_shipped(night, product):
    header = product[0].header
    assert (header["PROCTYPE"], header["QASTAT"], header["DNBLEND"]) == ("DENOISED", "PASS", 1.0)
    assert "QAREASON" not in header
    assert night.facts["product"] == "DENOISED" and night.facts["qastat"] == "PASS" and not night.facts["reason"]
    assert "times the exposures" in night.facts["headline"]
    judged = [gate for gate in night.facts["gates"] if gate["verdict"] != "INFO"]
    assert all(gate["verdict"] == "PASS" for gate in judged)
    assert {gate["name"] for gate in judged} >= {"G1", "G2", "G3", "G5", "G6", "G7", "G8", "G9", "G10", "G11", "G15"}
    names = [int(gate["name"][1:]) for gate in night.facts["gates"]]
    assert names == sorted(names)


def test_the_file_keeps_its_contract(night, product):
    assert [hdu.name for hdu in product] == HDUS
    shape = (240, 256)
    image, stack, variance, mask = (product[name].data for name in ("PRIMARY", "STACK", "VAR", "MASK"))
    assert image.shape == stack.shape == variance.shape == mask.shape == product["COVERAGE"].data.shape == shape
    assert image.dtype.kind == variance.dtype.kind == "f" and image.dtype.itemsize == variance.dtype.itemsize == 4
    assert mask.dtype == np.uint8 and product["COVERAGE"].data.dtype.kind in "ui"
    header = product[0].header
    assert header["BUNIT"] == product["STACK"].header["BUNIT"] == "electron"
    assert header["OBJECT"] == "M31" and header["FILTER"] and header["NCOMBINE"] == 14
    assert header["DNMODEL"].startswith("sha256:") and len(header["DNMODEL"]) == 71
    assert header["DNMFILE"] == "camera_L/abc123/model.json" and header["DNTRAIN"] == "self"
    assert any("assess DENOISED 14 frames QASTAT=PASS" in line for line in header["HISTORY"])
    texts = {product["MASK"].header[f"BIT{n}"]: product["MASK"].header.comments[f"BIT{n}"] for n in range(5)}
    assert texts == bits.NAMES
    assert valid_checksums(night.product)


def test_provenance_has_a_row_for_every_exposure(product, group):
    table = product["PROVENANCE"].data
    assert table.names[:6] == ["FILENAME", "SHA256", "BLOCK", "EXPTIME", "WEIGHT", "USED"]
    assert len(table) == 16 and table["USED"].sum() == 14
    assert all(table["REASON"][~table["USED"]]) and not any(table["REASON"][table["USED"]])
    blocks = {exposure.path: exposure.weighed.block for exposure in group.exposures}
    assert {row["FILENAME"]: row["BLOCK"] for row in table if row["USED"]} == blocks


def test_stack_and_image_share_unit_and_level(night, product):
    with fits.open(night.stack) as hdus:
        np.testing.assert_array_equal(product["STACK"].data, hdus[0].data)
    difference = product[0].data - product["STACK"].data
    assert abs(np.nanmedian(difference)) < 0.05 * product[0].header["SKYNOISE"]


def test_saturated_pixels_are_the_stacks_and_marked(product, group):
    image, stack, mask = (product[name].data for name in ("PRIMARY", "STACK", "MASK"))
    saturated = group.saturated
    assert image[saturated].tobytes() == stack[saturated].tobytes()
    assert ((mask[saturated] & bits.BYPASS) > 0).all() and ((mask[saturated] & bits.SATURATED) > 0).all()
    assert ((mask & bits.BYPASS) > 0).mean() < 0.05


def test_the_variance_is_positive_and_that_of_the_error(chain, product, group):
    image, stack, variance = (product[name].data for name in ("PRIMARY", "STACK", "VAR"))
    covered = product["COVERAGE"].data > 0
    assert np.isfinite(variance[covered]).all() and (variance[covered] > 0).all()
    np.testing.assert_array_equal(np.isfinite(image), np.isfinite(stack))
    usable = covered & ~group.saturated & np.isfinite(image)
    error = image[usable] - group.facts.sky - truths(chain).full.truth[usable]
    # 0.4 of the noise was left; two standard errors of the measured gain are 20 %.
    assert 0.6 < np.mean(error**2 / variance[usable]) < 1.6


def test_the_gain_is_the_true_one(night):
    """0.4 of the noise was left: worth 6.25 times the exposures, less the 3 % that fine light is assumed to lose."""
    measured = night.facts["exposure_gain_measured"]
    assert measured["value"] == pytest.approx(1 / 0.4**2 / (1 + BEYOND), rel=0.1)
    assert abs(measured["value"] - 1 / 0.4**2) < 4 * measured["standard_error"]
    assert measured["standard_error"] < 1.5 and measured["exposures"] == 11
    gain = night.facts["exposure_gain"]
    assert measured["value"] * (11 / 14) ** 0.45 < gain["value"] < measured["value"]
    assert gain["standard_error"] > gain["value"] / measured["value"] * measured["standard_error"]
    for zone in night.facts["zones"].values():
        assert zone["value"] > 3


def test_the_header_carries_the_assessment(night, product):
    header, facts = product[0].header, night.facts
    assert header["QAGAIN"] == pytest.approx(facts["exposure_gain"]["value"])
    assert header["QAGAINER"] == pytest.approx(facts["exposure_gain"]["standard_error"])
    assert header["QARISK"] == pytest.approx(1 / header["QAGAIN"])
    assert header["QASLOPE"] == pytest.approx(1, abs=0.05)
    assert header["QACHI2"] == pytest.approx(0.36, abs=0.06)  # (1 - 0.4)^2 of the noise was removed
    bias = facts["star_flux"]["S/N above 50"]["bias"]
    assert header["QAFBIAS"] == pytest.approx(-2500 * np.log10(1 + bias))


def test_the_assessment_tells_of_every_exposure_and_gate(night, group):
    facts = night.facts
    assert facts["exposures"] == {"found": 16, "used": 14, "training": 11, "held_out": 3, "total_s": 840.0}
    assert [frame["accepted"] for frame in facts["frames"]].count(True) == 14
    assert all(frame["reasons"] for frame in facts["frames"] if not frame["accepted"])
    assert {gate["name"] for gate in facts["gates"]} >= {"G1", "G6", "G8", "G10", "G11"}
    assert all(gate["title"] and gate["explanation"] for gate in facts["gates"])
    assert (night.folder / "preview.png").is_file() and (night.folder / "before_after.png").is_file()
    assert (facts["night"], facts["group"]) == ("2026-10-03", "M31_L")


def test_a_network_hardly_trained_gains_and_is_judged_like_any_other(chain, tmp_path):
    night = finished(chain)
    night.denoise(night.model, tmp_path / "c.h5")
    facts = night.assess(tmp_path / "c.h5", tmp_path / "denoised.fits")
    assert facts["exposure_gain"]["value"] > 2
    failed = [gate["title"] for gate in facts["gates"] if gate["verdict"] == "FAIL"]
    assert all(title in facts["reason"] for title in failed)
    with fits.open(tmp_path / "denoised.fits") as hdus:
        assert hdus[0].header["PROCTYPE"] == ("STACK" if failed else "DENOISED")
    assert valid_checksums(tmp_path / "denoised.fits")


def blurred(image, part):
    return ndimage.gaussian_filter(np.nan_to_num(image), 0.8)


def lifted(image, part):
    return image + 0.1 * part.sigma


def invented(image, part):
    rng = np.random.default_rng(5)
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    for _ in range(20):
        cx, cy = rng.uniform(10, image.shape[1] - 10), rng.uniform(10, image.shape[0] - 10)
        image = image + 8 * part.sigma * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * 1.8**2))
    return image


def clipped(image, part):
    return np.maximum(image, 0)


def textured(image, part):
    noise = ndimage.gaussian_filter(np.random.default_rng(3).normal(size=image.shape), 1.5)
    return image + 1.2 * part.sigma * noise / noise.std()


def without_nebula(image, part):
    truth = np.nan_to_num(part.truth)
    diffuse = ndimage.gaussian_filter(ndimage.median_filter(truth, 15), 4)
    return image - (diffuse - np.percentile(diffuse, 20))


def tilted(image, part):
    return image + 0.3 * part.sigma * np.linspace(-1, 1, image.shape[1])


def shifted(image, part):
    return ndimage.shift(np.nan_to_num(image), (0, 0.05), order=5, mode="nearest")


def broken(image, part):
    return image * np.nan


def one_broken_pixel(image, part):
    image[100, 50] = np.nan
    return image


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (blurred, "Width of stars"),
        (dimmed, "Flux of stars"),
        (lifted, "Level of the sky"),
        (invented, "Gain in stars"),
        (clipped, "Level of the sky"),
        (textured, "Gain"),
        (without_nebula, "Gain in nebulae"),
        (invented, "Invented stars"),
        (without_nebula, "diffuse light"),
        (textured, "More removed than noise"),
        (tilted, "Evenness of the sky"),
        (shifted, "Place of stars"),
        (broken, "gain could not be measured"),
        (one_broken_pixel, "not numbers"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_harm_is_found_and_the_stack_shipped(chain, night, tmp_path, harm, words):
    write_candidate(chain, tmp_path / "c.h5", harm)
    facts = night.assess(tmp_path / "c.h5", tmp_path / "denoised.fits")
    assert (facts["qastat"], facts["product"]) == ("FAIL", "STACK") and words in facts["reason"]
    with fits.open(tmp_path / "denoised.fits", memmap=False) as product, fits.open(night.stack) as stack:
        assert [hdu.name for hdu in product] == HDUS
        for name, source in (("PRIMARY", "PRIMARY"), ("STACK", "PRIMARY"), ("VAR", "VAR"), ("MASK", "MASK")):
            assert product[name].data.tobytes() == stack[source].data.tobytes(), name
        header = product[0].header
        assert (header["PROCTYPE"], header["QASTAT"], header["DNBLEND"]) == ("STACK", "FAIL", 0.0)
        assert header["QAREASON"] == facts["reason"]
    assert valid_checksums(tmp_path / "denoised.fits")


def test_the_limits_are_the_users(night, tmp_path):
    facts = night.assess(night.good, tmp_path / "denoised.fits", "--min-gain", "20")
    assert facts["qastat"] == "FAIL" and "limit 20" in facts["reason"]


def is_the_stack(night, folder, reason):
    """The product is the plain stack, marked as not proven, with the reason wherever somebody looks."""
    with fits.open(folder / "denoised.fits", memmap=False) as product, fits.open(night.stack) as stack:
        for name, source in (("PRIMARY", "PRIMARY"), ("VAR", "VAR"), ("MASK", "MASK")):
            assert product[name].data.tobytes() == stack[source].data.tobytes(), name
        header = product[0].header
    assert (header["PROCTYPE"], header["QASTAT"], header["QAREASON"]) == ("STACK", "WARN", reason)
    assert "no gain could be proven" in header.comments["PROCTYPE"]
    assert not {"QAGAIN", "QAGAINER", "QARISK"} & set(header)
    return True


def test_a_gain_that_only_its_error_lifts_over_the_limit_is_not_proven(night, tmp_path):
    gain = night.facts["exposure_gain"]
    facts = night.assess(night.good, tmp_path / "denoised.fits", "--min-gain", gain["value"] - gain["standard_error"])
    assert (facts["qastat"], facts["product"]) == ("WARN", "STACK") and "headline" not in facts
    assert "less than 2 standard errors above" in facts["reason"] and faults(facts) == []
    (gate,) = (gate for gate in facts["gates"] if gate["title"] == "Gain")
    assert gate["verdict"] == "INFO" and "Not judged" in gate["explanation"]
    assert is_the_stack(night, tmp_path, facts["reason"])


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        (176.0, 344.0, "176 +- 344 times the exposures, and an error as large as the value proves nothing"),
        (6.0, np.nan, "error of the gain could not be measured"),
        (np.nan, np.nan, "the gain could not be measured"),
    ],
)
def test_a_gain_that_is_no_measurement_claims_nothing(night, tmp_path, monkeypatch, value, error, words):
    """176 +- 344 is what colour mosaics taken for images gave: once "denoised and proven"."""
    monkeypatch.setattr(claim, "to_full_depth", lambda *given: {"value": value, "standard_error": error})
    facts = night.assess(night.good, tmp_path / "denoised.fits")
    assert (facts["qastat"], facts["product"]) == ("WARN", "STACK") and words in facts["reason"]
    assert "headline" not in facts and faults(facts) == []
    assert is_the_stack(night, tmp_path, facts["reason"])


def test_what_the_prior_denoised_alone_is_shipped_with_a_warning(night, tmp_path):
    shutil.copy(night.good, tmp_path / "prior.h5")
    with rewriting(tmp_path / "prior.h5") as file:
        model = json.loads(file.attrs["model"]) | {"untrained": "only 9 exposures", "groups": []}
        file.attrs["model"] = json.dumps(model)
    facts = night.assess(tmp_path / "prior.h5", tmp_path / "p" / "denoised.fits")
    assert (facts["qastat"], facts["product"]) == ("WARN", "DENOISED") and "only 9 exposures" in facts["reason"]
    header = fits.getheader(tmp_path / "p" / "denoised.fits")
    assert (header["QASTAT"], header["PROCTYPE"], header["DNTRAIN"]) == ("WARN", "DENOISED", "pretrained")


def test_a_night_without_dithers_and_darks_is_shipped_with_a_warning(night, tmp_path, monkeypatch):
    monkeypatch.setattr(doubts, "is_unseen", lambda group: True)
    facts = night.assess(night.good, tmp_path / "denoised.fits")
    assert (facts["qastat"], facts["product"]) == ("WARN", "DENOISED") and "hardly moved" in facts["reason"]
    header = fits.getheader(tmp_path / "denoised.fits")
    assert (header["QASTAT"], header["PROCTYPE"]) == ("WARN", "DENOISED") and "dither" in header["QAREASON"]
    assert reasons_of(facts)[0].startswith("The telescope was hardly moved")
    assert said_of(facts) == "Denoised, little proven"


def test_a_refused_candidate_ships_the_stack_with_the_reason(night, tmp_path):
    reason = "only 4 exposures: too few to train on and to prove the result"
    with sealed.writing(tmp_path / "c.h5") as file:
        file.attrs.update({"refused": reason, "pairs": sealed.seal_of(night.pairs)})
    facts = night.assess(tmp_path / "c.h5", tmp_path / "denoised.fits")
    assert (facts["qastat"], facts["product"], facts["reason"]) == ("WARN", "STACK", reason) and faults(facts) == []
    with fits.open(tmp_path / "denoised.fits", memmap=False) as product, fits.open(night.stack) as stack:
        assert product[0].data.tobytes() == stack[0].data.tobytes()
        header = product[0].header
        assert (header["PROCTYPE"], header["QASTAT"], header["QAREASON"]) == ("STACK", "WARN", reason)
        assert "DNMODEL" not in header
    assert valid_checksums(tmp_path / "denoised.fits")


def test_the_same_candidate_gives_the_same_data(night, tmp_path):
    night.assess(night.good, tmp_path / "denoised.fits")
    with fits.open(night.product, memmap=False) as one, fits.open(tmp_path / "denoised.fits", memmap=False) as other:
        for name in HDUS:
            assert one[name].data.tobytes() == other[name].data.tobytes(), name


def test_assessment_json_has_no_nan(chain, night, tmp_path):
    write_candidate(chain, tmp_path / "c.h5", broken)
    night.assess(tmp_path / "c.h5", tmp_path / "denoised.fits")

    def refuse(text):
        raise AssertionError(text)

    json.loads((tmp_path / "assessment.json").read_text(), parse_constant=refuse)


def test_assessments_follow_the_schema(night, tmp_path):
    refused = night.assess(night.good, tmp_path / "fail" / "denoised.fits", "--min-gain", "1e6")
    for facts, verdict in ((night.facts, "PASS"), (refused, "FAIL")):
        assert facts["qastat"] == verdict and faults(facts) == []
    assert all(faults(night.facts | change) for change in (
        {"qastat": "FAIL"}, {"product": "STACK"}, {"schema": 2}, {"prov_id": ""}, {"exposures": {}},
        {"frames": [night.facts["frames"][0] | {"sha256": "0"}]}, {"zones": {}},
    ))  # fmt: skip


def test_the_gain_by_brightness_falls_and_is_known_with_its_error(night):
    classes = night.facts["gain_by_brightness"]["classes"]
    assert len(classes) == len(night.facts["gain_by_brightness"]["edges_sigma"]) + 1
    assert sum(found["pixels"] for found in classes) == night.facts["exposure_gain_measured"]["pixels"]
    known = [found for found in classes if found["pixels"] > 500]
    assert known[0]["value"] > known[-1]["value"] and all(found["standard_error"] > 0 for found in known)


def test_held_out_exposures_find_the_variance_right(night):
    found = night.facts["held_out_chi2"]
    classes = found["classes"]
    assert len(classes) == len(found["edges_sigma"]) + 1
    known = [one for one in classes if one["value"] is not None]
    assert len(known) >= 3, "in stars as well, where the seeing of the held-out exposures is another"
    for one in known[:4]:
        assert abs(one["value"] - 1) < 0.05 + 2 * one["standard_error"]
    assert all((one["value"] is None) == (one["standard_error"] is None) for one in classes)


def test_a_variance_that_the_exposures_contradict_is_scaled_until_it_is_right(night, tmp_path):
    other = copy.copy(night)
    other.stack = tmp_path / "stack.fits"
    with fits.open(night.stack) as hdus:
        hdus["VAR"].data *= np.where(hdus[0].data > np.nanmedian(hdus[0].data), 0.6, 0.7).astype(np.float32)
        hdus.writeto(other.stack, checksum=True)
    facts = other.assess(night.good, tmp_path / "other" / "denoised.fits")
    scale = np.array(facts["error_by_brightness"]["scatter_over_variance"])
    assert (scale[:3] > 1.35).all() and scale[1:3] == pytest.approx([1 / 0.6] * 2, rel=0.1)
    before, after = (one["held_out_chi2"]["classes"] for one in (night.facts, facts))
    for one, same in zip(before[:4], after[:4], strict=True):
        assert one["value"] is None or same["value"] == pytest.approx(one["value"], abs=0.03)
    with fits.open(tmp_path / "other" / "denoised.fits") as found, fits.open(night.product) as expected:
        ratio = found["VAR"].data / expected["VAR"].data
    assert np.nanmedian(ratio) == pytest.approx(1, abs=0.05)


def test_the_header_leads_to_the_crate_by_an_id_of_its_own(night, product, tmp_path):
    header = product[0].header
    assert header["PROV_ID"] == night.facts["prov_id"] and header["PROVFILE"] == "ro-crate-metadata.json"
    again = night.assess(night.good, tmp_path / night.folder.parent.name / night.folder.name / "denoised.fits")
    assert (
        again["prov_id"]
        != night.assess(night.good, tmp_path / "other" / "denoised.fits", "--min-gain", "1e6")["prov_id"]
    )
    assert again["prov_id"] == night.facts["prov_id"], "the same in any folder"


def test_changed_sources_are_listed_with_their_cut_outs(chain, night, tmp_path):
    """A bright star that the denoiser dims by a third stands in the list, and the held-out exposures contradict it."""
    known = truths(chain).judged
    bad = ~np.isfinite(known.mean) | ndimage.binary_dilation(truths(chain).group.saturated, iterations=12)
    stars = find_stars(known.truth, np.full(bad.shape, known.sigma), bad)
    x, y = np.rint(stars).astype(int).T
    brightest = np.argmax(known.truth[y, x])
    row, column = y[brightest], x[brightest]
    v, u = np.mgrid[: bad.shape[0], : bad.shape[1]]
    window = np.exp(-0.5 * ((u - column) ** 2 + (v - row) ** 2) / 3**2)

    write_candidate(chain, tmp_path / "c.h5", lambda image, part: image - window * 0.3 * np.nan_to_num(part.truth))
    facts = night.assess(tmp_path / "c.h5", tmp_path / "denoised.fits")
    with open(tmp_path / "changed_sources.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == facts["changed_sources"]["n"] >= 1
    first = rows[0]
    assert np.hypot(float(first["x"]) - column - 1, float(first["y"]) - row - 1) < 3
    assert float(first["change_sigma"]) < -3 and first["agrees_with"] == "stack"
    assert float(first["flux_denoised"]) < 0.85 * float(first["flux_stack"])
    with Image.open(tmp_path / "changed_sources.png") as picture:
        assert picture.size[1] == 3 * 25 * 4 + 2 * 6


def test_without_an_injection_the_depth_is_not_judged_and_with_one_it_is_told(night, tmp_path):
    gate = next(gate for gate in night.facts["gates"] if gate["name"] == "G4")
    assert gate["verdict"] == "INFO" and gate["value"] is None
    deeper = {"value": 0.1, "standard_error": 0.03}
    injection = {"depth": {"delta_m90": deeper, "delta_m50": deeper, "bins_snr": [], "injected": [], "images": {},
                           "searched": "denoised", "reference": "filter"}, "objects": {"star": 9}}  # fmt: skip
    write_json(tmp_path / "inject.json", injection | {"pairs": sealed.seal_of(night.pairs)})
    facts = night.assess(night.good, tmp_path / "denoised.fits", "--injected", tmp_path / "inject.json")
    assert facts["injection"] == injection and faults(facts) == []
    assert fits.getheader(tmp_path / "denoised.fits")["QADMAG"] == 0.1
    injection["depth"]["delta_m90"] = {"value": -0.2, "standard_error": 0.03}
    write_json(tmp_path / "inject.json", injection | {"pairs": sealed.seal_of(night.pairs)})
    facts = night.assess(night.good, tmp_path / "denoised.fits", "--injected", tmp_path / "inject.json")
    assert facts["qastat"] == "FAIL" and "Depth" in facts["reason"]
