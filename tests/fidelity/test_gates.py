import json

import numpy as np
import pytest

from n2n.fidelity.gates import CHANCE, FAIL, INFO, PASS, at_least, at_most, exactly, overall, two_errors, within, worst

NAN = float("nan")


@pytest.mark.parametrize(
    ("value", "error", "limit", "verdict"),
    [
        (1.5, 0.0, 1.2, PASS),
        (1.2, 0.0, 1.2, PASS),
        (1.19, 0.0, 1.2, FAIL),
        (1.0, 0.11, 1.2, PASS),  # two standard errors would reach it
        (1.0, 0.09, 1.2, FAIL),
        (1.1, NAN, 1.2, FAIL),
        (1.3, NAN, 1.2, PASS),
        (NAN, 0.1, 1.2, INFO),
        (float("inf"), 0.1, 1.2, INFO),
    ],
)
def test_at_least(value, error, limit, verdict):
    gate = at_least("G1", "Gain", value, error, limit, "words")
    assert gate.verdict == verdict
    assert gate.value == (None if verdict == INFO else value) and gate.limit == limit


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
        (NAN, 0.1, 2, INFO),
    ],
)
def test_at_most(value, error, errors, verdict):
    assert at_most("G5", "False", value, error, 1.0, "words", errors=errors).verdict == verdict


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
