"""How large a tile the network is given, and what happens when memory runs out all the same.

On the CPU the tile is always the same one: the same image gives the same bytes, however much memory happens to be free.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import torch

from n2n.errors import UserError
from n2n.log import logger
from n2n.nets.device import device_name
from n2n.nets.inference import REACH
from n2n.nets.tiles import BLOCK, SIDES, SMALLEST

CPU_TILE = 1024  # px; with a larger one, at most the quarter of the work could be saved that goes into what tiles share
BYTES_A_PIXEL = 1000  # of a tile and what it sees; benchmarks/inference finds 450 on a CPU
SHARE = 0.5  # of a GPU's free memory

Result = TypeVar("Result")


@dataclass(frozen=True)
class Place:
    """Where an image is denoised: the device, the side of a tile [px], and the device's name for the header."""

    device: torch.device
    tile: int
    name: str

    @classmethod
    def on(cls, device: torch.device, tile: int = 0) -> "Place":
        """A place on a device; without a tile, the one that suits it."""
        return cls(device, tile or fitting_tile(device), device_name(device))


def fitting_tile(device: torch.device) -> int:
    """Side of a tile [px] that suits the device: fixed for a CPU, by the free memory of a GPU."""
    if device.type != "cuda":
        return CPU_TILE
    room = SHARE * _free_bytes(device) / BYTES_A_PIXEL
    return next((side for side in SIDES if (side + 2 * REACH) ** 2 <= room), SIDES[-1])


def within_memory(work: Callable[[torch.device, int], Result], place: Place, overlap: int = 0) -> tuple[Result, Place]:
    """Do what needs a device and a tile. Where memory runs out, it is tried with half the tile, then on the CPU.

    Parameters
    ----------
    work : callable
        Takes the device and the side of a tile [px].
    place : Place
        First choice.
    overlap : int
        Of tiles, which are never made smaller than that.

    Returns
    -------
    result
        Of `work`.
    place : Place
        Where it was done; its name tells when memory ran out on a GPU.

    Raises
    ------
    UserError
        When the memory does not suffice anywhere.
    """
    tries = _halved(place, overlap)
    if place.device.type != "cpu":
        instead = Place(torch.device("cpu"), min(place.tile, CPU_TILE), f"cpu (out of memory on {place.name})")
        tries += _halved(instead, overlap)
    for here in tries:
        try:
            return work(here.device, here.tile), here
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
        # Beyond the except clause, where the error no longer holds the tensors of the failed attempt.
        kind = "CPU" if here.device.type == "cpu" else "GPU"
        logger.warning("out of memory on the %s with tiles of %d px", kind, here.tile)
        if here.device.type == "cuda":
            torch.cuda.empty_cache()
    raise UserError(
        f"not enough memory to denoise, even in tiles of {here.tile} px; close other programs or set a smaller "
        "denoise.tile"
    )


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out: torch has a class of its own for GPUs only."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    words = ("out of memory", "can't allocate memory", "not enough memory", "alloc_failed")
    return isinstance(error, RuntimeError) and any(word in str(error).lower() for word in words)


def _halved(place: Place, overlap: int) -> list[Place]:
    """The place, and the same with half the tile where that is a tile at all."""
    half = place.tile // 2 // BLOCK * BLOCK
    return [place] if half < max(SMALLEST, overlap + BLOCK) else [place, replace(place, tile=half)]


def _free_bytes(device: torch.device) -> int:
    try:
        return torch.cuda.mem_get_info(device)[0]
    except RuntimeError as error:  # a GPU so full that not even a question can be put to it
        if not out_of_memory(error):
            raise
        return 0
