import functools
import json
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.io import fits
from finished import call
from scipy import ndimage

from n2n.fidelity.errors import BEYOND
from n2n.fidelity.foreign import recognised
from n2n.fidelity.gates import GATES
from n2n.fidelity.images import ALL, HELD_OUT, INJECTED, SHARED, TILES
from n2n.fidelity.truth import fitted_truth
from n2n.group.group import Group


@functools.cache
def foreign(chain):
    """Stacks as another program gets them, and their truths."""
    folder = chain.base.parent / f"{chain.base.name}-foreign"
    folder.mkdir()
    group = Group(chain.folder / "pairs.h5")
    sky = np.float32(group.facts.sky)
    call("compare", "--pairs", group.path, "--write-stack", folder / "ab.fits")
    truths = {}
    for name, chosen in (("ab", np.flatnonzero(group.blocks != "C")), ("all", np.arange(len(group.exposures)))):
        mean, depth, _ = group.mean(chosen)
        with np.errstate(divide="ignore"):
            weight = depth / group.variance
        usable = np.isfinite(mean) & ~group.saturated
        truths[name] = fitted_truth(group.only(chosen), chain.truth, np.nan_to_num(mean), weight, usable) + sky
    sigma = float(np.sqrt(group.facts.sky_variance / np.median(group.mean(group.blocks != "C")[1])))
    stacks = {"ab": folder / "ab.fits", "all": chain.folder / "stack.fits"}
    return SimpleNamespace(group=group, truths=truths, stacks=stacks, sigma=sigma, sky=float(sky))


def denoised(night, which="ab", left=0.4):
    """An image of which all but `left` of the noise was taken."""
    stack, truth = fits.getdata(night.stacks[which]), night.truths[which]
    return np.where(night.group.saturated, stack, truth + left * (stack - truth)).astype(np.float32)


@pytest.fixture
def night(chain):
    return foreign(chain)


@pytest.fixture
def judged(night, tmp_path):
    """Have an image judged; what compare.json holds."""

    def judge(image, *more, stack=None, expect=0):
        fits.writeto(tmp_path / "d.fits", image.astype(np.float32), overwrite=True)
        if isinstance(stack, np.ndarray):
            fits.writeto(tmp_path / "s.fits", stack.astype(np.float32), overwrite=True)
            stack = tmp_path / "s.fits"
        output = tmp_path / "compare.json"
        output.unlink(missing_ok=True)
        call("compare", tmp_path / "d.fits", stack or night.stacks["ab"], "--pairs", night.group.path, "-o", output,
             *more, expect=expect)  # fmt: skip
        return json.loads(output.read_text()) if output.exists() else None

    return judge


def failed(facts):
    return {f"{gate['name']} {gate['title']}" for gate in facts["gates"] if gate["verdict"] == "FAIL"}


def values(facts):
    return {gate["title"]: gate["value"] for gate in facts["gates"]}


def keys_without(*needs):
    """Keys of the gates that need none of these."""
    return {check.key for gate in GATES if not set(needs) & set(gate.needs) for check in gate.checks}


def test_a_good_image_passes_all_gates(night, judged, capsys):
    facts = judged(denoised(night))
    assert (facts["verdict"], facts["stack_holds"], facts["held_out"]) == ("PASS", "A and B", 3)
    assert not failed(facts) and not facts["notes"] and not facts["scale"]["fitted"]
    assert {gate["name"] for gate in facts["gates"]} == keys_without(INJECTED, TILES, ALL, SHARED)
    gain = facts["exposure_gain"]
    assert gain["value"] == pytest.approx(1 / 0.4**2 / (1 + BEYOND), rel=0.1)
    assert abs(gain["value"] - 1 / 0.4**2) < 4 * gain["standard_error"]
    text = capsys.readouterr().out
    assert "PASS: worth" in text and "Light kept, diffuse light" in text and "at least 1.2 ×" in text


def test_a_gain_that_does_not_stand_out_of_its_error_is_not_proven(night, judged, capsys):
    gain = judged(denoised(night))["exposure_gain"]
    capsys.readouterr()
    facts = judged(denoised(night), "--min-gain", gain["value"] - gain["standard_error"], "--strict")
    assert facts["verdict"] == "WARN" and not failed(facts)
    assert len(facts["notes"]) == 1 and "prove no gain" in facts["notes"][0]
    printed = capsys.readouterr().out
    assert "nothing proved" in printed and "not judged" in printed and "PASS" not in printed


def blurred(image, night):
    return ndimage.gaussian_filter(image, 0.8)


def dimmed(image, night):
    """All light above the sky loses 3.5 %, as after a wrong normalisation."""
    return night.sky + 0.965 * (image - night.sky)


def stars_dimmed(image, night):
    """Stars lose 3 %."""
    truth = night.truths["ab"]
    return image - 0.03 * np.maximum(truth - ndimage.median_filter(truth, 15), 0)


def invented(image, night):
    rng = np.random.default_rng(5)
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    for _ in range(20):
        cx, cy = rng.uniform(10, image.shape[1] - 10), rng.uniform(10, image.shape[0] - 10)
        image = image + 8 * night.sigma * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * 1.8**2))
    return image


