import logging
import os
import warnings

import pytest
import torch
from fakecuda import fake_cuda

from n2n.errors import UserError
from n2n.nets.device import choose_device, compiled, device_name, set_threads


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.fixture
def one_gpu(monkeypatch):
    with fake_cuda() as gpu:
        yield gpu


@pytest.fixture(autouse=True)
def _flags(monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)


def test_without_a_gpu_it_says_so_once_and_goes_on(no_gpu, caplog):
    with caplog.at_level(logging.WARNING):
        assert choose_device("auto", 1).type == "cpu"
    (record,) = caplog.records
    assert "no usable GPU" in record.getMessage() and "gpu=0" in record.getMessage()


OLD = "CUDA initialization: The NVIDIA driver on your system is too old (found version 12020). Please update"


def warns_of_an_old_driver():
    warnings.warn(OLD + "\n(Triggered internally at ...)", stacklevel=1)
    return False


def has_no_driver():
    raise RuntimeError("Found no NVIDIA driver on your system. Please check\nthat ...")


def is_broken():
    raise OSError("libcudart.so.13: cannot open shared object file")


@pytest.mark.parametrize(
    ("available", "init", "words"),
    [
        (warns_of_an_old_driver, has_no_driver, "driver on your system is too old (found version 12020)"),
        (lambda: False, has_no_driver, "Found no NVIDIA driver"),
        (lambda: False, torch.cuda.init, "not compiled with CUDA"),
        (is_broken, has_no_driver, "libcudart.so.13"),
    ],
)
def test_why_a_gpu_is_not_usable_is_said_in_torchs_words(available, init, words, monkeypatch, caplog, recwarn):
    if words == "not compiled with CUDA" and torch.version.cuda:
        pytest.skip("this torch is made for GPUs")
    monkeypatch.setattr(torch.cuda, "is_available", available)
    monkeypatch.setattr(torch.cuda, "init", init)
    assert choose_device("auto", 1).type == "cpu"
    (record,) = caplog.records
    assert words in record.getMessage() and "\n" not in record.getMessage() and not recwarn.list
    with pytest.raises(UserError, match=r"device: cuda.*device: auto") as error:
        choose_device("cuda", 1)
    assert words in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(("wanted", "gpus"), [("auto", 0), ("cpu", 0), ("cpu", 1)])
def test_who_asks_for_the_cpu_hears_nothing(no_gpu, caplog, wanted, gpus):
    with caplog.at_level(logging.DEBUG):
        assert choose_device(wanted, gpus).type == "cpu"
    assert not caplog.records


@pytest.mark.parametrize("gpus", [0, 1])
def test_who_insists_on_a_gpu_gets_an_error(no_gpu, gpus):
    with pytest.raises(UserError, match=r"device: cuda.*device: auto"):
        choose_device("cuda", gpus)


@pytest.mark.parametrize(
    ("wanted", "gpus", "expected"),
    [("auto", 1, "cuda"), ("auto", 0, "cpu"), ("cpu", 1, "cpu"), ("cuda", 1, "cuda"), ("cuda", 0, "cuda")],
)
def test_a_gpu_is_used_where_granted(one_gpu, caplog, wanted, gpus, expected):
    assert choose_device(wanted, gpus).type == expected
    assert not caplog.records


def test_threads_are_as_many_as_granted():
    before = torch.get_num_threads()
    try:
        set_threads(1)
        assert torch.get_num_threads() == 1
        set_threads(None)
        assert torch.get_num_threads() == len(os.sched_getaffinity(0))
    finally:
        torch.set_num_threads(before)


def test_the_cpu_has_a_plain_name():
    assert device_name(torch.device("cpu")) == "cpu"


class GPU:
    type = "cuda"


def test_where_compiling_fails_the_plain_network_goes_on(monkeypatch, caplog):
    def broken(model):
        def call(*inputs):
            raise RuntimeError("no C compiler")

        return call

    monkeypatch.setattr(torch, "compile", broken)
    model = torch.nn.Linear(2, 1)
    call = compiled(model, GPU())
    x = torch.ones(3, 2)
    assert torch.equal(call(x), model(x)) and torch.equal(call(x), model(x))
    assert caplog.text.count("could not be compiled") == 1
    assert compiled(model, torch.device("cpu")) is model
