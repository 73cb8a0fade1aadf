"""Which composites a night allows."""

from types import SimpleNamespace

import pytest

from n2n.config import check_config
from n2n.errors import UserError
from n2n.formats.palettes import PALETTES, composites, wanted_palettes


def group(name, night="n1", target="M 31", lights=20):
    row = {"target": target, "filter": name.split("_")[1].partition("-")[0]}
    return SimpleNamespace(night=night, name=name, lights=lights, chunks={"000": [row]})


def test_a_palette_needs_all_its_filters_of_one_target_and_night():
    groups = [group("M-31_R"), group("M-31_G"), group("M-31_B"), group("M-31_Ha")]
    groups += [group("M-31_OIII", night="n2"), group("M-42_OIII", target="M 42")]
    found = composites(groups, list(PALETTES))
    assert found == {
        ("n1", "M-31", "RGB"): ["M-31_R", "M-31_G", "M-31_B"],
        ("n1", "M-31", "HaRGB"): ["M-31_Ha", "M-31_R", "M-31_G", "M-31_B"],
    }
    assert composites(groups, ["RGB"]).keys() == {("n1", "M-31", "RGB")} and composites(groups, []) == {}


def test_pointings_of_one_target_are_not_mixed():
    groups = [group("M-31_Ha"), group("M-31-2_Ha", lights=30), group("M-31-2_OIII")]
    assert composites(groups, ["HOO"]) == {("n1", "M-31-2", "HOO"): ["M-31-2_Ha", "M-31-2_OIII"]}


def test_of_two_groups_through_one_filter_the_deeper_is_taken():
    groups = [group("M-31_Ha", lights=12), group("M-31_Ha-2", lights=30), group("M-31_OIII")]
    assert composites(groups, ["HOO"]) == {("n1", "M-31", "HOO"): ["M-31_Ha-2", "M-31_OIII"]}


@pytest.mark.parametrize(
    "setting, names", [("all", list(PALETTES)), ("none", []), ("SHO", ["SHO"]), (["HOO", "RGB"], ["HOO", "RGB"])]
)
def test_the_setting(setting, names):
    assert wanted_palettes(setting) == names
    assert check_config({"palettes": setting})["palettes"] == setting


def test_an_unknown_palette_is_said_with_the_known_ones():
    with pytest.raises(UserError, match="palettes: 'SHH' is not one of all, none, RGB"):
        check_config({"palettes": ["SHH"]})
