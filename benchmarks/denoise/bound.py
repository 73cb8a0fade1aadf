"""What a stack of a star field can gain at best, whoever denoises it: a table out.

    python benchmarks/denoise/bound.py [--scene dense] [--seeds 0 1 2] [--exposures 24] [--least 5]

Who sees the exposures and not the truth has to find the flux and the place of every star: three numbers. All else is
given away here: the shape of stars, the sky, how many stars there are, and every star below S/N --least to the last
photon. By Cramer and Rao's bound the error of the best unbiased image, each pixel over the variance V of its noise and
summed, is the trace of V^-1 J (J' V^-1 J)^-1 J', with J the slopes of the image after those numbers: their number,
however the stars are blended. That of the stack is the number of pixels, times the share of V that resampling leaves.
Writes bound.md beside this file; other scenes and limits in it stay.

Question: What can a stack of a star field gain at best, whoever denoises it?
Asked: nothing; it says what can be asked of benchmarks/denoise.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import scenes

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import _bench

from n2n.sky.warp import noise_kept

FWHM = 3.0


def bound(name: str, seed: int, exposures: int, least: float) -> tuple[int, float]:
    """Stars of that signal-to-noise ratio or above in the frame, and the largest gain in chi2."""
    kind, (height, width) = scenes.KINDS[name], scenes.SHAPE
    if kind.diffuse != "none":
        raise SystemExit(f"{name} is not of stars alone: this says nothing about it")
    rng = np.random.default_rng([list(scenes.KINDS).index(name), seed])
    scenes.diffuse(kind, rng, seed, None)
    x, y, flux = scenes.stars(scenes.SHAPE, rng, kind.stars, kind.star_flux, 0, (1, 2))
    flux = flux[(x > 0) & (y > 0) & (x < width - 1) & (y < height - 1)]
    sigma = FWHM / 2.3548
    offset = np.arange(-12, 13)
    profile = np.exp(-(offset[:, None] ** 2 + offset**2) / 2 / sigma**2).ravel() / (2 * np.pi * sigma**2)
    noise = kind.sky + kind.read_noise**2 + flux[:, None] * profile
    snr = np.sqrt(exposures * (flux[:, None] ** 2 * profile**2 / noise).sum(axis=1))
    shifts = np.random.default_rng(0).uniform(-12, 12, (50, 2))
    kept = np.mean([noise_kept(np.array([[1, 0, dx], [0, 1, dy]]), scenes.SHAPE)[0] for dx, dy in shifts])
    count = int((snr >= least).sum())
    return count, float(kept * height * width / (3 * count))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scene", default="dense", choices=["dense", "sparse"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--exposures", type=int, default=24)
    parser.add_argument("--least", type=float, default=5.0)
    args = parser.parse_args()
    rows = []
    for seed in args.seeds:
        count, gain = bound(args.scene, seed, args.exposures, args.least)
        rows.append([args.scene, seed, f"{args.least:g}", count, f"{gain:.1f}"])
        print(_bench.row(rows[-1]), flush=True)
    heads = ["scene", "seed", "stars from S/N", "so many stars", "gain in chi2 at most"]
    heading = f"{args.scene}, {args.exposures} exposures, stars from S/N {args.least:g}"
    reached = f"{heading}: gain in chi2 at most {min(float(r[4]) for r in rows)} to {max(float(r[4]) for r in rows)}"
    parts = {heading: _bench.table(heads, rows)}
    _bench.write_page(__file__, "What a stack of a star field can gain at best", [], reached, parts=parts)


if __name__ == "__main__":
    main()
