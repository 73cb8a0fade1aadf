"""One simulated night taken through all stages up to the stack, once for all tests."""

import contextlib
import os
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from n2n.cli import main
from n2n.config import check_config
from n2n.formats import sealed
from n2n.formats.tables import read_json
from n2n.group.calibrated import Calibration, Calibrations
from n2n.group.group import Group
from n2n.planning.files import write_plan
from n2n.planning.intake import ingest_nights
from n2n.planning.plan import make_plan
from n2n.simulate import load_truth, noiseless, recipe, simulate_night
from n2n.simulate.frames import flat_of

NIGHT, GROUP = "2026-10-03", "M31_L"
SCENE = 1


class Chain:
    """The folders of a night, and its stages as a person would call them."""

    def __init__(self, base, group=GROUP):
        self.base, self.name = Path(base), group
        self.raw, self.results, self.truth = (
            self.base / "raw",
            self.base / "results",
            self.base / "truth" / NIGHT,
        )
        self.folder = self.results / NIGHT / group
        roots = {name: str(self.base / name) for name in ("raw", "results", "models")}
        self.config = check_config(roots | {"ingest": {"chunk_size": 8}})

    def prepare(self):
        """Ingest and plan; frames count as old, so that nothing is waited for."""
        for path in self.raw.rglob("*.fits"):
            os.utime(path, (1, 1))
        ingest_nights(self.config, [NIGHT], report=lambda text: None)
        self.plan = make_plan(self.config, [NIGHT])
        write_plan(self.config, self.plan)
        self.group = self.plan.groups[NIGHT, self.name]
        self.account = load_truth(self.truth)

    def call(self, verb, *arguments, expect=0):
        assert main([verb, *map(str, arguments)]) == expect

    def masters(self):
        folder = self.results / "masters"
        for key, master in sorted(self.plan.masters.items(), key=lambda item: item[1].zero is not None):
            zero = ["--zero", folder / f"{master.zero}.fits"] if master.zero else []
            self.call("master", folder / f"{key}.csv", "--raw", self.raw, *zero, "-o", folder / f"{key}.fits")
        self.vet()

    def master(self, kind):
        return self.results / "masters" / f"{self.group.calibration[kind]}.fits"

    @property
    def vetted(self):
        return [self.folder / f"vetted-{name}.json" for name in self.group.vetted]

    def vet(self):
        for name in self.group.vetted:
            roots = ["--raw", self.raw, "--results", self.results]
            self.call("vet", self.folder / "vetting" / f"{name}.csv", *roots, "-o", self.folder / f"vetted-{name}.json")

    @property
    def where(self):
        calibration = self.folder / "calibration.json"
        return ["--raw", self.raw, "--calibration", calibration, "--results", self.results, "--vetted", *self.vetted]

    def measure(self, chunk):
        self.call(
            "measure",
            self.folder / "chunks" / f"{chunk}.csv",
            *self.where,
            "-o",
            self.folder / f"{chunk}.json",
        )

    def reference(self):
        tables = [self.folder / f"{chunk}.json" for chunk in self.group.reference_chunks]
        self.call("reference", *tables, "-o", self.folder / "reference.json")

    def register(self, chunk, *more):
        self.call(
            "register", self.folder / "chunks" / f"{chunk}.csv", *self.where,
            "--measured", self.folder / f"{chunk}.json", "--reference", self.folder / "reference.json",
            "-o", self.folder / f"registered-{chunk}.h5", *more,
        )  # fmt: skip

    def pairs(self, *more):
        chunks = [self.folder / f"registered-{chunk}.h5" for chunk in self.group.chunks]
        self.call("pairs", *chunks, "-o", self.folder / "pairs.h5", *more)

    def stack(self):
        self.call("stack", self.folder / "pairs.h5", "-o", self.folder / "stack.fits")

    def all(self):
        self.prepare()
        self.masters()
        for chunk in self.group.chunks:
            self.measure(chunk)
        self.reference()
        for chunk in self.group.chunks:
            self.register(chunk)
        self.pairs()
        self.stack()
        return self

    def measured(self):
        """Measured frames by file name."""
        tables = [read_json(self.folder / f"{chunk}.json")["frames"] for chunk in self.group.chunks]
        return {Path(frame["path"]).name: frame for table in tables for frame in table}

    def entry(self, path):
        """Truth of a light."""
        return next(entry for entry in self.account["lights"] if entry["file"] == Path(path).name)

    def light(self, **flags):
        """File name of the light with a mishap."""
        return next(e["file"] for e in self.account["lights"] if all(e[k] == v for k, v in flags.items()))

    def expected(self, path):
        """Noiseless calibrated frame in electrons: the flat's median is 1, the vignette's is not."""
        flat = flat_of(recipe.LUM.filter, noiseless(self.truth, Path(path).name).shape, SCENE)
        return noiseless(self.truth, Path(path).name) * np.float32(np.median(flat))

    def copy(self, base):
        shutil.copytree(self.base, base)
        chain = Chain(base)
        chain.prepare()
        return chain


@contextlib.contextmanager
def rewriting(path):
    """Open an HDF5 file of ours to change it; it is sealed again afterwards."""
    with h5py.File(path, "r+") as file:
        yield file
    sealed.seal(path)


def load_calibration(path: Path, results: Path) -> Calibration:
    """Calibration of most exposures of a group: of the masters that `calibration.json` names."""
    group = read_json(path)
    return Calibrations(group, results).of(group)


@pytest.fixture(scope="session")
def chain(tmp_path_factory):
    """A tiny night in L with a cloudy, an elongated and a trailed light, stacked."""
    base = tmp_path_factory.mktemp("chain")
    preset = recipe.Preset((256, 240), (recipe.LUM,), (16,), 6, 6, 6, ("cloudy", "trail", "elongated"))
    recipe.PRESETS["tests"] = preset
    try:
        simulate_night(base / "raw", preset="tests", seed=SCENE, night=NIGHT, processes=1, report=lambda text: None)
    finally:
        del recipe.PRESETS["tests"]
    return Chain(base).all()


@pytest.fixture(scope="session")
def group(chain):
    return Group(chain.folder / "pairs.h5")
