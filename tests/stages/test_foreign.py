"""Whole files in the wrong place: of other exposures, of another set of masters, of another run. None is used."""

import json
import re
import shutil

import numpy as np
import pytest
from astropy.io import fits
from chain import rewriting
from finished import finished

from n2n.formats.sealed import seal_of
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


OTHER = {"group": "M33_L"}  # of the same night and filter


def renamed(table):
    return table | {"frames": [frame | OTHER for frame in table["frames"]]}


def test_a_chunk_of_another_group_is_refused(chain, tmp_path, refused):
    copy = chain.copy(tmp_path / "copy")
    chunks = [copy.folder / f"registered-{chunk}.h5" for chunk in ("000", "001")]
    pairs = [copy.call, "pairs", "-o", copy.folder / "again.h5"]
    assert refused(*pairs, "--group", "2026-10-03/M33_L", chunks[0]) == "registered-000.h5"
    with rewriting(chunks[1]) as file:
        file.attrs["facts"] = json.dumps(json.loads(file.attrs["facts"]) | OTHER)
    assert refused(*pairs, *chunks) == "registered-001.h5"
    assert refused(*pairs, "--group", "2026-10-03/M31_L", *chunks) == "registered-001.h5"


def test_the_reference_of_another_group_is_refused(chain, tmp_path, refused):
    copy = chain.copy(tmp_path / "copy")
    path = copy.folder / "reference.json"
    content = read_json(path)
    write_json(path, content | {"reference": content["reference"] | OTHER})
    assert refused(*register(copy)) == "reference.json"


def test_tables_of_the_same_exposures_as_another_run_saw_them_are_refused(chain, tmp_path, refused):
    copy = chain.copy(tmp_path / "copy")
    write_json(copy.folder / "000.json", renamed(read_json(copy.folder / "000.json")))
    assert refused(*register(copy)) == "000.json"


def test_a_reference_is_not_chosen_among_exposures_of_two_groups_or_one_chunk_twice(chain, tmp_path, refused):
    first, second = chain.folder / "000.json", tmp_path / "001.json"
    for content in (read_json(first), renamed(read_json(chain.folder / "001.json"))):
        write_json(second, content)
        assert refused(chain.call, "reference", first, second, "-o", tmp_path / "reference.json") == "000.json"


def test_what_was_found_on_exposures_of_another_group_is_refused(chain, tmp_path, refused):
    copy = chain.copy(tmp_path / "copy")
    write_json(copy.vetted[0], read_json(copy.vetted[0]) | {"group": "2026-10-03/M33_L"})
    stack, candidate = copy.folder / "stack.fits", finished(chain).candidate
    assess = ["assess", copy.folder / "pairs.h5", "--stack", stack, "--candidate", candidate, "-o", tmp_path / "d.fits"]
    for reader in (measure(copy), [copy.call, *assess, "--vetted", copy.vetted[0]]):
        assert refused(*reader) == copy.vetted[0].name


def test_a_master_to_subtract_from_flats_is_the_one_of_its_name(chain, tmp_path, refused):
    copy = chain.copy(tmp_path / "copy")
    frames, zero = copy.master("flat").with_suffix(".csv"), copy.master("bias")
    flats = [copy.call, "master", frames, "--raw", copy.raw, "--zero", zero, "-o", tmp_path / "flat.fits"]
    for other in (copy.master("dark"), copy.folder / "stack.fits"):
        shutil.copy(other, zero)
        assert refused(*flats) == zero.name


def everything(copy, night):
    """For every file between the stages: its name, and the commands that read it."""
    folder, model, candidate = copy.folder, copy.folder / "model.json", copy.folder / "candidate.h5"
    for name, path in (("model.json", night.model), ("candidate.h5", night.candidate)):
        shutil.copy(path, folder / name)
    shutil.copy(night.model.with_name("model.safetensors"), folder)
    pairs = folder / "pairs.h5"
    assess = ["assess", pairs, "--stack", folder / "stack.fits", "--candidate", candidate, "-o", folder / "d.fits"]
    write_json(folder / "inject.json", {"schema": 1, "refused": "no", "pairs": seal_of(pairs)})
    write_json(folder / "assessment.json", {"schema": 1})
    return {
        "000.json": (register(copy)[1:], ["reference", folder / "000.json", "-o", folder / "r.json"]),
        "reference.json": (register(copy)[1:],),
        copy.vetted[0].name: (measure(copy)[1:],),
        "calibration.json": (measure(copy)[1:],),
        "registered-000.h5": (["pairs", folder / "registered-000.h5", "-o", folder / "again.h5"],),
        "pairs.h5": (stack(copy)[1:], ["denoise", pairs, "-o", folder / "c.h5"], assess),
        "stack.fits": (assess,),
        "candidate.h5": (assess, ["inject", pairs, "--candidate", candidate, "-o", folder / "i.json"]),
        "inject.json": ([*assess, "--injected", folder / "inject.json"],),
        "model.json": (["denoise", pairs, "--model", model, "-o", folder / "c.h5", "--gpus", "0"],),
        "assessment.json": (["report", folder / "assessment.json", "-o", folder / "report.html"],),
    }


def test_a_whole_file_of_any_other_kind_is_named_in_one_line(chain, tmp_path, refused):
    copy = chain.copy(tmp_path / "copy")
    commands = everything(copy, finished(chain))
    whole = {name: (copy.folder / name).read_bytes() for name in commands}

    def put(name, content):
        (copy.folder / name).unlink()  # a file that is still open would be seen as it was
        (copy.folder / name).write_bytes(whole[content])

    for name, readers in commands.items():
        for other in [other for other in commands if other != name]:
            put(name, other)
            for reader in readers:
                assert refused(copy.call, *reader) == name, (name, other, reader[0])
        put(name, name)


@pytest.mark.parametrize("verb", ["master", "vet", "measure", "register"])
def test_a_table_of_another_kind_is_no_fault_of_n2n(chain, tmp_path, capsys, verb):
    copy = chain.copy(tmp_path / "copy")
    other = copy.folder / "other.csv"
    other.write_text('{\n "schema": "x"\n}\n')
    where = copy.where if verb in ("measure", "register") else []
    tables = ["--measured", copy.folder / "000.json", "--reference", copy.folder / "reference.json"]
    copy.call(verb, other, *where, *(tables if verb == "register" else []), "-o", copy.folder / "x", expect=1)
    said = capsys.readouterr().err
    assert "other.csv is not the table that is asked for" in said and "Traceback" not in said


def test_a_raw_frame_in_the_place_of_a_stack_is_not_to_be_deleted(chain, tmp_path, capsys):
    copy = chain.copy(tmp_path / "copy")
    raw = tmp_path / "light_001.fits"
    fits.PrimaryHDU(np.ones((8, 8), np.float32)).writeto(raw)
    copy.call("colour", raw, "--palette", "HOO", "-o", tmp_path / "a.png", expect=1)
    said = capsys.readouterr().err
    assert "light_001.fits cannot be used" in said and "rm " not in said
