import subprocess
import sys
import warnings

import numpy as np
import pytest
from astropy.io import fits
from chain import rewriting
from scipy import ndimage

from n2n.formats.flags import DEFECT, NO_DATA, OUTLIER, SATURATED
from n2n.sky.background import plane
from n2n.sky.warp import warp


@pytest.fixture(scope="module")
def stack(chain):
    with fits.open(chain.folder / "stack.fits", memmap=False) as file:
        names = ("VAR", "MASK", "COVERAGE", "PROVENANCE")
        return file[0].header.copy(), file[0].data.copy(), *(file[name].data.copy() for name in names)


@pytest.fixture(scope="module")
def truth(chain, group):
    """Noiseless exposures put through the recorded steps, averaged with the recorded weights and masks."""
    valid = group.load()[1]
    total, weight = np.zeros(group.shape), np.zeros(group.shape)
    for exposure, good, share in zip(group.exposures, valid, group.weights, strict=True):
        placement, clear = exposure.placement, np.zeros(group.shape, np.uint8)
        image, _ = warp(chain.expected(exposure.path), clear, placement.matrix, group.shape)
        image = image / placement.transparency - plane(placement.sky, group.shape)
        total += share * good * image
        weight += share * good
    with np.errstate(invalid="ignore"):
        return total / weight


def test_the_file_keeps_its_contract(chain):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with fits.open(chain.folder / "stack.fits", checksum=True) as file:
            # MASK first: two images of one type Siril takes for exposures.
            assert [hdu.name for hdu in file] == ["PRIMARY", "MASK", "VAR", "COVERAGE", "PROVENANCE"]
            assert file[1].header["BITPIX"] != file[0].header["BITPIX"]
            for hdu in file:
                assert "CHECKSUM" in hdu.header and "DATASUM" in hdu.header
                assert hdu.verify_checksum() == 1 and hdu.verify_datasum() == 1
            for name in (0, "VAR", "MASK", "COVERAGE"):
                assert file[name].data.shape == (240, 256)
            assert file[0].header["BITPIX"] == file["VAR"].header["BITPIX"] == -32
            assert file["MASK"].data.dtype == np.uint8 and file["COVERAGE"].data.dtype.kind in "ui"
            assert {"FILENAME", "SHA256", "BLOCK", "EXPTIME", "WEIGHT", "USED"} <= set(file["PROVENANCE"].data.names)
            file.verify("exception")


def test_provenance_says_which_exposures_were_used_and_how(chain, group, stack):
    table = stack[-1]
    rows = {row["path"]: row for rows in chain.group.chunks.values() for row in rows}
    assert sorted(table["FILENAME"]) == sorted(rows)
    used = {exposure.path: exposure.weighed for exposure in group.exposures}
    for line in table:
        assert line["SHA256"] == rows[line["FILENAME"]]["sha256"] and line["EXPTIME"] == 60
        assert line["USED"] == (line["FILENAME"] in used)
        if line["USED"]:
            weighed = used[line["FILENAME"]]
            assert (line["BLOCK"], line["REASON"]) == (weighed.block, "")
            assert line["WEIGHT"] == pytest.approx(weighed.weight)
        else:
            assert line["BLOCK"] == "" and line["WEIGHT"] == 0 and len(line["REASON"]) > 10


def test_the_header_keeps_the_camera_and_tells_the_stack(chain, group, stack):
    header = stack[0]
    assert header["OBJECT"] == "M31" and header["FILTER"] and header["PROCTYPE"] == "STACK"
    assert header["BUNIT"] == "electron" and header["EGAIN"] == 1
    assert header["NCOMBINE"] == 14 and header["TOTEXP"] == 14 * 60
    assert header["SKYLEVEL"] == pytest.approx(group.facts.sky)
    assert header["REFFRAME"] == group.facts.reference.rsplit("/")[-1]
    for keyword in ("BZERO", "BSCALE"):
        assert keyword not in header


def test_the_header_tells_what_resampling_did_to_the_noise(stack):
    header = stack[0]
    assert header["RESAMPLE"] == "LANCZOS4" and 0.03 < header["NOISECOR"] < 0.16


def test_the_stack_is_the_weighted_mean_of_the_valid_samples(group, stack):
    values, valid = group.load()
    shares = valid * group.weights[:, None, None]
    with np.errstate(invalid="ignore"):
        expected = (values * shares).sum(axis=0) / shares.sum(axis=0) + group.facts.sky
    np.testing.assert_allclose(stack[1], expected, rtol=1e-4, atol=1e-3, equal_nan=True)
    np.testing.assert_array_equal(stack[4], valid.sum(axis=0))


