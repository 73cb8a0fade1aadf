import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


def test_the_generator_of_numpy_is_given_back():
    before = np.random.default_rng
    match_stars(field(6), field(6))
    with pytest.raises(NoMatch):
        match_stars(field(6, 9), field(7, 9))
    assert np.random.default_rng is before


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
