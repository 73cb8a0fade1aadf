"""Gates: each compares one number with its limit and says in plain words what it means.

A gate fails when its number is beyond the limit by more than chance allows. It passes when harm as large as the limit
would have been seen: when the standard error is smaller than the limit, or when the number keeps the limit by as much
as chance allows. Else nothing was judged, and the gate says so.
"""

from dataclasses import asdict, dataclass

import numpy as np
from scipy import stats

from n2n.fidelity.proof import ERRORS, stands_out

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
        INFO: could not be judged; with a value where its error is too large, or not known.
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


def gain_gate(title, value, error, limit, explanation, proven: bool) -> Gate:
    """G1: fail when a gain is below its limit by more than two standard errors.

    It passes when it is above the limit by two standard errors, where it has to be `proven`; else when it is above zero
    by as much, which is to say when it was measured.
    """
    known = np.isfinite(value) and np.isfinite(error) and error >= 0
    verdict = INFO
    if stands_out(value, error, limit if proven else 0.0) and value + ERRORS * error >= limit:
        verdict = PASS
    elif np.isfinite(value) and limit - value > (ERRORS * error if known else 0.0):
        verdict = FAIL
    return _gate("G1", title, value, error, limit, "x", verdict, explanation, "at least")


def at_most(name, title, value, error, limit, explanation, unit="%", errors=2.0) -> Gate:
    """Fail when the value is above the limit by more than `errors` standard errors."""
    return _judged(name, title, value, error, limit, explanation, unit, value - limit, errors, "at most")


def within(name, title, value, error, limit, explanation, unit="%", errors=2.0) -> Gate:
    """Fail when the value is farther from zero than the limit by more than `errors` standard errors."""
    return _judged(name, title, value, error, limit, explanation, unit, abs(value) - limit, errors, "within")


def census(name, title, count: int, number: int | None, error, limit, explanation, unit="%") -> Gate:
    """Fail when, of `number` things that were looked at one by one, more than a share was found at fault.

    All were looked at, so that few are judged as well as many; `error` is what chance is allowed. With a `number` of
    None nothing could be looked at.
    """
    if number is None:
        return _gate(name, title, np.nan, np.nan, 100 * limit, unit, INFO, explanation, "at most")
    value = 100 * count / max(number, 1)
    verdict = FAIL if value - 100 * limit > ERRORS * error else PASS
    return _gate(name, title, value, error, 100 * limit, unit, verdict, explanation, "at most")


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
    known = np.isfinite(error) and error >= 0
    slack = errors * error if known and np.isfinite(errors) else 0.0
    verdict = INFO
    if np.isfinite(value) and excess > slack:
        verdict = FAIL
    elif np.isfinite(value) and known and (error < abs(limit) or excess + slack <= 0):
        verdict = PASS
    return _gate(name, title, value, error, limit, unit, verdict, explanation, bound)


def _gate(name, title, value, error, limit, unit, verdict, explanation, bound) -> Gate:
    """A gate, its numbers None where there are none; one that judges nothing for its error says so."""
    value = float(value) if np.isfinite(value) else None
    error = float(error) if value is not None and np.isfinite(error) and error >= 0 else None
    if verdict == INFO and value is not None:
        why = "its error is not known" if error is None else "with so large an error it shows neither harm nor none"
        explanation = f"{explanation} Not judged: {why}."
    return Gate(name, title, value, error, limit, unit, verdict, explanation, bound)
