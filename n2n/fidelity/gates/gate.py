"""What a gate is made of: checks, each of one number against its limit, and verdicts on them in plain words.

A check fails when its number is beyond the limit by more than chance allows. It passes when harm as large as the limit
would have been seen: when the standard error is smaller than the limit, or when the number keeps the limit by as much
as chance allows. Else nothing was judged, and the verdict says so.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
from scipy import stats

from n2n.fidelity.images import Images
from n2n.fidelity.proof import ERRORS

PASS, FAIL, INFO = "PASS", "FAIL", "INFO"
CHANCE = 0.005  # of a false alarm, for a check that looks at many numbers and takes the worst


@dataclass(frozen=True)
class Limit:
    """What is allowed: a setting of the section `gates`, or a number that nobody needs to set, times a factor.

    Attributes
    ----------
    setting : str
        Its key; empty for 1.
    times : float
    """

    setting: str = ""
    times: float = 1.0

    def of(self, settings) -> float:
        """The limit with these settings."""
        return self.times * getattr(settings, self.setting) if self.setting else self.times


@dataclass(frozen=True)
class Check:
    """One number that a gate compares with a limit.

    Attributes
    ----------
    key : str
        As assessment.json has it: G1, G6 ... One key may have several checks.
    title : str
        Tells the checks of a key apart.
    limit : Limit
    unit : str
        With ``%`` the limit is a share of 1.
    bound : {"at least", "at most", "within", "none"}
        Which side of the limit is good; within: of its positive and negative.
    explanation : str
        What the number is, for people; braces hold what is known only when it was judged.
    wrong : callable
        ``wrong(value)``: what it means to fail, a clause for people (`says`). In braces ``size``, the value without its
        sign, ``measured``, the value with it, or ``title``.
    against : str
        What the number is compared with, for docs/gates.md.
    moot : bool
        Whether a factor and a level that were fitted to the stack make the number good by themselves: then to keep the
        limit proves nothing.
    """

    key: str
    title: str
    limit: Limit
    unit: str
    bound: str
    explanation: str
    wrong: Callable[[float], str]
    against: str
    moot: bool = False

    def allowed(self, settings) -> float:
        """The limit in the check's unit."""
        limit = self.limit.of(settings)
        return 100 * limit if self.unit == "%" else limit


