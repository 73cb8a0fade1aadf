"""What is decided on the verdicts; how they come about is the gates' and the stage's matter."""

from types import SimpleNamespace

import pytest

from n2n.fidelity.gates.gate import Verdict
from n2n.fidelity.judge import decision


def verdict(title="Seams", value=0.2, limit=0.05, unit="sigma", verdict="PASS"):
    return Verdict("G12", title, value, 0.01, limit, unit, verdict, "words")


def claim(value=16.0, error=1.0):
    return SimpleNamespace(gain={"value": value, "standard_error": error})


def test_a_proven_gain_without_a_fault_is_shipped():
    found = decision([verdict()], claim(), True, 1.2)
    assert found == {
        "product": "DENOISED", "qastat": "PASS", "reason": "", "headline": "worth 16.0 +- 1.0 times the exposures",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("verdicts", "gain", "numbers", "qastat", "reason"),
    [
        ([verdict(verdict="FAIL")], claim(), True, "FAIL", "Seams: 0.2 sigma, limit 0.05"),
        ([verdict()], claim(1.3, 0.1), True, "WARN", "the held-out exposures prove no gain: 1.3 +- 0.1 times"),
        ([verdict()], claim(), False, "FAIL", "the network gave values that are not numbers"),
        ([verdict("Gain", 0.8, 1.2, "x", "FAIL")], claim(0.8, 0.05), True, "FAIL", "Gain: 0.8 x, limit 1.2"),
    ],
)
def test_else_the_stack_is_with_the_reason(verdicts, gain, numbers, qastat, reason):
    found = decision(verdicts, gain, numbers, 1.2)
    assert (found["product"], found["qastat"]) == ("STACK", qastat) and "headline" not in found
    assert found["reason"].startswith(reason)


def test_a_fault_and_a_doubt_are_both_told():
    found = decision([verdict(verdict="FAIL")], claim(1.3, 0.1), True, 1.2)
    assert found["qastat"] == "FAIL" and "prove no gain" in found["reason"] and "Seams: 0.2" in found["reason"]
