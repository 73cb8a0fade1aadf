"""PSNR after equal wall time: n2n's photo training beside the recipe of joeylitalien/noise2noise-pytorch.

    python benchmarks/photos/equal_time.py PHOTOS [--seconds 120] [--rounds 3]

Both train on noisy targets: Gaussian noise up to sigma 50, crops of 64 px in batches of 4, Adam at 0.001, the same
threads; both are tested on the same noisy Kodak crops. The other recipe is written anew from what its README and source
say, no code taken: one module for encoder levels 2 to 5 and one for decoder levels 4 to 2, ReLU, transposed
convolutions, LeakyReLU at the end; images opened from disk for every crop; noise clipped and cut to whole numbers; a
loader without workers. Its default loss would be L1; for Gaussian noise its README asks for L2. Writes equal_time.md.

Question: Which recipe has the higher PSNR after the same time, n2n's or joeylitalien's?
Asked: n2n's.
"""

import argparse
import itertools
import sys
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from n2n.nets.loop import generator_of
from n2n.study.corruptions import CORRUPTIONS, pair
from n2n.study.crops import Photographs
from n2n.study.inference import denoise_photograph
from n2n.study.losses import l2
from n2n.study.metrics import psnr
from n2n.study.paper import PaperUNet
from n2n.study.photographs import find_photographs, read_photograph

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import _bench

BATCH, CROP, SIGMA, RATE = 4, 64, 50, 0.001


class SharedUNet(nn.Module):
    """U-Net whose inner levels share their weights; 0.70 M parameters."""

    def __init__(self):
        super().__init__()

        def convolutions(*channels):
            pairs = itertools.pairwise(channels)
            return [part for a, b in pairs for part in (nn.Conv2d(a, b, 3, padding=1), nn.ReLU())]

        def up(channels):
            return nn.ConvTranspose2d(channels, channels, 3, stride=2, padding=1, output_padding=1)

        self.first = nn.Sequential(*convolutions(3, 48, 48), nn.MaxPool2d(2))
        self.inner = nn.Sequential(*convolutions(48, 48), nn.MaxPool2d(2))
        self.bottom = nn.Sequential(*convolutions(48, 48), up(48))
        self.up5 = nn.Sequential(*convolutions(96, 96, 96), up(96))
        self.up_inner = nn.Sequential(*convolutions(144, 96, 96), up(96))
        self.last = nn.Sequential(*convolutions(99, 64, 32), nn.Conv2d(32, 3, 3, padding=1), nn.LeakyReLU(0.1))
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.kaiming_normal_(layer.weight)
                nn.init.zeros_(layer.bias)

    def forward(self, image):
        """(n, 3, h, w) to the same shape; sides multiples of 32."""
        pools = [self.first(image)]
        for _ in range(4):
            pools.append(self.inner(pools[-1]))
        x = self.up5(torch.cat([self.bottom(pools[4]), pools[3]], dim=1))
        for skip in (pools[2], pools[1], pools[0]):
            x = self.up_inner(torch.cat([x, skip], dim=1))
        return self.last(torch.cat([x, image], dim=1))


class Clipped(torch.utils.data.Dataset):
    """Crops opened from disk, noise clipped to 0..255 and cut to whole numbers, values from 0 to 1."""

    def __init__(self, paths):
        self.paths = paths

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        image = Image.open(self.paths[index]).convert("RGB")
        left, top = (np.random.randint(0, side - CROP + 1) for side in image.size)
        crop = np.array(image.crop((left, top, left + CROP, top + CROP)))
        return self.noisy(crop), self.noisy(crop)

    @staticmethod
    def noisy(crop):
        """One noisy copy, channels first."""
        noise = np.random.normal(0, np.random.uniform(0, SIGMA), crop.shape)
        values = np.clip(crop + noise, 0, 255).astype(np.uint8)
        return torch.from_numpy(values.transpose(2, 0, 1).copy()).float() / 255


