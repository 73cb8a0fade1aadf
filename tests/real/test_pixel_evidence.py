"""Evidence on real frames: kinds, colour mosaics and copies, with every card of the header left aside."""

import itertools
import re
from collections import Counter

import numpy as np
import pytest

from n2n.formats.pixels import read_pixels
from n2n.formats.words import exposure_in_path, kind_in_path
from n2n.sky.evidence import contradiction, decide, kind_by_pixels, look
from n2n.sky.mosaic import pattern_in
from n2n.sky.twins import TWINS, are_twins, noise_likeness, pixel_id, same_pixels

pytestmark = pytest.mark.real
# Set: files, every how many of them, least share that words and pixels decide.
SETS = {
    "nights/2017-12-20": ("*.gz", 8, 1.0),
    "nights/arp186-asi290": ("*.gz", 3, 1.0),
    "nights/lco-drift": ("*.gz", 3, 1.0),
    "calibration/stl1001": ("*.gz", 1, 1.0),
    "halpha/ou5-not": ("*.gz", 2, 0.9),
    "halpha/ou5-spm": ("*.gz", 2, 0.8),
    "registered/siril-qsi683": ("*.gz", 2, 1.0),
    "registered/wwcra-fli": ("*.gz", 3, 0.0),  # lights that are called FLAT: the words contradict the pixels
    "registered/wwcra-fli/solved": ("*.gz", 1, 1.0),
    "bayer/panoptes": ("*.f*", 1, 0.8),
    "colour/seestar-m94/1": ("*.gz", 3, 1.0),
    "colour/seestar-m94/2": ("*.gz", 2, 1.0),
    "headers": ("*.gz", 1, 0.0),
}
MOSAICS = ("bayer/panoptes", "colour/seestar-m94/1", "colour/seestar-m94/2")


def true_kind(path):
    if "stl1001" in path:
        return next(kind for kind in ("bias", "dark", "flat") if re.search(kind, path))
    return "flat" if "aspen" in path else "light"


@pytest.fixture(scope="module")
def frames(real_data):
    """Pixels of each set by path."""
    return {
        name: {
            path.relative_to(real_data).as_posix(): read_pixels(path, min_side=10, counts=True)[0]
            for path in sorted((real_data / name).glob(pattern))[::every]
        }
        for name, (pattern, every, _) in SETS.items()
    }


@pytest.fixture(scope="module")
def looks(frames):
    return {name: {path: look(pixels) for path, pixels in images.items()} for name, images in frames.items()}


@pytest.mark.parametrize("name", SETS)
def test_evidence_is_never_wrong(looks, name):
    seen, decided, counts = looks[name], 0, Counter()
    for path, one in seen.items():
        others = [other for place, other in seen.items() if place != path]
        alone = kind_by_pixels(one, None, others)[0]
        both = decide(kind_in_path(path), one, None, others)
        assert alone in ("", true_kind(path)), (path, alone)
        # The average of a set lies beside its exposures; its name says so, its pixels cannot.
        stack = "coadd" in path or "median" in path
        assert both.kind in (("master",) if stack else ("", true_kind(path))), (path, both)
        decided += both.kind != ""
        counts[true_kind(path), both.kind or "open", alone or "open"] += 1
    print(name, f"{decided}/{len(seen)} decided;", dict(counts))
    assert decided >= SETS[name][2] * len(seen)


def test_with_exposure_times_bias_and_dark_are_known_without_words(frames):
    """Darks stay open where their dark current could be light."""
    seen = {}
    for path, pixels in frames["calibration/stl1001"].items():
        told = exposure_in_path(path)
        seconds = 0.0 if "bias" in path else told[0] if told else 60.0
        seen[path] = look(pixels, seconds)
    found = Counter()
    for path, one in seen.items():
        kind = kind_by_pixels(one, None, [other for place, other in seen.items() if place != path])[0]
        assert kind in ("", true_kind(path))
        found[true_kind(path), kind] += 1
    assert found["bias", "bias"] == 8 and found["flat", "flat"] == 4 and found["dark", "dark"] >= 1


