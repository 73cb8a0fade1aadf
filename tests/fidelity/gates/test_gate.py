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
    at_least,
    at_most,
    census,
    exactly,
    gain_gate,
    overall,
    two_errors,
    within,
    worst,
)
from n2n.fidelity.proof import stands_out, unproven

NAN, INF = float("nan"), float("inf")


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
    gate = at_least("G4", "Depth", value, error, limit, "words")
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
    assert within("G6", "Flux", value, error, limit, "words").verdict == verdict


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
    assert at_most("G5", "False", value, error, 1.0, "words", errors=errors).verdict == verdict


GAINS = [
    (176.0, 344.0, INFO, INFO),  # of a colour mosaic, once "denoised and proven"
    (16.0, 16.0, INFO, INFO),
    (5.0, 2.4, INFO, PASS),
    (1.3, 0.04, PASS, PASS),
    (1.3, 0.06, INFO, PASS),
    (1.0, 0.15, INFO, PASS),
    (1.0, 0.05, FAIL, PASS),
    (0.8, 0.05, FAIL, FAIL),
    (0.5, 0.5, INFO, INFO),
    (16.0, 1.3, PASS, PASS),
    (43.9, 2.4, PASS, PASS),
    (5.57, 0.30, PASS, PASS),
    (1.46, 0.03, PASS, PASS),
    (137.5, 60.0, PASS, PASS),
    (1e6, 2e6, INFO, INFO),  # what the floor of `risk.gain_of` makes of an error at or below zero
    (16.0, NAN, INFO, INFO),
    (16.0, INF, INFO, INFO),
    (16.0, 0.0, INFO, INFO),
    (16.0, -1.0, INFO, INFO),
    (NAN, 1.0, INFO, INFO),
    (INF, 1.0, INFO, INFO),
    (NAN, NAN, INFO, INFO),
    (0.0, 0.0, FAIL, FAIL),
    (-5.0, 1.0, FAIL, FAIL),
    (1.0, NAN, FAIL, INFO),
]


@pytest.mark.parametrize(("value", "error", "whole", "zone"), GAINS)
def test_a_gain_passes_only_where_it_stands_out_of_its_error(value, error, whole, zone):
    gate = gain_gate("Gain", value, error, 1.2, "words", proven=True)
    assert gate.verdict == whole and (gate.name, gate.unit, gate.bound) == ("G1", "x", "at least")
    assert gain_gate("Gain in stars", value, error, 0.98, "words", proven=False).verdict == zone
    assert (unproven(value, error, 1.2) == "") == (whole == PASS)
    assert stands_out(value, error) or whole != PASS
    json.dumps(gate.as_dict(), allow_nan=False)


@given(st.floats(allow_nan=True), st.floats(allow_nan=True), st.floats(0.1, 10))
def test_no_gain_passes_that_its_error_could_explain(value, error, limit):
    for proven in (True, False):
        if gain_gate("Gain", value, error, limit, "words", proven=proven).verdict == PASS:
            assert 0 < error < INF and value - 2 * error > (limit if proven else 0) and value + 2 * error >= limit


@given(st.floats(allow_nan=True), st.floats(allow_nan=True), st.floats(1e-3, 100), st.floats(2, 15))
def test_no_gate_passes_with_an_error_as_large_as_its_limit(value, error, limit, errors):
    for judge in (at_most, within):
        gate = judge("G2", "Light", value, error, limit, "words", errors=errors)
        beyond = (value if judge is at_most else abs(value)) - limit
        if gate.verdict == PASS:
            assert error >= 0 and (error < limit or beyond + errors * error <= 0)
        # No limit is wider or narrower than it was.
        slack = errors * error if 0 <= error < INF else 0
        assert (gate.verdict == FAIL) == (math.isfinite(value) and beyond > slack)


def test_why_a_gain_is_not_proven_is_said():
    assert unproven(176, 344, 1.2) == (
        "the held-out exposures prove no gain: 176 +- 344 times the exposures, "
        "and an error as large as the value proves nothing"
    )
    assert "less than 2 standard errors above the 1.2 asked for" in unproven(1.3, 0.1, 1.2)
    assert "could not be measured" in unproven(NAN, 1, 1.2) and "error of the gain" in unproven(9, NAN, 1.2)
    assert "could not be measured" in unproven(None, None, 1.2)


@pytest.mark.parametrize(
    ("count", "number", "verdict"), [(0, 5, PASS), (1, 5, PASS), (2, 5, FAIL), (0, 0, PASS), (0, None, INFO)]
)
def test_a_census_of_few_is_one_all_the_same(count, number, verdict):
    gate = census("G5", "Invented stars", count, number, 15.0, 0.002, "words")
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
    assert at_most("G9", "Residual", 0.0, 0.0, 5.0, "words", errors=slack).verdict == PASS and index >= 0


def test_chance_alone_fails_as_seldom_as_promised():
    rng, fails, tries = np.random.default_rng(0), 0, 4000
    for _ in range(tries):
        values = rng.normal(size=12)
        index, slack = worst(values, np.ones(12), 0.0)
        fails += values[index] > slack
    assert 0.4 * CHANCE < fails / tries < 2 * CHANCE


@pytest.mark.parametrize(("differing", "verdict"), [(0, PASS), (1, FAIL), (5000, FAIL)])
def test_exactly(differing, verdict):
    gate = exactly("G11", "Saturated", differing, "words")
    assert (gate.verdict, gate.value, gate.unit) == (verdict, differing, "pixels")


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [([PASS, PASS], PASS), ([PASS, INFO], PASS), ([PASS, FAIL], FAIL), ([FAIL, INFO], FAIL)],
)
def test_one_failure_is_enough(verdicts, expected):
    gates = {PASS: exactly("a", "a", 0, ""), FAIL: exactly("a", "a", 1, ""), INFO: within("a", "a", NAN, 0, 1, "")}
    assert overall([gates[verdict] for verdict in verdicts]) == expected


def test_a_gate_can_be_written_as_json():
    gate = at_least("G1", "Gain", np.float64(1.5), np.float64(0.1), 1.2, "words")
    assert json.loads(json.dumps(gate.as_dict(), allow_nan=False)) == {
        "name": "G1", "title": "Gain", "value": 1.5, "uncertainty": 0.1, "limit": 1.2, "unit": "x",
        "verdict": "PASS", "explanation": "words", "bound": "at least",
    }  # fmt: skip
