"""What is strange about the camera of a night and about its calibration frames: none of it light, none of it truth."""

import functools

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from n2n.simulate.camera import DARK_CURRENT, Detector, Gain
from n2n.simulate.readout import Oddities
from n2n.simulate.recipe import generator

NOISE_SCATTER = 0.2  # of the logarithm of the read noise; the histograms of CMOS sensors are as wide
NOISE_TAIL = 0.01  # share of the pixels that are far noisier: 2 to some 5 times
DARK_SCATTER = 0.7  # of the logarithm of the dark current
JUMPING = 0.002  # share of the pixels that jump between two levels
JUMP = 3.0, 10.0  # times the read noise
DUST_PX = 3.0, 7.0  # by which dust and vignette have moved
RESPONSE = 0.003  # rms by which the pixels' response in the light of the flats is another one
TILT, BOWL = 0.03, 0.02  # of the flats: side to side, middle to corners
GLOW = 40.0  # e- at the edge in 60 s
GLOW_REACH = 0.06  # of the width, in which it falls to a third
GLOW_STEEPER = 1.4  # exponent of the exposure time: the electronics warm up while they wait
GLOW_CHANGE = 0.17  # either way over the night
BIAS_ADU, BIAS_TILT_ADU = 5.0, 2.0  # amplitudes of the drift
PERIOD_S = 9000.0  # of what swings
ROWS, COLUMNS, FIXED = 0.2, 0.1, 0.4  # rms of row and column offsets in units of the read noise; of the fixed rows


def oddities(
    name: tuple, detector: Detector, gain: Gain, exptime: float, start_s: float, faults: tuple[str, ...]
) -> Oddities:
    """What the sensor does in one frame.

    Parameters
    ----------
    name : (int, int, str, str)
        Scene seed, seed, night and the frame's own name: what random numbers come from.
    detector : Detector
        The sensor.
    gain : Gain
        Gain setting of the frame.
    exptime, start_s : float
        Exposure time and start in s, the latter since the night began.
    faults : tuple of str
        Those of the night.
    """
    scene_seed, seed, night, frame = name
    shape = detector.shape
    found, offset = {"bleeding": "bleeding" in faults}, 0.0
    if "cmos-noise" in faults:
        found["noise"], dark, *_ = pixel_maps(shape, scene_seed)
        found["dark"] = DARK_CURRENT * (dark - 1)
    if "amp-glow" in faults:
        found["glow"] = glow(shape, exptime, phase(start_s, seed, night, "amp-glow"))
    if "drifting-bias" in faults:
        drift, tilt = (phase(start_s, seed, night, "drifting-bias", which) for which in ("level", "tilt"))
        offset = offset + BIAS_ADU * drift + BIAS_TILT_ADU * tilt * np.linspace(-1, 1, shape[0])[:, None]
    if "banding" in faults:
        bands = fixed_bands(shape, scene_seed) + new_bands(shape, generator(seed, night, "banding", frame))
        offset = offset + bands * gain.read_noise / gain.e_per_adu
    if "bent-response" in faults:
        found["bend"] = 0.02
    return Oddities(offset=offset, **found)


def phase(start_s: float, seed: int, night: str, *names: str) -> float:
    """Where something that swings over a night stands, -1 to 1.

    Parameters
    ----------
    start_s : float
        Time in s since the night began.
    seed, night : int, str
        Of the night.
    names : str
        What it is.
    """
    start = generator(seed, night, *names).uniform(0, 2 * np.pi)
    return float(np.sin(2 * np.pi * start_s / PERIOD_S + start))