def other_recipe(paths, seconds: float, seed: int):
    """Train for so many seconds; returns a function from [-0.5, 0.5] to [-0.5, 0.5], and the crops seen."""
    torch.manual_seed(seed)
    np.random.seed(seed)
    model = SharedUNet()
    optimiser = torch.optim.Adam(model.parameters(), lr=RATE, betas=(0.9, 0.99), eps=1e-8)
    loader = torch.utils.data.DataLoader(Clipped(paths), batch_size=BATCH, shuffle=True)
    began, crops = time.monotonic(), 0
    while time.monotonic() - began < seconds:
        for source, target in loader:
            loss = nn.functional.mse_loss(model(source), target)
            loss.item()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            crops += len(source)
            if time.monotonic() - began >= seconds:
                break
    model.eval()

    class Shifted(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, image):
            return self.model(image + 0.5) - 0.5

    return Shifted(), crops


def ours(paths, seconds: float, seed: int):
    """n2n's training as in `fit`, until the time is over: the share of the time stands for that of the steps."""
    from n2n.nets import loop

    began = time.monotonic()
    photographs = Photographs.of([(path.name, read_photograph(path)) for path in paths], torch.device("cpu"), CROP)
    torch.manual_seed(seed)
    model = PaperUNet().to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(model.parameters(), lr=RATE, betas=(0.9, 0.99), weight_decay=1e-4, fused=True)
    step = 0
    while (used := (time.monotonic() - began) / seconds) < 1:
        generator = generator_of(seed, step)
        batch = pair(photographs.crops(BATCH, CROP, generator), CORRUPTIONS["gaussian"], generator, False)
        for group in optimiser.param_groups:
            group["lr"] = RATE * loop._share(int(1000 * used), 1000)
        loss = l2(model(batch["source"].to(memory_format=torch.channels_last)), batch["target"])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        step += 1
    return model.eval(), step * BATCH


def score(model, images) -> float:
    """Mean PSNR over the middle 256 px of the images, Gaussian noise of sigma 25, 8 bits."""
    values = []
    for index, photograph in enumerate(images):
        top, left = (photograph.shape[0] - 256) // 2, (photograph.shape[1] - 256) // 2
        clean = torch.from_numpy(photograph[top : top + 256, left : left + 256].copy()).permute(2, 0, 1) / 255 - 0.5
        generator = torch.Generator().manual_seed(index)
        noisy, _ = CORRUPTIONS["gaussian"].corrupt(clean[None], torch.tensor([25 / 255]), generator)
        values.append(psnr(clean, denoise_photograph(model, noisy[0]), quantised=True))
    return float(np.mean(values))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, help="folder with train and kodak24")
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(_bench.cores())
    paths = find_photographs(args.photos / "train")
    kodak = [read_photograph(path) for path in find_photographs(args.photos / "kodak24")]
    rows, differences = [], []
    for seed in range(1, args.rounds + 1):
        found = {}
        for name, recipe in (("n2n", ours), ("other", other_recipe)):
            model, crops = recipe(paths, args.seconds, seed)
            found[name] = score(model, kodak), crops
            print(seed, name, found[name], flush=True)
        differences.append(found["n2n"][0] - found["other"][0])
        cells = [seed, *(f"{found[name][0]:.2f}" for name in found), *(found[name][1] for name in found)]
        rows.append("| " + " | ".join(map(str, cells)) + " |")
    error = np.std(differences, ddof=1) / np.sqrt(len(differences)) if len(differences) > 1 else float("nan")
    reached = f"{np.mean(differences):+.2f} ± {error:.2f} dB after {args.seconds:.0f} s each"
    text = [
        f"{args.seconds:.0f} s each, reading the photographs included.",
        "Kodak, middle 256 px, sigma 25, 8-bit PSNR in dB.",
        "",
        "| seed | n2n | joeylitalien's recipe | crops n2n | crops other |",
        "|---|---|---|---|---|",
        *rows,
        "",
        f"n2n less the other: {np.mean(differences):+.2f} ± {error:.2f} dB.",
    ]
    print(_bench.write_page(__file__, "Photographs: PSNR after equal time", text, reached))


if __name__ == "__main__":
    main()
