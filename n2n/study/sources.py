"""Where batches to train on come from: clean photographs with synthetic noise, or pairs of noisy ones.

Both kinds of source have what `n2n.study.training` asks for: `draw`, a batch for a step, and `validation`, fixed
batches with ``clean`` beside, or None where nothing clean is known. They also say which loss fits them (`loss`), what
the result depends on (`facts`), and what they are in words (`words`).
"""

from dataclasses import dataclass

import torch

from n2n.study.corruptions import CORRUPTIONS, Corruption, pair
from n2n.study.crops import Photographs
from n2n.study.photographs import Named, digest_of

VALIDATION_CROPS, VALIDATION_BATCH, VALIDATION_SIDE = 32, 8, 128
VALIDATION_SEED = 77_000  # far from any seed of training


@dataclass(frozen=True)
class Synthetic:
    """Clean photographs, corrupted anew at every step.

    Attributes
    ----------
    photographs : Photographs
        To train on.
    corruption : Corruption
    clean_targets : bool
        Hold the network against the clean photograph instead of a second noisy one.
    batch, crop : int
        Crops a step, and their side in pixels.
    validation : list of dict
    loss, words : str
    facts : dict
    """

    photographs: Photographs
    corruption: Corruption
    clean_targets: bool
    batch: int
    crop: int
    validation: list[dict]
    loss: str
    words: str
    facts: dict

    @classmethod
    def of(
        cls,
        training: Named,
        valid: Named,
        noise: str,
        *,
        clean_targets: bool,
        batch: int,
        crop: int,
        device: torch.device,
    ) -> "Synthetic":
        """Put photographs on the device.

        Parameters
        ----------
        training, valid : list of (str, uint8 ndarray of shape (h, w, 3))
            To train on and to judge by.
        noise : str
            A key of `CORRUPTIONS`.
        clean_targets, batch, crop
            As of the class.
        device : torch.device
            Where they are to be cut.
        """
        corruption = CORRUPTIONS[noise]
        facts = {
            "noise": noise,
            "targets": "clean" if clean_targets else "noisy",
            "photographs": digest_of(training),
            "training_images": len(training),
            "validation_images": len(valid),
        }
        return cls(
            photographs=Photographs.of(training, device, crop),
            corruption=corruption,
            clean_targets=clean_targets,
            batch=batch,
            crop=crop,
            validation=validation_batches(Photographs.of(valid, device, VALIDATION_SIDE), corruption, device),
            loss="l2" if clean_targets and corruption.loss == "masked_l2" else corruption.loss,
            words=f"{len(training)} photographs with {noise} noise",
            facts=facts,
        )

    def draw(self, generator: torch.Generator) -> dict:
        """A batch for training."""
        clean = self.photographs.crops(self.batch, self.crop, generator)
        return pair(clean, self.corruption, generator, self.clean_targets)


def validation_batches(photographs: Photographs, corruption: Corruption, device: torch.device) -> list[dict]:
    """Fixed crops at the test level, the same for every recipe; targets noisy, clean images beside.

    Parameters
    ----------
    photographs : Photographs
        To judge by.
    corruption : Corruption
        What is done to them.
    device : torch.device
        That of the photographs.
    """
    batches = []
    for index in range(VALIDATION_CROPS // VALIDATION_BATCH):
        generator = torch.Generator(device).manual_seed(VALIDATION_SEED + index)
        clean = photographs.crops(VALIDATION_BATCH, VALIDATION_SIDE, generator)
        level = torch.full((VALIDATION_BATCH,), corruption.test_level, device=device)
        noisy, _ = corruption.corrupt(clean, level, generator)
        target, mask = corruption.corrupt(clean, level, generator)
        batches.append({"source": noisy, "target": target, "target_mask": mask, "clean": clean})
    return batches


@dataclass(frozen=True)
class NoisyPairs:
    """The user's own noisy photographs, two of every scene.

    Attributes
    ----------
    sides : tuple of two Photographs
        To train on; the same scenes in the same order.
    batch, crop, validation, loss, words, facts
        As of `Synthetic`.
    """

    sides: tuple[Photographs, Photographs]
    batch: int
    crop: int
    validation: list[dict]
    loss: str
    words: str
    facts: dict

    @classmethod
    def of(cls, first: Named, second: Named, *, batch: int, crop: int, device: torch.device) -> "NoisyPairs":
        """Put pairs on the device; some are kept back to judge by.

        Parameters
        ----------
        first, second : list of (str, uint8 ndarray of shape (h, w, 3))
            At least two, of the same names in the same order, as `n2n.study.photographs.read_pairs` gives them.
        batch, crop
            As of the class.
        device : torch.device
            Where they are to be cut.
        """
        count = len(first)
        held = set(range(count)[:: max(2, count // 4)] if count > 2 else range(count)[-1:])

        def put(side: Named, of_held: bool, smallest: int) -> Photographs:
            return Photographs.of([one for k, one in enumerate(side) if (k in held) == of_held], device, smallest)

        valid = [put(side, True, VALIDATION_SIDE) for side in (first, second)]
        validation = []
        for index in range(VALIDATION_CROPS // VALIDATION_BATCH):
            source, target = same_crops(valid, VALIDATION_BATCH, VALIDATION_SIDE, VALIDATION_SEED + index, device)
            validation.append({"source": source, "target": target, "target_mask": None, "clean": None})
        digests = [digest_of(side) for side in (first, second)]
        return cls(
            sides=(put(first, False, crop), put(second, False, crop)),
            batch=batch,
            crop=crop,
            validation=validation,
            loss="l2",
            words=f"{count - len(held)} pairs of noisy photographs",
            facts={"noise": "pairs", "photographs": digests, "training_images": count - len(held)},
        )

    def draw(self, generator: torch.Generator) -> dict:
        """A batch for training; which side is the target changes from step to step."""
        seed = generator.initial_seed()
        sides = self.sides if seed % 2 else self.sides[::-1]
        source, target = same_crops(sides, self.batch, self.crop, seed, generator.device)
        return {"source": source, "target": target, "target_mask": None}


def same_crops(sides, count: int, size: int, seed: int, device: torch.device) -> list[torch.Tensor]:
    """The same crops of both sides.

    Parameters
    ----------
    sides : sequence of Photographs
        The same scenes in the same order.
    count, size : int
        Number of crops and their side in pixels.
    seed : int
        Of the choice.
    device : torch.device
        That of the photographs.
    """
    return [side.crops(count, size, torch.Generator(device).manual_seed(seed)) for side in sides]
