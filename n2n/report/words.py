"""What the report says: verdicts, reasons and numbers in plain words."""

from n2n.fidelity.proof import is_measured
from n2n.report.charts import plus_minus

ORDER = {"FAIL": 0, "WARN": 1, "PASS": 2}
VERDICTS = {"FAIL": "Denoising refused", "WARN": "Not denoised", "PASS": "Denoised and proven"}
COUNTED = {"FAIL": "refused", "WARN": "not proven", "PASS": "denoised and proven"}
SIGNS = {"FAIL": "✕", "WARN": "!", "PASS": "✓", "INFO": "–"}
ZONES = {"background": "empty sky", "extended": "nebulae and galaxies", "stars": "stars"}


def verdict_of(facts: dict) -> str:
    """``FAIL``, ``WARN`` or ``PASS``; whatever is not known counts as WARN."""
    verdict = facts.get("qastat")
    return verdict if verdict in ORDER else "WARN"


def said_of(facts: dict) -> str:
    """The verdict in words."""
    if verdict_of(facts) == "WARN" and facts.get("product") == "DENOISED":
        return "Denoised, little proven"
    return VERDICTS[verdict_of(facts)]


def gain_of(facts: dict, digits: int = 2, key: str = "exposure_gain") -> str:
    """The gain with its error; nothing where it is no measurement."""
    gain = facts.get(key) or {}
    return plus_minus(gain["value"], gain["standard_error"], digits) if is_measured(gain) else ""


def equal_exposures(facts: dict) -> str:
    """Exposures a plain stack would need for the same error, to two digits: ``about 350``."""
    gain, used = facts.get("exposure_gain"), facts["exposures"]["used"]
    if not is_measured(gain):
        return ""
    equal = float(f"{gain['value'] * used:.2g}")
    return f"about {equal:,.0f}".replace(",", " ")


def needs(gate: dict) -> str:
    """What a gate asks for: ``at least 1.2 ×``."""
    limit, unit = gate.get("limit"), unit_of(gate)
    if limit is None:
        return ""
    if gate.get("unit") == "x" or gate.get("bound") == "at least":
        return f"at least {limit:g}{unit}".replace("-", "−")
    if gate.get("bound") == "at most":
        return f"at most {limit:g}{unit}"
    return "none" if limit == 0 else f"within ± {limit:g}{unit}"


def unit_of(gate: dict) -> str:
    """The unit as it is written behind a number."""
    unit = gate.get("unit") or ""
    return {"x": " ×", "sigma": " σ", "pixels": " px"}.get(unit, f" {unit}" if unit else "")


def measured(gate: dict) -> str:
    """Value and uncertainty of a gate with the unit."""
    if gate.get("value") is None:
        return "not measurable"
    signed = gate.get("unit") in ("%", "sigma", "mag")
    return plus_minus(gate["value"], gate.get("uncertainty"), sign=signed) + unit_of(gate)


def failure(gate: dict) -> str:
    """What went wrong at a gate that failed, in its own plain words: one clause without a full stop."""
    # Here, because gates load much, and who only tells a night's verdicts needs none of it.
    from n2n.fidelity.gates import check_of

    value = gate.get("value") or 0.0
    check = check_of(gate.get("name"), gate["title"])
    words = check.wrong(value) if check else "{title}: {measured}"
    size = plus_minus(abs(value), gate.get("uncertainty")) + unit_of(gate)
    return words.format(size=size, measured=measured(gate), title=gate["title"])


def reasons_of(facts: dict, limits: bool = True) -> list[str]:
    """Why the plain stack was shipped: a sentence for each failed gate, or the reason given."""
    failed = [gate for gate in facts.get("gates") or [] if gate.get("verdict") == "FAIL"]
    if failed and verdict_of(facts) == "FAIL":
        return [f"{failure(gate)}{f'; allowed is {needs(gate)}' if limits else ''}." for gate in failed]
    reason = str(facts.get("reason") or "").strip().replace(" +- ", " ± ")
    if not reason:
        return ["No reason was given."] if verdict_of(facts) != "PASS" else []
    return [reason[0].upper() + reason[1:] + ("" if reason[-1] in ".!?" else ".")]


def headline(facts: dict) -> str:
    """What a denoised image is worth, in one line."""
    gain = gain_of(facts)
    return f"worth {gain} times the exposures" if gain else "the gain could not be measured"


def zones_sentence(facts: dict) -> str:
    """The gain of every zone in one sentence."""
    said = [
        f"{gain_of(facts['zones'], 1, name)} in {words}"
        for name, words in ZONES.items()
        if gain_of(facts.get("zones") or {}, key=name)
    ]
    if not said:
        return ""
    return ", ".join(said[:-1]) + (" and " if len(said) > 1 else "") + said[-1]


def tally(verdicts: list[str]) -> str:
    """The night in a few words, worst first."""
    counts = [(verdicts.count(verdict), COUNTED[verdict]) for verdict in ORDER]
    said = [f"{'all' if count == len(verdicts) > 1 else count} {text}" for count, text in counts if count]
    if len(verdicts) == 1:
        said = [text.removeprefix("1 ") for text in said]
    return f"{counted(len(verdicts), 'group')}: {', '.join(said)}"


def unbroken(sentence: str) -> str:
    """The sentence with no line break inside a value and its error."""
    return sentence.replace(" ± ", "\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}")


def duration(seconds: float | None) -> str:
    """A time a person would say: ``45 s``, ``22 min``, ``3.4 h``."""
    if not seconds:
        return ""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 100 * 60 else f"{seconds / 3600:.1f} h"


def counted(number: int, noun: str) -> str:
    """``1 file``, ``2 files``."""
    return f"{number} {noun}" + ("" if number == 1 else "s")
