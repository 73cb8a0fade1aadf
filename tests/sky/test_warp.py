import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from n2n.formats.flags import DEFECT, NO_DATA, OUTLIER, SATURATED
from n2n.sky.warp import noise_kept, warp

SHAPE = (64, 72)
IDENTITY = np.array([[1.0, 0, 0], [0, 1, 0]])
CLEAN = np.zeros(SHAPE, np.uint8)


def star(shape, x, y, fwhm=3.0, flux=1000.0):
    rows, columns = np.indices(shape)
    sigma = fwhm / 2.3548
    profile = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 2 / sigma**2)
    return (flux * profile / (2 * np.pi * sigma**2)).astype(np.float32)


def turned(angle, dx, dy, scale=1.0, shape=SHAPE):
    cy, cx = (shape[0] - 1) / 2, (shape[1] - 1) / 2
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.column_stack([turn, np.array([cx + dx, cy + dy]) - turn @ [cx, cy]])


def inner(image, by=1):
    return image[by:-by, by:-by]


@given(st.integers(0, 2**31))
@settings(max_examples=10, deadline=None)
def test_the_identity_gives_the_pixels_back(seed):
    pixels = np.random.default_rng(seed).normal(5, 100, SHAPE).astype(np.float32)
    warped, flags = warp(pixels, CLEAN, IDENTITY, SHAPE)
    np.testing.assert_allclose(inner(warped), inner(pixels), atol=1e-3)
    assert not inner(flags).any()


def test_a_whole_shift_moves_pixels_and_marks_what_was_never_seen():
    pixels = np.random.default_rng(1).normal(0, 1, SHAPE).astype(np.float32)
    matrix = np.array([[1.0, 0, 5], [0, 1, -3]])  # reference (x, y) lies at frame (x + 5, y - 3)
    warped, flags = warp(pixels, CLEAN, matrix, SHAPE)
    np.testing.assert_allclose(warped[4:, :-6], pixels[1:-3, 5:-1], atol=1e-5)
    assert (flags[:4] == NO_DATA).all() and (flags[:, -6:] == NO_DATA).all()
    assert not flags[4:, :-6].any()
    assert (warped[flags > 0] == 0).all()


@given(
    dx=st.floats(-6, 6),
    dy=st.floats(-6, 6),
    angle=st.one_of(st.floats(-0.005, 0.005), st.just(np.pi)),
    scale=st.floats(0.999, 1.001),
    fwhm=st.floats(2.8, 5.0),
)
@settings(max_examples=40, deadline=None)
def test_flux_and_place_of_a_star_are_kept(dx, dy, angle, scale, fwhm):
    x, y = 36.3, 31.8
    matrix = turned(angle, dx, dy, scale)
    assert flux_of(matrix, x, y, fwhm) == pytest.approx(1000, rel=1e-3)
    warped = moved(matrix, x, y, fwhm)
    rows, columns = np.indices(SHAPE)
    assert (warped * columns).sum() / warped.sum() == pytest.approx(x, abs=0.005)
    assert (warped * rows).sum() / warped.sum() == pytest.approx(y, abs=0.005)


def test_flux_is_kept_by_turns_of_any_angle_on_the_average_of_a_few_exposures():
    rng = np.random.default_rng(0)
    matrices = [turned(rng.uniform(-0.6, 0.6), *rng.uniform(-6, 6, 2), rng.uniform(0.98, 1.02)) for _ in range(16)]
    fluxes = [flux_of(matrix, 36.3, 31.8, 3.0) for matrix in matrices]
    assert np.mean(fluxes) == pytest.approx(1000, rel=1e-3)
    assert np.std(fluxes) < 2


def moved(matrix, x, y, fwhm):
    """A star of 1000 as its exposure has it, brought to (x, y) of the reference."""
    frame_x, frame_y = matrix[:, :2] @ [x, y] + matrix[:, 2]
    return warp(star(SHAPE, frame_x, frame_y, fwhm), CLEAN, matrix, SHAPE)[0]


def flux_of(matrix, x, y, fwhm):
    return moved(matrix, x, y, fwhm).sum()


def test_a_distorted_field_is_straightened():
    def displace(x, y):
        u, v = (x - 36) / 36, (y - 32) / 36
        return 1.5 * u * (u**2 + v**2), 1.5 * v * (u**2 + v**2)

    matrix = turned(0.004, 1.3, -2.2)
    for x, y in ((20.2, 15.7), (50.4, 47.1)):
        frame_x, frame_y = matrix[:, :2] @ [x, y] + matrix[:, 2] + np.array(displace(x, y))
        warped, _ = warp(star(SHAPE, frame_x, frame_y, 3.5), CLEAN, matrix, SHAPE, displace)
        rows, columns = np.indices(SHAPE)
        assert (warped * columns).sum() / warped.sum() == pytest.approx(x, abs=0.1)
        assert (warped * rows).sum() / warped.sum() == pytest.approx(y, abs=0.1)
        assert warped.sum() == pytest.approx(1000, rel=0.02)


def test_the_matrix_goes_from_reference_to_frame_in_x_and_y():
    frame = star((50, 90), 70.0, 20.0)
    warped, _ = warp(frame, np.zeros((50, 90), np.uint8), np.array([[1.0, 0, 10], [0, 1, 2]]), (40, 75))
    assert warped.shape == (40, 75)
    assert np.unravel_index(warped.argmax(), warped.shape) == (18, 60)


