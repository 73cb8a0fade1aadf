"""Applying the network: time, memory and seams, on a CPU: one command, tables out.

    python benchmarks/inference/run.py [--parts small large seams] [--shape 6300 9600] [--tile 0] [--orientations 8]
                                       [--threads 2] [--large-orientations 8]

The network is the prior, the image a simulated nebula with stars, repeated to the wanted size, with fresh white noise
everywhere; orientations are averaged as by default. small: 512 x 512 px. large: an image of --shape, 60 Mpx;
--large-orientations 1 takes an eighth of the time and as much memory. seams: the same image in tiles and in one piece.
Every measurement is a process of its own, whose peak is its largest resident set, image included. What is found is kept
in results.json part by part, README.md beside it is written anew.

Question: What time and memory does applying the network take, and do tiles show?
Asked: a jump of at most 0.02 sigma where tiles meet; 512 x 512 px in at most 3 s.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from n2n.nets.tiles import overlaps
from n2n.simulate.optics import Conditions, render
from n2n.simulate.scene import Scene, canvas_shape, nebula, stars

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import _bench

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"
SCENE = (1024, 1024)
SMALL = (512, 512)
SEAMS = (1024, 1024, 512)  # height, width and side of a tile
DEPTH = 24
STRIP = 256  # rows made at a time, so that making the image needs no more memory than the image


def image_of(shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """A noisy stack and the variance of one exposure, float32; noise of the empty stack is 1."""
    rng = np.random.default_rng(0)
    scene = Scene(nebula(canvas_shape(SCENE), rng), *stars(SCENE, rng, 150, (4, 2e4), 0, (1, 2)))
    light = render(scene, SCENE, Conditions(0.0, 0.0, 0.0, 1.0, 3.0, 0.0))
    image, variance = (np.empty(shape, np.float32) for _ in range(2))
    columns = np.arange(shape[1]) % SCENE[1]
    for top in range(0, shape[0], STRIP):
        rows = slice(top, min(top + STRIP, shape[0]))
        clean = light[np.arange(rows.start, rows.stop) % SCENE[0]][:, columns]
        variance[rows] = DEPTH * (1 + 0.1 * clean)
        noise = rng.standard_normal(clean.shape, np.float32)
        image[rows] = clean + noise * np.sqrt(variance[rows] / DEPTH)
    return image, variance


def denoised(image, variance, tile: int, orientations: int) -> tuple[np.ndarray, int]:
    """The image through the network, and the side of a tile that was used."""
    import torch

    from n2n.nets import prior
    from n2n.nets.bands import band_noise
    from n2n.nets.inference import denoise
    from n2n.nets.memory import Place, within_memory

    noise = np.random.default_rng(1).standard_normal((1, 512, 512), np.float32)
    bands = band_noise(torch.from_numpy(noise))
    model, depth = prior.network(), np.full(image.shape, DEPTH, np.float32)

    def work(device, tile):
        settings = {"tile": tile, "orientations": orientations}
        return denoise(model.to(device), image, depth, variance, float(DEPTH), bands, **settings)

    result, place = within_memory(work, Place.on(torch.device("cpu"), tile), 48)
    return result, place.tile


def timing(shape: tuple[int, int], tile: int, orientations: int) -> dict:
    """Seconds and memory for one image."""
    image, variance = image_of(shape)
    wall, cpu = time.monotonic(), time.process_time()
    _, tile = denoised(image, variance, tile, orientations)
    wall, cpu = time.monotonic() - wall, time.process_time() - cpu
    return {
        "shape": list(shape), "tile": tile, "orientations": orientations, "wall_s": wall, "cpu_s": cpu,
        "mpx": shape[0] * shape[1] / 1e6, "peak_gb": _peak(),
    }  # fmt: skip


def seams(height: int, width: int, tile: int, orientations: int) -> dict:
    """What tiles change, in sigma of the stack: at most, and as a step along the lines where they meet."""
    image, variance = image_of((height, width))
    tiled, whole = (denoised(image, variance, side, orientations)[0] for side in (tile, max(height, width) + 64))
    difference = (tiled - whole) / np.sqrt(variance / DEPTH)
    at_edges, elsewhere = [], []
    for axis, side in enumerate((height, width)):
        shared = overlaps(side, tile, 48)
        # Mean step across every line of the image; index p is between lines p and p + 1.
        step = np.abs(np.diff(difference, axis=axis).mean(axis=1 - axis))
        near = np.zeros(len(step), bool)
        for part in shared:
            near[max(part.start - 2, 0) : part.stop + 2] = True
        at_edges.append(step[near])
        elsewhere.append(step[~near])
    at_edges, elsewhere = np.concatenate(at_edges), np.concatenate(elsewhere)
    return {
        "shape": [height, width], "tile": tile, "orientations": orientations, "lines": len(at_edges),
        "largest_change": float(np.abs(difference).max()), "jump": float(at_edges.max()),
        "jump_elsewhere": float(elsewhere.max()),
    }  # fmt: skip


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def measure(part: str, args) -> dict:
    """One part, in this process."""
    import torch

    torch.set_num_threads(args.threads)
    if part == "seams":
        found = seams(*SEAMS, args.orientations)
    elif part == "small":
        timing(SMALL, args.tile, 1)  # the first call of a process also loads libraries
        found = timing(SMALL, args.tile, args.orientations)
    else:
        found = timing(tuple(args.shape), args.tile, args.large_orientations)
    return found | {"threads": args.threads, "commit": _bench.commit(), "date": _bench.today()}


def write_readme(results: dict) -> None:
    """README.md from results.json."""
    text = [
        "Commit and date of every figure: results.json.",
        "CPU s: of all threads together; on a machine that is busy with other things,",
        "wall seconds are longer than the network needs. Peak: largest resident set of the process, image included.",
        "",
        "| image | tile | orientations | threads | wall s | CPU s | Mpx/s, wall | Mpx/s, by CPU time | peak GB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for part in ("small", "large"):
        if part in results:
            r = results[part]
            rates = r["mpx"] / r["wall_s"], r["mpx"] / r["cpu_s"] * r["threads"]
            cells = [" x ".join(map(str, r["shape"])), *(str(r[name]) for name in ("tile", "orientations", "threads"))]
            cells += [f"{r['wall_s']:.1f}", f"{r['cpu_s']:.1f}", *(f"{rate:.3f}" for rate in rates)]
            text.append(f"| {' | '.join(cells)} | {r['peak_gb']:.2f} |")
    if "seams" in results:
        r = results["seams"]
        text += [
            "",
            f"Seams: {r['shape'][0]} x {r['shape'][1]} px in tiles of {r['tile']} px against one piece,",
            f"{r['orientations']} orientations, in sigma of the stack. Jump: mean step of the difference across a line",
            f"of pixels, largest of the {r['lines']} lines that two tiles share or border on. Asked for: 0.02 at most.",
            "",
            "| largest change of a pixel | jump where tiles meet | jump elsewhere |",
            "|---|---|---|",
            f"| {r['largest_change']:.1e} | {r['jump']:.1e} | {r['jump_elsewhere']:.1e} |",
        ]
    said = []
    if r := results.get("large"):
        said.append(
            f"{r['mpx']:.0f} Mpx, {r['orientations']} orientation(s): {r['wall_s']:.0f} s, {r['peak_gb']:.2f} GB"
        )
    if r := results.get("seams"):
        said.append(f"jump at tiles {r['jump']:.1e} sigma")
    facts = _bench.measured(list(results.values()))
    _bench.write_page(__file__, "Applying the network", text, "; ".join(said), **facts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=("small", "large", "seams"), default=["small", "large", "seams"])
    parser.add_argument("--shape", type=int, nargs=2, default=[6300, 9600], metavar=("H", "W"))
    parser.add_argument("--tile", type=int, default=0)
    parser.add_argument("--orientations", type=int, default=8)
    parser.add_argument("--large-orientations", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--here", action="store_true", help="measure one part in this process and print it")
    args = parser.parse_args()
    if args.here:
        print(json.dumps(measure(args.parts[0], args)))
        return
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for part in args.parts:
        command = [sys.executable, __file__, *sys.argv[1:], "--parts", part, "--here"]
        environment = os.environ | {"OMP_NUM_THREADS": str(args.threads), "OMP_WAIT_POLICY": "PASSIVE"}
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
        results[part] = json.loads(done.stdout.splitlines()[-1])
        print(part, done.stdout.splitlines()[-1], flush=True)
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
        write_readme(results)


if __name__ == "__main__":
    main()
