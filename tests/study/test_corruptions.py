import math
from dataclasses import replace
from itertools import combinations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from n2n.study.corruptions import CORRUPTIONS, READ_NOISE, pair

SHAPE = (1, 3, 160, 160)
PIXELS = math.prod(SHAPE)
KINDS = sorted(CORRUPTIONS)
values = st.integers(1, 255).map(lambda value: value / 255 - 0.5)
seeds = st.integers(0, 2**31)
few = settings(max_examples=15, deadline=None)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def corrupt(name, clean, level, seed=0):
    return CORRUPTIONS[name].corrupt(clean, torch.full((len(clean),), level), seeded(seed))


def flat(value, shape=SHAPE):
    return torch.full(shape, value)


def ramp(n=4, side=64):
    """Every brightness from black to white."""
    return torch.linspace(-0.5, 0.5, side * side).view(1, 1, side, side).expand(n, 3, -1, -1).contiguous()


def check_moments(noisy, mean, variance, kurtosis):
    """Mean and variance of flat images within six of their standard errors."""
    noisy = noisy.double()
    assert float(noisy.mean()) == pytest.approx(mean, abs=6 * math.sqrt(variance / PIXELS) + 1e-6)
    error = math.sqrt((kurtosis - 1) / PIXELS)
    assert float(noisy.var()) == pytest.approx(variance, rel=6 * error + 1e-4)


@given(values, st.floats(1 / 255, 50 / 255), seeds)
@few
def test_gaussian_noise(value, sigma, seed):
    noisy, mask = corrupt("gaussian", flat(value), sigma, seed)
    assert mask is None
    check_moments(noisy, value, sigma**2, 3)


@given(values, st.floats(0.5, 50), seeds)
@few
def test_poisson_noise(value, photons, seed):
    noisy, mask = corrupt("poisson", flat(value), photons, seed)
    assert mask is None
    rate = photons * (value + 0.5)
    check_moments(noisy, value, rate / photons**2, 3 + 1 / rate)
    counts = (noisy + 0.5) * photons
    torch.testing.assert_close(counts, counts.round(), rtol=0, atol=1e-3)


@given(values, st.floats(5, 200), st.floats(0, 0.02), seeds)
@few
def test_camera_noise(value, photons, read, seed):
    noisy, mask = CORRUPTIONS["camera"].corrupt(flat(value), torch.tensor([[photons, read]]), seeded(seed))
    assert mask is None
    rate = photons * (value + 0.5)
    check_moments(noisy, value, rate / photons**2 + read**2, 3 + 1 / rate)


def test_the_read_noise_of_a_camera_is_fixed_where_only_photons_are_given():
    noisy, _ = corrupt("camera", flat(-0.5), 50.0)  # without light there is read noise alone
    check_moments(noisy, -0.5, READ_NOISE**2, 3)


@given(values, st.floats(0, 0.95), seeds)
@few
def test_bernoulli_noise(value, share, seed):
    noisy, mask = corrupt("bernoulli", flat(value), share, seed)
    assert mask.shape == (1, 1, *SHAPE[2:]) and mask.dtype == torch.bool
    kept = mask.expand(SHAPE)
    assert (noisy[kept] == flat(value)[kept]).all() and (noisy[~kept] == -0.5).all()
    error = math.sqrt(share * (1 - share) / mask.numel())
    assert float((~mask).double().mean()) == pytest.approx(share, abs=6 * error + 1e-6)
    # Multiplied by 1 / (1 - share) it is the clean image on average.
    mean = float((noisy.double() + 0.5).mean()) / (1 - share)
    assert mean == pytest.approx(value + 0.5, abs=(value + 0.5) * 6 * error / (1 - share) + 1e-6)


@given(st.floats(0, 0.95), seeds)
@few
def test_impulse_noise(share, seed):
    outside = 2.0  # not a colour
    noisy, mask = corrupt("impulse", flat(outside), share, seed)
    struck = noisy != outside
    assert mask is None and (struck == struck[:, :1]).all()
    n = struck[:, 0].numel()
    error = math.sqrt(share * (1 - share) / n)
    assert float(struck.double().mean()) == pytest.approx(share, abs=6 * error + 1e-6)
    colours = noisy[struck].double()
    if len(colours) > 1000:
        assert colours.min() >= -0.5 and colours.max() < 0.5
        assert float(colours.mean()) == pytest.approx(0, abs=6 / math.sqrt(12 * len(colours)))
        assert float(colours.var()) == pytest.approx(1 / 12, rel=6 * math.sqrt(0.8 / len(colours)))


def test_text_covers_a_share():
    noisy, mask = corrupt("text", flat(2.0, (6, 3, 256, 256)), 0.25)
    assert mask is None
    assert ((noisy != 2.0).float().mean((1, 2, 3)) - 0.25).abs().max() < 0.03


