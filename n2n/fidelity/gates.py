"""Gates: each compares one number with its limit and says in plain words what it means."""

from dataclasses import asdict, dataclass

import numpy as np
from scipy import stats

PASS, FAIL, INFO = "PASS", "FAIL", "INFO"
CHANCE = 0.005  # of a false alarm, for a gate that looks at many numbers and takes the worst


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
    bound : {"at least", "at most", "within", "none"}
        Which side of the limit is good; within: of its positive and negative.
    """

    name: str
    title: str
    value: float | None
    uncertainty: float | None
    limit: float | None
    unit: str
    verdict: str
    explanation: str
    bound: str = "within"

    def as_dict(self) -> dict:
        """Plain values for JSON."""
        return asdict(self)


def at_least(name, title, value, error, limit, explanation, unit="x") -> Gate:
    """Fail when the value is below the limit by more than two standard errors."""
    return _judged(name, title, value, error, limit, explanation, unit, limit - value, 2.0, "at least")


def at_most(name, title, value, error, limit, explanation, unit="%", errors=2.0) -> Gate:
    """Fail when the value is above the limit by more than `errors` standard errors."""
    return _judged(name, title, value, error, limit, explanation, unit, value - limit, errors, "at most")


def within(name, title, value, error, limit, explanation, unit="%", errors=2.0) -> Gate:
    """Fail when the value is farther from zero than the limit by more than `errors` standard errors."""
    return _judged(name, title, value, error, limit, explanation, unit, abs(value) - limit, errors, "within")


def exactly(name, title, differing: int, explanation) -> Gate:
    """Fail when any pixel differs."""
    verdict = PASS if differing == 0 else FAIL
    return Gate(name, title, float(differing), 0.0, 0.0, "pixels", verdict, explanation, "none")


def worst(values, errors, limit, freedom=np.inf) -> tuple[int, float]:
    """Of many numbers the one farthest above its limit, and how many standard errors chance may take it there.

    Parameters
    ----------
    values, errors : ndarray, shape (n,)
        Numbers that should not exceed `limit`, and their standard errors; those not finite do not count.
    freedom : float
        Degrees of freedom of the errors: what was estimated from few parts is exceeded more often.

    Returns
    -------
    index : int
        -1 when none counts.
    slack : float
        A perfect result exceeds the limit by more than so many errors anywhere in `CHANCE` of all cases.
    """
    counts = np.isfinite(values) & np.isfinite(errors)
    if not counts.any():
        return -1, float("nan")
    beyond = np.where(counts, (np.asarray(values) - limit) / np.where(counts, np.maximum(errors, 1e-12), 1), -np.inf)
    return int(np.argmax(beyond)), float(stats.t.isf(CHANCE / counts.sum(), freedom))


def two_errors(count: int) -> float:
    """Two standard errors, or as many as are as seldom exceeded where the error comes from few values (Student)."""
    return float(stats.t.isf(stats.norm.sf(2), max(count - 1, 1)))


def overall(gates: list[Gate]) -> str:
    """FAIL when any gate failed, else PASS."""
    return FAIL if any(gate.verdict == FAIL for gate in gates) else PASS


def _judged(name, title, value, error, limit, explanation, unit, excess, errors, bound) -> Gate:
    if not np.isfinite(value):
        return Gate(name, title, None, None, limit, unit, INFO, explanation, bound)
    slack = errors * error if np.isfinite(error) else 0.0
    verdict = PASS if excess <= slack else FAIL
    return Gate(name, title, float(value), float(error), limit, unit, verdict, explanation, bound)
