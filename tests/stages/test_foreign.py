"""Whole files in the wrong place: of other exposures, of another set of masters, of another run. None is used."""

import re
import shutil

import pytest
from chain import rewriting
from finished import finished

from n2n.formats.tables import read_json, write_json


@pytest.fixture
def refused(capsys):
    """The name of the file that a command, ended with an error, calls damaged."""

    def name(call, *arguments):
        capsys.readouterr()
        call(*arguments, expect=1)
        said = capsys.readouterr().err
        assert "Traceback" not in said
        return re.search(r"([^/\s]+) is damaged \(.*\); delete it and run the same command again: rm /", said)[1]

    return name


def stack(copy):
    return copy.call, "stack", copy.folder / "pairs.h5", "-o", copy.folder / "again.fits"


def register(copy):
    chunk = copy.folder / "chunks" / "000.csv"
    tables = ["--measured", copy.folder / "000.json", "--reference", copy.folder / "reference.json"]
    return copy.call, "register", chunk, *copy.where, *tables, "-o", copy.folder / "again.h5"


def measure(copy):
    return copy.call, "measure", copy.folder / "chunks" / "000.csv", *copy.where, "-o", copy.folder / "again.json"


def test_pairs_do_not_take_other_exposures_for_those_they_were_made_of(chain, tmp_path, refused):
    copy = chain.copy(tmp_path / "copy")
    with rewriting(copy.folder / "registered-000.h5") as file:
        file["pixels"][0] += 1
    assert refused(*stack(copy)) == "registered-000.h5"


def test_a_shorter_chunk_gives_no_zeros(chain, tmp_path, refused):
    copy = chain.copy(tmp_path / "copy")
    path = copy.folder / "registered-001.h5"
    path.write_bytes(path.read_bytes()[:-4096])
    assert refused(*stack(copy)) == "registered-001.h5"


def test_a_chunk_in_the_place_of_another_is_refused(chain, tmp_path, refused):
    copy = chain.copy(tmp_path / "copy")
    chunks = [copy.folder / f"registered-{chunk}.h5" for chunk in ("000", "001")]
    shutil.copy(*chunks)
    assert refused(copy.call, "pairs", *chunks, "-o", copy.folder / "again.h5") == "registered-001.h5"


def test_a_master_in_the_place_of_another_is_refused(chain, tmp_path, refused):
    copy = chain.copy(tmp_path / "copy")
    shutil.copy(copy.master("bias"), copy.master("dark"))
    assert refused(*measure(copy)) == copy.master("dark").name


def test_what_was_found_about_another_set_of_masters_is_refused(chain, tmp_path, refused):
    copy = chain.copy(tmp_path / "copy")
    write_json(copy.vetted[0], read_json(copy.vetted[0]) | {"set": "0123456789"})
    assert refused(*measure(copy)) == copy.vetted[0].name


def test_tables_of_other_exposures_are_refused(chain, tmp_path, refused):
    copy = chain.copy(tmp_path / "copy")
    shutil.copy(copy.folder / "001.json", copy.folder / "000.json")
    assert refused(*register(copy)) == "000.json"


def test_a_stack_and_a_candidate_of_other_pairs_are_refused(chain, tmp_path, refused):
    night, copy = finished(chain), chain.copy(tmp_path / "copy")
    with rewriting(copy.folder / "registered-000.h5") as file:
        file["pixels"][0] += 1
    copy.pairs()
    pairs, output = copy.folder / "pairs.h5", ["-o", tmp_path / "denoised.fits"]
    assess = [copy.call, "assess", pairs, "--candidate", night.candidate, *output, "--stack"]
    assert refused(*assess, night.stack) == "stack.fits"
    copy.stack()
    assert refused(*assess, copy.folder / "stack.fits") == "candidate.h5"


def test_files_of_another_kind_are_refused(chain, tmp_path, refused):
    night, copy = finished(chain), chain.copy(tmp_path / "copy")
    assess = [copy.call, "assess", night.pairs, "--stack", night.stack, "-o", tmp_path / "denoised.fits"]
    assert refused(*assess, "--candidate", copy.folder / "registered-000.h5") == "registered-000.h5"
    shutil.copy(night.candidate, copy.folder / "pairs.h5")
    assert refused(*stack(copy)) == "pairs.h5"
