import numpy as np
import pytest
from scipy import ndimage

from n2n.sky.trails import BIN, _Strip, find_trails

SHAPE = (480, 512)


def noise(seed, shape=SHAPE):
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def distance(shape, angle, x0, y0):
    """Distance from a line through (x0, y0), and place along it; px."""
    y, x = np.indices(shape, dtype=np.float32)
    return (x - x0) * np.sin(angle) - (y - y0) * np.cos(angle), (x - x0) * np.cos(angle) + (y - y0) * np.sin(angle)


def random_line(seed, shape=SHAPE):
    rng = np.random.default_rng([seed, 1])
    return distance(shape, rng.uniform(0, np.pi), rng.uniform(0.3, 0.7) * shape[1], rng.uniform(0.3, 0.7) * shape[0])


def find(image, sigma=1.0, valid=None):
    return find_trails(image.astype(np.float32), sigma, np.ones(image.shape, bool) if valid is None else valid)


def dipoles(seed, shape=SHAPE, per_mpx=3000):
    """What misregistration leaves of stars, up to 50 sigma."""
    rng = np.random.default_rng([seed, 2])
    number = round(per_mpx * shape[0] * shape[1] / 1e6)
    image = np.zeros(shape, np.float32)
    image[rng.integers(0, shape[0], number), rng.integers(0, shape[1], number)] = rng.random(number) ** 3
    image = ndimage.gaussian_filter(image, 1.3)
    image = ndimage.shift(image, rng.normal(0, 0.5, 2), order=1) - image
    return 50 * image / np.abs(image).max()


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("peak", "sigma"), [(1.5, 1.0), (1.5, 3.0), (3.0, 1.5), (60.0, 1.0), (400.0, 2.0)])
def test_a_trail_is_masked_whole_and_little_else(seed, peak, sigma):
    across, _ = random_line(seed)
    light = peak * np.exp(-(across**2) / 2 / sigma**2)
    mask = find(noise(seed) + light)
    assert mask[light > 0.7].mean() > 0.99
    assert np.abs(across[mask]).max() < sigma * np.sqrt(2 * np.log(max(peak / 0.1, 1))) + 5


@pytest.mark.parametrize("seed", range(6))
def test_a_trail_is_found_among_stars(seed):
    across, _ = random_line(seed)
    light = 2.0 * np.exp(-(across**2) / 2 / 1.5**2)
    assert find(noise(seed) + dipoles(seed) + light)[light > 0.7].mean() > 0.99


@pytest.mark.parametrize("seed", range(6))
def test_a_blinking_aircraft_is_masked_with_its_gaps(seed):
    shape = (720, 768)
    across, along = random_line(seed, shape)
    path = sum(15 * np.exp(-((across - side) ** 2) / 2 / 3.0**2) for side in (-9, 9))
    mask = find(noise(seed, shape) + path * (along % 90 < 35))
    assert mask[path > 1].mean() > 0.98


def test_several_trails_are_found():
    lines = [distance(SHAPE, angle, 250, y)[0] for angle, y in ((0.3, 100), (0.3, 180), (1.2, 240), (-0.7, 300))]
    light = sum(4 * np.exp(-(across**2) / 2 / 1.2**2) for across in lines)
    mask = find(noise(0) + light)
    for across in lines:
        assert mask[np.abs(across) < 1.5].mean() > 0.98


def test_noise_alone_holds_no_trail():
    shape = (240, 256)
    assert not any(find(noise(seed, shape)).any() for seed in range(150))


def test_neither_do_correlated_noise_and_badly_subtracted_stars():
    for seed in range(25):
        smooth = ndimage.gaussian_filter(noise(seed), 0.6)
        assert not find(smooth / smooth.std() + dipoles(seed)).any()
        assert not find(noise(seed) + np.abs(dipoles(seed))).any()


def test_neither_does_noise_common_to_rows_or_columns():
    for seed in range(20):
        rows, columns = noise([seed, 4])[:, :1], noise([seed, 5])[:1]
        assert not find(noise(seed) + 0.5 * (rows if seed % 2 else columns)).any()


def test_the_spikes_of_a_bright_star_are_no_trail():
    for seed in range(10):
        image = noise(seed)
        x, y = np.random.default_rng([seed, 3]).integers(150, 330, 2)
        image[y - 8 : y + 9, x - 8 : x + 9] += 300
        image[y - 60 : y + 60, x] += 30
        image[y, x - 60 : x + 60] += 30
        assert not find(image).any()


def test_a_map_of_sigma_and_invalid_samples_are_respected():
    across, _ = random_line(3)
    sigma = np.linspace(1, 3, SHAPE[1], dtype=np.float32) * np.ones(SHAPE, np.float32)
    valid = np.ones(SHAPE, bool)
    valid[:, 200:240] = False
    valid[100:103] = False
    image = sigma * (noise(3) + 3 * np.exp(-(across**2) / 2))
    image[~valid] = 1e6
    mask = find(image, sigma, valid)
    # Masked across the gap, too.
    assert mask[np.abs(across) < 1.5].mean() > 0.98
    assert mask.mean() < 0.03


@pytest.mark.parametrize("shape", [(20, 30), (64, 300), (300, 64)])
def test_small_and_long_frames_are_no_problem(shape):
    assert not find(noise(0, shape)).any()


def test_nothing_valid_holds_no_trail():
    assert not find(noise(0), valid=np.zeros(SHAPE, bool)).any()


def test_a_ripple_beside_a_trail_does_not_widen_it_and_a_second_light_does():
    """Few electrons have few values: the median across is exactly zero almost everywhere, and any ripple stands out."""
    image = noise(5)
    image[200:203] += 5
    strip = _Strip(image, np.ones(SHAPE, bool), 0, 201, SHAPE[1] - 1, 201, BIN)
    strip.profile = np.zeros(len(strip.offsets))
    strip.profile[strip.peak - 1 : strip.peak + 2] = 5
    alone = strip.width()
    strip.profile[strip.peak + 9] = 0.45
    assert strip.width() == alone
    strip.profile[strip.peak + 8 : strip.peak + 11] = 3
    assert strip.width() == (alone[0], strip.offsets[strip.peak + 10])