@pytest.mark.parametrize("name", KINDS)
def test_each_image_has_its_own_level(name):
    kind = CORRUPTIONS[name]
    clean = flat(0.25, (2, 3, 256, 256))
    noisy, _ = kind.corrupt(clean, torch.tensor([kind.lowest + 1e-6, kind.highest]), seeded())
    mild, strong = ((image - clean[0]).square().mean() for image in noisy)
    if name in ("poisson", "camera"):  # more photons, less noise
        mild, strong = strong, mild
    assert strong > 4 * mild


@pytest.mark.parametrize("name", KINDS)
def test_training_levels_fill_their_range(name):
    kind = CORRUPTIONS[name]
    levels = kind.draw_level(4000, seeded()).view(4000, -1).T
    ranges = [(kind.lowest, kind.highest), (0, 0.02)][: len(levels)]
    assert len(levels) == (2 if name == "camera" else 1)
    for drawn, (low, high) in zip(levels, ranges, strict=True):
        assert low <= drawn.min() and drawn.max() <= high
        assert float(drawn.mean()) == pytest.approx((low + high) / 2, abs=0.02 * (high - low))
        assert float(drawn.std()) == pytest.approx((high - low) / 12**0.5, rel=0.05)
    assert kind.lowest < kind.test_level < kind.highest


@pytest.mark.parametrize(
    ("name", "below", "above"), [("gaussian", True, True), ("camera", True, True), ("poisson", False, True)]
)
def test_nothing_is_clipped_or_rounded(name, below, above):
    noisy, _ = corrupt(name, ramp(), CORRUPTIONS[name].test_level)
    assert noisy.dtype == torch.float32
    assert bool(noisy.min() < -0.5) == below and bool(noisy.max() > 0.5) == above
    steps = (noisy + 0.5) * 255
    assert ((steps - steps.round()).abs() > 0.01).float().mean() > 0.4


@pytest.mark.parametrize("name", KINDS)
def test_the_input_is_left_as_it_was(name):
    clean = ramp()
    corrupt(name, clean, CORRUPTIONS[name].test_level)
    assert torch.equal(clean, ramp())


@pytest.mark.parametrize("name", KINDS)
def test_sources_and_targets_are_independent(name):
    seen = []

    def spy(clean, level, generator):
        seen.append(level)
        return CORRUPTIONS[name].apply(clean, level, generator)

    # Mid grey, and each image about its own mean: what two of them share must come from the noise.
    clean, generator = flat(0.0, (12, 3, 160, 160)), seeded()
    kind = replace(CORRUPTIONS[name], apply=spy)
    pairs = [pair(clean, kind, generator, clean_targets=False) for _ in range(2)]  # of two steps of a training
    images = [drawn[key].double() for drawn in pairs for key in ("source", "target")]
    noises = [image - image.mean((1, 2, 3), keepdim=True) for image in images]
    # A letter covers many pixels at once, so that there are fewer independent ones.
    most = 0.04 if name == "text" else 5 / math.sqrt(clean.numel() / 3)
    for one, other in combinations(noises, 2):
        assert abs(float((one * other).mean() / (one.square().mean() * other.square().mean()).sqrt())) < most
    assert len(seen) == 4
    assert all((one != other).all() for one, other in combinations(seen, 2))


@pytest.mark.parametrize("name", KINDS)
def test_clean_targets_change_the_target_alone(name):
    kind, clean = CORRUPTIONS[name], ramp()
    noisy = pair(clean, kind, seeded(4), clean_targets=False)
    plain = pair(clean, kind, seeded(4), clean_targets=True)
    assert torch.equal(noisy["source"], plain["source"])
    assert torch.equal(plain["target"], clean) and plain["target_mask"] is None
    if name == "bernoulli":
        assert torch.equal(noisy["source_mask"], plain["source_mask"])
        assert not torch.equal(noisy["source_mask"], noisy["target_mask"])
    else:
        assert noisy["source_mask"] is noisy["target_mask"] is plain["source_mask"] is None
    assert not torch.equal(noisy["target"], noisy["source"]) and not torch.equal(noisy["target"], clean)


@pytest.mark.parametrize("name", KINDS)
def test_the_seed_decides(name):
    one, again, other = (pair(ramp(), CORRUPTIONS[name], seeded(seed), clean_targets=False) for seed in (1, 1, 2))
    for key in ("source", "target"):
        assert torch.equal(one[key], again[key]) and not torch.equal(one[key], other[key])


def test_every_kind_is_known_by_its_name_and_loss():
    assert all(name == kind.name for name, kind in CORRUPTIONS.items())
    losses = {name: kind.loss for name, kind in CORRUPTIONS.items()}
    assert losses == {
        "gaussian": "l2",
        "poisson": "l2",
        "camera": "l2",
        "bernoulli": "masked_l2",
        "text": "l1",
        "impulse": "annealed_l0",
    }
