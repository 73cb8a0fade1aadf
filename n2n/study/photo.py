"""Train a network on photographs, and denoise one with it."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

from n2n.errors import UserError
from n2n.formats.atomic import atomic_path, write_text
from n2n.formats.provenance import versions
from n2n.formats.tables import read_json, write_json
from n2n.log import logger
from n2n.study.sources import Pairs, Synthetic

# Where `denoise` looks for a model when none is named.
RUN = "runs/gaussian-leaky_relu-noisy-1/model.json"
USUAL = [Path("models/photo/model.json"), Path("results/study/full") / RUN, Path("results/study/quick") / RUN]
COLUMNS = "step,training_loss,validation_loss,validation_psnr,learning_rate,seconds"


def train(args) -> None:
    """Train, then test on whole photographs."""
    import torch

    from n2n.nets.device import choose_device, device_name, set_threads
    from n2n.nets.model import save_weights
    from n2n.nets.unet import parameters
    from n2n.study.training import PhotoRecipe, train_on_photographs

    if (args.noise is None) == (args.pairs is None):
        raise UserError("say what to train on: either --noise KIND or --pairs A B")
    if args.pairs and args.targets == "clean":
        raise UserError("--targets clean: pairs of noisy photographs have no clean target")
    device = choose_device(args.device, args.gpus)
    set_threads(args.threads)
    source = Pairs(args, device) if args.pairs else Synthetic(args, device)
    fields = {key: getattr(args, key) for key in PhotoRecipe.__dataclass_fields__ if hasattr(args, key)}
    recipe = PhotoRecipe(**fields | {"loss": args.loss or source.loss})
    content = json.dumps([asdict(recipe), source.facts], sort_keys=True)
    fingerprint = hashlib.sha256(content.encode()).hexdigest()
    folder = args.output.parent
    folder.mkdir(parents=True, exist_ok=True)
    logger.info("training on %s, %s targets (%s)", source.words, args.targets, device_name(device))
    model, curves = train_on_photographs(
        recipe,
        source.draw,
        source.validation,
        device,
        fingerprint=fingerprint,
        state_path=folder / "state.pt",
        validate_every=max(1, recipe.steps // 20),
        report=logger.info,
    )
    lines = [f"{r[0]},{r[1]:.6f},{r[2]:.6f},{r[3]:.4f},{r[4]:.3e},{r[5]:.1f}" for r in curves.rows]
    write_text(folder / "training.csv", "\n".join([COLUMNS, *lines]) + "\n")
    sets = source.test(model, folder) if args.noise else {}
    digest = save_weights(folder / "model.safetensors", model)
    seconds = curves.rows[-1][-1]
    write_json(
        args.output,
        {
            "kind": "photo",
            "noise": args.noise or "pairs",
            "targets": args.targets,
            "recipe": asdict(recipe),
            "parameters": parameters(model),
            "data": source.facts,
            "sets": sets,
            "weights_sha256": digest,
            "final": dict(zip(COLUMNS.split(","), curves.rows[-1], strict=True)),
            "crops_per_second": recipe.steps * recipe.batch / max(seconds, 1e-9),
            "device": device_name(device),
            "threads": torch.get_num_threads(),
            "versions": versions(),
        },
    )
    for name, scores in sets.items():
        logger.info("%s: PSNR %.2f dB -> %.2f dB (%d images)", name, scores["noisy"], scores["psnr"], scores["images"])


def denoise(args) -> None:
    """Denoise the user's own photograph."""
    import torch
    from PIL import Image

    from n2n.nets.device import choose_device, set_threads
    from n2n.study.inference import denoise_photograph, to_bytes
    from n2n.study.photographs import read_photograph

    device = choose_device(args.device, args.gpus)
    set_threads(args.threads)
    path = args.model or next((path for path in USUAL if path.exists()), None)
    if path is None:
        raise UserError(
            f"no model; make one with `n2n photo train --noise gaussian -o {USUAL[0]}`, or name one by --model"
        )
    model = load_photo_model(path, device)
    logger.info("denoising with %s", path)
    photograph = read_photograph(args.image)
    image = torch.from_numpy(photograph.copy()).permute(2, 0, 1).float() / 255 - 0.5
    picture = Image.fromarray(to_bytes(denoise_photograph(model, image)))
    if args.output.suffix.lower() not in Image.registered_extensions():
        raise UserError(f"{args.output}: unknown kind of picture; use .png, .tif or .jpg")
    with atomic_path(args.output) as temporary:
        picture.save(temporary, format=Image.registered_extensions()[args.output.suffix.lower()])
    logger.info("%s written (%d x %d)", args.output, picture.width, picture.height)


def load_photo_model(path: Path, device):
    """Read a model of `n2n photo train`; UserError where it is not one."""
    from n2n.nets.model import read_weights
    from n2n.study.training import PhotoRecipe, build_network

    facts = read_json(path, unsealed=True)
    if facts.get("kind") != "photo":
        raise UserError(f"{path} is not a model for photographs; `n2n photo train` makes one")
    model = build_network(PhotoRecipe(**facts["recipe"]))
    model.load_state_dict(read_weights(path.parent, facts))
    return model.to(device).eval()
