import numpy as np
import pytest
import torch
from scene import SIGMA, expose, light

from n2n.nets.inference import REACH, denoise
from n2n.nets.sampling import measure_band_noise
from n2n.nets.training import Recipe, train


@pytest.fixture(scope="module")
def model(field):
    """A network that does something else than an untrained one, in every channel."""
    trained, _ = train(
        [field.region], Recipe(width=8, steps=12, batch=2, crop=32), fingerprint="", report=lambda t: None
    )
    with torch.no_grad():
        trained.unet.head.weight += 0.1 * torch.randn(
            trained.unet.head.weight.shape, generator=torch.Generator().manual_seed(1)
        )
    return trained


class Night:
    """The mean of eight exposures of a scene."""

    def __init__(self, height, width, stars=60):
        self.truth = light(height, width, seed=7, stars=stars)
        values, valid, weights, self.variance, self.sky_variance, _ = expose(self.truth, seed=8)
        shares = valid * weights[:, None, None]
        self.depth = shares.sum(axis=0).astype(np.float32)
        self.mean = ((shares * values).sum(axis=0) / self.depth).astype(np.float32)
        self.band_noise = measure_band_noise(
            torch.from_numpy(values), torch.from_numpy(valid), torch.tensor(weights), self.sky_variance
        )
        self.sigma = SIGMA / np.sqrt(np.median(self.depth))

    def __call__(self, model, mean=None, depth=None, variance=None, turn=lambda a: a, orientations=1, **more):
        given = (self.mean if mean is None else mean, self.depth if depth is None else depth)
        planes = [np.ascontiguousarray(turn(a)) for a in (*given, self.variance if variance is None else variance)]
        return denoise(model, *planes, self.sky_variance, self.band_noise, orientations=orientations, **more)


@pytest.fixture(scope="module")
def night():
    return Night(176, 228)


@pytest.fixture(scope="module")
def whole(night, model):
    return night(model, tile=512)


def test_it_denoises(night, whole):
    dark = night.truth < 1
    before, after = ((image - night.truth)[dark].std() / night.sigma for image in (night.mean, whole))
    assert before == pytest.approx(1, rel=0.1) and after < 0.6


@pytest.mark.parametrize(("tile", "overlap"), [(64, 16), (64, 0), (96, 48), (128, 48), (208, 8)])
def test_tiles_cannot_be_told_from_one_piece(night, model, whole, tile, overlap):
    tiled = night(model, tile=tile, overlap=overlap)
    # Bright stars are limited by what float32 holds.
    assert (np.abs(tiled - whole) <= 1e-3 * night.sigma + 1e-6 * np.abs(whole)).all()


def test_a_shift_by_half_a_tile_changes_nothing(night, model, whole):
    """G12: the grid of tiles lies elsewhere when a strip of 48 pixels is cut off."""
    cut = (slice(48, None), slice(48, None))
    shifted = night(model, night.mean[cut], night.depth[cut], night.variance[cut], tile=96, overlap=24)
    inner = (slice(44, None), slice(44, None))
    change = np.abs(shifted[inner] - whole[cut][inner]) / night.sigma
    assert np.quantile(change, 0.999) < 1e-3 and change.max() < 0.05


@pytest.mark.parametrize("axes", [0, (0, 1)])
def test_flipping_before_or_after_is_the_same(night, model, axes):
    turn = lambda a: np.flip(a, axes)  # noqa: E731
    one, other = turn(night(model, orientations=8)), night(model, turn=turn, orientations=8)
    assert (np.abs(one - other) <= 1e-3 * night.sigma + 1e-6 * np.abs(one)).all()


def test_more_orientations_are_no_worse(night, model, whole):
    dark = night.truth < 1
    errors = [((night(model, orientations=n) - night.truth)[dark]).std() for n in (1, 2, 8)]
    assert errors[2] < errors[0] and errors[1] < 1.02 * errors[0]


@pytest.mark.parametrize("shape", [(24, 30), (37, 51), (65, 130), (101, 203)])
def test_any_size_will_do(model, shape):
    small = Night(*shape, stars=8)
    results = [small(model, tile=tile, overlap=16) for tile in (64, 512)]
    assert results[0].shape == shape and results[0].dtype == np.float32
    assert np.isfinite(results[0]).all()
    assert (np.abs(results[0] - results[1]) <= 1e-3 * small.sigma + 1e-6 * np.abs(results[0])).all()
    assert (results[1] - small.truth).std() < (small.mean - small.truth).std()


def test_unknown_pixels_do_not_spread(night, model, whole):
    mean, depth, variance = night.mean.copy(), night.depth.copy(), night.variance.copy()
    hole = np.zeros(mean.shape, bool)
    hole[:, :3] = hole[90:130, 100:140] = hole[30, 200] = True
    mean[hole], depth[hole] = np.nan, 0
    result = night(model, mean, depth, variance, tile=96)
    assert np.isfinite(result).all()
    y, x = np.mgrid[:176, :228]
    far = (x > 3 + REACH) & (np.maximum(np.abs(y - 110), np.abs(x - 120)) > 20 + REACH)
    far &= np.maximum(np.abs(y - 30), np.abs(x - 200)) > REACH
    assert far.sum() > 100
    assert np.abs(result - whole)[far].max() < 1e-3 * night.sigma + 1e-6 * np.abs(whole).max()
    near = ~hole & ~far
    assert np.abs(result - night.truth)[near].std() < np.abs(night.mean - night.truth)[near].std()


def test_nothing_known_gives_numbers_all_the_same(night, model):
    nothing = np.full_like(night.mean, np.nan)
    assert np.isfinite(night(model, nothing, np.zeros_like(night.depth))).all()


def test_the_same_image_gives_the_same_bytes(night, model):
    again = [night(model, tile=128).tobytes() for _ in range(2)]
    assert again[0] == again[1]
