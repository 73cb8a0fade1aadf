"""When a gain is a measurement, and when it is proven. Loads nothing: what only reports asks here, too."""

import math

ERRORS = 2.0  # standard errors by which a gain has to stand out


def stands_out(value: float | None, error: float | None, above: float = 0.0) -> bool:
    """Whether a gain is above `above` by two standard errors.

    With ``above=0`` that asks whether it was measured at all: the gain is the inverse of an error that is found as a
    difference, and where that is lost in its noise the gain can be any number. An error that is unknown, or none,
    tells nothing either.

    Parameters
    ----------
    value, error : float or None
        The gain, and its standard error.
    above : float
        What it has to exceed.
    """
    known = all(number is not None and math.isfinite(number) for number in (value, error))
    return known and error > 0 and value - ERRORS * error > above


def unproven(value: float | None, error: float | None, limit: float) -> str:
    """Why a gain is not proven to exceed its limit, in words and ASCII; empty when it is.

    Parameters
    ----------
    value, error : float or None
        Of the gain.
    limit : float
        What it has to exceed.
    """
    if stands_out(value, error, limit):
        return ""
    if value is None or not math.isfinite(value) or value <= 0:
        return "the gain could not be measured on the held-out exposures"
    if error is None or not math.isfinite(error) or error <= 0:
        return "the error of the gain could not be measured on the held-out exposures, which thus prove nothing"
    said = f"the held-out exposures prove no gain: {_plain(value)} +- {_plain(error)} times the exposures"
    if error >= value:
        return f"{said}, and an error as large as the value proves nothing"
    return f"{said} is less than {ERRORS:g} standard errors above the {limit:g} asked for"


def _plain(number: float) -> str:
    """A number to three digits, never with an exponent where a person would write none."""
    return f"{number:.0f}" if 100 <= number < 1e6 else f"{number:.3g}"


def is_measured(gain: dict | None) -> bool:
    """Whether a gain stands out of its error: what does not must not be claimed."""
    return stands_out(*((gain or {}).get(key) for key in ("value", "standard_error")))
