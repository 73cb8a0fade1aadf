import logging

import pytest
import torch

from n2n.errors import UserError
from n2n.nets import memory
from n2n.nets.inference import REACH
from n2n.nets.memory import CPU_TILE, Place, fitting_tile, out_of_memory, within_memory
from n2n.nets.tiles import SIDES

CPU, GPU = torch.device("cpu"), torch.device("cuda")
FULL_GPU = torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


def allocation_error():
    """What torch really says when the main memory does not suffice."""
    with pytest.raises(RuntimeError) as found:
        torch.empty(2**58, dtype=torch.uint8)
    return found.value


class Work:
    """Succeeds only where there is room: `rooms` gives the largest tile that fits a kind of device."""

    def __init__(self, error, **rooms):
        self.error, self.rooms, self.tried = error, rooms, []

    def __call__(self, device, tile):
        self.tried.append((device.type, tile))
        if tile > self.rooms[device.type]:
            raise self.error
        return "denoised"


@pytest.fixture(autouse=True)
def no_cache(monkeypatch):
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)


def test_what_fits_is_done_once():
    work, place = Work(FULL_GPU, cuda=2048), Place(GPU, 2048, "H200")
    assert within_memory(work, place, 48) == ("denoised", place)
    assert work.tried == [("cuda", 2048)]


def test_half_the_tile_is_tried_before_the_cpu():
    work = Work(FULL_GPU, cuda=1024, cpu=4096)
    _, place = within_memory(work, Place(GPU, 2048, "H200"), 48)
    assert work.tried == [("cuda", 2048), ("cuda", 1024)]
    assert place == Place(GPU, 1024, "H200")


def test_the_cpu_comes_last_and_the_header_will_say_so(caplog):
    work = Work(FULL_GPU, cuda=0, cpu=4096)
    with caplog.at_level(logging.WARNING):
        result, place = within_memory(work, Place(GPU, 4096, "H200"), 48)
    assert result == "denoised" and place == Place(CPU, CPU_TILE, "cpu (out of memory on H200)")
    assert work.tried == [("cuda", 4096), ("cuda", 2048), ("cpu", CPU_TILE)]
    assert [record.getMessage() for record in caplog.records] == [
        "out of memory on the GPU with tiles of 4096 px",
        "out of memory on the GPU with tiles of 2048 px",
    ]


def test_a_cpu_without_memory_is_asked_for_half_then_the_user_is_told():
    half = CPU_TILE // 2
    work = Work(allocation_error(), cpu=half)
    assert within_memory(work, Place.on(CPU), 48) == ("denoised", Place(CPU, half, "cpu"))
    work = Work(allocation_error(), cpu=0)
    with pytest.raises(UserError, match=rf"even in tiles of {half} px; .* denoise\.tile"):
        within_memory(work, Place.on(CPU), 48)
    assert work.tried == [("cpu", CPU_TILE), ("cpu", half)]


@pytest.mark.parametrize(("tile", "overlap", "tried"), [(96, 0, [96]), (256, 128, [256]), (272, 120, [272, 136])])
def test_tiles_stay_larger_than_their_overlap_and_in_whole_blocks(tile, overlap, tried):
    work = Work(MemoryError(), cpu=0)
    with pytest.raises(UserError):
        within_memory(work, Place(CPU, tile, "cpu"), overlap)
    assert work.tried == [("cpu", side) for side in tried]


def test_other_errors_are_not_swallowed():
    work = Work(RuntimeError("size mismatch"), cpu=0)
    with pytest.raises(RuntimeError, match="size mismatch"):
        within_memory(work, Place.on(CPU), 48)
    assert len(work.tried) == 1


@pytest.mark.parametrize(
    "error",
    [FULL_GPU, MemoryError(), RuntimeError("CUDA error: out of memory"), RuntimeError("CUDNN_STATUS_ALLOC_FAILED")],
)
def test_memory_runs_out_in_many_words(error):
    assert out_of_memory(error) and out_of_memory(allocation_error())
    assert not out_of_memory(ValueError("out of memory"))


def test_a_gpus_tile_follows_its_free_memory_and_a_cpus_does_not(monkeypatch):
    def tile_with(gigabytes):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (int(gigabytes * 1e9), int(200e9)))
        return fitting_tile(GPU)

    assert [tile_with(size) for size in (0.1, 1, 3, 10, 100)] == [256, 512, 1024, 2048, 4096]
    assert fitting_tile(CPU) == CPU_TILE and CPU_TILE in SIDES
    largest = tile_with(100) + 2 * REACH
    assert memory.BYTES_A_PIXEL * largest**2 < memory.SHARE * 100e9


def test_a_gpu_that_cannot_even_be_asked_gets_the_smallest(monkeypatch):
    def full(device):
        raise RuntimeError("CUDA error: out of memory")

    monkeypatch.setattr(torch.cuda, "mem_get_info", full)
    assert fitting_tile(GPU) == min(SIDES)
