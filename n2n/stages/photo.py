"""Stage `photo`: Noise2Noise on photographs. `n2n photo train` trains and tests a network, `n2n photo denoise` uses it.

Train on clean photographs with synthetic noise (--noise), or on your own pairs of noisy photographs of the same scene
(--pairs A B: two folders with files of the same names). A killed training goes on where it was.

  n2n photo train --noise gaussian --photos my/photographs -o models/photo/model.json
  n2n photo denoise noisy.jpg better.png
"""

from pathlib import Path

from n2n.errors import UserError
from n2n.formats.atomic import write_text
from n2n.formats.tables import read_json, write_json
from n2n.log import logger
from n2n.stages.args import add_device, device_of

# Where `denoise` looks for a model when none is named.
RUN = "runs/gaussian-leaky_relu-noisy-1/model.json"
USUAL = [Path("models/photo/model.json"), Path("results/study/full") / RUN, Path("results/study/quick") / RUN]
NOISES = ("gaussian", "poisson", "bernoulli", "text", "impulse", "camera")


def add_arguments(parser) -> None:
    """Declare the command's arguments."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    train = actions.add_parser("train", help="train a network and test it", description="Train a network and test it.")
    data = train.add_argument_group("what to train on")
    data.add_argument("--noise", choices=NOISES, help="synthetic noise, new at every step")
    data.add_argument("--pairs", type=Path, nargs=2, metavar=("A", "B"), help="or: folders of your own noisy pairs")
    data.add_argument("--photos", type=Path, help="folder of training photographs (default: a few of scikit-image's)")
    data.add_argument("--valid", type=Path, help="folder of validation photographs")
    data.add_argument("--test", type=Path, nargs="*", default=[], help="folders to test on (default: --valid)")
    data.add_argument(
        "--targets", choices=["noisy", "clean"], default="noisy", help="what the network is held against (noisy)"
    )
    recipe = train.add_argument_group("recipe")
    recipe.add_argument("--network", choices=["paper", "ours"], default="paper", help="the paper's U-Net, or n2n's")
    recipe.add_argument("--width", type=int, default=48, help="channels of the first layers (48)")
    recipe.add_argument(
        "--activation", default="leaky_relu", choices=["leaky_relu", "elu", "relu", "gelu", "silu"], help="(leaky_relu)"
    )
    recipe.add_argument("--loss", choices=["l2", "l1", "annealed_l0", "hdr"], help="default: what fits the noise")
    recipe.add_argument("--steps", type=int, default=20000, help="training steps (20000)")
    recipe.add_argument("--batch", type=int, default=4, help="crops a step (4)")
    recipe.add_argument("--crop", type=int, default=256, help="side of a crop [px] (256)")
    recipe.add_argument("--learning-rate", type=float, default=0.001, help="peak learning rate (0.001)")
    recipe.add_argument("--seed", type=int, default=1, help="seed of weights, crops and noise (1)")
    recipe.add_argument("--test-crop", type=int, default=0, help="test on the middle so many pixels; 0: on all (0)")
    recipe.add_argument("--test-repeats", type=int, default=1, help="noise drawn so often for each test image (1)")
    train.add_argument("-o", "--output", type=Path, required=True, help="model.json to write, the rest beside it")
    denoise = actions.add_parser(
        "denoise", help="denoise a photograph", description="Denoise a photograph; no noise is added."
    )
    denoise.add_argument("image", type=Path, help="photograph to denoise")
    denoise.add_argument("output", type=Path, help="picture to write; the suffix decides the format (.png, .tif, .jpg)")
    denoise.add_argument(
        "--model", type=Path, help=f"model.json of `n2n photo train` (default: {USUAL[0]}, else one of the study)"
    )
    for sub in (train, denoise):
        add_device(sub)


def run(args) -> None:
    """Execute the stage."""
    (train if args.action == "train" else denoise)(args)


def train(args) -> None:
    """Train, then test on whole photographs."""
    if (args.noise is None) == (args.pairs is None):
        raise UserError("say what to train on: either --noise KIND or --pairs A B")
    if args.pairs and args.targets == "clean":
        raise UserError("--targets clean: pairs of noisy photographs have no clean target")

    from n2n.nets.device import device_name
    from n2n.nets.model import save_weights
    from n2n.study.models import curves_text, describe, fingerprint_of
    from n2n.study.photographs import read_folder, read_pairs, training_and_validation, write_photograph
    from n2n.study.scoring import scores_of
    from n2n.study.sources import NoisyPairs, Synthetic
    from n2n.study.training import PhotoRecipe, train_on_photographs

    device, tests = device_of(args), {}
    shape = {"batch": args.batch, "crop": args.crop, "device": device}
    if args.noise:
        training, valid = training_and_validation(args.photos, args.valid)
        source = Synthetic.of(training, valid, args.noise, clean_targets=args.targets == "clean", **shape)
        tests = {folder.name: read_folder(folder) for folder in args.test} or {"validation": valid}
    else:
        source = NoisyPairs.of(*read_pairs(*args.pairs), **shape)
    fields = {key: getattr(args, key) for key in PhotoRecipe.__dataclass_fields__ if hasattr(args, key)}
    recipe = PhotoRecipe(**fields | {"loss": args.loss or source.loss})
    folder = args.output.parent
    folder.mkdir(parents=True, exist_ok=True)
    logger.info("training on %s, %s targets (%s)", source.words, args.targets, device_name(device))
    model, curves = train_on_photographs(
        recipe,
        source.draw,
        source.validation,
        device,
        fingerprint=fingerprint_of(recipe, source.facts),
        state_path=folder / "state.pt",
        validate_every=max(1, recipe.steps // 20),
        report=logger.info,
    )
    write_text(folder / "training.csv", curves_text(curves))
    sets = {}
    if tests:
        sets, example = scores_of(model, tests, source.corruption, crop=args.test_crop, repeats=args.test_repeats)
        write_photograph(folder / "example.png", example)
    digest = save_weights(folder / "model.safetensors", model)
    facts = describe(model, recipe, source, curves, device)
    write_json(args.output, facts | {"sets": sets, "weights_sha256": digest})
    for name, scores in sets.items():
        logger.info("%s: PSNR %.2f dB -> %.2f dB (%d images)", name, scores["noisy"], scores["psnr"], scores["images"])


def denoise(args) -> None:
    """Denoise the user's own photograph."""
    path = args.model or next((path for path in USUAL if path.exists()), None)
    if path is None:
        raise UserError(
            f"no model; make one with `n2n photo train --noise gaussian -o {USUAL[0]}`, or name one by --model"
        )

    from n2n.nets.model import read_weights
    from n2n.study.inference import denoise_photograph, to_bytes
    from n2n.study.models import check, network_of
    from n2n.study.photographs import picture_format, read_photograph, write_photograph
    from n2n.study.scoring import to_tensor

    picture_format(args.output)
    device, facts = device_of(args), read_json(path, unsealed=True)
    check(facts, str(path))
    model = network_of(facts, read_weights(path.parent, facts), device)
    logger.info("denoising with %s", path)
    image = to_tensor(read_photograph(args.image), device)
    pixels = to_bytes(denoise_photograph(model, image))
    write_photograph(args.output, pixels)
    logger.info("%s written (%d x %d)", args.output, pixels.shape[1], pixels.shape[0])
