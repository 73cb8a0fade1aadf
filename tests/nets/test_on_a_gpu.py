"""Nets and photographs on a stand-in for a GPU: nothing mixes devices, values are the CPU's, the loop does not wait."""

import logging

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from fakecuda import fake_cuda

from n2n.errors import UserError
from n2n.nets import inference, loop, prior
from n2n.nets.bands import SMOOTHING
from n2n.nets.device import choose_device, half_precision
from n2n.nets.sampling import Region
from n2n.nets.training import Recipe, train
from n2n.nets.unet import INPUTS, Denoiser, look
from n2n.study import corruptions, training
from n2n.study.crops import Photographs
from n2n.study.inference import denoise_photograph

GPU = torch.device("cuda")
RECIPE = Recipe(width=8, steps=6, batch=2, crop=32, seed=3)


@pytest.fixture(autouse=True)
def _flags(monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)


def values(model):
    return {name: getattr(p, "there", p).detach() for name, p in model.named_parameters()}


def test_the_stand_in_refuses_what_a_gpu_would():
    with fake_cuda():
        there, here = torch.ones(3, device="cuda"), torch.ones(3)
        with pytest.raises(RuntimeError, match="same device"):
            there + here
        with pytest.raises(TypeError, match="numpy"):
            there.numpy()
        with pytest.raises(RuntimeError, match="generator"):
            torch.rand(3, generator=torch.Generator(), device="cuda")


def test_a_night_trains_to_the_same_network(field, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "VALIDATE_EVERY", 3)
    plain, _ = train([field.region], RECIPE, fingerprint="a", report=lambda t: None)
    with fake_cuda(autocast=False):
        region = Region.from_arrays(*field.arrays, device=GPU)
        for path in (None, tmp_path / "state.pt", tmp_path / "state.pt"):  # the last one resumes
            model, _ = train([region], RECIPE, fingerprint="a", state_path=path, report=lambda t: None)
            a, b = values(plain), values(model)
            assert all(torch.equal(a[name], b[name]) for name in a)


def test_a_night_trains_in_half_precision(field):
    with fake_cuda():
        region = Region.from_arrays(*field.arrays, device=GPU)
        model, curves = train([region], RECIPE, fingerprint="a", report=lambda t: None)
    assert all(torch.isfinite(value).all() and value.dtype == torch.float32 for value in values(model).values())
    assert np.isfinite(curves.rows[-1][1:3]).all()


def test_an_image_is_denoised_to_the_same_values(field):
    image = np.where(field.arrays[1][0], field.arrays[0][0], np.nan)
    depth, variance = np.full(image.shape, 3, np.float32), np.full(image.shape, 2, np.float32)
    rest = {"tile": 64, "overlap": 16, "orientations": 2}
    here = inference.denoise(prior.network(), image, depth, variance, 2.0, field.region.band_noise, **rest)
    with fake_cuda(autocast=False):
        there = inference.denoise(prior.network().to(GPU), image, depth, variance, 2.0, field.region.band_noise, **rest)
    assert np.array_equal(here, there)


SKY, STACKED = 2.0, 60  # e-, noise of the sky in the stack; exposures
NOISE = torch.tensor([0.85, 0.28, 0.2, 0.13, 0.08])


def nebula(peak, side=128):
    """Smooth light of so many sigma of the sky: a stack of it, and the local noise."""
    y, x = np.mgrid[:side, :side] - side / 2
    truth = peak * SKY * np.exp(-(x**2 + y**2) / 2000)
    local = np.sqrt(SKY**2 + truth / STACKED)
    return (truth + local * np.random.default_rng(1).standard_normal(truth.shape)).astype("f4"), truth, local


@pytest.mark.parametrize("peak", [30, 300, 1000, 3000])
def test_half_precision_leaves_a_bright_nebula_alone(peak):
    image, truth, local = nebula(peak)
    depth, variance = np.full_like(image, STACKED), (STACKED * SKY**2 + truth).astype("f4")
    given = image, depth, variance, STACKED * SKY**2, NOISE
    here = inference.denoise(prior.network(), *given, orientations=1)
    with fake_cuda():
        there = inference.denoise(prior.network().to(GPU), *given, orientations=1)
    assert not np.array_equal(here, there)
    # With the bands in half precision, too, single pixels moved by 0.15, 1.7, 2.3 and 5.1 local sigma.
    moved = np.abs(there - here) / local
    assert np.quantile(moved, 0.999) <= 0.05 and moved.max() <= 0.07


def test_in_training_half_precision_is_the_unets_alone():
    image, truth, local = (torch.from_numpy(part.astype("f4"))[None, None] for part in nebula(1000))
    rest = torch.full_like(image, STACKED), torch.full((1, 1, 1, 1), STACKED * SKY**2), STACKED * SKY**2 + truth, NOISE
    with torch.no_grad():
        here = prior.network()(image, *rest)
        with fake_cuda():
            there = prior.network().to(GPU)(image.to(GPU), *(one.to(GPU) for one in rest)).cpu()
    assert ((there - here).abs() / local).max() <= 0.07


