"""What a training depends on, besides the exposures. Known without torch: planning names models by it."""

from dataclasses import dataclass, replace

from n2n.errors import UserError
from n2n.recipes import RECIPES

WIDTH, ACTIVATION = 48, "leaky_relu"  # of the network whose weights come with n2n
FROM_PRIOR, FROM_RANDOM = (400, 0.0005), (1200, 0.002)  # steps and peak learning rate


def suits(width: int, activation: str) -> bool:
    """Whether a network of this width and activation can start from the prior."""
    return (width, activation) == (WIDTH, ACTIVATION)


@dataclass(frozen=True)
class Recipe:
    """What training depends on, besides the exposures.

    Attributes
    ----------
    start : {"auto", "prior", "random"}
        Weights to begin with; "auto" is the prior where it suits the network.
    steps, learning_rate
        0: what suits the start.
    version : int
        The number of `train` in `n2n.recipes`; `n2n.nets.model` decides by it whether a stored network can be used.
    """

    activation: str = ACTIVATION
    width: int = WIDTH
    start: str = "auto"
    steps: int = 0
    batch: int = 8
    crop: int = 64
    learning_rate: float = 0.0
    seed: int = 1
    version: int = RECIPES["train"]

    def settled(self) -> "Recipe":
        """The recipe with everything decided.

        Raises
        ------
        UserError
            When the prior is asked for and does not suit the network.
        """
        fits = suits(self.width, self.activation)
        if self.start == "prior" and not fits:
            raise UserError(
                f"train.start: prior needs train.width: {WIDTH} and train.activation: {ACTIVATION}; "
                "set train.start: random for other networks"
            )
        start = "random" if self.start == "random" or not fits else "prior"
        steps, rate = FROM_PRIOR if start == "prior" else FROM_RANDOM
        return replace(self, start=start, steps=self.steps or steps, learning_rate=self.learning_rate or rate)

    def shortest(self) -> "Recipe":
        """The recipe with everything left open that would be decided as it is; one training has one such recipe.

        Raises
        ------
        UserError
            As of `settled`.
        """
        wanted, short = self.settled(), self
        for name, open_ in (("start", "auto"), ("steps", 0), ("learning_rate", 0.0)):
            shorter = replace(short, **{name: open_})
            short = shorter if shorter.settled() == wanted else short
        return short
