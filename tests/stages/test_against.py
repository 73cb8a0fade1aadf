"""`n2n compare --against`: an image of one half of a night, judged by the stack of the other half."""

import json
import shutil

import numpy as np
import pytest
from astropy.io import fits
from finished import call
from scipy import ndimage

from n2n.fidelity.truth import fitted_truth
from n2n.formats import sealed
from n2n.group.group import Group


@pytest.fixture(scope="module")
def halves(chain, tmp_path_factory):
    """Folders of the first and the second chunk, each with pairs.h5 and stack.fits."""
    folders = []
    for chunk in chain.group.chunks:
        folder = tmp_path_factory.mktemp(f"chunk-{chunk}")
        shutil.copy(chain.folder / f"registered-{chunk}.h5", folder)
        call("pairs", folder / f"registered-{chunk}.h5", "-o", folder / "pairs.h5")
        call("stack", folder / "pairs.h5", "-o", folder / "stack.fits")
        folders.append(folder)
    return folders


@pytest.fixture(scope="module")
def smoothed(chain, halves):
    """A filter's image of the first half, its stack and its truth."""
    folder = halves[0]
    group = Group(folder / "pairs.h5")
    mean, depth, _ = group.mean()
    usable = np.isfinite(mean) & ~group.saturated & (depth > 0)
    with np.errstate(divide="ignore"):
        weight = depth / group.variance
    truth = fitted_truth(group, chain.truth, np.nan_to_num(mean), weight, usable)
    image = truth + ndimage.gaussian_filter(np.nan_to_num(mean) - truth, 0.7)
    sky = np.float32(group.facts.sky)
    image = np.where(usable, image, np.nan_to_num(mean)) + sky
    fits.writeto(folder / "filtered.fits", image.astype(np.float32))
    fits.writeto(folder / "truth.fits", (truth + sky).astype(np.float32))
    return folder


def compared(folder, deep, *more, image="filtered.fits", stack="stack.fits", expect=0):
    output = folder / "compare.json"
    output.unlink(missing_ok=True)
    call("compare", folder / image, folder / stack, "--pairs", folder / "pairs.h5", "--against", deep / "stack.fits",
         "-o", output, *more, expect=expect)  # fmt: skip
    return json.loads(output.read_text()) if output.exists() else None


def test_the_deep_stack_tells_the_true_gain(halves, smoothed, capsys):
    facts = compared(smoothed, halves[1], "--truth", smoothed / "truth.fits")
    deep, true = facts["deep"], facts["true_gain"]
    for name in ("all", "background"):
        assert abs(deep[name]["value"] - true[name]["value"]) < 3 * deep[name]["standard_error"], name
        assert deep[name]["standard_error"] < 0.1 * deep[name]["value"], name
    assert deep["exposures"] == len(Group(halves[1] / "pairs.h5").exposures) and deep["area"] > 0.7
    assert deep["stack"].endswith("stack.fits") and "claimed" not in deep["all"]
    said = capsys.readouterr().out
    assert "by the deep stack" in said and f"Against {deep['exposures']} other exposures" in said and "none" in said


def test_the_claim_of_a_product_is_that_of_the_same_pixels(halves, smoothed, tmp_path, capsys):
    for name in ("pairs.h5", "stack.fits", "registered-000.h5"):
        (tmp_path / name).symlink_to(smoothed / name)
    group = Group(tmp_path / "pairs.h5")
    held_out, truth = np.flatnonzero(group.blocks == "C"), fits.getdata(smoothed / "truth.fits") - group.facts.sky
    images = {}
    for name, chosen in (("judged", group.blocks != "C"), ("full", slice(None))):
        mean = np.nan_to_num(group.mean(chosen)[0])
        images[name] = (truth + 0.5 * (mean - truth)).astype(np.float32)
    with sealed.writing(tmp_path / "candidate.h5") as file:
        file.attrs.update({"pairs": group.seal, "held_out": held_out})
        for name, image in images.items():
            file[name] = image
    fits.writeto(tmp_path / "denoised.fits", images["full"] + np.float32(group.facts.sky))
    deep = compared(tmp_path, halves[1], image="denoised.fits")["deep"]
    assert abs(deep["all"]["value"] - 4) < 3 * deep["all"]["standard_error"]
    assert abs(deep["all"]["pull"]) < 3 and deep["all"]["claimed"] == pytest.approx(4, rel=0.4)
    assert "claimed" in capsys.readouterr().out
    fits.writeto(tmp_path / "another.fits", images["full"] + np.float32(group.facts.sky) + 1)
    assert "claimed" not in compared(tmp_path, halves[1], image="another.fits")["deep"]["all"]


def test_a_deep_stack_of_the_same_exposures_is_refused(chain, halves, smoothed, capsys):
    assert compared(smoothed, chain.folder, expect=1) is None
    said = capsys.readouterr().err
    assert "holds exposures that are also in" in said and ".fits" in said and "data/raw" in said
    call("compare", smoothed / "filtered.fits", smoothed / "stack.fits", "--pairs", smoothed / "pairs.h5",
         "--against", smoothed.parent / "stack.fits", expect=1)  # fmt: skip
    assert "pairs.h5" in capsys.readouterr().err
