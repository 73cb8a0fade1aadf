"""Choose where the network runs, and say so."""

import contextlib
import os
import warnings

import torch
import torch.nn.functional as F

from n2n.errors import UserError
from n2n.log import logger

PROBE_CHANNELS, PROBE_SIDE = 8, 8  # as few as cuDNN still takes its usual ways for


def choose_device(wanted: str = "auto", gpus: int = 1) -> torch.device:
    """Return the device to use. A GPU is tried before it is trusted.

    Parameters
    ----------
    wanted : {"auto", "cpu", "cuda"}
        The configuration's `device`.
    gpus : int
        What snakemake grants (``--resources gpu=N``); 0 means CPU.

    Raises
    ------
    UserError
        When `wanted` is "cuda" and there is none that computes.
    """
    if wanted == "cpu" or (gpus <= 0 and wanted != "cuda"):
        return torch.device("cpu")
    torch.backends.cudnn.benchmark = True
    # By default cuDNN rounds the operands of float32 convolutions to 10 bits: bands and gates need them whole.
    torch.backends.cudnn.allow_tf32 = False
    fault = gpu_fault()
    if not fault:
        return torch.device("cuda")
    if wanted == "cuda":
        remedy = "set device: auto in config/config.yaml"
        raise UserError(f"device: cuda is set but no CUDA GPU is usable here; {remedy} ({fault})")
    logger.warning("no usable GPU found (%s); running on the CPU instead (--resources gpu=0 silences this)", fault)
    return torch.device("cpu")


def gpu_fault() -> str:
    """Why no GPU can be used, in torch's words; empty when one computes what it should.

    That a GPU is there says little: torch may have no code for so old a one, or another program holds it.
    """
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            if not torch.cuda.is_available():
                torch.cuda.init()  # raises, and says why
                return "torch does not say why"
        except Exception as error:  # no driver, one too old for this torch, a torch made for CPUs alone ...
            # A driver too old is told in a warning, too: the first time that anybody asks, and more plainly.
            told = [str(one.message) for one in said if "CUDA" in str(one.message)]
            return first_line(told[0] if told else error)
        try:
            right = _computes(torch.device("cuda"))
        except Exception as error:  # no code for this GPU, another program holds or fills it, ...
            return first_line(error)
    return "" if right else "a convolution on it gave wrong values"


def first_line(error: Exception | str) -> str:
    """The first line of an error that says something, without a full stop; of one without words, its class."""
    lines = (line.strip(" .:;") for line in str(error).splitlines())
    return next(filter(None, lines), type(error).__name__)


@torch.enable_grad()
def _computes(device: torch.device) -> bool:
    """Whether a convolution, forward and backward, gives the right numbers in either precision the network uses."""
    shape = (1, PROBE_CHANNELS, PROBE_SIDE, PROBE_SIDE)
    image = torch.ones(shape, device=device).to(memory_format=torch.channels_last)
    whole = torch.ones((PROBE_CHANNELS, PROBE_CHANNELS, 3, 3), device=device)
    seen = (3 * PROBE_SIDE - 2) ** 2  # products of a 3x3 kernel with an image that zeros surround
    for precision in (contextlib.nullcontext(), half_precision(device)):
        kernel = whole.clone().requires_grad_()
        with precision:
            result = F.conv2d(image, kernel, padding=1)
        total = result.float().sum()
        total.backward()
        if total.item() != PROBE_CHANNELS**2 * seen or kernel.grad.sum().item() != PROBE_CHANNELS**2 * seen:
            return False
    return True


def half_precision(device: torch.device) -> torch.autocast:
    """Autocast to bfloat16 where a GPU computes in it; on all others, and on a CPU, nothing changes.

    A GPU that only emulates it is slower than in float32. Numbers then have 8 significant bits: this belongs around a
    network, never around what measures light.
    """
    true = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.autocast("cuda", torch.bfloat16, enabled=true)


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
