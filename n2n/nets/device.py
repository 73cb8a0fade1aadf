"""Choose where the network runs, and say so."""

import os

import torch

from n2n.errors import UserError
from n2n.log import logger


def choose_device(wanted: str = "auto", gpus: int = 1) -> torch.device:
    """Return the device to use.

    Parameters
    ----------
    wanted : {"auto", "cpu", "cuda"}
        The configuration's `device`.
    gpus : int
        What snakemake grants (``--resources gpu=N``); 0 means CPU.

    Raises
    ------
    UserError
        When `wanted` is "cuda" and there is none.
    """
    if wanted == "cpu":
        return torch.device("cpu")
    if torch.cuda.is_available() and (gpus > 0 or wanted == "cuda"):
        torch.backends.cudnn.benchmark = True
        return torch.device("cuda")
    if wanted == "cuda":
        raise UserError("device: cuda is set but no CUDA GPU is usable here; set device: auto in config/config.yaml")
    if gpus > 0:
        logger.warning("no usable GPU found; running on the CPU instead (--resources gpu=0 silences this)")
    return torch.device("cpu")


def set_threads(threads: int | None) -> None:
    """Use `threads` CPU threads; None uses all that this process may run on."""
    torch.set_num_threads(max(1, threads or len(os.sched_getaffinity(0))))


def device_name(device: torch.device) -> str:
    """Plain name for headers, e.g. ``cpu`` or ``NVIDIA H200``."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def compiled(model: torch.nn.Module, device: torch.device):
    """The model compiled for a GPU; on the CPU, and where compiling fails, the model itself.

    A step of a small network is shorter than the launch of its kernels one by one. Compiling needs a C compiler,
    which not every machine with a GPU has.
    """
    if device.type != "cuda":
        return model
    fast = torch.compile(model)
    state = {"call": fast}

    def call(*inputs):
        if state["call"] is fast:
            try:
                return fast(*inputs)
            except Exception as error:  # whatever the compiler says, the plain network works
                logger.warning("the network could not be compiled (%s); training goes on slower", type(error).__name__)
                state["call"] = model
        return model(*inputs)

    return call
