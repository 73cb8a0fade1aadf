import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from n2n.sky.distortion import distort
from n2n.sky.match import NoMatch, match_stars

SIZE = 1000.0


def field(seed, number=60):
    rng = np.random.default_rng(seed)
    flux = np.sort(rng.pareto(1.0, number) * 100 + 50)[::-1]
    return np.column_stack([rng.uniform(0, SIZE, (number, 2)), flux])


def moved(stars, angle, scale, shift, seed, jitter=0.05, spurious=0.3, flux=1.0):
    """The same stars in another frame, a share of them replaced by others; and the true matrix."""
    rng = np.random.default_rng(seed + 1000)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    centre = np.array([SIZE / 2, SIZE / 2])
    matrix = np.column_stack([turn, centre + shift - turn @ centre])
    frame = np.column_stack([stars[:, :2] @ turn.T + matrix[:, 2], flux * stars[:, 2]])
    frame[:, :2] += rng.normal(0, jitter, (len(stars), 2))
    fake = rng.permutation(len(stars))[: round(spurious * len(stars))]
    frame[fake, :2] = rng.uniform(0, SIZE, (len(fake), 2))
    return frame[np.argsort(-frame[:, 2], kind="stable")], matrix


def corner_rms(one, other):
    corners = np.array([[0, 0, 1], [SIZE, 0, 1], [0, SIZE, 1], [SIZE, SIZE, 1]])
    return np.sqrt(np.mean(np.sum((corners @ (np.asarray(one) - np.asarray(other)).T) ** 2, axis=1)))


@given(
    seed=st.integers(0, 10_000),
    angle=st.one_of(st.floats(-np.pi, np.pi), st.just(np.pi)),
    scale=st.floats(0.97, 1.03),
    shift=st.tuples(st.floats(-80, 80), st.floats(-80, 80)),
)
@settings(max_examples=15, deadline=None, derandomize=True)
def test_recovers_any_similarity_with_a_third_of_the_stars_spurious(seed, angle, scale, shift):
    stars = field(seed)
    frame, matrix = moved(stars, angle, scale, np.array(shift), seed)
    match = match_stars(stars, frame)
    assert corner_rms(match.matrix, matrix) < 0.15
    assert 38 <= match.n <= 44 and 0.02 < match.rms_px < 0.08


def test_a_meridian_flip_is_nothing_special():
    stars = field(1)
    frame, matrix = moved(stars, np.pi, 1.0, np.array([12.3, -7.7]), 1)
    assert corner_rms(match_stars(stars, frame).matrix, matrix) < 0.15


def test_a_differential_stretch_is_fitted_where_there_are_enough_stars():
    stars = field(2)
    frame = stars.copy()
    frame[:, 0] *= 1.002
    assert match_stars(stars, frame).matrix[0] == pytest.approx([1.002, 0, 0], abs=1e-5)


def test_a_list_matches_itself_exactly():
    stars = field(3)
    match = match_stars(stars, stars)
    np.testing.assert_allclose(match.matrix, [[1, 0, 0], [0, 1, 0]], atol=1e-9)
    assert match.flux_ratio == 1 and match.n == len(stars)


@pytest.mark.parametrize("seed", range(4))
def test_unrelated_fields_are_refused(seed):
    with pytest.raises(NoMatch):
        match_stars(field(seed, 25), field(seed + 500, 25))


@pytest.mark.parametrize("few", [0, 1, 3])
def test_too_few_stars_are_refused_with_their_number(few):
    stars = field(4)
    with pytest.raises(NoMatch, match=f"only {few} stars in the frame"):
        match_stars(stars, stars[:few].reshape(-1, 3))
    with pytest.raises(NoMatch, match=f"only {few} stars in the reference"):
        match_stars(stars[:few].reshape(-1, 3), stars)


def test_the_same_lists_give_the_same_bytes():
    stars = field(5)
    frame, _ = moved(stars, 0.4, 1.0, np.array([5.0, 9.0]), 5)
    state = np.random.get_state()[1].copy()
    first = match_stars(stars, frame)
    np.random.default_rng().random(7)
    second = match_stars(stars, frame)
    assert first.matrix.tobytes() == second.matrix.tobytes()
    assert (first.rms_px, first.n, first.flux_ratio) == (second.rms_px, second.n, second.flux_ratio)
    assert (np.random.get_state()[1] == state).all()


