import shutil

import numpy as np
import pytest
from astropy.io import fits
from finished import shipped

from n2n.cli import main


@pytest.fixture
def night(chain):
    return shipped(chain)


@pytest.fixture
def copy(night, tmp_path):
    return shutil.copy(night.product, tmp_path / "denoised.fits")


def verify(night, capsys, path, raw=None, models=None):
    capsys.readouterr()
    status = main(["verify", str(path), "--raw", str(raw or night.raw), "--models", str(models or night.models)])
    said = capsys.readouterr()
    return status, said.out + said.err


def change(path, offset, value=None):
    data = bytearray(path.read_bytes())
    data[offset] = data[offset] ^ 1 if value is None else value
    path.write_bytes(data)


def test_a_fresh_product_is_as_written_and_tells_its_story(night, capsys):
    status, said = verify(night, capsys, night.product)
    assert status == 0 and "verified" in said and "MISMATCH" not in said
    for words in (
        "M31 through L, mean of 14 exposures, 14 minutes in all; 2 more were left out",
        "Denoised by a network trained on 2026-10-03/M31_L (25 steps, seed 1, on cpu)",
        "Judged on held-out exposures: PASS",
        "16 of 16 raw frames found",
        "trained on 11 exposures",
    ):
        assert words in said


def test_a_stack_can_be_verified_too(night, capsys):
    status, said = verify(night, capsys, night.stack)
    assert status == 0 and "Not denoised: this is the plain stack" in said


def test_what_is_not_here_is_not_checked_and_it_says_so(night, capsys, tmp_path):
    status, said = verify(night, capsys, night.product, raw=tmp_path, models=tmp_path)
    assert status == 0 and "0 of 16 raw frames" in said and "is not here and was not checked" in said


@pytest.mark.parametrize("name", ["PRIMARY", "VAR", "MASK", "COVERAGE", "STACK", "PROVENANCE"])
@pytest.mark.parametrize("part", ["data", "header", "padding"])
def test_one_changed_byte_is_found(night, copy, capsys, name, part):
    with fits.open(copy) as hdus:
        where = hdus.fileinfo(name)
    offset = {
        "data": where["datLoc"] + 2001,
        "header": where["hdrLoc"] + 80 * 8 + 70,
        "padding": where["datLoc"] - 1,
    }[part]
    change(copy, offset, None if part == "data" else ord("x"))
    status, said = verify(night, capsys, copy)
    assert status == 1 and "fault in n2n" not in said
    assert "NOT verified" in said or "is damaged" in said


def test_it_says_which_part_was_changed(night, copy, capsys):
    with fits.open(copy) as hdus:
        offset = hdus.fileinfo("VAR")["datLoc"]
    change(copy, offset)
    assert "MISMATCH" in verify(night, capsys, copy)[1]
    assert "the data of VAR were changed" in verify(night, capsys, copy)[1]


def test_another_number_in_the_header_is_found(night, copy, capsys):
    with fits.open(copy) as hdus:
        start, header = hdus.fileinfo(0)["hdrLoc"], hdus[0].header
        offset = start + 80 * list(header.keys()).index("NCOMBINE") + 29
    change(copy, offset, ord("9"))
    status, said = verify(night, capsys, copy)
    assert status == 1 and "the header of the primary image was changed" in said


@pytest.mark.parametrize("seed", range(6))
def test_damage_anywhere_is_one_plain_line(night, copy, capsys, seed):
    rng = np.random.default_rng(seed)
    with fits.open(copy) as hdus:
        where = hdus.fileinfo(int(rng.integers(6)))
    change(copy, int(where["hdrLoc"] + rng.integers(80 * 12)), int(rng.integers(32, 127)) ^ 1)
    status, said = verify(night, capsys, copy)
    assert status == 1 and "Traceback" not in said


def test_a_truncated_file_is_found(night, copy, capsys):
    copy.write_bytes(copy.read_bytes()[:-5000])
    status, said = verify(night, capsys, copy)
    assert status == 1 and "damaged" in said and "Traceback" not in said


def test_something_appended_is_found(night, copy, capsys):
    copy.write_bytes(copy.read_bytes() + b"more")
    status, said = verify(night, capsys, copy)
    assert status == 1 and "4 bytes too many" in said


