"""What the profiles say about rules, compared with the rules."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
RULES = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "workflow/rules").glob("*.smk")}
SLURM = yaml.safe_load((ROOT / "profiles/slurm/profile.yaml").read_text(encoding="utf-8"))


def test_on_a_cluster_every_rule_that_takes_all_cores_gets_a_number_that_machines_have():
    hungry = {name for name, text in RULES.items() if re.search(r"^ +threads:.*\b64\b", text, re.M)}
    assert {"train", "inject", "frames", "master"} <= hungry
    assert set(SLURM["set-threads"]) == hungry
    assert all(1 <= threads <= 16 for threads in SLURM["set-threads"].values())


def test_the_profile_names_only_rules_that_there_are():
    assert {*SLURM["set-threads"], *SLURM["set-resources"]} <= set(RULES)
