"""What flies through a light: satellites, bright and faint, and aircraft."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

KINDS = ("trail", "faint_trail", "aircraft")


@dataclasses.dataclass(frozen=True)
class Trail:
    """A straight line across the field.

    Attributes
    ----------
    kind : str
        One of `KINDS`: bright satellite, faint satellite, aircraft.
    x0, y0 : float
        A point of its middle line in detector coordinates, px.
    angle : float
        Direction in radians, from +x towards +y.
    sigma : float
        Of the Gaussian profile across, in px.
    peak : float
        e-/px on the middle of a line, before the flat field.
    separation : float
        Distance in px of the two parallel lines of an aircraft; 0 is one line.
    period, duty, phase : float
        Blinking: px from flash to flash, lit share of it, offset in px. A period of 0 is steady light.
    """

    kind: str
    x0: float
    y0: float
    angle: float
    sigma: float
    peak: float
    separation: float = 0.0
    period: float = 0.0
    duty: float = 1.0
    phase: float = 0.0


def draw_trail(
    kind: str, shape: tuple[int, int], rng: np.random.Generator, bright_peak: float, sky_noise: float
) -> Trail:
    """Draw a trail through the middle part of the field.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    shape : (height, width)
        Of the sensor.
    rng : numpy Generator
        Source of all randomness.
    bright_peak : float
        Peak of a bright satellite in e-/px.
    sky_noise : float
        Noise of one exposure's sky in e-/px: faint satellites reach 2 to 4 of it, an aircraft's lamps 10 to 25.
    """
    angle = rng.uniform(0.15, 0.85) * np.pi / 2 * rng.choice([-1, 1])
    x0, y0 = rng.uniform(0.35, 0.65) * shape[1], rng.uniform(0.35, 0.65) * shape[0]
    line = Trail(kind, float(x0), float(y0), float(angle), 1.0, bright_peak)
    if kind == "faint_trail":
        peak, sigma = float(rng.uniform(2, 4) * sky_noise), float(rng.uniform(1, 2))
        return dataclasses.replace(line, peak=peak, sigma=sigma)
    if kind == "aircraft":
        period = float(rng.uniform(60, 120))
        return dataclasses.replace(
            line,
            sigma=3.0,
            peak=float(rng.uniform(10, 25) * sky_noise),
            separation=float(rng.uniform(14, 24)),
            period=period,
            duty=float(rng.uniform(0.3, 0.6)),
            phase=float(rng.uniform(0, period)),
        )
    return line


def trail_light(trail: Trail, shape: tuple[int, int], steady: bool = False) -> NDArray[np.float64]:
    """Light of a trail on the sensor.

    Parameters
    ----------
    trail : Trail
        From `draw_trail`.
    shape : (height, width)
        Of the sensor.
    steady : bool
        Leave the blinking out: the whole path, dark gaps included.

    Returns
    -------
    float64 array, shape `shape`, e-/px before the flat field.
    """
    y, x = np.ogrid[: shape[0], : shape[1]]
    distance = (x - trail.x0) * np.sin(trail.angle) - (y - trail.y0) * np.cos(trail.angle)
    middles = (-trail.separation / 2, trail.separation / 2) if trail.separation else (0.0,)
    light = sum(np.exp(-((distance - middle) ** 2) / (2 * trail.sigma**2)) for middle in middles)
    if trail.period and not steady:
        along = (x - trail.x0) * np.cos(trail.angle) + (y - trail.y0) * np.sin(trail.angle)
        light = light * ((along + trail.phase) % trail.period < trail.duty * trail.period)
    return trail.peak * light
