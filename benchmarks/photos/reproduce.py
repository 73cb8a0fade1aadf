"""Reach the figures of the Noise2Noise paper from 300 photographs instead of 50,000: one command, a table out.

    python benchmarks/photos/reproduce.py PHOTOS [--minutes 10] [--noise gaussian ...] [--dry-run 200]

PHOTOS holds the folders train, valid, kodak24 and set14. Trains the paper's U-Net with noisy targets, tests on Kodak
and Set14 and writes reproduce.md beside this file. After --minutes a model a training is stopped; the same command goes
on with it. --dry-run trains only so many steps and says how fast that was.

Question: Are the figures of the Noise2Noise paper reached from 300 photographs instead of 50,000?
Asked: Kodak: Gaussian 32.2 dB, Poisson 31.3, Bernoulli 32.5, text 34; published: 32.39, 31.66, 33.17, 35.75.
Reached: not measured in full, which takes a GPU; the first steps on a CPU are in photos/dry-run
"""

import argparse
import contextlib
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

from n2n.study.cells import SIZES, recipe_options

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import _bench

# Lehtinen et al. 2018: Gaussian and Poisson from the official code's U-Net (README, Kodak), the others from table 1 and
# figure 3 (one image) of the paper.
PUBLISHED = {
    "gaussian": {"kodak24": 32.39, "set14": 31.28},
    "poisson": {"kodak24": 31.66, "set14": 30.06},
    "bernoulli": {"kodak24": 33.17, "set14": 31.72},
    "text": {"kodak24": 35.75},
}


def train(noise: str, photos: Path, work: Path, minutes: float, repeats: int) -> dict | None:
    """Train or go on training; None when the time was not enough."""
    model = work / noise / "model.json"
    if not model.exists():
        command = [sys.executable, "-m", "n2n", "photo", "train", "--noise", noise, "--seed", "1", "-o", str(model)]
        command += ["--photos", str(photos / "train"), "--valid", str(photos / "valid"), "--test-repeats", str(repeats)]
        command += ["--test", str(photos / "kodak24"), str(photos / "set14"), *recipe_options("full").split()]
        child = subprocess.Popen(command)
        try:
            child.wait(60 * minutes)
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGINT)
        child.wait()
    return json.loads(model.read_text()) if model.exists() else None


def dry_run(noise: str, photos: Path, steps: int) -> str:
    """The first steps of the full recipe, and their speed."""
    import torch

    from n2n.nets.device import choose_device, device_name, set_threads
    from n2n.study.photographs import training_and_validation
    from n2n.study.sources import Synthetic
    from n2n.study.training import PhotoRecipe, train_on_photographs

    class Enough(Exception):
        pass

    full = SIZES["full"]
    recipe = PhotoRecipe(**{key: full[key] for key in ("width", "steps", "batch", "crop", "learning_rate")})
    device = choose_device("auto", int(torch.cuda.is_available()))
    set_threads(None)
    named = training_and_validation(photos / "train", photos / "valid")
    shape = {"batch": recipe.batch, "crop": recipe.crop, "device": device}
    source = Synthetic.of(*named, noise, clean_targets=False, **shape)
    marks = []

    def report(text: str) -> None:
        print(text, flush=True)
        marks.append((time.monotonic(), text))
        if int(text.split()[1].split("/")[0]) >= steps:
            raise Enough

    every = max(1, steps // 10)
    with contextlib.suppress(Enough):
        train_on_photographs(
            recipe, source.draw, source.validation, device, fingerprint="", validate_every=every, report=report
        )
    seconds = (marks[-1][0] - marks[0][0]) / (len(marks) - 1) / every
    first, last = (mark[1].split()[3] for mark in (marks[0], marks[-1]))
    return (
        f"{noise}: {steps} of {recipe.steps} steps, {recipe.batch} crops of {recipe.crop} px, {device_name(device)}, "
        f"{torch.get_num_threads()} threads: {recipe.batch / seconds:.1f} crops a second (validation included), "
        f"training loss {first} -> {last}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--noise", nargs="+", choices=PUBLISHED, default=list(PUBLISHED))
    parser.add_argument("--minutes", type=float, default=10, help="a model and call")
    parser.add_argument("--repeats", type=int, default=4, help="noise drawn so often for each test image")
    parser.add_argument("--work", type=Path, default=Path("results/reproduce"), help="where models are kept")
    parser.add_argument("--dry-run", type=int, metavar="STEPS", help="only so many steps, and their speed")
    args = parser.parse_args()
    if args.dry_run:
        lines = [f"- {dry_run(noise, args.photos, args.dry_run)}" for noise in args.noise]
        path, title = Path(__file__).with_name("dry-run.md"), "Photographs: the first steps of `reproduce.py`"
        reached = "; ".join(" ".join(line[2:].split(": ")[0:3:2]) for line in lines)
        print(_bench.write_page(__file__, title, lines, reached, path=path))
    else:
        found = []
        lines = [
            "| noise | test set | noisy | PSNR (8 bits) | PSNR (float) | SSIM | published |",
            "|---" * 7 + "|",
        ]
        for noise in args.noise:
            facts = train(noise, args.photos, args.work, args.minutes, args.repeats)
            if facts is None:
                lines.append(f"| {noise} | not finished: the same command goes on | | | | | |")
                continue
            for name, scores in facts["sets"].items():
                figures = [f"{scores[key]:.2f}" for key in ("noisy", "psnr", "psnr_float")] + [f"{scores['ssim']:.3f}"]
                lines.append(f"| {noise} | {name} | {' | '.join(figures)} | {PUBLISHED[noise].get(name, '')} |")
            found.append(f"{noise} {facts['sets']['kodak24']['psnr']:.2f}")
        reached = f"Kodak, PSNR in dB: {', '.join(found) or 'nothing is finished'}"
        print(_bench.write_page(__file__, "Photographs: the figures of the paper", lines, reached))


if __name__ == "__main__":
    main()
