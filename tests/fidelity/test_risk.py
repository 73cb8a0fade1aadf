import numpy as np
import pytest
from scipy import ndimage

from n2n.fidelity.risk import Gain, box_sums, gain_of, held_out_gain, product_error, true_gain, unseen_error
from n2n.sky.scatter import noise_model

SIZE, BOX, EXPOSURES = 192, 24, 9
SEEDS = 40


def scene():
    y, x = np.mgrid[:SIZE, :SIZE]
    rng = np.random.default_rng(0)
    image = 6 * np.exp(-((x - 80) ** 2 + (y - 120) ** 2) / (2 * 30**2))
    for _ in range(25):
        image += rng.uniform(5, 60) * np.exp(-((x - rng.uniform(0, SIZE)) ** 2 + (y - rng.uniform(0, SIZE)) ** 2) / 4)
    return image


TRUTH = scene()
VARIANCE = 4 + 0.5 * TRUTH  # of one exposure
ALL = np.ones(TRUTH.shape, bool)


def night(seed):
    """Stack, its variance from the scatter, and the mean of three other exposures."""
    rng = np.random.default_rng(seed)
    exposures = TRUTH + rng.normal(0, 1, (EXPOSURES, *TRUTH.shape)) * np.sqrt(VARIANCE)
    held_out = TRUTH + rng.normal(0, 1, TRUTH.shape) * np.sqrt(VARIANCE / 3)
    return exposures.mean(axis=0), exposures.var(axis=0, ddof=1) / EXPOSURES, held_out


WEIGHT = EXPOSURES / VARIANCE

DENOISERS = {
    "none": lambda stack: stack,
    "a tenth removed": lambda stack: TRUTH + 0.9 * (stack - TRUTH),
    "half removed": lambda stack: TRUTH + 0.5 * (stack - TRUTH),
    "most removed": lambda stack: TRUTH + 0.2 * (stack - TRUTH),
    "smoothed": lambda stack: ndimage.gaussian_filter(stack, 0.6),
    "worse": lambda stack: TRUTH + 1.3 * (stack - TRUTH),
}


def spoil(held_out, how):
    """A held-out mean that differs from the stack in more than its noise."""
    if how == "offset":
        return held_out + 3.0
    if how == "seeing":
        return held_out - TRUTH + ndimage.gaussian_filter(TRUTH, 0.8)
    return held_out


@pytest.fixture(scope="module")
def nights():
    return [night(seed) for seed in range(SEEDS)]


@pytest.mark.parametrize(
    ("name", "how"),
    [*((name, "as it is") for name in DENOISERS), ("half removed", "offset"), ("half removed", "seeing")],
)
def test_the_estimate_and_its_error_are_right(nights, name, how):
    denoise = DENOISERS[name]
    estimates, truths, claimed = [], [], []
    for stack, variance, held_out in nights:
        denoised = denoise(stack)
        gain = held_out_gain(denoised, stack, spoil(held_out, how), variance, WEIGHT, ALL, BOX)
        estimates.append(1 / gain.value)
        claimed.append(gain.error / gain.value**2)
        truths.append(np.mean(WEIGHT * (denoised - TRUTH) ** 2) / np.mean(WEIGHT * VARIANCE / EXPOSURES))
    truth = np.mean(truths)
    estimates, claimed = np.array(estimates), np.array(claimed)
    scatter = estimates.std(ddof=1)
    if name == "none":
        assert np.ptp(estimates) == 0 and estimates[0] == 1 and claimed.max() < 1e-12
        return
    assert abs(estimates.mean() - truth) < 3 * scatter / np.sqrt(SEEDS) + 1e-3
    assert (np.abs(estimates - truth) < 3 * claimed).mean() > 0.9
    assert 1 / 1.5 < np.sqrt((claimed**2).mean()) / scatter < 1.5


def test_memorised_noise_does_not_count_as_gain(nights):
    """Held-out exposures that the denoiser has seen make it look better than it is: the reason for block C."""
    stack, variance, held_out = nights[0]
    cheat = 0.5 * (stack + held_out)
    honest = held_out_gain(stack, stack, held_out, variance, WEIGHT, ALL, BOX)
    assert held_out_gain(cheat, stack, held_out, variance, WEIGHT, ALL, BOX).value > 2 * honest.value


def test_invented_stars_cost_what_they_are_worth(nights):
    stack, variance, held_out = nights[1]
    invented = np.zeros_like(TRUTH)
    invented[10::24, 10::24] = 10.0
    denoised = TRUTH + 0.3 * (stack - TRUTH)
    before, after = (
        held_out_gain(image, stack, held_out, variance, WEIGHT, ALL, BOX) for image in (denoised, denoised + invented)
    )
    cost = np.mean(WEIGHT * invented**2)
    assert 1 / after.value - 1 / before.value == pytest.approx(cost, rel=0.15)
    assert after.value < before.value - 2 * after.error


