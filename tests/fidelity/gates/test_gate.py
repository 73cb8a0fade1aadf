import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from n2n.fidelity.gates.gate import (
    CHANCE,
    FAIL,
    INFO,
    PASS,
    Check,
    Limit,
    exactly,
    judged,
    overall,
    says,
    two_errors,
    worst,
)
from n2n.fidelity.gates.gate import census as counted

NAN, INF = float("nan"), float("inf")


def check(bound, limit=1.0, unit="px", words="words", key="G0", title="Title"):
    return Check(key, title, Limit(times=limit), unit, bound, words, says("wrong"), "S")


def at_least(value, error, limit):
    return judged(check("at least", limit), value, error, None)


def at_most(value, error, limit, errors=2.0):
    return judged(check("at most", limit), value, error, None, errors)


def within(value, error, limit, errors=2.0):
    return judged(check("within", limit), value, error, None, errors)


def census(count, number, error, limit):
    return counted(check("at most", limit, "%"), count, number, error, None)


def differing(count):
    return exactly(check("none", 0.0, "pixels"), count)


@pytest.mark.parametrize(
    ("value", "error", "limit", "verdict"),
    [
        (1.5, 0.0, 1.2, PASS),
        (1.2, 0.0, 1.2, PASS),
        (1.19, 0.0, 1.2, FAIL),
        (1.0, 0.11, 1.2, PASS),  # two standard errors would reach it
        (1.0, 0.09, 1.2, FAIL),
        (1.1, NAN, 1.2, FAIL),
        (1.3, NAN, 1.2, INFO),  # without an error nothing is judged
        (1.3, INF, 1.2, INFO),
        (1.3, -0.1, 1.2, INFO),
        (1.3, 1.2, 1.2, INFO),  # an error as large as the limit judges nothing ...
        (4.0, 1.3, 1.2, PASS),  # ... unless the limit is kept all the same
        (NAN, 0.1, 1.2, INFO),
        (INF, 0.1, 1.2, INFO),
    ],
)
def test_at_least(value, error, limit, verdict):
    gate = at_least(value, error, limit)
    assert gate.verdict == verdict
    assert gate.value == (value if np.isfinite(value) else None) and gate.limit == limit
    assert ("Not judged" in gate.explanation) == (verdict == INFO and gate.value is not None)


@pytest.mark.parametrize(
    ("value", "error", "limit", "verdict"),
    [
        (0.0, 0.0, 1.0, PASS),
        (1.0, 0.0, 1.0, PASS),
        (-1.0, 0.0, 1.0, PASS),
        (1.01, 0.0, 1.0, FAIL),
        (-1.01, 0.0, 1.0, FAIL),
        (-1.5, 0.26, 1.0, PASS),
        (1.5, 0.24, 1.0, FAIL),
        (1.5, NAN, 1.0, FAIL),
        (0.0, NAN, 1.0, INFO),
        (0.0, 1.0, 1.0, INFO),
        (2.5, 1.0, 1.0, INFO),
        (3.5, 1.0, 1.0, FAIL),
        (NAN, 0.1, 1.0, INFO),
    ],
)
def test_within(value, error, limit, verdict):
    assert within(value, error, limit).verdict == verdict


@pytest.mark.parametrize(
    ("value", "error", "errors", "verdict"),
    [
        (0.9, 0.0, 2, PASS),
        (-5.0, 0.0, 2, PASS),
        (1.1, 0.0, 2, FAIL),
        (1.3, 0.1, 2, FAIL),
        (1.3, 0.1, 4, PASS),
        (1.3, NAN, 4, FAIL),
        (0.3, NAN, 4, INFO),
        (0.0, 1.5, 2, INFO),
        (-9.0, 1.5, 2, PASS),  # far below, however uncertain
        (NAN, 0.1, 2, INFO),
    ],
)
def test_at_most(value, error, errors, verdict):
    assert at_most(value, error, 1.0, errors).verdict == verdict


