from types import SimpleNamespace

import numpy as np
import pytest
from fields import SCENES, looked_at

from n2n.config import check_config
from n2n.group.exposure import Exposure
from n2n.group.quality import choose, quality_limits, reasons, stars_are_real

SETTINGS = SimpleNamespace(**check_config({})["reference"])


def frame(path="a.fits", **facts):
    rng = np.random.default_rng(1)
    stars = np.column_stack([rng.uniform(0, 500, (30, 2)), np.linspace(9000, 100, 30)])
    shift = np.array([*facts.pop("shift", (0, 0)), 0])
    base = {
        "path": path,
        "rejected": [],
        "n_stars": 100,
        "fwhm_px": 3.0,
        "ellipticity": 0.1,
        "background": 100.0,
        "background_rms": 8.0,
    }
    return Exposure.from_json(base | {"stars": (stars + shift).tolist()} | facts)


def night(n=20, seed=0):
    rng = np.random.default_rng(seed)
    return [
        frame(
            f"{i:02d}.fits",
            fwhm_px=float(rng.normal(3, 0.15)),
            ellipticity=float(rng.normal(0.1, 0.02)),
            background_rms=float(rng.normal(8, 0.2)),
            n_stars=int(rng.normal(100, 8)),
        )
        for i in range(n)
    ]


@pytest.mark.parametrize("seed", range(10))
def test_an_ordinary_night_loses_nothing(seed):
    frames = night(seed=seed)
    limits = quality_limits(frames, SETTINGS)
    assert [reasons(f, limits) for f in frames] == [()] * len(frames)


@pytest.mark.parametrize(
    ("facts", "word"),
    [
        ({"fwhm_px": 5.0}, "blurred: FWHM 5.00 px, limit"),
        ({"ellipticity": 0.5}, "trailed: ellipticity 0.50, limit"),
        ({"background_rms": 20.0}, "bright sky: noise 20.00, limit"),
        ({"n_stars": 20}, "few stars (clouds, dew): 20, limit"),
    ],
)
def test_what_stands_out_is_left_out_with_a_reason_in_words(facts, word):
    frames = night()
    limits = quality_limits(frames, SETTINGS)
    (reason,) = reasons(frame(**facts), limits)
    assert word in reason


def test_a_frame_without_stars_has_a_reason_and_no_crash():
    limits = quality_limits(night(), SETTINGS)
    found = reasons(frame(n_stars=0, fwhm_px=None, ellipticity=None, stars=[]), limits)
    assert found and "few stars" in found[0]


def test_what_measure_rejected_keeps_its_reason():
    assert reasons(frame(rejected=["truncated: ends early"]), {}) == ("truncated: ends early",)


def test_two_frames_set_no_limits():
    limits = quality_limits(night(2), SETTINGS)
    assert set(limits.values()) == {None} and reasons(frame(fwhm_px=99.0), limits) == ()


def test_a_night_of_mostly_bad_frames_still_has_a_reference():
    frames = [frame(f"{i}.fits", fwhm_px=None, ellipticity=None, n_stars=0, stars=[]) for i in range(4)]
    assert choose(frames).path == "0.fits"


def test_the_reference_is_sharp_and_near_the_middle():
    shifts = [(0, 0), (4, 2), (-3, 5), (60, 60), (2, -4), (-5, -1)]
    widths = {3: 2.0, 1: 2.5}  # the best frame is far off
    frames = [frame(f"{i}.fits", shift=shift, fwhm_px=widths.get(i, 3.0)) for i, shift in enumerate(shifts)]
    assert choose(frames).path == "1.fits"
    assert choose(frames[::-1]).path == "1.fits"


@pytest.mark.parametrize("name", SCENES)
def test_fields_without_stars_lose_nothing_to_noise_blobs(name):
    frames = looked_at(SCENES[name])
    limits = quality_limits(frames, SETTINGS, stars_are_real(frames))
    assert [reasons(f, limits) for f in frames] == [()] * len(frames)
    assert not stars_are_real(frames) or name in ("knots",)


def test_a_bright_sky_is_left_out_without_stars_too():
    frames = [frame(f"{i}.fits", n_stars=0, fwhm_px=None, stars=[], background=100.0 + i % 3) for i in range(12)]
    limits = quality_limits(frames, SETTINGS, stars_are_real(frames))
    dawn = frame(n_stars=0, fwhm_px=None, stars=[], background=900.0, background_rms=25.0)
    assert "bright sky" in reasons(dawn, limits)[0] and reasons(frames[0], limits) == ()


def test_stars_are_known_by_being_the_same_in_every_exposure():
    stars = np.zeros((320, 320))
    random = np.random.default_rng(4)
    stars[tuple(random.integers(10, 310, (2, 30)))] = random.pareto(1.0, 30) * 4000 + 4000
    assert stars_are_real(looked_at(stars)) and stars_are_real(looked_at(stars + SCENES["faint nebula"]))