@pytest.mark.parametrize(
    ("harm", "gate"),
    [
        (blurred, "G8 Width of stars"),
        (invented, "G5 Invented stars"),
        (stars_dimmed, "G6 Flux of stars, S/N above 50"),
        (dimmed, "G6 Flux of stars, S/N above 50"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_harm_fails_with_the_right_gate(night, judged, capsys, harm, gate):
    spoilt = np.where(night.group.saturated, fits.getdata(night.stacks["ab"]), harm(denoised(night), night))
    facts = judged(spoilt)
    assert facts["verdict"] == "FAIL" and gate in failed(facts)
    assert "Failed: " in capsys.readouterr().out
    judged(spoilt, "--strict", expect=1)


def test_a_full_stack_is_recognised_and_judges_without_held_out_exposures(night, judged, capsys):
    facts = judged(denoised(night, "all"), stack=night.stacks["all"])
    assert (facts["stack_holds"], facts["held_out"], facts["verdict"]) == ("all", 0, "WARN")
    assert "exposure_gain" not in facts and not failed(facts)
    assert {gate["name"] for gate in facts["gates"]} == keys_without(INJECTED, TILES, ALL, SHARED, HELD_OUT)
    assert "holds the held-out exposures" in capsys.readouterr().out
    harm = np.where(night.group.saturated, fits.getdata(night.stacks["all"]), blurred(denoised(night, "all"), night))
    assert "G8 Width of stars" in failed(judged(harm, stack=night.stacks["all"]))


def test_an_image_of_all_exposures_passed_off_as_one_of_a_and_b_is_found(night, judged):
    facts = judged(denoised(night, "all"))
    assert facts["stack_holds"] == "A and B" and "G3 Leaked structure" in failed(facts)


def test_a_stack_of_another_program_is_no_stack_of_a_and_b(night, judged):
    values, valid = night.group.load()
    median = np.where(valid.any(axis=0), np.median(values, axis=0), 0) + night.sky
    facts = judged(denoised(night, "all"), stack=median)
    assert facts["stack_holds"] == "unknown" and facts["held_out"] == 0 and facts["verdict"] != "PASS"


def test_an_image_and_its_stack_on_another_scale_are_judged_the_same(night, judged):
    good, stack = denoised(night), fits.getdata(night.stacks["ab"])
    plain = judged(good)
    low, span = stack.min() - 5, np.ptp(stack)
    same = judged((good - low) / span, stack=(stack - low) / span)
    assert same["verdict"] == "PASS" and not same["scale"]["fitted"]
    for title, value in values(plain).items():
        assert values(same)[title] == pytest.approx(value, rel=0.02, abs=0.05), title
    by_16_bits = judged(good / 65535)
    assert not by_16_bits["scale"]["fitted"] and by_16_bits["verdict"] == "PASS"


def test_an_image_on_a_scale_of_its_own_is_fitted_and_says_what_cannot_be_judged(night, judged):
    good = denoised(night)
    facts = judged((good - good.min()) / np.ptp(good))
    assert facts["scale"]["fitted"] and facts["verdict"] == "PASS" and "fitted" in facts["notes"][0]
    assert facts["scale"]["factor"] * np.ptp(good) == pytest.approx(1, abs=0.01)
    verdicts = {gate["title"]: gate["verdict"] for gate in facts["gates"]}
    assert verdicts["Level of the sky"] == verdicts["Light kept, all light"] == "INFO"


def test_a_stretched_image_is_told(night, judged):
    stretched = np.arcsinh((denoised(night) - night.sky) / (2 * night.sigma))
    facts = judged(stretched)
    assert facts["verdict"] == "FAIL" and "stretched" in facts["notes"][0]


def test_the_true_gain_is_right(night, judged, tmp_path, capsys):
    fits.writeto(tmp_path / "t.fits", 0.01 * night.truths["ab"] - 3)
    facts = judged(denoised(night), "--truth", tmp_path / "t.fits")
    assert facts["true_gain"]["all"]["value"] == pytest.approx(6.25, rel=0.03)
    for zone in ("background", "extended", "stars"):
        assert facts["true_gain"][zone]["value"] == pytest.approx(6.25, rel=0.15)
    assert "Against the truth" in capsys.readouterr().out


def test_pixels_that_are_no_numbers_fail(night, judged):
    image = denoised(night)
    image[100, 50] = np.nan
    facts = judged(image)
    assert facts["verdict"] == "FAIL" and "not numbers" in facts["notes"][0]


def test_the_stack_without_held_out_exposures_is_that_of_a_and_b(night):
    mean, _, _ = night.group.mean(night.group.blocks != "C")
    with fits.open(night.stacks["ab"], checksum=True) as hdus:
        assert np.isfinite(hdus[0].data).all() and hdus[0].header["NCOMBINE"] == (night.group.blocks != "C").sum()
        seen = np.isfinite(mean)
        np.testing.assert_allclose(hdus[0].data[seen], mean[seen] + night.sky, rtol=1e-6)
        assert len(hdus) == 1 and hdus[0].verify_checksum() == 1
        known = recognised(night.group, hdus[0].data, "it")
    assert (known.holds, known.factor) == ("A and B", pytest.approx(1))
    assert known.offset == pytest.approx(-night.sky, rel=1e-4)


def test_mistakes_are_told_in_a_line_with_the_remedy(night, judged, tmp_path, capsys):
    image = denoised(night)
    for wrong, words in (
        (image[:-1], "uncropped"),
        (np.stack([image] * 3), "one colour"),
        (np.flipud(image), "flipped"),
        (np.full_like(image, np.nan), "no numbers"),
    ):
        assert judged(wrong, expect=1) is None
        said = capsys.readouterr().err
        assert words in said and "d.fits" in said and "Traceback" not in said
    judged(image, stack=np.flipud(image), expect=1)
    assert "s.fits" in capsys.readouterr().err
    call("compare", tmp_path / "none.fits", night.stacks["ab"], "--pairs", night.group.path, expect=1)
    assert "none.fits" in capsys.readouterr().err
    call("compare", "--pairs", night.group.path, expect=1)
    assert "--write-stack" in capsys.readouterr().err
