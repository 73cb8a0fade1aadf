"""The judgement of `n2n compare` for the terminal."""

from n2n.fidelity.gates.gate import FAIL, INFO, PASS
from n2n.report.words import failure, measured, needs


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
    lines += ["", *(f"Note: {note}." for note in facts["notes"])]
    lines += [
        f"Failed: {failure(gate)}; allowed is {needs(gate)}." for gate in facts["gates"] if gate["verdict"] == FAIL
    ]
    gain = facts.get("exposure_gain")
    worth = f"worth {gain['value']:.1f} ± {gain['standard_error']:.1f} times the exposures" if gain else ""
    words = {PASS: f"PASS: {worth}.", FAIL: "FAIL.", "WARN": "No fault found, but nothing proved."}
    return [*lines, words[facts["verdict"]]]
