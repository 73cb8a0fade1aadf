import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from observed import SETTINGS, Sky

from n2n.fidelity.gates.gain import BY_ZONE, GAIN, WHOLE, WORDS, verdict
from n2n.fidelity.gates.gate import FAIL, INFO, PASS
from n2n.fidelity.proof import stands_out, unproven
from n2n.report import words

NAN, INF = float("nan"), float("inf")


def judged(value, error, limit, proven=True):
    settings = replace(SETTINGS, min_gain=limit, min_zone_gain=limit)
    check = WHOLE if proven else BY_ZONE[2]
    return verdict(check, {"value": value, "standard_error": error}, settings, proven)


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
    gate = judged(value, error, 1.2)
    assert gate.verdict == whole and (gate.name, gate.unit, gate.bound) == ("G1", "x", "at least")
    assert judged(value, error, 0.98, proven=False).verdict == zone
    assert (unproven(value, error, 1.2) == "") == (whole == PASS)
    assert stands_out(value, error) or whole != PASS
    json.dumps(gate.as_dict(), allow_nan=False)


@given(st.floats(allow_nan=True), st.floats(allow_nan=True), st.floats(0.1, 10))
def test_no_gain_passes_that_its_error_could_explain(value, error, limit):
    for proven in (True, False):
        if judged(value, error, limit, proven).verdict == PASS:
            assert 0 < error < INF and value - 2 * error > (limit if proven else 0) and value + 2 * error >= limit


def test_why_a_gain_is_not_proven_is_said():
    assert unproven(176, 344, 1.2) == (
        "the held-out exposures prove no gain: 176 +- 344 times the exposures, "
        "and an error as large as the value proves nothing"
    )
    assert "less than 2 standard errors above the 1.2 asked for" in unproven(1.3, 0.1, 1.2)
    assert "could not be measured" in unproven(NAN, 1, 1.2) and "error of the gain" in unproven(9, NAN, 1.2)
    assert "could not be measured" in unproven(None, None, 1.2)


def test_the_whole_image_must_be_proven_and_its_zones_measured():
    """A gain of 1.1 is nothing for the whole image, and no harm in a zone."""
    sky, gain = Sky(0), {"value": 1.1, "standard_error": 0.06}
    gains = dict.fromkeys(("all", "background", "extended", "stars"), gain)
    found = GAIN.judge(sky.seen(sky.good(), gains=gains), SETTINGS)
    assert [one.title for one in found] == [
        "Gain",
        "Gain in empty sky",
        "Gain in nebulae and galaxies",
        "Gain in stars",
    ]
    assert [one.verdict for one in found] == [INFO, PASS, PASS, PASS]


def test_gate_and_report_call_the_zones_alike():
    assert WORDS == words.ZONES
