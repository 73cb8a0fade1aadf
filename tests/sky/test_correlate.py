import numpy as np
import pytest
from scipy import ndimage

from n2n.sky.correlate import match_images
from n2n.sky.match import NoMatch

SHAPE = (400, 480)
MARGIN = 60


def nebula(seed, shape=SHAPE, scale=12.0):
    """A smooth cloud with a margin around it, its spread 1 unit, a fifth of it in fine filaments."""
    rng = np.random.default_rng(seed)
    canvas = [side + 2 * MARGIN for side in shape]
    broad = ndimage.gaussian_filter(rng.normal(size=canvas), scale)
    fine = ndimage.gaussian_filter(rng.normal(size=canvas), scale / 4)
    cloud = broad / broad.std() + 0.2 * fine / fine.std()
    return np.maximum(cloud, -0.5).astype(np.float64)


def seen(cloud, matrix, shape=SHAPE):
    """What a frame sees, for an affine from reference to frame."""
    back = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))[:2]
    turn, shift = back[::-1, 1::-1], back[::-1, 2]
    return ndimage.affine_transform(cloud, turn, shift + MARGIN, output_shape=shape, order=3)


def motion(dx, dy, degrees=0.0, turned=False, shape=SHAPE):
    angle = np.radians(degrees + 180 * turned)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    centre = (np.array(shape)[::-1] - 1) / 2
    return np.column_stack([turn, centre + np.array([dx, dy]) - turn @ centre])


def pattern(seed, shape=SHAPE):
    """On the detector in every frame: hot pixels, columns, vignetting, in units of the noise."""
    rng = np.random.default_rng(seed)
    hot = np.where(rng.random(shape) < 0.02, rng.exponential(30, shape), 0)
    columns = rng.normal(0, 2, shape[1])
    y, x = np.indices(shape)
    radius2 = ((x - shape[1] / 2) ** 2 + (y - shape[0] / 2) ** 2) / (max(shape) / 2) ** 2
    return hot + columns + 100 * (1 - 0.3 * radius2 + 0.05 * radius2**2)


def error(match, truth, shape=SHAPE):
    """Rms a coordinate over the field, in px."""
    x, y = np.meshgrid(np.linspace(0, shape[1] - 1, 10), np.linspace(0, shape[0] - 1, 10))
    points = np.column_stack([x.ravel(), y.ravel(), np.ones(x.size)])
    return np.sqrt(np.mean((points @ (match.matrix - truth).T) ** 2))


def pair(seed, truth, signal=2.0, fixed=0.0, shape=SHAPE):
    rng = np.random.default_rng(seed + 100)
    cloud = signal * nebula(seed, shape)
    return [
        seen(cloud, matrix, shape) + fixed + rng.normal(0, 1, shape) for matrix in (motion(0, 0, shape=shape), truth)
    ]


@pytest.mark.parametrize("signal", [1.0, 3.0])
@pytest.mark.parametrize("truth", [motion(7.3, -4.6), motion(-31.4, 18.7, 0.3), motion(12.2, 3.9, 0.5, turned=True)])
def test_a_nebula_without_stars(truth, signal):
    match = match_images(*pair(1, truth, signal))
    assert error(match, truth) < 0.2
    assert match.rms_px < 0.2 and match.n == 0 and match.flux_ratio == 1


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("truth", [motion(7.3, -4.6), motion(2.6, 1.8), motion(0, 0), motion(9, 4, turned=True)])
def test_fixed_pattern_neither_holds_the_sky_nor_moves_it(seed, truth):
    match = match_images(*pair(seed, truth, fixed=pattern(seed)))
    assert error(match, truth) < 0.2


@pytest.mark.parametrize("seed", range(4))
def test_unrelated_fields_are_refused(seed):
    with pytest.raises(NoMatch, match="correlation"):
        match_images(pair(seed, motion(0, 0))[0], pair(seed + 50, motion(0, 0))[1])


def test_fixed_pattern_alone_is_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(NoMatch):
        match_images(*(pattern(0) + rng.normal(0, 1, SHAPE) for _ in range(2)))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("shift, limit", [((0, 0), 0.1), ((25.3, -18.6), 0.7)])
def test_dust_more_contrasty_than_the_nebula_gives_way_to_what_moves(seed, shift, limit):
    truth, rng = motion(*shift), np.random.default_rng(seed)
    dust, cloud = (amount * nebula(s, scale=5) for amount, s in ((2.5, seed + 9), (2, seed)))
    frames = [seen(dust, motion(0, 0)) + seen(cloud, m) + rng.normal(0, 1, SHAPE) for m in (motion(0, 0), truth)]
    assert error(match_images(*frames), truth) < limit


def test_bad_and_unusable_pixels_and_clouds_do_no_harm():
    truth = motion(-8.4, 6.1, turned=True)
    reference, frame = pair(5, truth)
    usable = np.ones(SHAPE, bool)
    usable[100:140, 50:90] = False
    reference[~usable], frame[30:34] = 1e6, np.nan
    assert error(match_images(reference, 40 + 0.6 * frame, usable, None), truth) < 0.2


@pytest.mark.parametrize("turned", [False, True])
def test_large_images_are_averaged_in_blocks_and_the_matrix_is_of_the_full_ones(turned):
    shape = (1101, 1203)
    truth = motion(10.3, -21.7, 0.2, turned, shape)
    assert error(match_images(*pair(3, truth, 3, shape=shape)), truth, shape) < 0.2


def test_other_shapes_and_empty_images_are_refused():
    with pytest.raises(NoMatch, match="cannot be correlated"):
        match_images(np.zeros((50, 60)), np.zeros((60, 50)))
    with pytest.raises(NoMatch):
        match_images(np.zeros(SHAPE), np.zeros(SHAPE))
    with pytest.raises(NoMatch, match="usable"):
        match_images(np.full(SHAPE, np.nan), np.zeros(SHAPE))


def test_the_same_images_give_the_same_bytes():
    frames = pair(2, motion(3, 4))
    assert match_images(*frames).matrix.tobytes() == match_images(*frames).matrix.tobytes()


@pytest.mark.parametrize("belts", [0.0, 0.2])
@pytest.mark.parametrize(("radius", "level"), [(25, 20_000), (60, 2000), (120, 20_000)])
def test_a_planets_disc_is_aligned_though_it_hardly_tells_an_angle(radius, level, belts):
    def frame(dx, dy, seed):
        y, x = np.indices((300, 320))
        y, x = y - 155 - dy, x - 150 - dx
        disc = level / (1 + np.exp((np.hypot(x, y) - radius) / 1.5)) * (1 + belts * np.sin(y / 5 + x / 17))
        rng = np.random.default_rng(seed)
        return (rng.poisson(ndimage.gaussian_filter(disc, 1 + seed / 10) + 60) + rng.normal(0, 5, disc.shape)).astype(
            "f4"
        )

    matrix = match_images(frame(0, 0, 1), frame(3, -5, 2)).matrix
    centre = np.array([150, 155, 1])
    assert np.abs(matrix @ centre - centre[:2]) == pytest.approx([3, 5], abs=0.1)
