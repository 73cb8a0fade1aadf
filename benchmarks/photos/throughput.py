"""Crops a second: n2n's training loop beside CAREamics' Noise2Noise, same network, crops, device and threads, in turn.

    python -m venv peer
    peer/bin/pip install careamics torch==2.11.0 torchvision==0.26.0
    peer/bin/python benchmarks/photos/throughput.py PHOTOS [--steps 150] [--rounds 3]

Runs in CAREamics' environment; n2n's loop is taken from this repository. The network is CAREamics' own U-Net (depth 3,
32 channels, no batch norm) for both; crops of 64 px in batches of 8 from the same photographs with Gaussian noise.
CAREamics trains as its Noise2Noise configuration for arrays sets it up (noise fixed, its loader, normalisation and
augmentation, Adam); n2n's loop draws noise anew for every crop. The first tenth of the steps is not counted. Writes
throughput.md.

Question: How many crops a second does n2n's training loop take, beside CAREamics', with the same network?
Asked: at least as many on a CPU, 5 times as many on a GPU.
"""

import argparse
import logging
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import torch

sys.path[:0] = map(str, Path(__file__).resolve().parents[1:3])

import _bench  # noqa: E402

from n2n.nets.device import half_precision  # noqa: E402
from n2n.nets.loop import fit, generator_of  # noqa: E402
from n2n.study.corruptions import CORRUPTIONS, pair  # noqa: E402
from n2n.study.crops import Photographs  # noqa: E402
from n2n.study.photographs import find_photographs, read_photograph  # noqa: E402

BATCH, CROP, DEPTH, WIDTH = 8, 64, 3, 32
NETWORK = {"depth": DEPTH, "num_channels_init": WIDTH, "use_batch_norm": False}


def rate(marks: list[float]) -> float:
    """Crops a second from the moments at which steps ended."""
    first = len(marks) // 10
    return BATCH * (len(marks) - 1 - first) / (marks[-1] - marks[first])


def careamics(images: list[np.ndarray], steps: int, device: str) -> tuple[float, object]:
    """CAREamics' rate and network."""
    from careamics import CAREamist
    from careamics.config.factories.care_n2n_factory import create_advanced_n2n_config
    from pytorch_lightning.callbacks import Callback

    class Clock(Callback):
        marks = []  # noqa: RUF012

        def on_train_batch_end(self, *args, **kwargs):
            if device == "gpu":
                torch.cuda.synchronize()
            Clock.marks.append(time.monotonic())

    rng = np.random.default_rng(0)
    noisy = [np.stack([i + rng.normal(0, 25, i.shape) for i in images]).astype(np.float32) for _ in range(2)]
    config = create_advanced_n2n_config(
        experiment_name="throughput",
        data_type="array",
        axes="SCYX",
        patch_size=[CROP, CROP],
        batch_size=BATCH,
        num_epochs=1,
        num_steps=steps,
        n_channels_in=3,
        n_channels_out=3,
        independent_channels=False,
        model_params=NETWORK,
        trainer_params={"accelerator": device, "devices": 1},
    )
    with tempfile.TemporaryDirectory() as folder:
        clock = Clock()
        trainer = CAREamist(config, work_dir=folder, callbacks=[clock], enable_progress_bar=False)
        Clock.marks.clear()
        trainer.train(train_data=noisy[0], train_data_target=noisy[1])
    return rate(Clock.marks), trainer.model.model


def ours(network, images: list[np.ndarray], steps: int, device: torch.device) -> float:
    """The rate of n2n's loop with that network, built anew."""
    import copy

    model = copy.deepcopy(network).to(device, memory_format=torch.channels_last).train()
    photographs = Photographs.of([(str(k), i.transpose(1, 2, 0)) for k, i in enumerate(images)], device, CROP)
    marks = []
    fast = torch.compile(model) if device.type == "cuda" else model

    def loss_of_step(step):
        if device.type == "cuda":
            torch.cuda.synchronize()
        marks.append(time.monotonic())
        generator = generator_of(1, step, device)
        batch = pair(photographs.crops(BATCH, CROP, generator), CORRUPTIONS["gaussian"], generator, False)
        with half_precision(device):
            output = fast(batch["source"].to(memory_format=torch.channels_last)).float()
        return (output - batch["target"]).square().mean()

    fit(
        model, loss_of_step, lambda: (0.0,), steps=steps + 1, learning_rate=1e-3, fingerprint="",
        validate_every=10**9, report=lambda text: None,
    )  # fmt: skip
    return rate(marks)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, help="folder with train")
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.disable(logging.INFO)
    torch.set_num_threads(_bench.cores())
    gpu = torch.cuda.is_available()
    # One size, landscape, so that CAREamics can take them as one array.
    paths = find_photographs(args.photos / "train")
    images = [i.transpose(2, 0, 1) for i in map(read_photograph, paths) if i.shape[1] > i.shape[0]][:60]
    rows, ratios = [], []
    for number in range(1, args.rounds + 1):
        theirs, network = careamics(images, args.steps, "gpu" if gpu else "cpu")
        mine = ours(network, images, args.steps, torch.device("cuda" if gpu else "cpu"))
        ratios.append(mine / theirs)
        rows.append(f"| {number} | {mine:.1f} | {theirs:.1f} | {mine / theirs:.2f} |")
        print(rows[-1], flush=True)
    from importlib.metadata import version

    device = _bench.machine(torch.cuda.get_device_name() if gpu else "no GPU")
    ratio = np.median(ratios)
    text = [
        f"torch {torch.__version__}, CAREamics {version('careamics')}.",
        "",
        f"Training crops of {CROP} px a second, batches of {BATCH}, CAREamics' U-Net (depth {DEPTH}, {WIDTH} "
        f"channels) for both, {args.steps} steps a round.",
        "",
        "| round | n2n | CAREamics | ratio |",
        "|---|---|---|---|",
        *rows,
        "",
        f"Median ratio {ratio:.2f}.",
    ]
    title = "Photographs: crops a second beside CAREamics"
    print(_bench.write_page(__file__, title, text, f"median ratio {ratio:.2f}", machine=device))


if __name__ == "__main__":
    main()