@given(st.floats(allow_nan=True), st.floats(allow_nan=True), st.floats(1e-3, 100), st.floats(2, 15))
def test_no_gate_passes_with_an_error_as_large_as_its_limit(value, error, limit, errors):
    for judge in (at_most, within):
        gate = judge(value, error, limit, errors)
        beyond = (value if judge is at_most else abs(value)) - limit
        if gate.verdict == PASS:
            assert error >= 0 and (error < limit or beyond + errors * error <= 0)
        # No limit is wider or narrower than it was.
        slack = errors * error if 0 <= error < INF else 0
        assert (gate.verdict == FAIL) == (math.isfinite(value) and beyond > slack)


@pytest.mark.parametrize(
    ("count", "number", "verdict"), [(0, 5, PASS), (1, 5, PASS), (2, 5, FAIL), (0, 0, PASS), (0, None, INFO)]
)
def test_a_census_of_few_is_one_all_the_same(count, number, verdict):
    gate = census(count, number, 15.0, 0.002)
    assert gate.verdict == verdict and gate.limit == 0.2 and (gate.value is None) == (number is None)


def test_the_worst_of_many():
    values, errors = np.array([1.0, 3.0, NAN, 2.5, 9.0]), np.array([1.0, 1.0, 1.0, 0.1, NAN])
    index, slack = worst(values, errors, 1.0)
    assert index == 3 and 2.5 < slack < 4
    assert worst(values, errors, 1.0, freedom=5)[1] > slack
    nothing = worst(np.array([NAN]), np.array([1.0]), 0.0)
    assert nothing[0] == -1 and np.isnan(nothing[1])


def test_few_values_need_more_errors():
    assert two_errors(3) > 4 > two_errors(6) > two_errors(1000) > 2 and two_errors(1000) < 2.01
    assert np.isfinite(two_errors(0))


def test_nothing_changed_is_no_harm():
    index, slack = worst(np.zeros(4), np.zeros(4), 5.0)
    assert at_most(0.0, 0.0, 5.0, slack).verdict == PASS and index >= 0


def test_chance_alone_fails_as_seldom_as_promised():
    rng, fails, tries = np.random.default_rng(0), 0, 4000
    for _ in range(tries):
        values = rng.normal(size=12)
        index, slack = worst(values, np.ones(12), 0.0)
        fails += values[index] > slack
    assert 0.4 * CHANCE < fails / tries < 2 * CHANCE


@pytest.mark.parametrize(("count", "verdict"), [(0, PASS), (1, FAIL), (5000, FAIL)])
def test_exactly(count, verdict):
    gate = differing(count)
    assert (gate.verdict, gate.value, gate.unit) == (verdict, count, "pixels")


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [([PASS, PASS], PASS), ([PASS, INFO], PASS), ([PASS, FAIL], FAIL), ([FAIL, INFO], FAIL)],
)
def test_one_failure_is_enough(verdicts, expected):
    gates = {PASS: differing(0), FAIL: differing(1), INFO: within(NAN, 0, 1)}
    assert overall([gates[verdict] for verdict in verdicts]) == expected


def test_a_verdict_can_be_written_as_json():
    one = judged(check("at least", 1.2, "x", "{n} words"), np.float64(1.5), np.float64(0.1), None, n=3)
    assert json.loads(json.dumps(one.as_dict(), allow_nan=False)) == {
        "name": "G0", "title": "Title", "value": 1.5, "uncertainty": 0.1, "limit": 1.2, "unit": "x",
        "verdict": "PASS", "explanation": "3 words", "bound": "at least",
    }  # fmt: skip


def test_a_limit_is_a_setting_times_a_factor_and_a_share_is_told_in_percent():
    class Settings:
        max_invented = 0.002

    limit = Limit("max_invented", times=5)
    assert limit.of(Settings) == 0.01 and Limit(times=0.05).of(None) == 0.05
    shares, pixels = (Check("G5", "Lost", limit, unit, "at most", "", says(""), "S") for unit in ("%", "px"))
    assert shares.allowed(Settings) == 1.0 and pixels.allowed(Settings) == 0.01


def test_words_of_a_failure_know_the_sign():
    assert says("more", "less")(1.0) == "more" and says("more", "less")(-1.0) == "less" and says("it")(-1.0) == "it"
