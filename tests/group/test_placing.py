from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from chain import load_calibration

from n2n.config import check_config
from n2n.errors import BadFrame
from n2n.formats.tables import read_json
from n2n.group.calibrated import load_exposure
from n2n.group.exposure import Exposure
from n2n.group.placing import Reference, placed_on

LIMITS = SimpleNamespace(**check_config({})["register"])


@pytest.fixture(scope="module")
def load(chain):
    calibration = load_calibration(chain.folder / "calibration.json", chain.results)
    return lambda exposure: load_exposure(exposure, chain.raw, calibration)


@pytest.fixture(scope="module")
def reference(chain, load):
    itself = Exposure.from_json(read_json(chain.folder / "reference.json")["reference"])
    return Reference(itself, *load(itself))


@pytest.fixture(scope="module")
def exposure(chain, reference):
    everything = map(Exposure.from_json, chain.measured().values())
    return next(one for one in everything if one.path != reference.exposure.path)


def test_a_placed_exposure_is_a_new_one_with_its_pixels(reference, exposure, load):
    placed, (pixels, flags) = placed_on(reference, exposure, load, LIMITS)
    assert exposure.placement is None and not placed.rejected and placed.placement.aligned_by == "stars"
    assert pixels.shape == flags.shape == reference.pixels.shape and placed.measured is exposure.measured
    assert placed.placement.overlap > 0.8 and placed.placement.sky.shape == (3,)


def test_the_reference_is_not_loaded_again_and_stays_whole(reference):
    itself = replace(reference.exposure, rejected=("blurred",))
    placed, (pixels, _) = placed_on(reference, itself, lambda _: pytest.fail("loaded"), LIMITS)
    assert (
        not placed.rejected and placed.placement.transparency == 1 and (placed.placement.matrix == np.eye(2, 3)).all()
    )
    pixels += 1
    assert (pixels != reference.pixels).all()


@pytest.mark.parametrize(
    ("limit", "word", "known", "unknown"),
    [
        ({"max_rms_px": 1e-4}, "match only to", "rms_px", "transparency"),
        ({"min_transparency": 9.0}, "transparency", "transparency", "overlap"),
        ({"min_overlap": 1.0}, "covers", "overlap", "sky"),
    ],
)
def test_what_was_found_until_it_was_left_out_is_kept(reference, exposure, load, limit, word, known, unknown):
    limits = SimpleNamespace(**vars(LIMITS) | limit)
    placed, images = placed_on(reference, exposure, load, limits)
    assert images is None and word in placed.rejected[0]
    assert getattr(placed.placement, known) is not None and getattr(placed.placement, unknown) is None


def test_another_sky_and_a_bad_file_are_reasons_and_no_crash(reference, exposure):
    stars = np.random.default_rng(1).uniform(0, 200, (40, 3))
    strange = replace(exposure, measured=replace(exposure.measured, stars=stars))
    other_size = np.ones((90, 90), np.float32), np.zeros((90, 90), np.uint8)
    placed, images = placed_on(reference, strange, lambda _: other_size, LIMITS)
    assert images is None and placed.placement is None and "no match with the reference" in placed.rejected[0]

    def broken(_):
        raise BadFrame("truncated", "it ends early")

    placed, images = placed_on(reference, exposure, broken, LIMITS)
    assert images is None and placed.rejected == ("it ends early",)