def test_no_value_is_clipped(chain, stack, tmp_path):
    copy = chain.copy(tmp_path / "copy")
    for chunk in chain.group.chunks:
        with rewriting(copy.folder / f"registered-{chunk}.h5") as file:
            file["pixels"][:] -= 200
    copy.pairs()
    copy.stack()
    image = fits.getdata(copy.folder / "stack.fits")
    covered = np.isfinite(stack[1]) & ((stack[3] & (OUTLIER | SATURATED)) == 0)
    np.testing.assert_allclose(image[covered], stack[1][covered] - 200, atol=0.05)
    assert (image[covered] < -100).mean() > 0.8


def background(truth, stack):
    _, _, _, mask, coverage, _ = stack
    return (truth < np.nanmedian(truth) + 15) & ((mask & (NO_DATA | SATURATED)) == 0) & (coverage >= 10)


def test_the_variance_is_that_of_the_error_against_the_truth(truth, stack):
    _, image, variance, *_ = stack
    chosen = background(truth, stack)
    residual = image[chosen] - truth[chosen]
    assert chosen.mean() > 0.7
    assert np.mean(residual**2 / variance[chosen]) == pytest.approx(1, abs=0.1)
    assert abs(residual.mean()) < 0.05 * residual.std()


def test_stars_keep_their_flux(truth, stack, group):
    _, image, variance, *_, coverage, _ = stack
    far = ~ndimage.binary_dilation(group.saturated, iterations=12)
    for low, high in ((60, 300), (300, 5000)):
        signal = truth - np.nanmedian(truth)
        chosen = (signal > low) & (signal < high) & far & (coverage >= 12)
        residual = image[chosen] - truth[chosen]
        assert chosen.sum() > 50 and residual.sum() / signal[chosen].sum() == pytest.approx(0, abs=0.01)
        assert np.mean(residual**2 / variance[chosen]) < 1.1


def test_fewer_exposures_have_more_variance(stack):
    _, _, variance, _, coverage, _ = stack
    few = (coverage >= 4) & (coverage <= 6)
    many = coverage >= 13
    assert few.sum() > 50
    ratio = np.median(variance[few]) / np.median(variance[many])
    assert ratio == pytest.approx(13.9 / 5.3, rel=0.35)


def test_a_pixel_never_covered_is_nan_and_flagged(stack):
    _, image, variance, mask, coverage, _ = stack
    empty = coverage == 0
    np.testing.assert_array_equal(~np.isfinite(image), empty)
    np.testing.assert_array_equal(~np.isfinite(variance), empty)
    assert ((mask & NO_DATA > 0) == empty).all() and (variance[~empty] > 0).all()


def test_the_mask_collects_what_happened_to_a_pixel(group, stack):
    mask = stack[3]
    flags, reject = group.file["flags"][:], group.file["reject"][:]
    for bit in (SATURATED, DEFECT):
        np.testing.assert_array_equal((mask & bit) > 0, ((flags & bit) > 0).any(axis=0))
    np.testing.assert_array_equal((mask & OUTLIER) > 0, reject.any(axis=0))
    assert ((mask & SATURATED) > 0).any() and ((mask & OUTLIER) > 0).any()


def test_the_same_pairs_give_the_same_data(chain, tmp_path):
    chain.call("stack", chain.folder / "pairs.h5", "-o", tmp_path / "again.fits")
    with fits.open(tmp_path / "again.fits") as one, fits.open(chain.folder / "stack.fits") as other:
        assert [hdu.header["DATASUM"] for hdu in one] == [hdu.header["DATASUM"] for hdu in other]


def test_damaged_pairs_are_one_clear_line(chain, tmp_path, capsys):
    (tmp_path / "pairs.h5").write_bytes(b"half")
    chain.call("stack", tmp_path / "pairs.h5", "-o", tmp_path / "s.fits", expect=1)
    text = capsys.readouterr().err
    assert "pairs.h5" in text and "delete it" in text and "Traceback" not in text
    assert not (tmp_path / "s.fits").exists()


def test_a_stack_of_a_known_gain_loads_no_filters():
    """They cost a second a group; only where no gain is known is there anything to filter."""
    code = "import sys, n2n.stages.stack; print(sorted({'scipy.ndimage', 'scipy.signal', 'torch'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
