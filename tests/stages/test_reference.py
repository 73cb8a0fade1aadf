import numpy as np
import pytest
from scipy import ndimage

from n2n.config import check_config
from n2n.formats.tables import read_json, write_json
from n2n.group.quality import choose, quality_limits, reasons, stars_are_real
from n2n.sky.stars import measure_stars

SETTINGS = check_config({})["reference"]


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
        "background_rms": 8.0,
    }
    return base | {"stars": (stars + shift).tolist()} | facts


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
    assert [reasons(f, limits) for f in frames] == [[]] * len(frames)


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
    assert reasons(frame(rejected=["truncated: ends early"]), {}) == ["truncated: ends early"]


def test_two_frames_set_no_limits():
    limits = quality_limits(night(2), SETTINGS)
    assert set(limits.values()) == {None} and reasons(frame(fwhm_px=99.0), limits) == []


def test_a_night_of_mostly_bad_frames_still_has_a_reference():
    frames = [frame(f"{i}.fits", fwhm_px=None, ellipticity=None, n_stars=0, stars=[]) for i in range(4)]
    assert choose(frames)["path"] == "0.fits"


def test_the_reference_is_sharp_and_near_the_middle():
    shifts = [(0, 0), (4, 2), (-3, 5), (60, 60), (2, -4), (-5, -1)]
    frames = [frame(f"{i}.fits", shift=shift) for i, shift in enumerate(shifts)]
    frames[3]["fwhm_px"] = 2.0  # the best frame, but far off
    frames[1]["fwhm_px"] = 2.5
    assert choose(frames)["path"] == "1.fits"
    assert choose(frames[::-1])["path"] == "1.fits"


def test_the_nights_reference_is_a_good_frame(chain):
    chosen = read_json(chain.folder / "reference.json")
    truth = chain.entry(chosen["reference"]["path"])
    assert not (truth["cloudy"] or truth["elongated"]) and truth["fwhm"] < 3.4
    assert np.hypot(truth["dx"], truth["dy"]) < 14
    assert chosen["unit"] == "electron" and chosen["gain"] == 0.8


def test_the_choice_does_not_change_on_repetition(chain, tmp_path):
    tables = [chain.folder / f"{chunk}.json" for chunk in chain.group.reference_chunks]
    chain.call("reference", *tables, "-o", tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (chain.folder / "reference.json").read_bytes()


def test_nothing_readable_is_one_clear_line(chain, tmp_path, capsys):
    frames = [frame(rejected=["truncated: ends early"], stars=[])]
    write_json(tmp_path / "m.json", {"unit": "adu", "gain": 1, "frames": frames})
    chain.call("reference", tmp_path / "m.json", "-o", tmp_path / "r.json", expect=1)
    assert "none of the 1 exposures can be read: truncated" in capsys.readouterr().err
    assert not (tmp_path / "r.json").exists()


def looked_at(light, n=12, seed=0):
    """Exposures of a scene [e-], shifted and blurred each in its own way, as `n2n measure` sees them."""
    random, frames = np.random.default_rng(seed), []
    for index in range(n):
        moved = np.roll(light, random.integers(-8, 9, 2), (0, 1))
        seen = random.poisson(ndimage.gaussian_filter(moved, random.uniform(1.0, 1.8)) + 100)
        seen = (seen + random.normal(0, 5, seen.shape)).astype(np.float32)
        none = np.zeros(seen.shape, bool)
        quality = measure_stars(seen, none, none)
        facts = {key: getattr(quality, key) for key in ("n_stars", "background", "background_rms")}
        facts |= {
            key: None if np.isnan(value := getattr(quality, key)) else value for key in ("fwhm_px", "ellipticity")
        }
        frames.append({"path": f"{index}.fits", "rejected": [], "stars": quality.stars.tolist()} | facts)
    return frames


def nebula(level, steepness, side=320):
    """A fractal nebula without stars."""
    k = np.hypot(*np.meshgrid(np.fft.fftfreq(side), np.fft.rfftfreq(side), indexing="ij"))
    k[0, 0] = 1
    image = np.fft.irfft2(np.fft.rfft2(np.random.default_rng(7).normal(0, 1, (side, side))) / k ** (steepness / 2))
    return level * (image - image.min()) / np.ptp(image)


def planet(level, radius, side=320):
    y, x = np.mgrid[:side, :side]
    return level / (1 + np.exp((np.hypot(x - 150, y - 170) - radius) / 1.5)) * (1 + 0.2 * np.sin(y / 5))


SCENES = {
    "faint nebula": nebula(300, 3.0),
    "bright nebula": nebula(20_000, 3.0),
    "knots": nebula(2000, 2.2),
    "planet": planet(20_000, 40),
    "the Moon": planet(20_000, 150),
    "nothing": np.zeros((320, 320)),
}


@pytest.mark.parametrize("name", SCENES)
def test_fields_without_stars_lose_nothing_to_noise_blobs(name):
    frames = looked_at(SCENES[name])
    limits = quality_limits(frames, SETTINGS, stars_are_real(frames))
    assert [reasons(f, limits) for f in frames] == [[]] * len(frames)
    assert not stars_are_real(frames) or name in ("knots",)


def test_a_bright_sky_is_left_out_without_stars_too():
    frames = [frame(f"{i}.fits", n_stars=0, fwhm_px=None, stars=[], background=100.0 + i % 3) for i in range(12)]
    limits = quality_limits(frames, SETTINGS, stars_are_real(frames))
    dawn = frame(n_stars=0, fwhm_px=None, stars=[], background=900.0, background_rms=25.0)
    assert "bright sky" in reasons(dawn, limits)[0] and reasons(frames[0], limits) == []


def test_stars_are_known_by_being_the_same_in_every_exposure():
    stars = np.zeros((320, 320))
    random = np.random.default_rng(4)
    stars[tuple(random.integers(10, 310, (2, 30)))] = random.pareto(1.0, 30) * 4000 + 4000
    assert stars_are_real(looked_at(stars)) and stars_are_real(looked_at(stars + SCENES["faint nebula"]))


def test_the_reference_of_a_field_without_stars_is_a_typical_exposure(chain, tmp_path):
    frames = looked_at(SCENES["faint nebula"], 9)
    frames[3]["background_rms"] *= 3
    write_json(tmp_path / "m.json", {"unit": "adu", "gain": 1, "frames": frames})
    chain.call("reference", tmp_path / "m.json", "-o", tmp_path / "r.json")
    chosen = read_json(tmp_path / "r.json")
    assert chosen["no_stars"] and chosen["reference"]["path"] != "3.fits"
