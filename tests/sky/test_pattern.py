import numpy as np
import pytest
from scipy import ndimage

from n2n.sky.combine import clipped_mean
from n2n.sky.pattern import agreed_pattern, noise_of_mean


@pytest.mark.parametrize(("pattern", "most"), [(0.0, 0.15), (1.0, 0.65), (4.0, 1.02)])
def test_a_master_keeps_what_its_frames_agree_upon(pattern, most):
    """Pixels without a pattern of their own lose nearly all the master's noise; a strong pattern stays."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:256, :320]
    truth = (
        500 + rng.normal(0, 1.5, 320)[None] + pattern * rng.normal(0, 1, x.shape) + 40 * np.exp(-np.hypot(x, y) / 50)
    )
    hot = rng.random(x.shape) < 0.003
    truth[hot] += 60
    frames = (truth + rng.normal(0, 6, (16, *x.shape))).astype(np.float32)
    master = frames.mean(axis=0)
    quiet, told = agreed_pattern(master, noise_of_mean(frames))
    cool = ~hot & (np.hypot(x, y) > 100)
    assert told == pytest.approx((quiet - truth)[cool].std(), rel=0.25)
    assert (quiet - truth)[cool].std() < most * (master - truth)[cool].std()
    assert abs(np.median((quiet - truth)[hot])) < 1.5  # hot pixels stay hot
    glow = ndimage.gaussian_filter(quiet - truth, 6)[:60, :60]
    assert np.abs(glow).max() < 3


def test_a_master_of_few_frames_stays_as_it_is():
    frames = np.random.default_rng(0).normal(500, 6, (3, 64, 64)).astype(np.float32)
    master = frames.mean(axis=0)
    assert agreed_pattern(master, noise_of_mean(frames)) == (master, None)


def warm_darks(share, number, glow=0.0, seed=3):
    """Darks of an uncooled camera, ADU: its true dark, its warm pixels, the frames."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:160, :192]
    electrons = 5 + glow * np.exp(-np.hypot(x - 192, y - 160) / 25)
    warm = rng.random(x.shape) < share
    electrons = electrons + warm * rng.exponential(100, x.shape)
    frames = rng.poisson(electrons, (number, *x.shape)) * 4 + 500 + rng.normal(0, 6, (number, *x.shape))
    return electrons * 4 + 500, warm, np.rint(frames).astype(np.uint16)


@pytest.mark.parametrize(("share", "glow"), [(0.0, 0), (0.03, 0), (0.1, 0), (0.05, 600)])
@pytest.mark.parametrize("number", [4, 16])
def test_many_warm_pixels_do_not_raise_the_level_of_the_others(share, glow, number):
    truth, warm, frames = warm_darks(share, number, glow)
    master = clipped_mean(frames)
    raw = (master - truth)[~warm]
    left = (agreed_pattern(master, noise_of_mean(frames))[0] - truth)[~warm]
    assert abs(np.median(left)) < 0.4 and abs(left.mean() - raw.mean()) < 0.4  # a tenth of an electron
    assert left.std() < 0.95 * raw.std()  # a glow has noise of its own