@given(ratio=st.floats(0.2, 2.0), seed=st.integers(0, 1000))
@settings(max_examples=8, deadline=None, derandomize=True)
def test_the_flux_ratio_is_the_transparency(ratio, seed):
    stars = field(seed)
    frame, _ = moved(stars, 0.01, 1.0, np.array([3.0, 4.0]), seed, flux=ratio)
    frame[:, 2] *= np.random.default_rng(seed).normal(1, 0.02, len(frame))
    match = match_stars(stars, frame)
    assert match.flux_ratio == pytest.approx(ratio, rel=0.03)
    assert 0 < match.flux_ratio_error < 0.02 * ratio


def test_a_variable_star_does_not_move_the_flux_ratio():
    stars = field(8)
    frame = stars.copy()
    frame[0, 2] *= 5
    assert match_stars(stars, frame).flux_ratio == pytest.approx(1.0)


@pytest.mark.parametrize("turn", [1.0, -1.0])
@pytest.mark.parametrize("common", [5, 6, 8])
def test_a_handful_of_common_stars_among_as_many_others_is_enough(common, turn):
    rng = np.random.default_rng(common)
    stars = field(9, 2 * common)
    frame = stars.copy()
    frame[:, :2] = turn * stars[:, :2] + (SIZE if turn < 0 else 0) + [7.3, -11.8]
    frame[:, :2] += rng.normal(0, 0.05, (2 * common, 2))
    frame[1::2, :2] = rng.uniform(0, SIZE, (common, 2))
    match = match_stars(stars, frame)
    expected = [[turn, 0, 7.3 + (SIZE if turn < 0 else 0)], [0, turn, -11.8 + (SIZE if turn < 0 else 0)]]
    assert corner_rms(match.matrix, expected) < 0.3 and match.n == common


def test_small_unrelated_fields_of_few_stars_are_hardly_ever_matched():
    wrong = 0
    for seed in range(40):
        one, other = field(seed, 12), field(seed + 500, 12)
        one[:, :2] *= 0.25
        other[:, :2] *= 0.25
        try:
            match_stars(one, other)
        except NoMatch:
            continue
        wrong += 1
    assert wrong <= 1


def affine(turn, shift):
    turn = turn * np.eye(2)
    centre = np.array([SIZE / 2, SIZE / 2])
    return np.column_stack([turn, centre + shift - turn @ centre])


@given(
    seed=st.integers(0, 10_000),
    angle=st.one_of(st.floats(-0.02, 0.02), st.floats(np.pi - 0.02, np.pi + 0.02)),
    scale=st.floats(0.998, 1.002),
    shift=st.tuples(st.floats(-60, 60), st.floats(-60, 60)),
)
@settings(max_examples=25, deadline=None, derandomize=True)
def test_positions_are_predicted_to_a_tenth_of_a_pixel(seed, angle, scale, shift):
    stars = field(seed)
    frame, matrix = moved(stars, angle, scale, np.array(shift), seed, spurious=0.2)
    match = match_stars(stars, frame)
    homogeneous = np.column_stack([stars[:, :2], np.ones(len(stars))])
    assert match.distortion is None
    assert np.sqrt(np.mean((homogeneous @ (match.matrix - matrix).T) ** 2)) < 0.1


@pytest.mark.parametrize("degrees, shift", [(0.3, (12.0, -31.0)), (180.5, (-20.0, 8.0))])
def test_shift_rotation_and_scale_cost_no_import_of_triangles(degrees, shift, monkeypatch):
    stars = field(11, 300)
    frame, matrix = moved(stars, np.radians(degrees), 1.002, np.array(shift), 11)
    monkeypatch.setattr("n2n.sky.match._from_triangles", lambda *_: pytest.fail("the vote was enough"))
    assert corner_rms(match_stars(stars, frame).matrix, matrix) < 0.05


@pytest.mark.parametrize("scale", [0.5, 1.15, 1.3, 2.0])
@pytest.mark.parametrize(("number", "spurious"), [(8, 0.3), (15, 0.5), (60, 0.5), (150, 0.6)])
def test_another_scale_is_left_to_triangles(scale, number, spurious):
    stars = field(12, number)
    frame, matrix = moved(stars, 2.2, scale, np.array([5.0, 5.0]), 12, spurious=spurious)
    assert corner_rms(match_stars(stars, frame).matrix, matrix) < 0.5


