"""What is planned for a night: targets, camera settings, numbers of frames, mishaps and weather.

Nothing random here depends on the order in which frames are made: every draw comes from a generator
named after what it is for (`generator`).
"""

import dataclasses
import zlib

import numpy as np

from n2n.errors import UserError
from n2n.simulate.camera import Gain
from n2n.simulate.optics import Conditions
from n2n.simulate.scene import Scene, canvas_shape, galaxies, nebula, stars

CADENCE_S = 66.0
MAX_DITHER = 12.0
MAX_ROTATION = 0.3
# Frames in which the slow trends of seeing, transparency and rotation run through about one period.
TREND_FRAMES = 30.0


@dataclasses.dataclass(frozen=True)
class Target:
    """One target through one filter.

    Attributes
    ----------
    name, filter : str
    ra, dec : float
        In degrees.
    gain : Gain
    sky : float
        e-/px per exposure.
    diffuse : str
        ``nebula``, ``galaxies`` or ``none``.
    star_density : float
        Stars per 512 x 512 px.
    star_flux, bright_flux : (float, float)
        e- per exposure; the bright ones saturate.
    star_slope : float
        The number of stars above a flux falls as flux**-star_slope.
    bright : float
        Number of bright stars per million pixels.
    trail_peak : float
        Brightness of the satellite in e-/px.
    flat_exptime : float
        In s.
    exptime : float
        In s.
    """

    name: str
    filter: str
    ra: float
    dec: float
    gain: Gain
    sky: float
    diffuse: str
    star_density: float
    star_flux: tuple[float, float]
    bright: float
    bright_flux: tuple[float, float]
    trail_peak: float
    flat_exptime: float
    exptime: float = 60.0
    star_slope: float = 0.6

    @property
    def group(self) -> str:
        """Name of the group, e.g. ``NGC7000_Ha``."""
        return f"{self.name}_{self.filter}"


HA = Target(
    name="NGC7000",
    filter="Ha",
    ra=314.75,
    dec=44.37,
    gain=Gain(setting=100, e_per_adu=0.25, read_noise=1.5, hot_mean=3.0),
    sky=0.9,
    diffuse="nebula",
    star_density=150,
    star_flux=(4.0, 2e4),
    bright=4.0,
    bright_flux=(2.6e5, 5e5),
    trail_peak=120.0,
    flat_exptime=6.24656,
)
LUM = Target(
    name="M31",
    filter="L",
    ra=10.684708,
    dec=41.26875,
    gain=Gain(setting=0, e_per_adu=0.8, read_noise=3.0, hot_mean=20.0),
    sky=60.0,
    diffuse="galaxies",
    star_density=800,
    star_flux=(15.0, 1e5),
    bright=6.0,
    bright_flux=(8e5, 2e6),
    trail_peak=900.0,
    flat_exptime=1.5,
)

# A field of the Milky Way with a CCD of high read noise: in a stack of 24 exposures a star of S/N 5 has some 50 e-, and
# there is one for every 90 px: what looks like sky between them is full of fainter ones.
CROWDED = Target(
    name="NGC7789",
    filter="R",
    ra=359.35,
    dec=56.71,
    gain=Gain(setting=30, e_per_adu=0.9, read_noise=8.0, hot_mean=15.0),
    sky=40.0,
    diffuse="none",
    star_density=6000,
    star_flux=(20.0, 1e5),
    bright=4.0,
    bright_flux=(8e5, 2e6),
    trail_peak=600.0,
    flat_exptime=2.5,
    star_slope=0.8,
)


@dataclasses.dataclass(frozen=True)
class Preset:
    """Size of a night.

    Attributes
    ----------
    size : (int, int)
        Width and height of the detector in px.
    targets : tuple of Target
    lights : tuple of int
        Per target.
    bias, dark, flat : int
        Per gain setting; flats per filter.
    mishaps : tuple of str
        Each spoils one light per target.
    telegraph : float
        Telegraph pixels per million pixels.
    """

    size: tuple[int, int]
    targets: tuple[Target, ...]
    lights: tuple[int, ...]
    bias: int
    dark: int
    flat: int
    mishaps: tuple[str, ...]
    telegraph: float = 0.0


# A small frame with as many stars as a larger one, so that it can be registered.
HA_CROWDED = dataclasses.replace(HA, star_density=4 * HA.star_density)

