"""A stored network on a night of another seeing: itself, the prior, or itself trained for 200 steps more.

    python benchmarks/denoise/other_night.py [--scenes galaxies] [--seeds 0] [--widths 2.4 ... 4.2]

Trains on a night whose stars are 3.0 px wide, and denoises the stacks of other nights (another sky of the same kind,
other noise) with stars of other widths. Writes the gain in chi2 and in stars to other_night.md beside this file; other
scenes in it stay.

Question: Is a stored network right for a night of another seeing?
Asked: nothing; docs/decisions/0011-other-nights.md was decided by it.
Reached: docs/decisions/0011-other-nights.md has the figures
"""

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import methods
import scenes
from run import measure

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import _bench

EXPOSURES = 24
SHORT = 200  # steps


def networks(stored, away) -> dict:
    """Name and network, for the night `away`, of the three that could be used."""
    from n2n.nets import prior as start
    from n2n.nets.training import Recipe
    from n2n.nets.training import train as fit

    prior, cut, _ = methods.train(away, None, len(os.sched_getaffinity(0)))
    # Goes on with the stored weights: what `start: prior` does with those that come with n2n.
    weights, kept = stored.state_dict(), start.weights
    start.weights = lambda: weights
    try:
        short, _ = fit([cut], replace(Recipe(), steps=SHORT), fingerprint="", report=lambda line: None)
    finally:
        start.weights = kept
    return {"stored": stored, "prior": prior, f"{SHORT} steps": short}, cut


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", nargs="+", default=["galaxies"], choices=list(scenes.KINDS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--widths", type=float, nargs="+", default=[2.4, 2.7, 3.0, 3.3, 3.6, 4.2])
    parser.add_argument("--data", type=Path, help="folder of the shared frames")
    args = parser.parse_args()
    from n2n.nets.training import Recipe

    heads, parts = ["scene", "seed", "width of stars", "stored: chi2, stars", "prior", f"{SHORT} steps more"], {}
    for scene in args.scenes:
        rows = []
        for seed in args.seeds:
            home, _, _ = methods.train(
                scenes.make(scene, seed, EXPOSURES, args.data), Recipe(), len(os.sched_getaffinity(0))
            )
            for width in args.widths:
                away = scenes.make(scene, 100 + seed, EXPOSURES, args.data, fwhm=width)
                stack, depth = away.stack()
                found, cut = networks(home, away)
                cells = []
                for name, network in found.items():
                    result = methods.apply(network, cut, away, stack, depth, quiet=name == "prior")
                    gains = measure(result, stack, depth, *away.truth(), away)
                    cells.append(f"{gains['chi2']:.1f}, {gains['stars']:.2f}")
                rows.append([scene, seed, width, *cells])
                print(_bench.row(rows[-1]), flush=True)
        parts[scene] = _bench.table(heads, rows)
        reached = f"{scene}, chi2 and stars, at a width of {rows[-1][2]} px: " + "; ".join(
            f"{name} {cell}" for name, cell in zip(heads[3:], rows[-1][3:], strict=True)
        )
        _bench.write_page(__file__, "A stored network on a night of another seeing", [], reached, parts=parts)


if __name__ == "__main__":
    main()