def test_only_the_chosen_pixels_count(nights):
    stack, variance, held_out = nights[2]
    chosen = ALL.copy()
    chosen[:, 100:] = False
    denoised = np.where(chosen, TRUTH + 0.5 * (stack - TRUTH), 1e6)
    gain = held_out_gain(denoised, stack, held_out, variance, WEIGHT, chosen, BOX)
    assert gain.value == pytest.approx(4, abs=3 * gain.error) and gain.pixels == 100 * SIZE


def test_a_perfect_image_is_quoted_at_what_two_sigma_allow(nights):
    stack, variance, held_out = nights[3]
    gain = held_out_gain(TRUTH, stack, held_out, variance, WEIGHT, ALL, BOX)
    assert np.isfinite([gain.value, gain.error]).all() and gain.value > 10
    assert gain.error > 0.1 * gain.value


def parts_of_a_night(seed):
    """Nine exposures that train and three held out, as parts; the mean of the nine."""
    rng = np.random.default_rng(seed)
    exposures = TRUTH + rng.normal(0, 1, (12, *TRUTH.shape)) * np.sqrt(VARIANCE)
    exposures[:, 90:96, 90:96] = np.where(rng.random((12, 6, 6)) < 0.3, np.nan, exposures[:, 90:96, 90:96])
    parts = [(image, np.isfinite(image).astype(np.float32), index >= 9) for index, image in enumerate(exposures)]
    return np.nanmean(exposures[:9], axis=0), parts


def light_of(parts):
    """Mean of all exposures, smoothed: `n2n.fidelity.ground.light_of_all`."""
    total, depth = (sum(of) for of in zip(*((np.nan_to_num(mean) * d, d) for mean, d, _ in parts), strict=True))
    return ndimage.gaussian_filter(total / np.maximum(depth, 1e-6), 1.4)


@pytest.mark.parametrize("name", ["half removed", "most removed", "smoothed", "worse"])
def test_products_of_pointings_need_no_variance_and_have_less_noise(name):
    faint = TRUTH < 12
    estimates, truths, others = [], [], []
    for seed in range(16):
        stack, parts = parts_of_a_night(seed)
        denoised = DENOISERS[name](stack)
        after = product_error([denoised], light_of(parts), WEIGHT, faint, parts, 3.3)[0]
        seen = faint & (sum(np.isfinite(image) for image, _, judging in parts if judging) > 1)
        assert np.isfinite(after[seen]).all() and np.isnan(after[~seen]).all()
        estimates.append(after[seen].mean())
        truths.append((WEIGHT * (denoised - TRUTH) ** 2)[seen].mean())
        held_out = np.mean([image for image, _, judging in parts if judging], axis=0)
        change = (denoised - stack) * (denoised + stack - 2 * held_out)
        others.append((WEIGHT * (VARIANCE / 9 + change))[faint & np.isfinite(change)].mean())
    wrong = np.subtract(estimates, truths)
    assert abs(wrong.mean()) < 3 * wrong.std(ddof=1) / 4 + 0.01 * np.mean(truths)
    if name == "most removed":
        assert wrong.std(ddof=1) < 0.75 * np.subtract(others, truths).std(ddof=1)


def test_products_see_invented_light_and_lost_light():
    stack, parts = parts_of_a_night(3)
    faint = TRUTH < 12
    good = TRUTH + 0.3 * (stack - TRUTH)
    invented, lost = np.zeros_like(TRUTH), -0.3 * np.minimum(TRUTH, 6)
    invented[10::24, 10::24] = 10.0
    before = np.nanmean(product_error([good], light_of(parts), WEIGHT, faint, parts, 3.3)[0])
    for harm in (invented, lost):
        after = np.nanmean(product_error([good + harm], light_of(parts), WEIGHT, faint, parts, 3.3)[0])
        cost = (WEIGHT * (good + harm - TRUTH) ** 2 - WEIGHT * (good - TRUTH) ** 2)[faint].mean()
        assert after - before == pytest.approx(cost, rel=0.15)


def test_what_neighbours_share_is_added_only_where_it_is_significant():
    rng = np.random.default_rng(0)
    seen = 1 + rng.normal(0, 1, TRUTH.shape)
    assert unseen_error(np.ones_like(seen), seen, ALL, BOX) == 0
    assert unseen_error(seen * 0 + 1.3, seen, ALL, BOX) == pytest.approx(0.3, abs=0.03)
    assert unseen_error(seen * 0 + 0.5, seen, ALL, BOX) == 0
    few = np.zeros_like(ALL)
    few[:10, :10] = True
    assert unseen_error(seen + 5, seen, few, BOX) == 0


def test_the_noise_of_stars_is_found_beside_their_seeing():
    rng = np.random.default_rng(0)
    signal = rng.uniform(0, 2, TRUTH.shape) + 60 * (rng.random(TRUTH.shape) < 0.1) * rng.random(TRUTH.shape)
    sigma = np.full(TRUTH.shape, 0.7)
    noise = sigma**2 * (1 + 0.05 * signal)
    seeing = np.where(signal > 10 * sigma, (0.2 * signal) ** 2, 0)
    chi2 = rng.chisquare(10, TRUTH.shape) / 10
    assert noise_model((noise + seeing) * chi2, signal, sigma, ALL) == pytest.approx(noise, rel=0.1)
    few = np.zeros_like(ALL)
    few[:5, :5] = True
    assert noise_model(noise, signal, sigma, few) is None


