"""n2n beside CAREamics' Noise2Noise: the same exposures, the same two threads, a table out.

    python -m venv peer && peer/bin/pip install careamics
    python benchmarks/denoise/careamics_n2n.py --peer peer/bin/python [--seconds 600] [--threads 2] [--scene nebula]

CAREamics gets its defaults and --seconds on the pair of half stacks, in both directions; it denoises each half stack,
and the mean of both counts. Gain is that of `run.py`, against the truth, of the stack of all exposures. n2n trains as
often as it takes to reach that gain, with more steps each time; its time is that of the first training that does.
The last row has CAREamics' own network, batches and crops in n2n's loop, which splits the exposures for every crop.
Inference: an image of 1024 x 1024 px, tiles of 256 px there and the default here, one orientation each.
Writes careamics_n2n.md beside this file. Meant for a machine that does nothing else. This is the driver;
peer_careamics.py is the part of it that runs in CAREamics' environment.

Question: How long does n2n need for the gain of CAREamics' Noise2Noise, and how fast is it?
Asked: its gain of ten minutes in at most 1/5 of its time, inference at least twice as fast, training with the same
    network at least as fast (on a GPU 5 times).
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import methods
import numpy as np
import run as bench
import scenes

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import _bench

HERE = Path(__file__).parent
EXPOSURES = 24
STEPS = (0, 25, 50, 100, 200, 400, 800, 1600)  # 0: the prior as it is
LARGE = 1024


def careamics(halves: np.ndarray, large: np.ndarray, args, network: Path | None = None) -> tuple[np.ndarray, dict]:
    """CAREamics' mean of the two denoised halves, and what it took; its network is written to `network`."""
    with tempfile.TemporaryDirectory() as folder:
        pair, result = Path(folder, "pair.npz"), Path(folder, "result.npz")
        np.savez(pair, halves=halves, large=large)
        command = [args.peer, HERE / "peer_careamics.py", pair, result]
        command += ["--seconds", args.seconds, "--threads", args.threads]
        command += ["--network", network] if network else []
        # Its environment is its own: n2n must not be found there.
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        environment |= {"OMP_NUM_THREADS": str(args.threads), "CUDA_VISIBLE_DEVICES": ""}
        subprocess.run([str(word) for word in command], check=True, env=environment)
        found = np.load(result)
        return found["halves"].mean(axis=0), json.loads(str(found["facts"]))


def until(gain: float, start: str, group, judge, threads: int) -> list[dict]:
    """n2n's trainings from `start`, each with more steps than the last, up to the first that reaches `gain`."""
    stack, depth = group.stack()
    rows = []
    for steps in STEPS:
        if steps == 0 and start == "random":
            continue
        recipe = replace(bench.recipes()["n2n"], start=start, steps=steps) if steps else None
        model, cut, seconds = methods.train(group, recipe, threads)
        found = judge(methods.apply(model, cut, group, stack, depth))
        rows.append({"method": f"n2n, from {start}, {steps} steps", "seconds": seconds, "crops": steps and 8 * steps})
        rows[-1] |= {"gains": found}
        print(rows[-1], flush=True)
        if found["chi2"] >= gain:
            break
    return rows


def crops_a_second(group, network: Path, batch: int, threads: int, steps: int = 200) -> float:
    """n2n's training loop with another's network: crops a second."""
    import torch

    from n2n.nets.loop import fit, generator_of
    from n2n.nets.losses import paired_loss
    from n2n.nets.training import Layout, Recipe, training_pair

    _, exposures, _ = methods.train(group, None, threads)
    # In the memory format of n2n's own training.
    model = torch.jit.load(str(network)).to(memory_format=torch.channels_last)
    recipe, sigma = Recipe(batch=batch), exposures.sky_variance**0.5
    layout = Layout.of(exposures, recipe.crop)

    def loss_of_step(step):
        pair = training_pair(exposures, layout, recipe, generator_of(recipe.seed, step))
        return paired_loss(sigma * model(pair["image"] / sigma), pair)

    rest = {"learning_rate": 1e-4, "fingerprint": "", "report": lambda line: None}
    curves = fit(model, loss_of_step, lambda: (0.0,), steps=steps, **rest)
    return steps * batch / curves.rows[-1][-1]


