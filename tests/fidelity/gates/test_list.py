"""The list of gates: what judging, `compare`, reports and docs/gates.md take from it."""

from pathlib import Path

import numpy as np
import pytest
from observed import SETTINGS, Sky

from n2n.config import schema
from n2n.fidelity import gates
from n2n.fidelity.gates import GATES, check_of, judge
from n2n.fidelity.gates.gate import FAIL
from n2n.fidelity.images import ALL, HELD_OUT, INJECTED, SHARED, TILES, Images, Shipped
from n2n.group.shared import SharedError
from n2n.report.words import failure

CHECKS = [check for gate in GATES for check in gate.checks]
BESIDE = {"__init__", "__main__", "document", "gate"}


def everything(sky, denoised):
    gain = {"value": 9.0, "standard_error": 0.5}
    gains = dict.fromkeys(("all", "background", "extended", "stars"), gain)
    shipped = Shipped(sky.stack, denoised, 0.0, np.ones(denoised.shape))
    tiles = [slice(104, 152)], [slice(136, 184)]
    shared = SharedError(0.001, 0.001)
    return sky.seen(denoised, gains=gains, injected={}, tiles=tiles, shipped=shipped, shared=lambda: shared)


def test_every_gate_has_a_file_of_its_own_and_stands_in_the_list():
    files = {path.stem for path in Path(gates.__file__).parent.glob("*.py")} - BESIDE
    assert {gate.judge.__module__.rpartition(".")[2] for gate in GATES} == files
    assert len(GATES) == len(files) == len({gate.judge.__module__ for gate in GATES})


def test_every_gate_judges_its_checks_and_nothing_else():
    sky = Sky(1)
    images = everything(sky, sky.good())
    assert images.holds == {HELD_OUT, INJECTED, TILES, ALL, SHARED}
    for gate in GATES:
        told = [(verdict.name, verdict.title) for verdict in gate.judge(images, SETTINGS)]
        assert told == [(check.key, check.title) for check in gate.checks], gate.question
    found = judge(everything(sky, sky.good()), SETTINGS)
    assert len(found) == len(CHECKS) == len({(verdict.name, verdict.title) for verdict in found})
    assert FAIL not in {verdict.verdict for verdict in found}
    numbers = [int(verdict.name[1:]) for verdict in found]
    assert numbers == sorted(numbers)


@pytest.mark.parametrize("missing", [HELD_OUT, INJECTED, TILES, ALL, SHARED])
def test_a_gate_whose_needs_are_not_met_is_left_out(missing):
    sky = Sky(1)
    images = everything(sky, sky.good())
    less = {
        HELD_OUT: {"held_out": None, "halves": None, "gains": None, "weight": None}, INJECTED: {"injected": None},
        TILES: {"tiles": ((), ())}, ALL: {"shipped": Shipped(sky.stack, images.denoised)},
        SHARED: {"shared": None},
    }[missing]  # fmt: skip
    fields = {name: getattr(images, name) for name in Images.__dataclass_fields__}
    told = {(verdict.name, verdict.title) for verdict in judge(Images(**fields | less), SETTINGS)}
    left_out = {(check.key, check.title) for gate in GATES if missing in gate.needs for check in gate.checks}
    assert left_out and told == {(check.key, check.title) for check in CHECKS} - left_out


def test_images_go_after_the_last_gate_that_looks_at_them():
    sky = Sky(2)
    images = everything(sky, sky.good())
    assert images.filtered and "evidence" in vars(images)
    images.keep(["evidence"])
    assert "filtered" not in vars(images) and "parts" not in vars(images)
    judge(images, SETTINGS)
    assert not {"parts", "evidence", "filtered", "rings"} & set(vars(images))


def test_what_is_still_to_be_built_of_stays():
    sky = Sky(2)
    images = everything(sky, sky.good())
    assert images.parts
    images.keep(["rings"])
    assert "parts" in vars(images)
    assert images.rings
    images.keep(["rings"])
    assert "rings" in vars(images) and not {"parts", "evidence"} & set(vars(images))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: f"{check.key} {check.title}")
def test_every_check_has_its_words_and_a_limit(check):
    assert check_of(check.key, check.title) is check
    settings = schema()["properties"]["gates"]["properties"]
    assert not check.limit.setting or check.limit.setting in settings
    assert np.isfinite(check.allowed(SETTINGS))
    for value in (3.0, -3.0):
        words = failure(
            {"name": check.key, "title": check.title, "value": value, "uncertainty": 0.2, "unit": check.unit}
        )
        assert not words[0].islower() and not set("{}") & set(words) and "()" not in words and words[-1] not in ".:"


def test_every_setting_is_the_limit_of_a_check():
    settings = {key for key, rule in schema()["properties"]["gates"]["properties"].items() if not rule.get("idle")}
    assert settings == {check.limit.setting for check in CHECKS} - {""}
