"""One trained and tested network of the study."""

import math
from dataclasses import dataclass, field

import numpy as np

LAST = 10  # the training loss of a run is the mean over the last tenth of its rows


@dataclass(frozen=True)
class Run:
    """Figures and curves of one network.

    Attributes
    ----------
    noise, activation, targets : str
    seed : int
    training_loss, validation_loss : float
    validation_psnr, test_psnr : float
        In dB; the latter the mean over the test sets.
    sets : dict of dict
        Means of a test set by its name: ``noisy``, ``psnr``, ``psnr_float`` in dB, ``ssim``, ``images``.
    curve : dict of list of float
        Columns of training.csv.
    recipe, data : dict
        As model.json has them.
    example : uint8 ndarray or None
        Clean, noisy and denoised beside each other.
    """

    noise: str
    activation: str
    targets: str
    seed: int
    training_loss: float
    validation_loss: float
    validation_psnr: float
    test_psnr: float
    sets: dict[str, dict]
    curve: dict[str, list[float]]
    recipe: dict
    data: dict
    example: np.ndarray | None = field(default=None, repr=False)

    @classmethod
    def of(cls, facts: dict, curve: dict[str, list[float]], example: np.ndarray | None = None) -> "Run":
        """From model.json, training.csv and example.png of a network.

        Parameters
        ----------
        facts : dict
            As `n2n.study.models.describe` makes them, with scores.
        curve : dict of list of float
            Columns of training.csv.
        example : uint8 ndarray, optional
            Pixels of example.png.
        """
        # JSON has no infinity: an image that the noise did not touch is equal to itself.
        sets = {
            name: {key: math.inf if value is None else value for key, value in scores.items() if key != "each"}
            for name, scores in facts["sets"].items()
        }
        return cls(
            noise=facts["noise"],
            activation=facts["recipe"]["activation"],
            targets=facts["targets"],
            seed=facts["recipe"]["seed"],
            training_loss=float(np.mean(curve["training_loss"][-max(1, len(curve["step"]) // LAST) :])),
            validation_loss=facts["final"]["validation_loss"],
            validation_psnr=facts["final"]["validation_psnr"],
            test_psnr=float(np.mean([scores["psnr"] for scores in sets.values()])),
            sets=sets,
            curve=curve,
            recipe=facts["recipe"],
            data=facts["data"],
            example=example,
        )
