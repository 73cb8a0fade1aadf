"""The camera: what it does to light, and the noise it adds.

    ADU = round((Poisson(light x flat + dark_rate x t) + cosmic rays + read noise) / gain + offset + columns)

clipped to 16 bits. A pixel is saturated at 65535.
"""

import dataclasses

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from n2n.simulate.readout import FULL_WELL, PLAIN, Oddities, bled

SATURATION_ADU = 65535
OFFSET_ADU = 500.0
DARK_CURRENT = 0.01


@dataclasses.dataclass(frozen=True)
class Gain:
    """One gain setting of the camera.

    Attributes
    ----------
    setting : int
        The number the capture program shows.
    e_per_adu : float
    read_noise : float
        In e-.
    hot_mean : float
        Mean excess of a hot pixel in e- per 60 s.
    """

    setting: int
    e_per_adu: float
    read_noise: float
    hot_mean: float

    @property
    def saturation(self) -> float:
        """Electrons at which a pixel reads 65535 ADU."""
        return (SATURATION_ADU - OFFSET_ADU) * self.e_per_adu


@dataclasses.dataclass(frozen=True)
class Detector:
    """Fixed pattern of the sensor, the same on every night of one scene seed.

    Attributes
    ----------
    response : float32 array, shape (height, width)
        Relative sensitivity of the pixels; about 0 where dead.
    columns : float32 array, shape (width,)
        Bias pattern in ADU.
    hot : int array, shape (n, 2)
        Column and row of the hot pixels.
    heat : float array, shape (n,)
        Their excess in units of `Gain.hot_mean`.
    dead_columns : tuple of int
    dead_pixels : int array, shape (m, 2)
        Column and row of single dead pixels.
    """

    response: NDArray[np.float32]
    columns: NDArray[np.float32]
    hot: NDArray[np.int64]
    heat: NDArray[np.float64]
    dead_columns: tuple[int, ...]
    dead_pixels: NDArray[np.int64]

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width)."""
        return self.response.shape

    def dark_rate(self, gain: Gain) -> NDArray[np.float64]:
        """Dark current of every pixel in e-/s, hot pixels included."""
        rate = np.full(self.shape, DARK_CURRENT)
        rate[self.hot[:, 1], self.hot[:, 0]] += self.heat * gain.hot_mean / 60.0
        return rate


def make_detector(
    shape: tuple[int, int], rng: np.random.Generator, hot_share: float = 0.003, very_hot: float = 30.0
) -> Detector:
    """Draw a sensor: 1 % response scatter, column pattern, hot and dead pixels.

    Parameters
    ----------
    shape : (height, width)
        Of the sensor.
    rng : numpy Generator
        Source of all randomness.
    hot_share : float
        Share of hot pixels, with exponentially distributed excess.
    very_hot : float
        How many of them per million pixels glow hundreds of times brighter.
    """
    height, width = shape
    response = 1 + 0.01 * rng.standard_normal(shape)
    columns = 1.5 * rng.standard_normal(width)
    hot_places = rng.choice(height * width, round(hot_share * height * width), replace=False)
    heat = rng.exponential(1.0, len(hot_places))
    glowing = max(3, round(very_hot * height * width / 1e6))
    heat[:glowing] = np.exp(rng.uniform(np.log(40), np.log(800), glowing))
    hot = np.stack([hot_places % width, hot_places // width], axis=1)
    order = np.argsort(-heat, kind="stable")

    dead_columns = tuple(int(c) for c in np.sort(rng.choice(np.arange(8, width - 8), 2, replace=False)))
    places = rng.choice(height * width, max(4, round(25 * height * width / 1e6)), replace=False)
    dead_pixels = np.stack([places % width, places // width], axis=1)
    response[:, list(dead_columns)] *= 0.02
    response[dead_pixels[:, 1], dead_pixels[:, 0]] *= 0.05
    return Detector(
        response.astype(np.float32),
        columns.astype(np.float32),
        hot[order],
        heat[order],
        dead_columns,
        dead_pixels,
    )


def flat_field(detector: Detector, rng: np.random.Generator, corner: float = 0.75) -> NDArray[np.float64]:
    """Everything multiplicative: pixel response, vignette and the shadows of dust on the filter.

    Parameters
    ----------
    detector : Detector
        The sensor.
    rng : numpy Generator
        Belongs to the filter, since the dust does.
    corner : float
        Light that the vignette leaves in the corners.

    Returns
    -------
    float64 array, shape `detector.shape`, 1 at the centre.
    """
    height, width = detector.shape
    y, x = np.ogrid[:height, :width]
    radius2 = (x - (width - 1) / 2) ** 2 + (y - (height - 1) / 2) ** 2
    flat = 1 - (1 - corner) * radius2 / (((width - 1) ** 2 + (height - 1) ** 2) / 4)
    span = min(height, width)
    for _ in range(5):
        distance = np.hypot(x - rng.uniform(0, width), y - rng.uniform(0, height))
        outer = span * rng.uniform(0.015, 0.04)
        inner = 0.45 * outer
        # A mote far out of focus is the shadow of the aperture: a ring when a secondary mirror is in it.
        ring = expit((outer - distance) / 1.5) - expit((inner - distance) / 1.5)
        flat = flat * (1 - rng.uniform(0.03, 0.08) * ring)
    return flat * detector.response


def cosmic_rays(
    shape: tuple[int, int], rng: np.random.Generator, rate: float = 8.0
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Short tracks of charged particles.

    Parameters
    ----------
    shape : (height, width)
        Of the sensor.
    rng : numpy Generator
        Source of all randomness.
    rate : float
        Mean number of tracks; each leaves 300-5000 e-.

    Returns
    -------
    places : int array, shape (n, 2)
        Column and row of every pixel that got more than 1 e-; a pixel hit twice appears once.
    charge : float array, shape (n,)
        In e-.
    """
    image = {}
    for _ in range(rng.poisson(rate)):
        x, y = rng.uniform(0, shape[1]), rng.uniform(0, shape[0])
        angle, length = rng.uniform(0, 2 * np.pi), 1 + rng.exponential(2.5)
        total = np.exp(rng.uniform(np.log(300), np.log(5000)))
        steps = int(4 * length) + 1
        along = np.linspace(0, length, steps)
        # A particle loses its energy in lumps: exponential shares along the track.
        share = rng.exponential(1.0, steps)
        share *= total / share.sum()
        columns = np.floor(x + along * np.cos(angle) + 0.25 * rng.standard_normal(steps)).astype(int)
        rows = np.floor(y + along * np.sin(angle) + 0.25 * rng.standard_normal(steps)).astype(int)
        for column, row, charge in zip(columns.tolist(), rows.tolist(), share.tolist(), strict=True):
            if 0 <= column < shape[1] and 0 <= row < shape[0]:
                image[column, row] = image.get((column, row), 0.0) + charge
    kept = [(place, charge) for place, charge in sorted(image.items()) if charge > 1]
    places = np.array([place for place, _ in kept], dtype=np.int64).reshape(-1, 2)
    return places, np.round([charge for _, charge in kept], 1)


