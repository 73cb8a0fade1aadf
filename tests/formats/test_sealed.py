"""A changed byte or a lost end is found in every kind of file between the stages, wherever it is."""

import shlex
import subprocess

import h5py
import numpy as np
import pytest
from astropy.io import fits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from n2n.errors import UserError
from n2n.formats import checksum, sealed
from n2n.formats.hdus import BLOCK
from n2n.formats.pixels import read_planes
from n2n.formats.products import read_product, write_fits
from n2n.formats.store import writing_registered
from n2n.formats.tables import read_json, write_json

IMAGE = np.random.default_rng(1).normal(100, 10, (40, 48)).astype(np.float32)


def store(path):
    with writing_registered(path, IMAGE.shape) as writer:
        for _ in range(3):
            writer.append(IMAGE, np.zeros(IMAGE.shape, np.uint8))
        writer.describe([{"path": f"{i}.fits", "rejected": []} for i in range(3)], {"unit": "electron"})


def table(path):
    write_json(path, {"frames": [{"path": "a.fits", "fwhm_px": 2.5}], "unit": "adu"})


def product(path):
    header = fits.Header([("OBJECT", "M 31"), ("HISTORY", "made")])
    write_fits(path, [fits.PrimaryHDU(IMAGE, header), fits.ImageHDU(np.zeros((40, 48), np.uint8), name="DEFECTS")])


def state(path):
    sealed.write_bytes(path, bytes(range(256)) * 50)


KINDS = {
    "a.h5": (store, sealed.check),
    "b.json": (table, read_json),
    "c.json": (table, lambda path: read_json(path, unsealed=True)),
    "stack.fits": (product, lambda path: read_planes(path, "IMAGE", "DEFECTS")),
    "denoised.fits": (product, lambda path: read_product(path, "DEFECTS")),
    "f.pt": (state, sealed.read_bytes),
}


@pytest.fixture(scope="module", params=KINDS)
def whole(request, tmp_path_factory):
    """A file of a kind, its bytes, and what reads it."""
    write, read = KINDS[request.param]
    path = tmp_path_factory.mktemp("sealed") / request.param
    write(path)
    read(path)
    return path, path.read_bytes(), read


def refused(path, data, read):
    path.write_bytes(data)
    with pytest.raises(UserError) as found:
        read(path)
    assert str(path) in str(found.value) and f"rm {path}" in str(found.value) and "\n" not in str(found.value)


unhurried = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@unhurried
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_one_changed_bit_is_found(whole, place, bit):
    path, data, read = whole
    changed = bytearray(data)
    changed[int(place * len(data))] ^= 1 << bit
    refused(path, changed, read)


@unhurried
@given(place=st.floats(0, 1, exclude_max=True))
def test_a_lost_end_is_found(whole, place):
    path, data, read = whole
    refused(path, data[: int(place * len(data))], read)


@pytest.mark.parametrize("block", range(1, 6))
def test_a_fits_file_that_ends_with_a_whole_block_is_found(tmp_path, block):
    for name in ("stack.fits", "denoised.fits"):
        product(tmp_path / name)
        data = (tmp_path / name).read_bytes()
        assert len(data) == 6 * BLOCK
        refused(tmp_path / name, data[: block * BLOCK], KINDS[name][1])


@pytest.mark.parametrize(
    "damage", [bytes, lambda size: b"", lambda size: b"\xff" * size], ids=["zeros", "empty", "ones"]
)
def test_a_file_without_content_is_found(whole, damage):
    path, data, read = whole
    refused(path, damage(len(data)), read)


def test_more_bytes_are_found(whole):
    path, data, read = whole
    refused(path, data + b"\0", read)


@pytest.mark.parametrize("size", [0, 1, sealed.PIECE, sealed.PIECE + 1, 3 * sealed.PIECE - 7])
def test_pieces_of_any_size_are_sealed(tmp_path, size):
    data = np.random.default_rng(size).integers(0, 256, size, dtype=np.uint8).tobytes()
    sealed.write_bytes(tmp_path / "a.bin", data)
    assert sealed.read_bytes(tmp_path / "a.bin") == data
    if size:
        with open(tmp_path / "a.bin", "r+b") as file:
            file.seek(-1, 2)
            file.write(bytes([data[-1] ^ 1]))
        with pytest.raises(UserError, match=r"a\.bin is damaged"):
            sealed.check(tmp_path / "a.bin")


