import numpy as np
import pytest
from scipy import ndimage

from n2n.formats.flags import DEFECT, NO_DATA
from n2n.group.combine import Weighing
from n2n.group.weights import clipped_std
from n2n.sky.calibrate import robust_sigma
from n2n.sky.variance import sample_variance
from n2n.sky.warp import warp


def planted(chain, group):
    """Charge of the planted cosmic rays on the reference grid, in electrons; shape (n, h, w)."""
    result = []
    for exposure in group.exposures:
        image = np.zeros(group.shape, np.float32)
        for column, row, charge in chain.entry(exposure.path)["cosmic_rays"]:
            image[int(row), int(column)] += charge
        warped, _ = warp(image, np.zeros(group.shape, np.uint8), exposure.placement.matrix, group.shape)
        result.append(warped / exposure.placement.transparency)
    return np.array(result)


@pytest.fixture(scope="module")
def samples(chain, group):
    flags, reject = group.file["flags"][:], group.file["reject"][:]
    sigma = group.sky_sigma[:, None, None]
    trail = np.array([chain.entry(exposure.path)["trail"] for exposure in group.exposures])
    covered = (flags & (NO_DATA | DEFECT)) == 0
    return planted(chain, group) / sigma, reject, covered, trail


def test_cosmic_rays_above_eight_sigma_are_rejected(samples):
    rays, reject, covered, _ = samples
    hit = (rays > 8) & covered
    assert hit.sum() > 100 and reject[hit].mean() >= 0.95


def test_fewer_than_one_in_two_thousand_good_samples_is_lost(samples):
    rays, reject, covered, trail = samples
    good = (np.abs(rays) < 0.3) & covered
    assert reject[~trail][good[~trail]].mean() < 3.5e-4  # rings of resampling around strong rays go with them
    assert reject[trail][good[trail]].mean() < 0.04  # the trail itself is 2 % of its exposure
    assert reject[good].mean() < 0.004


def test_the_satellite_is_rejected(chain, group, samples):
    _, reject, _, trail = samples
    # Dead columns cut the trail.
    labels, number = ndimage.label(ndimage.binary_dilation(reject[trail][0], iterations=3))
    largest = 1 + int(np.argmax(ndimage.sum_labels(np.ones(labels.shape), labels, np.arange(1, number + 1))))
    rows, columns = np.nonzero(labels == largest)
    assert np.hypot(np.ptp(rows), np.ptp(columns)) > 200


def test_cores_of_stars_are_not_rejected(chain, group, samples):
    rays, reject, covered, trail = samples
    reference = chain.entry(group.facts.reference)
    expected = chain.expected(reference["file"])
    core = (expected > 1000 + np.median(expected)) & ~group.saturated
    clean = (np.abs(rays) < 0.3) & covered & ~trail[:, None, None]
    assert core.sum() > 50
    assert not (reject & core & clean).any()


def test_weights_are_inverse_variances_before_resampling(chain, group):
    for exposure in group.exposures:
        truth = chain.entry(exposure.path)
        expected = np.sqrt(truth["sky"] * 0.93 + 3.0**2 * 7 / 6)
        share = exposure.weighed.sky_sigma * exposure.placement.transparency / expected
        assert 0.66 < share < 1.03  # resampling leaves 0.68 to 1 of the variance
    noise = group.sky_sigma
    fwhm, training = np.array([exposure.fwhm_px for exposure in group.exposures]), group.blocks != "C"
    seeing = np.minimum(1, (np.median(fwhm[training]) / fwhm) ** 2)
    variance = noise**2 / np.array([exposure.placement.noise_kept for exposure in group.exposures])
    np.testing.assert_allclose(group.weights * variance, np.median(variance[training]) * seeing, rtol=1e-9)
    assert seeing.min() < 0.95
    # The reference is noisier in every pixel for not being resampled; it is no worse for it.
    itself = [exposure.path for exposure in group.exposures].index(group.facts.reference)
    assert noise[itself] > 1.03 * np.median(noise) and group.weights[itself] > 0.9 * np.median(group.weights)


def test_the_sky_is_the_level_between_the_stars(chain, group):
    expected = chain.expected(group.facts.reference)
    assert group.facts.sky == pytest.approx(float(np.median(expected)), rel=0.02)


def test_an_exposures_noise_is_not_underestimated_where_it_takes_part_in_the_median():
    """A median absolute deviation is: with ten exposures every tenth sample is the median itself."""
    values = np.random.default_rng(0).normal(0, 2, (10, 400_000))
    residual = values[0] - np.median(values, axis=0)
    true = 2 * np.sqrt(1 - 0.43 / 10)
    assert robust_sigma(residual) == pytest.approx(0.894 * true, rel=0.01)
    assert clipped_std(residual) == pytest.approx(true, rel=0.01)
    residual[:400] += 500
    assert clipped_std(residual) == pytest.approx(true, rel=0.02)


def test_the_variance_of_the_stack_is_that_of_all_its_exposures():
    """It is known from the scatter of A and B; the held-out exposures' weights say less of their noise: poor seeing."""
    rng = np.random.default_rng(2)
    training = np.arange(16) % 4 > 0
    sigma = rng.uniform(0.8, 1.3, 16)
    weights = np.where(training, 1.0, 0.5) / sigma**2
    nothing = np.zeros(16)
    weighing = Weighing(training, sigma, weights, nothing, nothing, nothing, np.arange(16), 0.0)
    pixels = rng.normal(0, sigma[:, None, None], (16, 300, 300)).astype(np.float32)
    mean = np.average(pixels[training], axis=0, weights=weights[training])
    scatter = sample_variance(pixels[training], np.ones((12, 300, 300), bool), weights[training], mean)
    told = scatter.mean() * weighing.noise_of_all() / weights.sum()
    assert told == pytest.approx(np.average(pixels, axis=0, weights=weights).var(), rel=0.02)
    assert weighing.noise_of_all() < 0.95