@pytest.mark.parametrize("number", [60, 150, 300])
def test_another_field_is_refused(number):
    for seed in range(3):  # how fast: benchmarks/matching
        with pytest.raises(NoMatch):
            match_stars(field(seed, number), field(seed + 500, number))


@pytest.mark.parametrize("turn", [1.0, -1.0])
@pytest.mark.parametrize("seed", range(5))
def test_a_field_of_five_stars_with_a_false_one_in_either_list(seed, turn):
    stars, rng = field(seed, 5), np.random.default_rng(seed)
    matrix = affine(turn, [6.2, -9.1])
    frame = np.column_stack([stars[:, :2] @ matrix[:, :2].T + matrix[:, 2], stars[:, 2]])
    frame[:, :2] += rng.normal(0, 0.05, (5, 2))
    frame[seed, :2] = rng.uniform(0, SIZE, 2)
    match = match_stars(stars, frame)
    assert match.n == 4 and corner_rms(match.matrix, matrix) < 0.4


def with_hot_pixels(stars, number, seed):
    rng = np.random.default_rng(seed + 77)
    hot = np.column_stack([rng.uniform(0, SIZE, (number, 2)), rng.uniform(100, 5000, number)])
    stars = np.vstack([stars, hot])
    return stars[np.argsort(-stars[:, 2], kind="stable")]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("real, hot", [(25, 60), (10, 60), (10, 200)])
def test_hot_pixels_in_both_lists_do_not_hold_the_sky(seed, real, hot):
    stars = field(seed, real)
    frame, matrix = moved(stars, 0.0, 1.0, np.array([8.0, -5.0]), seed, spurious=0)
    match = match_stars(with_hot_pixels(stars, hot, seed), with_hot_pixels(frame, hot, seed))
    assert corner_rms(match.matrix, matrix) < 0.2 and match.n <= real


@pytest.mark.parametrize("seed", range(5))
def test_undithered_frames_with_hot_pixels_stay_where_they_are(seed):
    stars = field(seed, 25)
    frame, matrix = moved(stars, 0.0, 1.0, np.zeros(2), seed, jitter=0.2, spurious=0.2)
    match = match_stars(with_hot_pixels(stars, 60, seed), with_hot_pixels(frame, 60, seed))
    assert corner_rms(match.matrix, matrix) < 0.2


def bent(points, pixels=1.5, side=2000.0):
    """Radial distortion of the third order about the centre, `pixels` in the corners."""
    u = (points - side / 2) / (side / 2)
    radius2 = np.sum(u**2, axis=1, keepdims=True) / 2
    return points + pixels * u / np.sqrt(2) * radius2


@pytest.mark.parametrize("pixels", [1.5, 6.0])
@pytest.mark.parametrize("turn", [1.0, -1.0])
def test_distortion_is_found_where_it_is(pixels, turn):
    # The optics bend the sky as the detector sees it, before and after the mount has moved.
    rng = np.random.default_rng(21)
    sky, flux = rng.uniform(0, 2000, (200, 2)), np.sort(rng.pareto(1.0, 200) * 100 + 50)[::-1]
    where = turn * (sky - 1000) + 1000 + [140.0, -90.0]
    there, here = bent(where, pixels) + rng.normal(0, 0.05, (200, 2)), bent(sky, 0.2 * pixels)
    match = match_stars(np.column_stack([here, flux]), np.column_stack([there, flux]))
    assert match.distortion is not None and match.n > 180 and match.rms_px < 0.08
    sky = rng.uniform(50, 1950, (200, 2))
    here, there = bent(sky, 0.2 * pixels), bent(turn * (sky - 1000) + 1000 + [140.0, -90.0], pixels)
    predicted = here @ match.matrix[:, :2].T + match.matrix[:, 2] + np.column_stack(distort(*here.T, match.distortion))
    assert np.sqrt(np.mean((predicted - there) ** 2)) < 0.1


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("number", [70, 250])
def test_without_distortion_none_is_invented(seed, number):
    stars = field(seed, number)
    frame, _ = moved(stars, np.pi, 1.001, np.array([5.0, 5.0]), seed, jitter=0.1, spurious=0)
    assert match_stars(stars, frame).distortion is None
