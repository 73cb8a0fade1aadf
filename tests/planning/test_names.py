"""Names from outside fit into file names, and those that cannot be used are refused by name."""

import pytest
from frames import row_of
from hypothesis import given
from hypothesis import strategies as st

from n2n.errors import UserError
from n2n.planning.masters import make_master
from n2n.planning.models import model_id
from n2n.planning.names import (
    LONGEST,
    RESERVED,
    shortened,
    shown,
    too_long_for,
    why_no_night,
    why_not_on_a_cluster,
    why_unusable,
)
from n2n.planning.nights import find_nights

ROW = row_of(path="n/a.fits", sha256="a" * 64, camera="Cam", filter="Ha")
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)


@given(NAMES, st.integers(0, 300))
def test_a_shortened_name_is_its_beginning_and_fits(text, most):
    short = shortened(text, most)
    assert text.startswith(short) and len(short.encode()) <= most
    assert len(text.encode()) > most or short == text


@given(NAMES, NAMES, NAMES)
def test_the_name_of_a_master_or_model_fits_a_file_and_keeps_its_digest(night, camera, band):
    row = ROW | {"camera": camera, "filter": band}
    key = make_master("flat", night, [row]).key
    assert len(f"{key}.fits".encode()) <= LONGEST and "/" not in key and not key.startswith(("-", "."))
    assert key.rsplit("-", 1)[1] == make_master("flat", "", [ROW]).key.rsplit("-", 1)[1]
    folder, digest = model_id({"train": {}}, row).split("/")
    assert len(folder.encode()) <= LONGEST and len(digest) == 12


def test_usual_names_of_masters_are_as_ever():
    assert make_master("flat", "2026-10-03", [ROW]).key.startswith("flat-Cam-Ha-2026-10-03-")
    assert make_master("bias", "M 31's", [ROW]).key.startswith("bias-Cam-M-31-s-")


@pytest.mark.parametrize(
    "name", ["Thor's Helmet", "{Ha}", "-rf", "~", "a:b", "<logs>", "日本", "{Night}", "n{n", "$(x)"]
)
def test_names_that_can_be_used(name):
    assert why_no_night(name) == ""


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("a\nb", "printed"),
        ("a\x7f", "printed"),
        ("l\udce4tin", "printed"),
        ("{night}", "'{night}'"),
        ("x { group } y", "'{ group }'"),
        ("{chunk,3}", "{chunk"),
        *((name, "n2n keeps") for name in RESERVED),
    ],
)
def test_names_that_cannot_be_used(name, word):
    assert word in why_no_night(name)


def test_where_snakemake_is_built_otherwise_braces_are_refused():
    assert "'{Ha}'" in why_unusable("2026 {Ha}", literal=False)
    assert "'<logs>'" in why_unusable("<logs>", literal=False)
    assert why_unusable("{a-b} <B>", literal=False) == ""


def test_a_night_that_cannot_be_used_is_left_out_alone(tmp_path):
    for name in ("2026-10-03", "logs", "two\nlines"):
        (tmp_path / "raw" / name).mkdir(parents=True)
    said = []
    assert find_nights(tmp_path / "raw", "all", tmp_path, said.append) == ["2026-10-03"]
    assert len(said) == 2 and all(line.endswith("rename its folder") and "\n" not in line for line in said)
    assert any(line.startswith("night two\\nlines is left out") for line in said)
    with pytest.raises(UserError, match="night logs is left out: its name is that of a folder which n2n keeps"):
        find_nights(tmp_path / "raw", ["logs"], tmp_path)


def test_names_are_shown_without_harm():
    assert shown("a\nb\x1b[31m\udce4'é") == "a\\nb\\x1b[31m\\udce4'é"


@pytest.mark.parametrize("name", ["2026-10-03", "a night; {Ha} & more", "日本 (1)"])
def test_names_that_a_cluster_can_be_told(name):
    assert why_not_on_a_cluster(name) == ""


@pytest.mark.parametrize("name", ["Thor's", 'a "b"', "$(touch PWNED)", "`x`", "M31, M33", "a\\b"])
def test_names_that_a_cluster_cannot_be_told(name):
    assert "in it" in why_not_on_a_cluster(name)


def test_very_long_commands_need_a_folder_whose_name_no_shell_acts_on():
    file = "results/2026-10-03/NGC7000_Ha/registered-000.h5"
    assert too_long_for("/home/a/$(touch PWNED)", 2000, file) == "has $ in it"
    assert too_long_for("/home/a/$(touch PWNED)", 100, file) == ""
    assert too_long_for("/home/it's a", 2000, file) == ""
