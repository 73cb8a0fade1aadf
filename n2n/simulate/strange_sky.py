"""What is strange about the sky of a night and the telescope below it: all of it light, and part of the truth."""

import dataclasses

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from n2n.simulate.optics import Conditions, light_of, render_diffuse, render_stars, to_frame
from n2n.simulate.recipe import Target, generator
from n2n.simulate.scene import Scene

DRIFT_PX = 0.45  # an exposure; after 24 the field has moved by 11 px
WOBBLE_PX = 0.12  # what guiding leaves
DEFOCUS = 0.35  # share by which stars have widened when the focus is set again
REFOCUS = 16  # exposures from one setting to the next
WIDENING = 0.28  # share by which stars are wider in the corners
ELONGATION = 1.0  # radial smear in the corners, in units of the FWHM
LEVELS = 3  # widths between which those of the field are interpolated
SLOPE, CURVE = 0.15, 0.04  # of the sky, from the middle to the edge
TURN = np.radians(40.0)  # an hour
HALO_SHARE = 0.01  # of a star's light
HALO_RADIUS = 36.0  # px
HALO_LEAST = 4e4  # e- of a star from which its halo reaches 0.1 e- a pixel


def weather(now: Conditions, target: Target, seed: int, night: str, number: int, faults: tuple[str, ...]) -> Conditions:
    """Pointing and focus of light `number` (from 1), as the faults make them of what they would be.

    Parameters
    ----------
    now : Conditions
        Of the plain night.
    target : Target
        What is observed.
    seed, night : int, str
        Of the night.
    number : int
        Of the light, from 1.
    faults : tuple of str
        Those of the night.
    """
    if "slow-drift" in faults:
        angle = generator(seed, night, "slow-drift", target.group).uniform(0, 2 * np.pi)
        wobble = generator(seed, night, "slow-drift", target.group, number).normal(0, WOBBLE_PX, 2)
        way = DRIFT_PX * (number - 1) - 5.0
        dx, dy = way * np.cos(angle) + wobble[0], way * np.sin(angle) + wobble[1]
        now = dataclasses.replace(now, dx=float(dx), dy=float(dy))
    if "drifting-focus" in faults:
        start = int(generator(seed, night, "drifting-focus", target.group).integers(REFOCUS))
        # Away from the best focus the width grows with the square first, as two widths add.
        away = (number + start) % REFOCUS / (REFOCUS - 1)
        now = dataclasses.replace(now, fwhm=float(now.fwhm * np.hypot(1, np.sqrt((1 + DEFOCUS) ** 2 - 1) * away)))
    return now


def seen(
    scene: Scene, shape: tuple[int, int], now: Conditions, towards: float, faults: tuple[str, ...]
) -> NDArray[np.float32]:
    """Noiseless expectation of one exposure in e-/px, sky included, before the flat field.

    Parameters
    ----------
    scene : Scene
        Stars and diffuse light.
    shape : (int, int)
        Height and width of the detector, px.
    now : Conditions
        From `weather`.
    towards : float
        `direction` of the gradient, radians.
    faults : tuple of str
        Those of the night.
    """
    light = curved(scene, shape, now) if "field-curvature" in faults else light_of(scene, shape, now)
    if "halos" in faults:
        light += halos(scene, shape, now)
    sky = now.sky
    if "turning-gradient" in faults:
        sky = now.sky * gradient(shape, towards)
    return (now.transparency * light + sky).astype(np.float32)


def direction(target: Target, seed: int, night: str, start_s: float) -> float:
    """Where the sky is brightest, radians from +x towards +y.

    Parameters
    ----------
    target : Target
        What is observed.
    seed, night : int, str
        Of the night.
    start_s : float
        Start of the exposure in s since the night began.
    """
    start = generator(seed, night, "turning-gradient", target.group).uniform(0, 2 * np.pi)
    return float(start + TURN * start_s / 3600)


def gradient(shape: tuple[int, int], angle: float) -> NDArray[np.float64]:
    """Brightness of the sky over the field against its mean: a slope towards `angle` and a curve along it."""
    y, x = np.ogrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j]
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    field = SLOPE * along + CURVE * (along**2 + 0.3 * along**3 - 0.4 * across**2)
    return 1 + field - field.mean()


def curved(scene: Scene, shape: tuple[int, int], now: Conditions) -> NDArray[np.float64]:
    """Light of a scene through a telescope whose field is not flat.

    The profile at a place is a mixture of the two nearest of `LEVELS` widths; stars are smeared along the radius, too.

    Parameters
    ----------
    scene : Scene
        Stars and diffuse light.
    shape : (int, int)
        Height and width of the detector, px.
    now : Conditions
        Of the exposure; its FWHM is that in the middle.
    """
    centre = np.array([(shape[1] - 1) / 2, (shape[0] - 1) / 2])
    corner = np.hypot(*centre)
    place = np.stack(to_frame(scene.x, scene.y, shape, now)) - centre[:, None]
    off = np.minimum(np.hypot(*place) / corner, 1.2) ** 2
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    field = ((rows - centre[1]) ** 2 + (columns - centre[0]) ** 2) / corner**2
    smear = ELONGATION * now.fwhm * off * place / np.maximum(np.hypot(*place), 1e-9)
    light = np.zeros(shape)
    for level in range(LEVELS):
        here = dataclasses.replace(now, fwhm=now.fwhm * (1 + WIDENING * level / (LEVELS - 1)))
        light += _share(field, level) * render_diffuse(scene.diffuse, shape, here)
        share = _share(off, level)
        chosen = share > 0
        for step in (-0.5, 0.0, 0.5):
            x, y = scene.x + step * smear[0], scene.y + step * smear[1]
            light += render_stars(x[chosen], y[chosen], (scene.flux * share / 3)[chosen], shape, here)
    return light


def _share(off: NDArray, level: int) -> NDArray:
    """Weight of a level of width at the square of the distance `off` from the middle (1 in the corners)."""
    return np.maximum(1 - np.abs(np.minimum(off, 1) * (LEVELS - 1) - level), 0)


def halos(scene: Scene, shape: tuple[int, int], now: Conditions) -> NDArray[np.float64]:
    """Discs around bright stars, off their middle away from the axis as a reflection is; e-/px.

    Parameters
    ----------
    scene : Scene
        Its stars.
    shape : (int, int)
        Height and width of the detector, px.
    now : Conditions
        Of the exposure.
    """
    light = np.zeros(shape)
    bright = scene.flux > HALO_LEAST
    centre = (shape[1] - 1) / 2, (shape[0] - 1) / 2
    reach = int(HALO_RADIUS + 8)
    places = zip(*to_frame(scene.x[bright], scene.y[bright], shape, now), scene.flux[bright], strict=True)
    for x, y, flux in places:
        x, y = x + 0.01 * (x - centre[0]), y + 0.01 * (y - centre[1])
        y0, y1 = max(0, int(y) - reach), min(shape[0], int(y) + reach + 1)
        x0, x1 = max(0, int(x) - reach), min(shape[1], int(x) + reach + 1)
        if y0 < y1 and x0 < x1:
            rows, columns = np.ogrid[y0:y1, x0:x1]
            disc = expit((HALO_RADIUS - np.hypot(rows - y, columns - x)) / 1.5)
            light[y0:y1, x0:x1] += HALO_SHARE * flux / (np.pi * HALO_RADIUS**2) * disc
    return light
