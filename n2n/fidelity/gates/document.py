"""docs/gates.md, written from the gates."""

import re

from n2n.config import schema
from n2n.fidelity.gates import GATES
from n2n.fidelity.gates.gate import Check, Gate

_HEAD = """\
# Gates

What every denoised image has to pass before it is shipped. This page is written from the gates themselves, one file
each in `n2n/fidelity/gates/`: `python -m n2n.fidelity.gates > docs/gates.md`. A test compares it with the code.

S is the stack of blocks A and B, D what was made of it, C the mean of the held-out exposures, which neither D nor the
network has seen. A sigma is the noise of a pixel of S where there is only sky. How the numbers are found stands in
[method.md](method.md), how often gates refuse good images and find harm of known size in
[benchmarks/gates](../benchmarks/gates/README.md).

A check **fails** when its number is beyond the limit by more than two standard errors, or, where it is the worst of
many numbers, by more than chance takes it there in 0.5 % of cases. It **passes** when its error is smaller than the
limit, or when the number keeps the limit by as much as chance allows. Else it is **not judged**, and says so: with
such an error it shows neither harm nor none. One failed check is enough: then the plain stack is shipped, with the
reason.

Settings are those of the section `gates` in [config.yaml](../config/README.md). `n2n compare` judges the image of any
program by the same gates, but those whose needs it lacks. Checks with an asterisk are made good by a factor and a
level that had to be fitted to the stack, and pass nothing then.

There is no G13 and no G14: that headers survive and that one seed gives the same pixels is no matter of an image, and
tests of the program see to it.
"""
_TABLE = "| check | limit | setting | judged by |\n|---|---|---|---|"


def document() -> str:
    """The whole page."""
    checks = sorted((check for gate in GATES for check in gate.checks), key=lambda check: int(check.key[1:]))
    table = "\n".join([_TABLE, *map(_row, checks)])
    return "\n".join([_HEAD, "## All checks", "", table, "", *map(_section, GATES)]).rstrip() + "\n"


def _row(check: Check) -> str:
    name = f"{check.key} {check.title}" + (" *" if check.moot else "")
    return f"| {name} | {_limit(check)} | {_setting(check)} | {check.against} |"


def _limit(check: Check) -> str:
    """The limit with default settings."""
    limit = check.allowed(_Defaults())
    unit = {"x": "times the exposures"}.get(check.unit, check.unit)
    return "none may differ" if check.bound == "none" else f"{check.bound} {limit:g} {unit}".replace("within ", "± ")


def _setting(check: Check) -> str:
    setting, times = check.limit.setting, check.limit.times
    if not setting:
        return ""
    return f"`{setting}`" + ("" if times == 1 else f", {times:g} times".replace("-1 times", "with a minus"))


def _section(gate: Gate) -> str:
    module = gate.judge.__module__.rpartition(".")[2]
    said = []
    for check in gate.checks:
        # What is known only when an image was judged stands in braces.
        text = re.sub(r"\{(\w+)[^}]*\}", r"*\1*", check.explanation)
        said.append(f"- **{check.key} {check.title}.** {text}")
    needs = f" Needs {' and '.join(gate.needs)}." if gate.needs else ""
    return f"## {gate.question}\n\n`n2n/fidelity/gates/{module}.py`.{needs}\n\n" + "\n".join(said) + f"\n\n{gate.why}\n"


class _Defaults:
    """Default settings of the section `gates`."""

    def __getattr__(self, name):
        return schema()["properties"]["gates"]["properties"][name]["default"]