PRESETS = {
    "demo": Preset((1536, 1440), (HA, LUM), (24, 20), 16, 12, 12, ("cloudy", "trail", "elongated")),
    "tiny": Preset((256, 240), (HA_CROWDED,), (14,), 4, 4, 4, ("cloudy", "trail")),
    # What benchmarks/stack times: 20 lights and 24 calibration frames of 16 Mpx.
    "stack": Preset((4096, 4096), (LUM,), (20,), 8, 8, 8, ("trail",)),
    # What benchmarks/artefacts measures: everything that masks and rejection have to find.
    "artefacts": Preset(
        (768, 720),
        (HA_CROWDED, LUM),
        (16, 16),
        8,
        8,
        8,
        ("trail", "faint_trail", "cloudy", "aircraft", "elongated", "faint_trail"),
        telegraph=60.0,
    ),
    # What benchmarks/strange measures. Nothing flies through: faults and artefacts are measured apart.
    "strange": Preset((1024, 960), (LUM, HA_CROWDED), (24, 24), 24, 24, 24, ()),
    "crowded": Preset((1024, 960), (CROWDED,), (24,), 10, 10, 10, ()),
    "pair": Preset((256, 240), (HA_CROWDED, LUM), (14, 14), 4, 4, 4, ("cloudy", "trail")),
}


def preset_named(name: str) -> Preset:
    """Look a preset up; a wrong name is a user's mistake."""
    if name not in PRESETS:
        raise UserError(f"no preset {name!r}; choose one of {', '.join(PRESETS)}")
    return PRESETS[name]


def generator(seed: int, *names: str | int) -> np.random.Generator:
    """Random generator for one purpose, independent of all others drawn from the same seed."""
    key = tuple(zlib.crc32(str(name).encode()) for name in names)
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def make_scene(target: Target, shape: tuple[int, int], scene_seed: int) -> Scene:
    """Draw the sky of one group; `shape` is the detector's (height, width).

    Parameters
    ----------
    target : Target
        What is observed.
    shape : (int, int)
        Height and width of the detector, px.
    scene_seed : int
        Seed of sky and camera.
    """
    rng = generator(scene_seed, "scene", target.group)
    canvas = canvas_shape(shape)
    if target.diffuse == "nebula":
        diffuse = nebula(canvas, rng)
    elif target.diffuse == "galaxies":
        diffuse = galaxies(canvas, rng, max(3, round(20 * canvas[0] * canvas[1] / 512**2)))
    else:
        diffuse = np.zeros(canvas, np.float32)
    bright = max(1, round(target.bright * shape[0] * shape[1] / 1e6))
    numbers = target.star_density, target.star_flux, bright, target.bright_flux, target.star_slope
    return Scene(diffuse, *stars(shape, rng, *numbers))


def plan_mishaps(number: int, mishaps: tuple[str, ...]) -> dict[int, str]:
    """Spread mishaps over `number` lights; positions count from 0. Short series stay clean."""
    if number < 6:
        return {}
    return {round(number * (i + 0.8) / (len(mishaps) + 0.6)): name for i, name in enumerate(mishaps)}


def conditions(target: Target, seed: int, night: str, number: int, mishap: str = "") -> Conditions:
    """Weather and pointing of light `number` (from 1): slow trends plus jitter, the dither all new.

    Parameters
    ----------
    target : Target
        What is observed.
    seed : int
        Of the night's random numbers.
    night : str
        Name of the night.
    number : int
        Of the light, from 1.
    mishap : str
        What goes wrong with it: ``"cloudy"``, ``"elongated"``, or nothing that concerns weather and pointing.
    """
    phases = generator(seed, night, "trends", target.group).random(4)
    rng = generator(seed, night, "conditions", target.group, number)
    slow = np.sin(2 * np.pi * (number / TREND_FRAMES * np.array([0.8, 0.6, 0.5, 0.4]) + phases))
    jitter = rng.standard_normal(3)
    dx, dy = rng.uniform(-MAX_DITHER, MAX_DITHER, 2)
    # A sine of amplitude a has rms a / sqrt(2): with jitter of the same rms this gives 6 % in FWHM.
    fwhm = 3.0 * (1 + 0.06 * slow[0] + 0.0424 * jitter[0])
    transparency = 1 + 0.035 * slow[1] + 0.015 * jitter[1]
    sky = target.sky * (1 + 0.04 * slow[2] + 0.01 * jitter[2])
    track_px, track_angle = 0.0, 0.0
    if mishap == "cloudy":
        transparency, sky = 0.35 * transparency, 2 * sky
    elif mishap == "elongated":
        track_px, track_angle = 8.0, rng.uniform(0, 180)
    return Conditions(
        dx=float(dx),
        dy=float(dy),
        rotation=float(MAX_ROTATION * slow[3]),
        transparency=float(transparency),
        fwhm=float(np.clip(fwhm, 2.3, 4.0)),
        sky=float(sky),
        track_px=track_px,
        track_angle=float(track_angle),
    )