def test_a_sealed_store_is_ordinary_hdf5(tmp_path):
    store(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5") as file:
        np.testing.assert_array_equal(file["pixels"][1], IMAGE)


def test_a_file_of_an_older_n2n_is_told_apart_from_a_damaged_one(tmp_path):
    with h5py.File(tmp_path / "old.h5", "w") as file:
        file["x"] = 1
    (tmp_path / "old.json").write_text('{\n "versions": {\n  "n2n": "0.4"\n }\n}\n')
    assert sealed.never_sealed(tmp_path / "old.h5") and sealed.never_sealed(tmp_path / "old.json")
    assert read_json(tmp_path / "old.json", unsealed=True) == {"versions": {"n2n": "0.4"}}
    for name in ("old.h5", "old.json"):
        with pytest.raises(UserError, match="older n2n"):
            sealed.check(tmp_path / name) if name == "old.h5" else read_json(tmp_path / name)


@unhurried
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_damaged_file_never_looks_like_an_older_one(tmp_path, place, bit):
    for write, name in ((store, "a.h5"), (table, "b.json")):
        path = tmp_path / name
        if not path.exists():
            write(path)
            path.with_suffix(".whole").write_bytes(path.read_bytes())
        data = bytearray(path.with_suffix(".whole").read_bytes())
        data[int(place * len(data))] ^= 1 << bit
        path.write_bytes(data)
        assert not sealed.never_sealed(path)


def test_the_remedy_works_when_pasted_from_anywhere(tmp_path, monkeypatch):
    folder = tmp_path / "My night's $data"
    folder.mkdir()
    for name in ("a b.h5", "pairs.h5"):
        (folder / name).write_bytes(b"half")
    monkeypatch.chdir(folder)
    with pytest.raises(UserError) as found:
        sealed.check("a b.h5", "pairs.h5")
    command = str(found.value).split("again: ")[1]
    assert shlex.split(command)[0] == "rm"
    monkeypatch.chdir("/")
    subprocess.run(command, shell=True, check=True)
    assert list(folder.iterdir()) == []


def test_cards_that_another_program_changed_are_no_damage_where_that_is_allowed(tmp_path):
    product(tmp_path / "p.fits")
    data = (tmp_path / "p.fits").read_bytes()
    (tmp_path / "p.fits").write_bytes(data.replace(b"'M 31", b"'M 33"))  # and CHECKSUM left as it was
    with pytest.raises(UserError, match="CHECKSUM differs"):
        checksum.check(tmp_path / "p.fits")
    read_product(tmp_path / "p.fits", edited=True)


@pytest.mark.parametrize("name", ["light_001.fits", "dark-60s.fits", "IMG 1.fit.fz", "photo.png", "notes"])
def test_nobody_is_told_to_delete_what_cannot_be_made_again(tmp_path, name):
    said = str(sealed.damaged(tmp_path / name, "no seal"))
    assert name in said and ": rm " not in said and "delete it" not in said


@pytest.mark.parametrize("name", ["stack.fits", "pairs.h5", "dark-A-2026-10-03-0123456789.fits", "model.json"])
def test_what_the_next_run_makes_again_may_be_deleted(tmp_path, name):
    assert str(sealed.damaged(tmp_path / name, "no seal")).endswith(f": rm {tmp_path / name}")


def test_a_missing_file_comes_with_the_command_that_makes_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in ("results/n/M 31/pairs.h5", tmp_path / "results/n/M 31/pairs.h5"):
        with pytest.raises(UserError) as caught:
            sealed.check(path)
        assert str(caught.value).endswith(": snakemake 'results/n/M 31/pairs.h5' --cores 2 --resources gpu=0")


def test_a_folder_is_not_said_to_be_missing(tmp_path):
    with pytest.raises(UserError, match="is a folder"):
        read_product(tmp_path)
