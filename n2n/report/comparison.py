"""The judgement of `n2n compare` for the terminal."""

from n2n.fidelity.gates.gate import FAIL, INFO, PASS
from n2n.report.charts import plus_minus
from n2n.report.words import ZONES, failure, measured, needs


def table(facts: dict) -> list[str]:
    """The judgement for the terminal."""
    by = f"{facts['held_out']} held-out exposures" if facts["held_out"] else "the stack alone"
    lines = [f"\n{facts['denoised']} against {facts['stack']} ({facts['group']}), judged by {by}\n"]
    rows = [("gate", "what", "measured", "allowed", "verdict")]
    said = {PASS: "pass", FAIL: "FAIL", INFO: "not judged"}
    rows += [(g["name"], g["title"], measured(g), needs(g), said[g["verdict"]]) for g in facts["gates"]]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines += ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    if "true_gain" in facts:
        gains = [f"{found['value']:.3g} in {name}" for name, found in facts["true_gain"].items() if found["pixels"]]
        lines += ["", f"Against the truth, times the exposures: {', '.join(gains)}."]
    if "deep" in facts:
        lines += ["", *against(facts["deep"])]
    lines += ["", *(f"Note: {note}." for note in facts["notes"])]
    lines += [
        f"Failed: {failure(gate)}; allowed is {needs(gate)}." for gate in facts["gates"] if gate["verdict"] == FAIL
    ]
    gain = facts.get("exposure_gain")
    worth = f"worth {gain['value']:.1f} ± {gain['standard_error']:.1f} times the exposures" if gain else ""
    words = {PASS: f"PASS: {worth}.", FAIL: "FAIL.", "WARN": "No fault found, but nothing proved."}
    return [*lines, words[facts["verdict"]]]


def against(deep: dict) -> list[str]:
    """What other exposures of the same sky say, beside what is claimed."""
    rows = [("times the exposures", "claimed", "by the deep stack", "pull")]
    for name, words in ({"all": "everywhere"} | ZONES).items():
        truth = deep[name]
        if truth["pixels"]:
            claim = plus_minus(truth["claimed"], truth["claimed_standard_error"]) if "claimed" in truth else "none"
            pull = f"{truth['pull']:+.1f}".replace("-", "−") if "pull" in truth else ""
            rows.append((words, claim, plus_minus(truth["value"], truth["standard_error"]), pull))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [f"Against {deep['exposures']} other exposures of the same sky, over {deep['area']:.0%} of the image:", ""]
    lines += ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return [
        *lines,
        "",
        "Pull: how much too much is claimed there, in standard errors of both. Around bright stars nothing is told.",
        "What is smoother than some 100 px and differs was taken off, for neither stack knows which is right:",
        f"{deep['smooth_sigma']:.2g} σ of the stack.",
    ]