def test_noise_keeps_most_of_its_variance_and_hardly_correlates():
    rng = np.random.default_rng(3)
    ratios, neighbours = [], []
    for _ in range(12):
        noise = rng.standard_normal((128, 128)).astype(np.float32)
        matrix = np.array([[1.0, 0, rng.uniform()], [0, 1, rng.uniform()]])
        warped = inner(warp(noise, np.zeros((128, 128), np.uint8), matrix, (128, 128))[0], 4)
        ratios.append(warped.var())
        neighbours.append((warped[:, 1:] * warped[:, :-1]).mean() / warped.var())
    assert np.mean(ratios) == pytest.approx(0.83, abs=0.08)  # benchmarks/kernels
    assert np.mean(neighbours) == pytest.approx(0.09, abs=0.05)


@pytest.mark.parametrize(("shift", "kept", "beside"), [(0.0, 1.0, 0.0), (0.5, 0.68, 0.19)])
def test_the_noise_a_shift_leaves_is_known(shift, kept, beside):
    variance, correlation = noise_kept(np.array([[1, 0, 300 + shift], [0, 1, 40 + shift]]), SHAPE)
    assert variance == pytest.approx(kept, abs=0.03) and correlation == pytest.approx(beside, abs=0.02)


@pytest.mark.parametrize("degrees", [0.0, 0.05, 7.0, 40.0, 180.03])
@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.3, 0.85)])
def test_the_noise_a_turned_field_keeps_is_known(degrees, shift):
    side = 1100
    noise = np.random.default_rng(3).standard_normal((side, side)).astype(np.float32)
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    turn, middle = np.array([[cos, -sin], [sin, cos]]), np.full(2, (side - 1) / 2)
    matrix = np.column_stack([turn, middle - turn @ middle + shift])
    warped, flags = warp(noise, np.zeros(noise.shape, np.uint8), matrix, noise.shape)
    part = np.s_[320:-320, 320:-320]  # covered at any angle
    assert not flags[part].any()
    values = warped[part]
    variance = values.var()
    beside = ((values[:, 1:] * values[:, :-1]).mean() + (values[1:] * values[:-1]).mean()) / 2 / variance
    # The fractions in that part, as those of the whole, for a field turned about its middle.
    corner = matrix[:, :2] @ [320, 320] + matrix[:, 2]
    kept, correlation = noise_kept(np.column_stack([turn, corner]), values.shape)
    assert kept == pytest.approx(variance, rel=0.015) and correlation == pytest.approx(beside, abs=0.01)


@pytest.mark.parametrize("bit", [NO_DATA, SATURATED, DEFECT, OUTLIER])
def test_every_touched_pixel_inherits_the_flag(bit):
    flags = CLEAN.copy()
    flags[30, 40] = bit
    _, found = warp(np.ones(SHAPE, np.float32), flags, np.array([[1.0, 0, 0.5], [0, 1, 0.5]]), SHAPE)
    places = {tuple(map(int, place)) for place in np.argwhere(inner(found, 3) & bit) + 3}
    assert places == {(29, 39), (29, 40), (30, 39), (30, 40)}
    assert not (inner(found, 3) & ~np.uint8(bit)).any()


def test_two_flags_on_one_pixel_both_arrive():
    flags = CLEAN.copy()
    flags[30, 40] = SATURATED | DEFECT
    _, found = warp(np.ones(SHAPE, np.float32), flags, IDENTITY, SHAPE)
    assert found[30, 40] == SATURATED | DEFECT


def test_a_frame_may_be_saturated_in_any_number_of_pixels():
    shape = (200, 400)  # as many as opencv does not take in one piece
    pixels = np.random.default_rng(0).uniform(0, 6e4, shape).astype(np.float32)
    warped, flags = warp(pixels, np.full(shape, SATURATED, np.uint8), np.array([[1, 0, 0.5], [0, 1, 0]]), shape)
    between = (pixels[:, :-1] + pixels[:, 1:]) / 2
    np.testing.assert_allclose(inner(warped[:, :-1], 2), inner(between, 2), rtol=1e-4)
    assert (inner(flags, 2) & SATURATED).all()


def test_a_saturated_cliff_does_not_ring():
    pixels, flags = np.full(SHAPE, 10, np.float32), CLEAN.copy()
    pixels[28:34, 36:42], flags[28:34, 36:42] = 60_000, SATURATED
    warped, _ = warp(pixels, flags, np.array([[1.0, 0, 0.4], [0, 1, 0.4]]), SHAPE)
    assert warped[warped != 0].min() > 0 and warped[:, :30].max() < 20  # 1e-4 of the cliff


def test_the_input_is_not_changed():
    pixels, flags = star(SHAPE, 30, 30), CLEAN.copy()
    flags[3, 3] = SATURATED
    copies = pixels.copy(), flags.copy()
    warp(pixels, flags, turned(0.1, 2, 3), SHAPE)
    np.testing.assert_array_equal(pixels, copies[0])
    np.testing.assert_array_equal(flags, copies[1])


@pytest.mark.parametrize(("shift", "marked"), [(0.05, 1), (0.3, 4)])
def test_a_defect_stays_one_pixel_in_frames_that_hardly_move(shift, marked):
    flags = CLEAN.copy()
    flags[30, 40] = DEFECT
    matrix = np.array([[1, 0, shift], [0, 1, -shift]])
    found = (warp(np.zeros(SHAPE, np.float32), flags, matrix, SHAPE)[1] & DEFECT) > 0
    assert found[30, 40] and found.sum() == marked
