"""The study on photographs: which networks are trained, and how large."""

from itertools import product

NOISES = ("gaussian", "poisson", "bernoulli", "text")
ACTIVATIONS = ("leaky_relu", "elu")
TARGETS = ("noisy", "clean")

# quick: every comparison in minutes on two cores. full: the paper's network, ten minutes a model on a GPU.
SIZES = {
    "quick": {"width": 12, "steps": 500, "batch": 4, "crop": 64, "learning_rate": 0.002, "test_crop": 128},
    "full": {"width": 48, "steps": 50000, "batch": 32, "crop": 128, "learning_rate": 0.001, "test_crop": 0},
}
SEEDS = {"quick": (1, 2, 3), "full": (1, 2, 3)}


def cells(size: str) -> list[dict[str, str]]:
    """Every network of the grid: noise, activation, targets, seed."""
    keys = ("noise", "activation", "targets", "seed")
    return [
        dict(zip(keys, map(str, values), strict=True)) for values in product(NOISES, ACTIVATIONS, TARGETS, SEEDS[size])
    ]


def recipe_options(size: str) -> str:
    """The options of `n2n photo train` that stand for a size."""
    return " ".join(f"--{key.replace('_', '-')} {value}" for key, value in SIZES[size].items())


def photograph_options(photos: dict) -> str:
    """The options of `n2n photo train` that stand for the configuration's section `photos`."""
    import shlex

    parts = []
    for key, option in (("train", "--photos"), ("valid", "--valid")):
        if photos[key]:
            parts += [option, photos[key]]
    tests = [photos["test"]] if isinstance(photos["test"], str) else photos["test"]
    if tests:
        parts += ["--test", *tests]
    return shlex.join(parts)
