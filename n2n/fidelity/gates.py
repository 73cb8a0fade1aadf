"""Gates: each compares one number with its limit and says in plain words what it means."""

from dataclasses import asdict, dataclass

import numpy as np

PASS, FAIL, INFO = "PASS", "FAIL", "INFO"


@dataclass(frozen=True)
class Gate:
    """One judgement.

    Attributes
    ----------
    name : str
        Short key, after the list in the project's reference (G1, G6 ...).
    title, explanation : str
        For people.
    value, uncertainty, limit : float or None
        `uncertainty` is one standard error.
    unit : str
    verdict : {"PASS", "FAIL", "INFO"}
        INFO: could not be judged, or is only reported.
    """

    name: str
    title: str
    value: float | None
    uncertainty: float | None
    limit: float | None
    unit: str
    verdict: str
    explanation: str

    def as_dict(self) -> dict:
        """Plain values for JSON."""
        return asdict(self)


def at_least(name, title, value, error, limit, explanation, unit="x") -> Gate:
    """Fail when the value is below the limit by more than two standard errors."""
    if not np.isfinite(value):
        return Gate(name, title, None, None, limit, unit, INFO, explanation)
    slack = 2 * error if np.isfinite(error) else 0.0
    return Gate(name, title, value, error, limit, unit, PASS if value + slack >= limit else FAIL, explanation)


def within(name, title, value, error, limit, explanation, unit="%") -> Gate:
    """Fail when the value is farther from zero than the limit by more than two standard errors."""
    if not np.isfinite(value):
        return Gate(name, title, None, None, limit, unit, INFO, explanation)
    slack = 2 * error if np.isfinite(error) else 0.0
    return Gate(name, title, value, error, limit, unit, PASS if abs(value) <= limit + slack else FAIL, explanation)


def exactly(name, title, differing: int, explanation) -> Gate:
    """Fail when any pixel differs."""
    return Gate(name, title, float(differing), 0.0, 0.0, "pixels", PASS if differing == 0 else FAIL, explanation)


def overall(gates: list[Gate]) -> str:
    """FAIL when any gate failed, else PASS."""
    return FAIL if any(gate.verdict == FAIL for gate in gates) else PASS
