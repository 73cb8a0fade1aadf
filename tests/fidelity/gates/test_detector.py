import numpy as np
import pytest
from observed import SETTINGS

from n2n.fidelity.gates.detector import is_found, pattern_verdict
from n2n.fidelity.gates.gate import FAIL, INFO, PASS
from n2n.group.shared import SharedError


@pytest.mark.parametrize(
    ("value", "verdict", "found"), [(0.0002, PASS, False), (0.012, PASS, False), (0.05, PASS, True), (0.12, FAIL, True)]
)
def test_a_pattern_is_told_of_and_fails_where_it_would_deceive(value, verdict, found):
    shared = SharedError(value, 0.002)
    assert pattern_verdict(shared, SETTINGS).verdict == verdict and is_found(shared) == found


def test_what_had_to_be_left_is_said():
    assert (
        "5.2% could not be told from the sky" in pattern_verdict(SharedError(0.055, 0.003, 0.052), SETTINGS).explanation
    )


def test_nights_that_hardly_moved_are_not_judged_and_say_why():
    shared = SharedError(np.nan, np.nan, note="the telescope was hardly moved")
    found = pattern_verdict(shared, SETTINGS)
    assert found.verdict == INFO and found.value is None and "hardly moved" in found.explanation
    assert not is_found(shared)