def telegraph_pixels(
    shape: tuple[int, int], rng: np.random.Generator, per_mpx: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Pixels that jump between two levels (random telegraph signal), on the sensor's amplifiers: in any frame.

    Parameters
    ----------
    shape : (int, int)
        Height and width of the detector, px.
    rng : Generator
        Random numbers.
    per_mpx : float
        Such pixels in a million.

    Returns
    -------
    places : int array, shape (n, 2)
        Column and row.
    jump : float array, shape (n,)
        Height of the upper level, 8 to 30 times the read noise.
    """
    height, width = shape
    places = rng.choice(height * width, round(per_mpx * height * width / 1e6), replace=False)
    return np.stack([places % width, places // width], axis=1), rng.uniform(8, 30, len(places))


def expose(
    light: NDArray | float,
    flat: NDArray,
    exptime: float,
    detector: Detector,
    gain: Gain,
    rng: np.random.Generator,
    hits: tuple[NDArray, NDArray] | None = None,
    odd: Oddities = PLAIN,
) -> NDArray[np.uint16]:
    """Take one exposure.

    Parameters
    ----------
    light : array, shape (height, width), or 0
        Expected e-/px before the flat field.
    flat : array, shape (height, width)
        From `flat_field`, or 1.
    exptime : float
        In s; decides the dark signal.
    detector : Detector
        The sensor.
    gain : Gain
        Gain setting of the exposure.
    rng : numpy Generator
        Source of all randomness.
    hits : (places, charge), optional
        Charge in e- that is no light: `cosmic_rays`, telegraph pixels at their upper level.
    odd : Oddities
        What is strange about the sensor.

    Returns
    -------
    uint16 array, shape (height, width), ADU.
    """
    expected = light * flat + (detector.dark_rate(gain) + odd.dark) * exptime + odd.glow
    electrons = rng.poisson(expected).astype(np.float64)
    if hits is not None:
        places, charge = hits
        np.add.at(electrons, (places[:, 1], places[:, 0]), charge)
    if odd.bleeding:
        electrons = bled(electrons, FULL_WELL * gain.saturation)
    if odd.bend:
        electrons *= 1 - odd.bend * (np.minimum(electrons, gain.saturation) / gain.saturation) ** 2
    electrons += gain.read_noise * odd.noise * rng.standard_normal(detector.shape)
    adu = electrons / gain.e_per_adu + OFFSET_ADU + detector.columns + odd.offset
    return np.clip(np.rint(adu), 0, SATURATION_ADU).astype(np.uint16)