@functools.lru_cache(maxsize=2)
def pixel_maps(shape: tuple[int, int], scene_seed: int) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """A CMOS sensor's pixels, each with an amplifier of its own.

    Parameters
    ----------
    shape : (int, int)
        Height and width of the sensor, px.
    scene_seed : int
        Seed of sky and camera.

    Returns
    -------
    noise, dark : float arrays, shape (height, width)
        Factors on read noise and dark current; their medians are 1.
    places : int array, shape (n, 2)
        Column and row of the pixels that jump.
    jump : float array, shape (n,)
        How far, in units of the read noise.
    """
    rng = generator(scene_seed, "cmos-noise")
    noise = np.exp(NOISE_SCATTER * rng.standard_normal(shape))
    noise *= np.where(rng.random(shape) < NOISE_TAIL, 2 + rng.exponential(1.0, shape), 1)
    dark = np.exp(DARK_SCATTER * rng.standard_normal(shape))
    chosen = rng.choice(noise.size, max(1, round(JUMPING * noise.size)), replace=False)
    places = np.stack([chosen % shape[1], chosen // shape[1]], axis=1)
    return noise, dark, places, rng.uniform(*JUMP, len(chosen))


def jumped(name: tuple, detector: Detector, gain: Gain, faults: tuple[str, ...]) -> tuple[NDArray, NDArray] | None:
    """Pixels that are at their upper level in a frame, and by how many e-; None without such pixels.

    Parameters
    ----------
    name : (int, int, str, str)
        As for `oddities`.
    detector : Detector
        The sensor.
    gain : Gain
        Gain setting of the frame.
    faults : tuple of str
        Those of the night.
    """
    if "cmos-noise" not in faults:
        return None
    scene_seed, seed, night, frame = name
    *_, places, jump = pixel_maps(detector.shape, scene_seed)
    high = generator(seed, night, "cmos-noise", frame).random(len(places)) < 0.5
    return places[high], np.round(jump[high] * gain.read_noise, 3)


def glow(shape: tuple[int, int], exptime: float, warm: float) -> NDArray[np.float64]:
    """Glow of the amplifiers beyond the right edge, strongest at a third of its height; e-.

    Parameters
    ----------
    shape : (int, int)
        Height and width of the sensor, px.
    exptime : float
        In s.
    warm : float
        -1 to 1, of the electronics.
    """
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    away = (shape[1] - 1 - columns) / (GLOW_REACH * shape[1])
    along = (rows / shape[0] - 0.33) / 0.25
    return GLOW * (exptime / 60) ** GLOW_STEEPER * (1 + GLOW_CHANGE * warm) * np.exp(-away - 0.5 * along**2)


@functools.lru_cache(maxsize=2)
def fixed_bands(shape: tuple[int, int], scene_seed: int) -> NDArray[np.float64]:
    """Rows that are too high or too low in every frame, in units of the read noise; shape (height, 1)."""
    return FIXED * generator(scene_seed, "banding").standard_normal((shape[0], 1))


def new_bands(shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float64]:
    """Offsets of rows and columns in one frame, in units of the read noise: half of each alone, half in bands."""

    def offsets(number: int) -> NDArray[np.float64]:
        wide = ndimage.gaussian_filter1d(rng.standard_normal(number), 4.0, mode="wrap")
        return (rng.standard_normal(number) + wide / wide.std()) / np.sqrt(2)

    return ROWS * offsets(shape[0])[:, None] + COLUMNS * offsets(shape[1])


def seen_by_flats(
    flat: NDArray[np.float64], detector: Detector, scene_seed: int, filter_name: str, faults: tuple[str, ...]
) -> NDArray[np.float64]:
    """What flats show in place of `flat`, which the lights have; float array, shape (height, width).

    Parameters
    ----------
    flat : float array, shape (height, width)
        Flat field of the lights.
    detector : Detector
        The sensor, whose pixels do not move.
    scene_seed : int
        Seed of sky and camera.
    filter_name : str
        The filter of the flats.
    faults : tuple of str
        Those of the night.
    """
    if "moved-dust" in faults:
        rng = generator(scene_seed, "moved-dust", filter_name)
        way, angle = rng.uniform(*DUST_PX), rng.uniform(0, 2 * np.pi)
        dust = ndimage.shift(
            flat / detector.response, (way * np.sin(angle), way * np.cos(angle)), order=1, mode="nearest"
        )
        flat = dust * detector.response * (1 + RESPONSE * rng.standard_normal(flat.shape))
    if "coloured-flats" in faults:
        angle = generator(scene_seed, "coloured-flats", filter_name).uniform(0, 2 * np.pi)
        y, x = np.ogrid[-1 : 1 : flat.shape[0] * 1j, -1 : 1 : flat.shape[1] * 1j]
        along = (x * np.cos(angle) + y * np.sin(angle)) / (abs(np.cos(angle)) + abs(np.sin(angle)))
        flat = flat * (1 + TILT / 2 * along - BOWL * (x**2 + y**2) / 2)
    return flat