def exposures_of_stars(seed, held_out, noise=3.0):
    """A field of stars of FWHM 3.3 px near the noise, as parts; its truth and the mean of the parts not held out."""
    rng = np.random.default_rng(seed)
    impulses = np.zeros(TRUTH.shape)
    impulses[rng.integers(0, SIZE, 300), rng.integers(0, SIZE, 300)] = rng.uniform(5, 40, 300)
    truth = ndimage.gaussian_filter(impulses, 1.4)
    exposures = truth + rng.normal(0, noise, (12 + held_out, *truth.shape))
    parts = [(image, np.ones(truth.shape, np.float32), index >= 12) for index, image in enumerate(exposures)]
    return truth, exposures[:12].mean(axis=0), parts


def test_the_chance_in_products_of_few_held_out_exposures_is_taken_off():
    """The scatter of the estimate is half of that of the plain products, which share it for every image."""
    weight, wrong, plain = np.full(TRUTH.shape, 12 / 9.0), [], []
    for seed in range(12):
        truth, stack, parts = exposures_of_stars(seed, 3)
        denoised = truth + 0.2 * (stack - truth)
        error = (weight * (denoised - truth) ** 2).mean()
        wrong.append(product_error([denoised], light_of(parts), weight, ALL, parts, 3.3)[0].mean() - error)
        one, two, three = (denoised - image for image, _, held_out in parts if held_out)
        plain.append((weight * (one * two + two * three + three * one) / 3).mean() - error)
    assert abs(np.mean(wrong)) < 3 * np.std(wrong, ddof=1) / np.sqrt(12)
    assert np.std(wrong) < 0.5 * np.std(plain)


def test_zones_are_chosen_by_an_image_of_all_exposures():
    """Where D lacks a star because the noise of S was against it, S and T are no fair sample of each other."""
    weight, wrong, by_judged, plain = np.full(TRUTH.shape, 12 / 9.0), [], [], []
    for seed in range(24):
        truth, stack, parts = exposures_of_stars(seed, 3)
        light = light_of(parts)
        denoised = 0.3 * stack + 0.7 * truth
        truly = weight * (denoised - truth) ** 2
        for found, image in ((wrong, light), (by_judged, ndimage.gaussian_filter(stack, 1.4))):
            dark = image < 1.0
            after = product_error([denoised], image, weight, dark, parts, 3.3)[0]
            found.append((after - truly)[dark].mean())
        dark = light < 1.0
        one, two, three = (denoised - image for image, _, held_out in parts if held_out)
        plain.append((weight * (one * two + two * three + three * one) / 3 - truly)[dark].mean())
    chance = 3 / np.sqrt(24)
    assert abs(np.mean(wrong)) < chance * np.std(wrong, ddof=1)
    assert np.mean(by_judged) < -chance * np.std(by_judged, ddof=1)
    assert np.std(wrong) < 0.4 * np.std(plain)


def test_products_need_two_held_out_parts():
    stack, parts = parts_of_a_night(4)
    lonely = [(image, depth, index == 11) for index, (image, depth, _) in enumerate(parts)]
    after = product_error([np.nan_to_num(stack)], light_of(parts), WEIGHT, ALL, lonely)[0]
    assert np.isnan(after).all()
    assert np.isnan(gain_of(WEIGHT, WEIGHT, np.isfinite(after)).value)


@pytest.mark.parametrize("chosen", [0, 3])
def test_nothing_to_judge_by(nights, chosen):
    stack, variance, held_out = nights[4]
    where = np.zeros_like(ALL)
    where[:chosen, :chosen] = True
    gain = held_out_gain(TRUTH, stack, held_out, variance, WEIGHT, where, BOX)
    assert np.isnan(gain.error) and gain.pixels == chosen**2
    assert np.isnan(gain.value) == (chosen == 0)


def test_against_a_known_truth():
    truth, weight = np.full((50, 50), 7.0), np.ones((50, 50))
    weight[:25] = 3
    stack, denoised = truth + 2, truth - 1
    assert true_gain(denoised, stack, truth, weight, weight > 0, 10) == Gain(4.0, 0.0, 2500)
    denoised[:25] = truth[:25] + 2
    assert true_gain(denoised, stack, truth, weight, weight > 0, 10).value == pytest.approx(4 * 4 / (3 * 4 + 1))


@pytest.mark.parametrize("shape", [(10, 10), (11, 19), (3, 40)])
def test_box_sums_lose_nothing(shape):
    values = np.random.default_rng(0).normal(size=shape)
    sums = box_sums(values, 5)
    assert sums.sum() == pytest.approx(values.sum()) and sums[0] == pytest.approx(values[:5, :5].sum())
    assert sums.size == -(-shape[0] // 5) * -(-shape[1] // 5)


def test_the_numbers_are_plain():
    assert Gain(2.0, 0.1, 5).as_dict() == {"value": 2.0, "standard_error": 0.1, "pixels": 5}
