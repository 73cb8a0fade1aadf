"""What every stage makes of the tiny night, kept beside the number of its recipe.

    python -m tests.workflow.kept      run the tiny night of these tests, and write kept.json anew (a minute)

Kept are numbers, not files: means over a grid of blocks, their scatter, and single pixels of every image, and the
numbers of every table. On the machine that wrote them they must be the same to the last digit that is kept; on another
one, whose processor adds in another order, to within a small part of the noise.
"""

import hashlib
import json
import platform
import tempfile
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np
from astropy.io import fits

from n2n.formats.provenance import versions
from n2n.recipes import RECIPES

from .conftest import new_workspace

FILE = Path(__file__).with_name("kept.json")
GRID = 4  # blocks a side
PIXELS = 16  # single pixels of an image, spread over it
# Share of a number by which another machine may differ. With numpy, OpenCV and torch kept from AVX2 and AVX-512 numbers
# differed by 1e-6, of injected objects by 2e-3 where one of them was found or not; an ARM processor may differ by more.
NEAR, TRAINED = 1e-4, 0.03
RESTS_ON_TRAINING = ("train", "denoise", "inject", "assess")


def machine() -> str:
    """What decides in which order sums are made: the processor and the libraries."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
        flags = next((line for line in lines if line.startswith("flags")), "")
    except OSError:
        flags = platform.processor()
    libraries = {name: version for name, version in versions().items() if name not in ("n2n", "python")}
    return hashlib.sha256(json.dumps([platform.machine(), flags, libraries]).encode()).hexdigest()[:16]


def of_image(image: np.ndarray) -> list[float]:
    """A few dozen numbers that tell whether an image of shape (h, w) is the same."""
    image = np.asarray(image, np.float64)
    known = np.isfinite(image)
    filled = np.where(known, image, 0)
    rows, columns = (np.linspace(0, side, GRID + 1).astype(int) for side in image.shape)
    blocks = [
        filled[top:bottom, left:right].mean() for top, bottom in pairwise(rows) for left, right in pairwise(columns)
    ]
    places = np.linspace(0, image.size - 1, PIXELS).astype(int)
    return [float(known.mean()), float(filled.std()), *blocks, *filled.ravel()[places]]


def of_table(value, left_out=()) -> list[float]:
    """All numbers of a JSON value, in the order of its keys."""
    if isinstance(value, dict):
        return [number for key in sorted(value) if key not in left_out for number in of_table(value[key], left_out)]
    if isinstance(value, list):
        return [number for one in value for number in of_table(one, left_out)]
    return [float(value)] if isinstance(value, int | float) else []


def of_night(folder: Path) -> dict[str, list[float]]:
    """Numbers of every stage that makes pixels, from the folder in which a tiny night was run."""
    group = next(path.parent for path in folder.glob("results/*/*/stack.fits"))
    masters = sorted(folder.glob("results/masters/*.fits"))

    def tables(pattern, left_out=()):
        return [one for path in sorted(group.glob(pattern)) for one in of_table(_read(path), left_out)]

    with h5py.File(group / "pairs.h5") as pairs, h5py.File(group / "candidate.h5") as candidate:
        registered = [one for exposure in pairs["pixels"] for one in of_image(exposure)]
        images = [one for name in ("stack/mean", "stack/weight", "variance") for one in of_image(pairs[name][:])]
        weighed = [*of_table(json.loads(pairs.attrs["exposures"])), *images]
        denoised = [one for name in ("full", "judged", "single") for one in of_image(candidate[name][:])]
    model = _read(next(folder.glob("models/*/*/model.json")))
    return {
        "master": [one for path in masters for one in of_image(fits.getdata(path))],
        "vet": tables("vetted-*.json"),
        "measure": tables("measured-*.json"),
        "reference": tables("reference.json"),
        "register": registered,
        "pairs": weighed,
        "stack": [one for name in (0, "VAR") for one in of_image(fits.getdata(group / "stack.fits", name))],
        "train": of_table({key: model[key] for key in ("final_training_loss", "final_validation_loss")}),
        "denoise": denoised,
        "inject": tables("inject.json"),
        "assess": tables("assessment.json", ("versions", "seconds", "frames", "path", "schema")),
    }


def _read(path: Path):
    return json.loads(path.read_text(encoding="utf-8"))


def differing(kept: dict, found: dict[str, list[float]]) -> list[str]:
    """Stages whose numbers are no longer those that were kept, in the order of the pipeline."""
    same = kept["machine"] == machine()
    return [
        stage for stage, numbers in found.items() if not _alike(kept["stages"][stage]["numbers"], numbers, stage, same)
    ]


def _alike(kept: list[float], found: list[float], stage: str, same_machine: bool) -> bool:
    if len(kept) != len(found):
        return same_machine is False and stage in RESTS_ON_TRAINING
    kept, found = np.array(kept), np.array([_short(one) for one in found])
    if same_machine:
        return bool(np.array_equal(kept, found, equal_nan=True))
    near = TRAINED if stage in RESTS_ON_TRAINING else NEAR
    scale = np.maximum(np.abs(kept), np.median(np.abs(kept)))
    return bool(np.mean(np.abs(kept - found) <= near * scale) > 0.98)


def _short(number: float) -> float:
    return float(f"{number:.9g}")


def write(folder: Path) -> None:
    """Keep what a finished night holds."""
    stages = {
        stage: {"recipe": RECIPES[stage], "numbers": [_short(one) for one in numbers]}
        for stage, numbers in of_night(folder).items()
    }
    lines = [f'  "{stage}": {json.dumps(what)}' for stage, what in stages.items()]
    text = f'{{"machine": "{machine()}", "stages": {{\n' + ",\n".join(lines) + "\n}}\n"
    FILE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        night = new_workspace(Path(folder) / "night")
        night.snakemake()
        write(night.folder)