@dataclass(frozen=True)
class Gate:
    """What decides one question about an image.

    Attributes
    ----------
    question : str
    checks : tuple of Check
    judge : callable
        ``judge(images, settings)`` gives a verdict for every check; `settings` are those of the section `gates`.
    why : str
        The numbers of the gate and their reasons, for docs/gates.md.
    needs : tuple of str
        What `Images.holds` must name; without it the gate is left out.
    looks_at : tuple of str
        Which images built for the gates it uses (`Images.keep`); they are let go after their last gate.
    """

    question: str
    checks: tuple[Check, ...]
    judge: Callable[[Images, object], list["Verdict"]]
    why: str
    needs: tuple[str, ...] = ()
    looks_at: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """One judgement, as assessment.json has it.

    Attributes
    ----------
    name : str
        Key of the check.
    title, explanation : str
        For people.
    value, uncertainty, limit : float or None
        `uncertainty` is one standard error.
    unit : str
    verdict : {"PASS", "FAIL", "INFO"}
        INFO: could not be judged; with a value where its error is too large, or not known.
    bound : {"at least", "at most", "within", "none"}
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


def says(above: str, below: str = "") -> Callable[[float], str]:
    """Words of a failure, others for values below zero where there are any."""
    return lambda value: below if below and value < 0 else above


def judged(check: Check, value: float, error: float, settings, errors: float = 2.0, **known) -> Verdict:
    """Fail when the value is beyond the limit by more than `errors` standard errors.

    Parameters
    ----------
    check : Check
        What is compared with its limit.
    value, error : float
        In the check's unit; NaN where unknown.
    settings : namespace
        Those of the section `gates`.
    errors : float
        Standard errors that chance is allowed.
    **known
        For the braces of the explanation.
    """
    limit = check.allowed(settings)
    beyond = {"at least": limit - value, "at most": value - limit, "within": abs(value) - limit}[check.bound]
    known_error = np.isfinite(error) and error >= 0
    slack = errors * error if known_error and np.isfinite(errors) else 0.0
    verdict = INFO
    if np.isfinite(value) and beyond > slack:
        verdict = FAIL
    elif np.isfinite(value) and known_error and (error < abs(limit) or beyond + slack <= 0):
        verdict = PASS
    return said(check, value, error, settings, verdict, **known)


def census(check: Check, count: int, number: int | None, error: float, settings, /, **known) -> Verdict:
    """Fail when, of many things that were looked at one by one, more than a share was found at fault.

    All were looked at, so that few are judged as well as many.

    Parameters
    ----------
    check : Check
        In percent, at most.
    count : int
        How many were found at fault.
    number : int or None
        Of how many; None where nothing could be looked at.
    error : float
        What chance is allowed, percent.
    settings : namespace
        Those of the section `gates`.
    **known
        For the braces of the explanation.
    """
    if number is None:
        return said(check, np.nan, np.nan, settings, INFO, **known)
    value = 100 * count / max(number, 1)
    verdict = FAIL if value - check.allowed(settings) > ERRORS * error else PASS
    return said(check, value, error, settings, verdict, **known)


def exactly(check: Check, differing: int, **known) -> Verdict:
    """Fail when any pixel differs.

    Parameters
    ----------
    check : Check
        What is compared with its limit.
    differing : int
        How many do.
    **known
        For the braces of the explanation.
    """
    verdict = PASS if differing == 0 else FAIL
    explanation = check.explanation.format(**known)
    return Verdict(check.key, check.title, float(differing), 0.0, 0.0, "pixels", verdict, explanation, check.bound)


def said(check: Check, value: float, error: float, settings, verdict: str, /, **known) -> Verdict:
    """A verdict, its numbers None where there are none; one that judges nothing for its error says so.

    Parameters
    ----------
    check : Check
        What is compared with its limit.
    value, error : float
        In the check's unit; NaN where unknown.
    settings : namespace
        Those of the section `gates`.
    verdict : {"PASS", "FAIL", "INFO"}
        What was found.
    **known
        For the braces of the explanation.
    """
    value = float(value) if np.isfinite(value) else None
    error = float(error) if value is not None and np.isfinite(error) and error >= 0 else None
    explanation = check.explanation.format(**known)
    if verdict == INFO and value is not None:
        why = "its error is not known" if error is None else "with so large an error it shows neither harm nor none"
        explanation = f"{explanation} Not judged: {why}."
    return Verdict(
        check.key, check.title, value, error, check.allowed(settings), check.unit, verdict, explanation, check.bound
    )


def worst(values, errors, limit, freedom=np.inf) -> tuple[int, float]:
    """Of many numbers the one farthest above its limit, and how many standard errors chance may take it there.

    Parameters
    ----------
    values, errors : ndarray, shape (n,)
        Numbers that should not exceed `limit`, and their standard errors; those not finite do not count.
    limit : float
        What they should not exceed.
    freedom : float
        Degrees of freedom of the errors: what was estimated from few parts is exceeded more often.

    Returns
    -------
    index : int
        -1 when none counts.
    slack : float
        Where nothing is wrong, any of the numbers exceeds the limit by more than so many errors in `CHANCE` of all
        cases.
    """
    counts = np.isfinite(values) & np.isfinite(errors)
    if not counts.any():
        return -1, float("nan")
    beyond = np.where(counts, (np.asarray(values) - limit) / np.where(counts, np.maximum(errors, 1e-12), 1), -np.inf)
    return int(np.argmax(beyond)), float(stats.t.isf(CHANCE / counts.sum(), freedom))


def two_errors(count: int) -> float:
    """Two standard errors, or as many as are as seldom exceeded where the error comes from few values (Student)."""
    return float(stats.t.isf(stats.norm.sf(2), max(count - 1, 1)))


def overall(verdicts: list[Verdict]) -> str:
    """FAIL when any check failed, else PASS."""
    return FAIL if any(one.verdict == FAIL for one in verdicts) else PASS