def speed(group, image: np.ndarray) -> float:
    """n2n's megapixels a second, one orientation."""
    model, cut, _ = methods.train(group, None, 1)
    depth, variance = np.full(image.shape, 24.0, np.float32), np.full(image.shape, group.sky_variance, np.float32)
    few = replace(group, variance=variance)
    methods.apply(model, cut, replace(few, variance=variance[:256, :256]), image[:256, :256], depth[:256, :256], 1)
    began = time.monotonic()
    methods.apply(model, cut, few, image, depth, 1)
    return image.size / 1e6 / (time.monotonic() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", required=True, help="Python of an environment with careamics")
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--scene", default="nebula", choices=list(scenes.KINDS))
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    group = scenes.make(args.scene, args.seed, EXPOSURES)
    stack, depth = group.stack()
    truth, starless = group.truth()

    def judge(result):
        return bench.measure(result, stack, depth, truth, starless, group)

    halves = np.array([group.stack(slice(first, None, 2))[0] for first in (0, 1)], np.float32)
    large = np.tile(stack, (LARGE // stack.shape[0], LARGE // stack.shape[1])).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        network = Path(folder, "network.pt")
        result, facts = careamics(halves, large, args, network)
        same = crops_a_second(group, network, facts["batch"], args.threads)
    theirs = judge(result)
    print(facts, theirs, flush=True)
    ours = {start: until(theirs["chi2"], start, group, judge, args.threads) for start in ("prior", "random")}
    rows = [{"method": "CAREamics N2N", "seconds": facts["seconds"], "gains": theirs}]
    rows += [row for found in ours.values() for row in found]
    text = [
        f"Scene {args.scene}, seed {args.seed}, {EXPOSURES} exposures, {args.threads} threads.",
        "Gain: error of the stack over that of the result.",
        "",
        "| method | training s | chi2 | sky | extended | stars | mse |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        gains = [f"{row['gains'][name]:.2f}" for name in ("chi2", "sky", "extended", "stars", "mse")]
        text.append(f"| {row['method']} | {row['seconds']:.1f} | {' | '.join(gains)} |")
    text.append("")
    shares = []
    for start, found in ours.items():
        last = found[-1]
        if last["gains"]["chi2"] >= theirs["chi2"]:
            share = last["seconds"] / facts["seconds"]
            text.append(f"From {start}, n2n reaches CAREamics' gain in {share:.3f} of its time.")
            shares.append(f"{share:.3f} of its time from {start}")
        else:
            text.append(f"From {start}, n2n does not reach CAREamics' gain.")
            shares.append(f"not from {start}")
    mpx, trained = speed(group, large), ours["random"][-1]
    crops = trained["crops"] / trained["seconds"]
    text += [
        "",
        "| | n2n | CAREamics | ratio |",
        "|---|---|---|---|",
        f"| inference, Mpx/s | {mpx:.3f} | {facts['mpx_a_second']:.3f} | {mpx / facts['mpx_a_second']:.2f} |",
        f"| training, 64 px crops/s, each its own network | {crops:.1f} | {facts['crops_a_second']:.1f} | "
        f"{crops / facts['crops_a_second']:.2f} |",
        f"| training, 64 px crops/s, CAREamics' network in both | {same:.1f} | {facts['crops_a_second']:.1f} | "
        f"{same / facts['crops_a_second']:.2f} |",
    ]
    reached = f"CAREamics' gain: {', '.join(shares)}; inference {mpx / facts['mpx_a_second']:.2f} times its speed"
    reached += f", training {same / facts['crops_a_second']:.2f} times with its network"
    _bench.write_page(__file__, "n2n beside CAREamics", text, reached)


if __name__ == "__main__":
    main()
