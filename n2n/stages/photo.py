"""Stage `photo`: Noise2Noise on photographs. `n2n photo train` trains and tests a network, `n2n photo denoise` uses it.

Train on clean photographs with synthetic noise (--noise), or on your own pairs of noisy photographs of the same scene
(--pairs A B: two folders with files of the same names). A killed training goes on where it was.

  n2n photo train --noise gaussian --photos my/photographs -o models/photo/model.json
  n2n photo denoise noisy.jpg better.png
"""

from pathlib import Path

from n2n.stages.args import add_device
from n2n.study.photo import USUAL, denoise, train

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