def test_removed_checksums_are_found(night, copy, capsys):
    with fits.open(copy) as hdus:
        where = hdus.fileinfo("VAR")
    data = bytearray(copy.read_bytes())
    header = data[where["hdrLoc"] : where["datLoc"]]
    data[where["hdrLoc"] : where["datLoc"]] = header.replace(b"CHECKSUM=", b"REMOVED1=").replace(
        b"DATASUM =", b"REMOVED2="
    )
    copy.write_bytes(data)
    status, said = verify(night, capsys, copy)
    assert status == 1 and "VAR has no CHECKSUM and no DATASUM" in said


def test_an_altered_raw_frame_is_found(night, capsys, tmp_path):
    shutil.copytree(night.raw, tmp_path / "raw")
    frame = sorted((tmp_path / "raw").rglob("*_0009.fits"))[0]
    change(frame, 5000)
    status, said = verify(night, capsys, night.product, raw=tmp_path / "raw")
    assert status == 1 and f"{frame} is not the frame that was used" in said and "15 of 16" in said


def test_another_network_is_found(night, capsys, tmp_path):
    shutil.copytree(night.models, tmp_path / "models")
    weights = next((tmp_path / "models").rglob("model.safetensors"))
    change(weights, -1)
    status, said = verify(night, capsys, night.product, models=tmp_path / "models")
    assert status == 1 and f"{weights} is not the network that made this image" in said


def test_a_foreign_file_is_told_apart(night, capsys, tmp_path):
    fits.PrimaryHDU(np.zeros((8, 8), np.float32)).writeto(tmp_path / "other.fits", checksum=True)
    status, said = verify(night, capsys, tmp_path / "other.fits")
    assert status == 1 and "no PROVENANCE table" in said


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x1f\x8b123"])
def test_what_is_no_fits_file_is_one_plain_line(night, capsys, tmp_path, content):
    path = tmp_path / "thing.fits"
    path.write_bytes(content)
    status, said = verify(night, capsys, path)
    assert status == 1 and "thing.fits" in said and "Traceback" not in said and "fault" not in said


def test_a_missing_file_is_one_plain_line(night, capsys, tmp_path):
    status, said = verify(night, capsys, tmp_path / "none.fits")
    assert status == 1 and "none.fits does not exist" in said


MADE_FROM = ["pairs.h5", "registered-*.h5", "candidate.h5", "stack.fits", "reference.json", "calibration.json"]
MADE_FROM += ["vetted-*.json", "../../masters/dark-*.fits", "../../masters/flat-*.fits"]


@pytest.fixture(scope="module")
def whole(chain, tmp_path_factory):
    """The product with all it was made from, as snakemake leaves it."""
    base = tmp_path_factory.mktemp("whole")
    folder = base / "results" / shipped(chain).folder.relative_to(shipped(chain).base / "results")
    shutil.copytree(shipped(chain).folder, folder)
    shutil.copytree(chain.results / "masters", base / "results" / "masters")
    return folder


@pytest.mark.parametrize("name", MADE_FROM)
def test_damage_of_what_it_was_made_from_is_named(night, whole, capsys, name):
    path = sorted(whole.glob(name))[0]
    data = path.read_bytes()
    assert verify(night, capsys, whole / "denoised.fits")[0] == 0
    for damage in (data[:-100], bytes(len(data))):
        path.write_bytes(damage)
        status, said = verify(night, capsys, whole / "denoised.fits")
        assert status == 1 and f"{path.name} is damaged" in said and "Traceback" not in said
    path.write_bytes(data)


def test_what_was_deleted_to_save_space_is_not_missed(night, whole, capsys):
    for name in ("registered-000.h5", "candidate.h5"):
        (whole / name).unlink()
    status, said = verify(night, capsys, whole / "denoised.fits")
    assert status == 0 and "files beside it that it was made from were checked" in said


def test_a_damaged_description_of_the_network_is_found(night, capsys, tmp_path):
    shutil.copytree(night.models, tmp_path / "models")
    model = next((tmp_path / "models").rglob("model.json"))
    change(model, 200)
    status, said = verify(night, capsys, night.product, models=tmp_path / "models")
    assert status == 1 and f"{model} is damaged" in said
