"""What follows the stack, once for all tests: a trained network, its product, and candidates with known error."""

import functools
import json
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
from scipy import ndimage

from n2n.cli import main
from n2n.fidelity.truth import fitted_truth
from n2n.formats import sealed
from n2n.formats.tables import read_json, write_json
from n2n.group.group import Group

TRAINING = ["--steps", "25", "--width", "8", "--batch", "4"]
QUICK = ["--gpus", "0", "--threads", "1"]


def call(verb, *arguments, expect=0):
    assert main([verb, *map(str, arguments)]) == expect


class Finished:
    """A folder as snakemake leaves it: data/, results/<night>/<group>/, models/<name>/<id>/."""

    def __init__(self, chain):
        self.chain = chain
        self.base = chain.base.parent / f"{chain.base.name}-finished"
        self.folder = self.base / chain.folder.relative_to(chain.base)
        self.folder.mkdir(parents=True)
        for path in chain.folder.iterdir():
            (self.folder / path.name).symlink_to(path)
        (self.base / "data" / "truth").mkdir(parents=True)
        (self.base / "data" / "truth" / chain.truth.name).symlink_to(chain.truth)
        (self.base / "data" / "raw").symlink_to(chain.raw)
        self.raw, self.models = self.base / "data" / "raw", self.base / "models"
        self.model = self.models / "camera_L" / "abc123" / "model.json"
        self.pairs, self.stack = self.folder / "pairs.h5", self.folder / "stack.fits"
        self.candidate, self.product = self.folder / "candidate.h5", self.folder / "denoised.fits"
        self.train(self.model)
        self.denoise(self.model, self.candidate)

    def train(self, model, *more, pairs=None):
        call("train", pairs or self.pairs, "-o", model, *TRAINING, *QUICK, *more)

    def denoise(self, model, candidate, *more, **expect):
        call("denoise", self.pairs, *(["--model", model] if model else []), "-o", candidate, *QUICK,
             "--orientations", "2", *more, **expect)  # fmt: skip

    def assess(self, candidate, product, *more):
        """Judge a candidate; returns assessment.json."""
        call("assess", self.pairs, "--stack", self.stack, "--candidate", candidate,
             "--calibration", self.folder / "calibration.json", "-o", product, *more)  # fmt: skip
        return json.loads((Path(product).parent / "assessment.json").read_text())


def read(path):
    """Images and attributes of a candidate."""
    with h5py.File(path) as file:
        return {name: file[name][:] for name in file}, dict(file.attrs)


def with_model(night, folder, change):
    """The model of a night with a changed description, in a folder of its own."""
    folder.mkdir()
    (folder / "model.safetensors").symlink_to(night.model.parent / "model.safetensors")
    facts = read_json(night.model)
    change(facts)
    write_json(folder / "model.json", facts)
    return folder / "model.json"


@functools.cache
def finished(chain):
    """The folder after `train` and `denoise`."""
    return Finished(chain)


@functools.cache
def shipped(chain):
    """The folder after a good candidate was judged and written."""
    night = finished(chain)
    night.good = night.base / "good.h5"
    write_candidate(chain, night.good)
    night.facts = night.assess(night.good, night.product)
    return night


@functools.cache
def truths(chain):
    """Mean, its truth and its sigma for the subsets of exposures a candidate holds."""
    night = finished(chain)
    group = Group(night.pairs)
    with h5py.File(night.candidate) as file:
        attributes = dict(file.attrs)
    held_out = np.asarray(attributes["held_out"])
    everything = np.arange(len(group.exposures))
    jobs = {"full": everything, "judged": np.setdiff1d(everything, held_out), "single": [int(attributes["single"])]}
    result = {}
    for name, chosen in jobs.items():
        mean, depth, _ = group.mean(chosen)
        with np.errstate(divide="ignore"):
            weight = depth / group.variance
        usable = np.isfinite(mean) & ~group.saturated
        truth = fitted_truth(group.only(chosen), chain.truth, np.nan_to_num(mean), weight, usable)
        sigma = np.sqrt(group.facts.sky_variance / np.median(depth))
        result[name] = SimpleNamespace(mean=mean, truth=truth, sigma=float(sigma), chosen=chosen)
    return SimpleNamespace(group=group, attributes=attributes, **result)


def good(chain, left=0.4):
    """Images of a denoiser that takes all but `left` of the noise away and does no harm."""
    facts = truths(chain)
    images = {}
    for name in ("full", "judged", "single"):
        part = getattr(facts, name)
        keep = facts.group.saturated | ~np.isfinite(part.mean)
        images[name] = np.where(keep, part.mean, part.truth + left * (part.mean - part.truth)).astype(np.float32)
    return images


def write_candidate(chain, path, harm=None):
    """Write a good candidate, with `harm(image, part)` done to the full and the judged image."""
    facts, images = truths(chain), good(chain)
    if harm is not None:
        for name in ("full", "judged"):
            spoilt = harm(images[name].copy(), getattr(facts, name))
            images[name] = np.where(facts.group.saturated, images[name], spoilt).astype(np.float32)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).unlink(missing_ok=True)
    with sealed.writing(path) as file:
        for name, image in images.items():
            file[name] = image
        file.attrs.update(facts.attributes)
    return images


def dimmed(image, part):
    """Stars lose 5 % of their light."""
    truth = np.nan_to_num(part.truth)
    return image - 0.05 * np.maximum(truth - ndimage.median_filter(truth, 15), 0)
