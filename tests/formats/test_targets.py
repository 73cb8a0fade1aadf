"""Spellings of a target are one; different targets are never one."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from n2n.formats.targets import target_key, target_label


@pytest.mark.parametrize(
    "spellings",
    [
        ("M31", "M 31", "m31", "Messier 31", "MESSIER031", "m-31", "M_31"),
        ("NGC 7000", "ngc7000", "NGC-7000", "Ngc 07000"),
        ("Sh2-132", "SH2 132", "Sharpless 2-132", "sh2_132"),
        ("IC 1396", "IC1396", "ic 1396"),
        ("Veil Nebula", "veil-nebula", "VEIL  NEBULA"),
        ("Étoile", "Etoile"),
    ],
)
def test_spellings_of_one_target(spellings):
    assert len({target_key(name) for name in spellings}) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("M31", "M32"),
        ("M 3", "M 31"),
        ("NGC 700", "NGC 7000"),
        ("??????????", "??????"),
        ("Туманность", "Плеяды"),
        ("Sh2-132", "Sh2-13"),
        ("M31", "IC 31"),
        ("HAT-P-32", "HAT-P-3"),
        ("M31+1", "M311"),
    ],
)
def test_two_targets_stay_two(one, other):
    assert target_key(one) != target_key(other)
    assert target_label(one) != target_label(other)


def test_a_name_without_readable_letters_is_named_after_its_place():
    assert target_label("??????????", 83.8, -5.4) == "J0535-0524"
    assert target_label("Туманность", 359.99, 41.27) == "J0000+4116"
    assert target_label("", None, None) == "target"
    assert target_label("M 31", 10.68, 41.27) == "M-31"


@given(st.text(max_size=80))
def test_a_label_is_safe_and_never_empty(name):
    label = target_label(name)
    assert re.fullmatch(r"[A-Za-z0-9+.-]{1,70}", label)
    assert target_label(name) == label
    assert isinstance(target_key(name), str)