def test_flats_called_lights_by_their_headers(looks):
    """STL-1001: IMAGETYP is 'Light Frame', only the name says flat; WW CrA: the name says FLAT and is wrong."""
    for path, one in looks["calibration/stl1001"].items():
        told = contradiction("light" if true_kind(path) == "flat" else true_kind(path), kind_in_path(path)[0], one)
        assert bool(told) == (true_kind(path) == "flat"), (path, told)
    for name in ("registered/wwcra-fli", "nights/2017-12-20", "nights/lco-drift", "registered/siril-qsi683"):
        for path, one in looks[name].items():
            assert contradiction("light", (kind_in_path(path) or ("",))[0], one) is None, path


def test_exposure_times_of_names(real_data):
    told = {path.name: exposure_in_path(path.name) for path in real_data.rglob("*.gz") if exposure_in_path(path.name)}
    assert all(seconds == 10 for name, (seconds, _) in told.items() if "Light_M 94" in name)
    assert all(
        seconds == float(re.search(r"expos(\d+)s", name)[1]) for name, (seconds, _) in told.items() if "expos" in name
    )
    assert all("expos" in name or "Light_M 94" in name for name in told), sorted(told)


@pytest.mark.parametrize("name", SETS)
def test_mosaics_are_seen_and_nothing_else(frames, name):
    for path, pixels in frames[name].items():
        assert pattern_in(pixels) == ("GRBG/GBRG" if name in MOSAICS else ""), path


def calibrated(raw, frames=16):
    """A calibrated twin: dark subtracted, with its noise, a flat divided, scaled to 0 ... 1, turned by 180 degrees."""
    rng, image = np.random.default_rng(5), raw.astype(np.float64)
    noise = 1.4826 * np.median(np.abs(image[:, 2:] - image[:, :-2])) / np.sqrt(2)  # of one colour
    y, x = np.mgrid[-1 : 1 : raw.shape[0] * 1j, -1 : 1 : raw.shape[1] * 1j]
    dark = 0.6 * np.median(image) + noise / np.sqrt(frames) * rng.standard_normal(raw.shape)
    return ((image - dark) / (1 - 0.1 * (x * x + y * y)) / 65535).astype(np.float32)[::-1, ::-1]


@pytest.mark.parametrize("name", [name for name in SETS if name not in ("headers", "registered/wwcra-fli/solved")])
def test_exposures_of_a_field_are_no_twins_and_their_calibrated_copies_are(frames, name):
    groups = {"": [], "bias": [], "dark": [], "flat": []}
    for path, pixels in frames[name].items():
        groups[true_kind(path) if "stl1001" in path else ""].append(pixels)
    if name.startswith("halpha"):  # coadds hold the exposures beside them, and some files are two names of one image
        groups = {"": [pixels for path, pixels in frames[name].items() if not re.search("coadd|median", path)]}
    groups = {kind: images for kind, images in groups.items() if images}
    for kind, images in groups.items():
        others = [] if kind != "flat" else images[2:]  # flats share as much pattern as noise
        pairs = list(itertools.combinations(images[:2] if others else images[:6], 2))
        apart = [noise_likeness(a, b, others) for a, b in pairs if a.shape == b.shape]
        # Resampled frames have little noise at the finest scale, beside which a dark's would be all there is.
        darks = 1e6 if name.startswith("halpha") else 16
        twins = [noise_likeness(image, calibrated(image, darks), others) for image in images[:2]]
        print(name, kind, f"two exposures {max(apart, default=0):.3f}, twins {min(twins, default=1):.3f}")
        assert max(apart, default=0) < 0.35 < TWINS < min(twins, default=1)


def test_a_solved_copy_is_the_same_exposure(real_data):
    folder = real_data / "registered" / "wwcra-fli"
    files = [*sorted(folder.glob("*.gz"))[:3], folder / "solved" / "new-image.fits.gz"]
    images = [read_pixels(path, counts=True)[0] for path in files]
    assert [pixel_id(image) == pixel_id(images[3]) for image in images[:3]] == [False, True, False]
    assert same_pixels(images[1], images[3]) and are_twins(images[1], images[3])
    assert not are_twins(images[0], images[3])
