import numpy as np
import pytest
import torch
from astropy.io import fits
from finished import QUICK, call, finished, truths
from scipy import ndimage

from n2n.cli import main
from n2n.formats import flags as bits
from n2n.group.group import Group
from n2n.group.singles import assemble, file_names
from n2n.nets import inference, prior
from n2n.nets.sampling import measure_band_noise
from n2n.sky.variance import sample_variance, smooth_variance, without_seeing


@pytest.fixture(scope="module")
def folder(chain, tmp_path_factory):
    """All exposures of the night, denoised one by one."""
    folder = tmp_path_factory.mktemp("frames") / "frames"
    call("frames", finished(chain).pairs, "-o", folder, *QUICK, "--orientations", "1")
    return folder


def test_every_accepted_exposure_has_its_file(folder, chain):
    group = Group(finished(chain).pairs)
    assert sorted(path.name for path in folder.iterdir()) == sorted(file_names([one.path for one in group.exposures]))


def test_a_frame_is_nearer_to_the_truth_than_the_exposure_was(folder, chain):
    known = truths(chain)
    [index] = known.single.chosen
    name = file_names([one.path for one in known.group.exposures])[index]
    denoised = fits.getdata(folder / name) - known.group.facts.sky
    usable = np.isfinite(known.single.mean) & ~known.group.saturated & np.isfinite(known.single.truth)
    faint = usable & (known.single.truth < 3 * known.single.sigma)
    before, after = ((image - known.single.truth)[faint].std() for image in (known.single.mean, denoised))
    assert after < before / 3


def test_the_header_is_the_exposures_own_and_says_that_nothing_is_proved(folder, chain):
    group = Group(finished(chain).pairs)
    exposure = group.exposures[1]
    header = fits.getheader(folder / file_names([one.path for one in group.exposures])[1])
    assert header["DATE-OBS"] == exposure.date_obs and header["EXPTIME"] == exposure.exptime_s
    assert (header["QASTAT"], header["DNTRAIN"], header["PROCTYPE"]) == ("WARN", "pretrained", "DENOISED")
    assert (header["NCOMBINE"], header["BUNIT"], header["FILTCAN"]) == (1, "electron", "L")
    assert header["DNMODEL"] == f"sha256:{prior.digest()}" and "proved" in header["QAREASON"]


def test_verify_tells_where_a_single_exposure_came_from(folder, chain, capsys):
    night = finished(chain)
    exposure = Group(night.pairs).exposures[1]
    path = folder / file_names([one.path for one in Group(night.pairs).exposures])[1]
    with fits.open(path) as hdus:
        [row] = hdus["PROVENANCE"].data
        assert (row["FILENAME"], row["SHA256"], row["USED"]) == (exposure.path, exposure.sha256, True)
    assert main(["verify", str(path), "--raw", str(night.raw)]) == 0
    told = capsys.readouterr().out
    for words in (
        "M31 through L, one exposure of 60 s.",
        "Denoised by the network that comes with n2n",
        "Not judged: a single exposure",
        "1 of 1 raw frames found",
        "That network is the one of this n2n",
    ):
        assert words in told


def test_the_same_exposures_give_the_same_bytes(folder, chain, tmp_path):
    call("frames", finished(chain).pairs, "-o", tmp_path / "frames", *QUICK, "--orientations", "1")
    for path in sorted(folder.iterdir())[:3]:
        one, other = fits.getdata(path), fits.getdata(tmp_path / "frames" / path.name)
        assert one.tobytes() == other.tobytes()


def test_a_tile_that_did_not_fit_once_is_not_tried_again(chain, tmp_path, monkeypatch):
    tried = []

    def short_of_memory(model, mean, *planes, tile, **more):
        tried.append(tile)
        if tile > 128 and len(tried) == 2:
            raise MemoryError
        return mean

    monkeypatch.setattr(inference, "denoise", short_of_memory)
    group = Group(finished(chain).pairs)
    call("frames", finished(chain).pairs, "-o", tmp_path / "frames", *QUICK, "--tile", 256)
    assert tried == [256, 256, *[128] * (len(group.exposures) - 1)]
    names = file_names([one.path for one in group.exposures])
    headers = [fits.getheader(tmp_path / "frames" / name) for name in names[:3]]
    assert [(header["DNTILE"], header["DNDEVICE"]) for header in headers] == [(256, "cpu"), (128, "cpu"), (128, "cpu")]


def test_saturated_pixels_pass_and_rejected_ones_are_filled_and_marked():
    mean = np.array([[1.0, np.nan, 50.0, np.nan]], np.float32)
    flags = np.array([[0, 0, bits.SATURATED, bits.NO_DATA]], np.uint8)
    image, mask = assemble(mean, np.array([[0.5, 0.6, 40.0, 0.7]], np.float32), flags)
    np.testing.assert_array_equal(image, np.array([[0.5, 0.6, 50.0, np.nan]], np.float32))
    assert mask.tolist() == [[0, bits.OUTLIER, bits.SATURATED | bits.BYPASS, bits.NO_DATA]]


def test_exposures_of_one_name_in_two_folders_stay_apart():
    names = file_names(["a/light_1.fits", "b/light_1.fit", "a/light_2.FITS.gz", "a/v1.2.fits.fz"])
    assert names == ["light_1-000.fits", "light_1-001.fits", "light_2.fits", "v1.2.fits"]


def test_bright_stars_of_an_exposure_of_poorer_seeing_keep_their_shape():
    """The scatter of exposures of unlike seeing made the prior sharpen them: their error grew."""
    shape, sky, seeing = (192, 192), 60.0, (1.2, 1.3, 1.5, 1.7, 1.3, 1.6)
    rng = np.random.default_rng(2)
    impulses = np.zeros(shape)
    impulses[tuple(rng.integers(10, 182, (2, 50)))] = 10 ** rng.uniform(3, 4.3, 50)
    truths = [ndimage.gaussian_filter(impulses, width) for width in seeing]
    values = np.array([rng.poisson(truth + sky) - sky for truth in truths], np.float32)
    exposures, valid = values[:-1], np.ones((5, *shape), bool)
    ones = np.ones(5)
    sample = sample_variance(exposures, valid, ones, exposures.mean(axis=0))
    scatter = smooth_variance(sample, valid[0], 5, sky)
    band_noise = measure_band_noise(*map(torch.from_numpy, (exposures, valid, ones.astype(np.float32))), sky)
    one, truth, depth = values[-1], truths[-1], np.ones(shape, np.float32)
    core = truth > 5 * np.sqrt(sky)

    def gain(variance):
        result = inference.denoise(prior.network(), one, depth, variance, sky, band_noise, orientations=2)
        return np.mean((one - truth)[core] ** 2) / np.mean((result - truth)[core] ** 2)

    assert gain(without_seeing(scatter, one, sky, 1.0)) > 1.2 > gain(scatter)