def test_all_but_the_unet_is_float32():
    image = torch.from_numpy(nebula(300, side=32)[0])[None, None]
    with fake_cuda():
        model, kinds = Denoiser(8).to(GPU), []
        rest = (torch.ones_like(image), torch.ones(1, 1, 1, 1), torch.ones_like(image), NOISE)
        model.unet.head.register_forward_hook(lambda layer, given, out: kinds.append(out.dtype))
        seen = look(image.to(GPU), *(one.to(GPU) for one in rest))
        assert {one.dtype for one in vars(seen).values()} == {torch.float32}
        assert model.opinion(seen.features).dtype == torch.float32 and kinds == [torch.bfloat16]
        assert seen.features.shape[1] == INPUTS == 4 + len(SMOOTHING)


@pytest.mark.parametrize(("generation", "half"), [(6, False), (7, False), (8, True), (9, True), (12, True)])
def test_half_precision_is_used_where_it_is_computed_and_not_emulated(generation, half):
    with fake_cuda(generation=generation), half_precision(GPU):
        kernel = torch.ones(1, 1, 3, 3, device=GPU)
        assert (F.conv2d(kernel, kernel).dtype == torch.bfloat16) == half
    with half_precision(torch.device("cpu")):
        assert F.conv2d(torch.ones(1, 1, 3, 3), torch.ones(1, 1, 3, 3)).dtype == torch.float32


def busy(*given, **more):
    raise torch.AcceleratorError(
        "CUDA error: CUDA-capable device(s) is/are busy or unavailable\nCUDA kernel errors ..."
    )


def refusing(words, kind=RuntimeError):
    def conv(*given, **more):
        raise kind(words)

    return conv


REFUSALS = {
    "no kernel image is available": refusing("CUDA error: no kernel image is available for execution\nSearch for ..."),
    "GET was unable to find an engine": refusing("GET was unable to find an engine to execute this computation"),
    "busy or unavailable": busy,
    "out of memory": refusing("CUDA out of memory. Tried to allocate 20 MiB.\nGPU 0 has ...", torch.OutOfMemoryError),
    "libcudnn": refusing("\nlibcudnn_cnn.so.9: cannot open shared object file", OSError),
    "wrong values": lambda image, kernel, **more: image * kernel.sum(),
}


@pytest.mark.parametrize("words", REFUSALS)
def test_a_gpu_that_cannot_compute_is_not_used(words, monkeypatch, caplog, recwarn):
    monkeypatch.setattr(F, "conv2d", REFUSALS[words])
    with fake_cuda(), caplog.at_level(logging.WARNING):
        assert choose_device("auto", 1).type == "cpu"
        (record,) = caplog.records
        said = record.getMessage()
        assert words in said and "CPU instead" in said and "gpu=0" in said and "\n" not in said
        with pytest.raises(UserError, match=r"device: cuda.*device: auto") as error:
            choose_device("cuda", 1)
    assert words in str(error.value) and "\n" not in str(error.value)
    assert len(caplog.records) == 1 and not recwarn.list


def test_a_gpu_that_fails_in_half_precision_alone_is_not_used(monkeypatch, caplog):
    plain = F.conv2d

    def conv(image, *rest, **more):
        if torch.is_autocast_enabled("cpu"):  # the stand-in's
            raise RuntimeError("FIND was unable to find an engine to execute this computation")
        return plain(image, *rest, **more)

    monkeypatch.setattr(F, "conv2d", conv)
    with fake_cuda():
        assert choose_device("auto", 1).type == "cpu"
    assert "FIND was unable" in caplog.text
    with fake_cuda(generation=7):  # there half precision is not used
        assert choose_device("auto", 1).type == "cuda"


def test_a_gpu_that_fails_backwards_is_not_used(monkeypatch, caplog):
    def backward(*given, **more):
        raise RuntimeError("cuDNN error: CUDNN_STATUS_NOT_SUPPORTED")

    with fake_cuda():
        monkeypatch.setattr(torch.Tensor, "backward", backward)
        assert choose_device("auto", 1).type == "cpu"
    assert "CUDNN_STATUS_NOT_SUPPORTED" in caplog.text


def test_a_gpu_that_computes_is_used_in_full_precision(caplog):
    with fake_cuda() as fake:
        assert choose_device("auto", 1).type == "cuda"
        assert not torch.backends.cudnn.allow_tf32
        assert fake.kernels["convolution"] == 2 and fake.kernels["convolution_backward"] == 2
    assert not caplog.records


@pytest.mark.parametrize("name", corruptions.CORRUPTIONS)
def test_photographs_train_and_do_not_wait(name):
    pixels = np.random.default_rng(0).integers(0, 255, (80, 96, 3), dtype=np.uint8)
    kind = corruptions.CORRUPTIONS[name]
    with fake_cuda() as fake:
        photographs = Photographs.of([("a", pixels), ("b", pixels)], GPU, 32)
        waits = []

        def draw(generator):
            waits.append(fake.count["waits"])
            return corruptions.pair(photographs.crops(2, 32, generator), kind, generator, False)

        recipe = training.PhotoRecipe(network="ours", width=6, loss=kind.loss, steps=4, batch=2, crop=32)
        given = torch.Generator(GPU).manual_seed(1)
        model, _ = training.train_on_photographs(
            recipe, draw, [draw(given) | {"clean": None}], GPU, fingerprint="", report=lambda t: None
        )
        assert denoise_photograph(model, torch.rand(3, 50, 70) - 0.5).shape == (3, 50, 70)
    assert len({*np.diff(waits[2:])}) <= 1
