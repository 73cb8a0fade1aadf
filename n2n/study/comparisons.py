"""Paired differences between the runs of the study, and which of them their errors bear.

Differences are taken between runs that share everything else, seed included, so that what a seed brings cancels. One is
decided where its mean exceeds what its standard error allows at 95 % (Student's t).
"""

import numpy as np
from scipy import stats

from n2n.study.pictures import NAMES
from n2n.study.runs import Run

# Figures compared: attribute of a run, words, unit, is more better, decimals.
FIGURES = [
    ("training_loss", "training loss", "", False, 5),
    ("validation_loss", "validation loss (noisy targets)", "", False, 5),
    ("validation_psnr", "validation PSNR (clean images)", "dB", True, 2),
    ("test_psnr", "test PSNR", "dB", True, 2),
]


def comparisons(runs: list[Run]) -> list[dict]:
    """Paired differences: ELU (or any other activation) less LeakyReLU, and noisy less clean targets.

    Returns
    -------
    list of dict
        what, noise, figure, pairs, difference, standard_error, limit (what the difference must exceed), decided.
    """
    result = []
    for noise in dict.fromkeys(r.noise for r in runs):
        chosen = [r for r in runs if r.noise == noise]
        for activation in dict.fromkeys(r.activation for r in chosen):
            if activation != "leaky_relu":
                pairs = matched(chosen, "activation", activation, "leaky_relu", "targets")
                result += differences(f"{NAMES[activation]} less LeakyReLU", noise, pairs, FIGURES)
        pairs = matched(chosen, "targets", "noisy", "clean", "activation")
        # Losses against noisy and clean targets are different quantities.
        result += differences("noisy less clean targets", noise, pairs, FIGURES[2:])
    return result


def matched(runs: list[Run], key: str, one: str, other: str, beside: str) -> list[list[tuple]]:
    """Pairs of runs that differ in `key` alone, grouped by seed (each group has one pair for every `beside`).

    Parameters
    ----------
    runs : list of Run
        Of one noise.
    key : {"activation", "targets"}
        The attribute in which they differ.
    one, other : str
        The two values of `key`.
    beside : {"activation", "targets"}
        The attribute in which both runs of a pair agree.
    """
    lookup = {(getattr(r, key), getattr(r, beside), r.seed): r for r in runs}
    groups = {}
    for value, side, seed in lookup:
        if value == one and (other, side, seed) in lookup:
            groups.setdefault(seed, []).append((lookup[one, side, seed], lookup[other, side, seed]))
    return list(groups.values())


def differences(what: str, noise: str, groups: list, figures: list) -> list[dict]:
    """Mean paired difference of every figure; runs of one seed are one sample, for they share crops and noise.

    Parameters
    ----------
    what : str
        "one less other", in words.
    noise : str
        Of all these runs.
    groups : list of list of (Run, Run)
        A group a seed.
    figures : list of tuple
        As `FIGURES`.
    """
    result = []
    for key, words, unit, more, _ in figures:
        samples = np.array([np.mean([getattr(a, key) - getattr(b, key) for a, b in group]) for group in groups])
        if samples.size < 2:
            continue
        mean, error = float(samples.mean()), float(samples.std(ddof=1) / np.sqrt(samples.size))
        limit = float(stats.t.ppf(0.975, samples.size - 1) * error)
        result.append(
            {
                "what": what,
                "noise": noise,
                "figure": words,
                "unit": unit,
                "more_is_better": more,
                "pairs": int(samples.size),
                "difference": mean,
                "standard_error": error,
                "limit": limit,
                "decided": abs(mean) > limit,
            }
        )
    return result
