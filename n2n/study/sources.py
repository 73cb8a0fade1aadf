"""Where batches of photographs come from: clean ones with synthetic noise, or the user's own noisy pairs."""

import hashlib
from pathlib import Path

from n2n.errors import UserError
from n2n.formats.atomic import atomic_path
from n2n.log import logger

VALIDATION_CROPS, VALIDATION_BATCH = 32, 8
VALIDATION_SEED = 77_000  # far from any seed of training


class Synthetic:
    """Clean photographs, corrupted anew at every step.

    Attributes
    ----------
    loss, words : str
    facts : dict
        What the result depends on.
    validation : list of dict
    """

    def __init__(self, args, device):
        from n2n.study.corruptions import CORRUPTIONS
        from n2n.study.photographs import Photographs, builtin_photographs

        self.args, self.device, self.corruption = args, device, CORRUPTIONS[args.noise]
        if args.photos:
            training = read_folder(args.photos)
            if not args.valid and len(training) < 2:
                raise UserError(
                    f"{args.photos} holds one photograph; 2 are needed, one of them to judge by, or --valid"
                )
            valid = read_folder(args.valid) if args.valid else training[:: max(2, len(training) // 8)]
            if not args.valid:
                names = {name for name, _ in valid}
                training = [pair for pair in training if pair[0] not in names]
        else:
            training, valid = builtin_photographs()
            valid = read_folder(args.valid) if args.valid else valid
        self.clean_targets = args.targets == "clean"
        self.loss = "l2" if self.clean_targets and self.corruption.loss == "masked_l2" else self.corruption.loss
        self.words = f"{len(training)} photographs with {args.noise} noise"
        self.tests = {folder.name: folder for folder in args.test}
        self.valid = valid
        self.photographs = Photographs.of(training, device, args.crop)
        self.facts = {
            "noise": args.noise,
            "targets": args.targets,
            "photographs": digest_of(training),
            "training_images": len(training),
            "validation_images": len(valid),
        }
        self.validation = self.validation_batches(Photographs.of(valid, device, 128))

    def draw(self, generator) -> dict:
        """A batch for training."""
        from n2n.study.corruptions import pair

        clean = self.photographs.crops(self.args.batch, self.args.crop, generator)
        return pair(clean, self.corruption, generator, self.clean_targets)

    def validation_batches(self, photographs) -> list[dict]:
        """Fixed crops at the test level, the same for every recipe; targets noisy, clean images beside."""
        import torch

        batches = []
        for index in range(VALIDATION_CROPS // VALIDATION_BATCH):
            generator = torch.Generator(self.device).manual_seed(VALIDATION_SEED + index)
            clean = photographs.crops(VALIDATION_BATCH, 128, generator)
            level = torch.full((VALIDATION_BATCH,), self.corruption.test_level, device=self.device)
            noisy, _ = self.corruption.corrupt(clean, level, generator)
            target, mask = self.corruption.corrupt(clean, level, generator)
            batches.append({"source": noisy, "target": target, "target_mask": mask, "clean": clean})
        return batches

    def test(self, model, folder: Path) -> dict:
        """PSNR and SSIM on every test set; also writes example.png of the first image."""
        images = {name: read_folder(path) for name, path in self.tests.items()} or {"validation": self.valid}
        result = {}
        for name, photographs in images.items():
            scores = []
            for index, (_, photograph) in enumerate(photographs):
                for repeat in range(self.args.test_repeats):
                    found = self.test_one(model, photograph, 1000 * repeat + index)
                    scores.append(found[0])
                    if not result and index == 0 and repeat == 0:
                        write_example(folder / "example.png", found[1])
            mean = {key: sum(score[key] for score in scores) / len(scores) for key in scores[0]}
            result[name] = mean | {"images": len(photographs), "each": scores}
        return result

    def test_one(self, model, photograph, seed: int):
        """Corrupt one photograph at the test level, denoise it, compare."""
        import torch

        from n2n.study.inference import denoise_photograph
        from n2n.study.metrics import psnr, ssim

        clean = torch.from_numpy(photograph.copy()).permute(2, 0, 1).to(self.device).float() / 255 - 0.5
        size = self.args.test_crop
        if size:
            top, left = max(0, (clean.shape[1] - size) // 2), max(0, (clean.shape[2] - size) // 2)
            clean = clean[:, top : top + size, left : left + size]
        generator = torch.Generator(self.device).manual_seed(VALIDATION_SEED + 500 + seed)
        level = torch.full((1,), self.corruption.test_level, device=self.device)
        noisy = self.corruption.corrupt(clean[None], level, generator)[0][0]
        denoised = denoise_photograph(model, noisy)
        scores = {
            "noisy": psnr(clean, noisy, quantised=True),
            "psnr": psnr(clean, denoised, quantised=True),
            "psnr_float": psnr(clean, denoised, quantised=False),
            "ssim": ssim(clean, denoised),
        }
        return {key: float(value) for key, value in scores.items()}, (clean, noisy, denoised)


class Pairs:
    """The user's own noisy photographs: the same names in two folders. Attributes as of `Synthetic`."""

    loss = "l2"

    def __init__(self, args, device):
        from n2n.study.photographs import Photographs

        first, second = (dict(read_folder(folder)) for folder in args.pairs)
        names = sorted(first.keys() & second.keys())
        if len(names) < 2:
            raise UserError(f"{args.pairs[0]} and {args.pairs[1]} have {len(names)} file names in common; 2 are needed")
        for name in names:
            if first[name].shape != second[name].shape:
                raise UserError(f"{name} differs in size between {args.pairs[0]} and {args.pairs[1]}; pairs must match")
        lonely = len(first) + len(second) - 2 * len(names)
        if lonely:
            logger.warning("%d photographs without a partner were left out", lonely)
        self.args = args
        held = names[:: max(2, len(names) // 4)] if len(names) > 2 else names[-1:]
        chosen = [name for name in names if name not in held]
        self.sides = [Photographs.of([(n, side[n]) for n in chosen], device, args.crop) for side in (first, second)]
        self.words = f"{len(chosen)} pairs of noisy photographs"
        digest = [digest_of([(name, side[name]) for name in names]) for side in (first, second)]
        self.facts = {"noise": "pairs", "photographs": digest, "training_images": len(chosen)}
        valid = [Photographs.of([(n, side[n]) for n in held], device, 128) for side in (first, second)]
        self.validation = []
        for index in range(VALIDATION_CROPS // VALIDATION_BATCH):
            source, target = self.cut(valid, VALIDATION_BATCH, 128, VALIDATION_SEED + index, device)
            self.validation.append({"source": source, "target": target, "target_mask": None, "clean": None})

    @staticmethod
    def cut(sides, count: int, size: int, seed: int, device):
        """The same crops of both sides."""
        import torch

        return [side.crops(count, size, torch.Generator(device).manual_seed(seed)) for side in sides]

    def draw(self, generator) -> dict:
        """A batch for training; which side is the target changes from step to step."""
        seed = generator.initial_seed()
        sides = self.sides if seed % 2 else self.sides[::-1]
        source, target = self.cut(sides, self.args.batch, self.args.crop, seed, generator.device)
        return {"source": source, "target": target, "target_mask": None}


def read_folder(folder: Path) -> list:
    """(path below the folder, pixels) of every photograph in it: names alone may repeat between sub-folders."""
    from n2n.study.photographs import find_photographs, read_photograph

    return [(path.relative_to(folder).as_posix(), read_photograph(path)) for path in find_photographs(folder)]


def digest_of(photographs: list) -> str:
    """SHA-256 of names and pixels."""
    digest = hashlib.sha256()
    for name, pixels in photographs:
        digest.update(name.encode())
        digest.update(pixels.tobytes())
    return digest.hexdigest()


def write_example(path: Path, images: tuple, size: int = 192) -> None:
    """Clean, noisy and denoised side by side: the middle of the image."""
    import numpy as np
    from PIL import Image

    from n2n.study.inference import to_bytes

    views = []
    for image in images:
        top, left = (max(0, (side - size) // 2) for side in image.shape[1:])
        views.append(to_bytes(image[:, top : top + size, left : left + size]))
    with atomic_path(path) as temporary:
        Image.fromarray(np.concatenate(views, axis=1)).save(temporary, format="png")
