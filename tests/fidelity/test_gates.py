import json

import numpy as np
import pytest

from n2n.fidelity.gates import FAIL, INFO, PASS, at_least, exactly, overall, within

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
        "verdict": "PASS", "explanation": "words",
    }  # fmt: skip
