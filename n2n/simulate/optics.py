"""How one exposure sees a scene: blurred by the atmosphere, shifted, turned and dimmed.

A star at reference position (x, y) falls at

    (x', y') = c + R(rotation) ((x, y) - c) + (dx, dy),   c = ((width - 1) / 2, (height - 1) / 2)

with R turning from +x towards +y.
"""

import dataclasses

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from n2n.simulate.scene import MARGIN, Scene

BETA = 3.0
# Half widths of the stamps in px. A star's wings are cut where they fall below EDGE e-/px.
STAMPS = (14, 24, 48)
EDGE = 0.01


@dataclasses.dataclass(frozen=True)
class Conditions:
    """State of mount and sky during one exposure.

    Attributes
    ----------
    dx, dy : float
        Dither in px.
    rotation : float
        Field rotation in degrees.
    transparency : float
        Share of the scene's light that arrives.
    fwhm : float
        Of the Moffat profile, in px.
    sky : float
        Sky background in e-/px.
    track_px, track_angle : float
        Length in px and direction in degrees of a tracking error; 0 for a good frame.
    """

    dx: float
    dy: float
    rotation: float
    transparency: float
    fwhm: float
    sky: float
    track_px: float = 0.0
    track_angle: float = 0.0


def moffat(radius2: NDArray[np.float64], fwhm: float) -> NDArray[np.float64]:
    """Moffat profile of unit volume at squared distance `radius2` (px²) from its centre."""
    alpha2 = (fwhm / 2) ** 2 / (2 ** (1 / BETA) - 1)
    base = 1 + radius2 / alpha2
    return (BETA - 1) / (np.pi * alpha2) / (base * base * base)


def track_offsets(conditions: Conditions) -> NDArray[np.float64]:
    """Offsets (n, 2) in (x, y) px that the stars visit during the exposure, equally long at each."""
    steps = 1 + 2 * int(np.ceil(conditions.track_px))
    along = conditions.track_px * np.linspace(-0.5, 0.5, steps) if steps > 1 else np.zeros(1)
    angle = np.radians(conditions.track_angle)
    return along[:, None] * np.array([np.cos(angle), np.sin(angle)])


def to_frame(
    x: NDArray, y: NDArray, shape: tuple[int, int], conditions: Conditions
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Turn reference coordinates into the frame's own, both in px.

    Parameters
    ----------
    x, y : ndarray, shape (n,)
        Places on the reference, px.
    shape : (int, int)
        Height and width of the detector, px; its middle is what the frame is turned about.
    conditions : Conditions
        Shift and rotation of the frame.
    """
    cy, cx = (shape[0] - 1) / 2, (shape[1] - 1) / 2
    angle = np.radians(conditions.rotation)
    u, v = np.asarray(x) - cx, np.asarray(y) - cy
    return (
        cx + conditions.dx + u * np.cos(angle) - v * np.sin(angle),
        cy + conditions.dy + u * np.sin(angle) + v * np.cos(angle),
    )


def render_stars(
    x: NDArray, y: NDArray, flux: NDArray, shape: tuple[int, int], conditions: Conditions
) -> NDArray[np.float64]:
    """Paint stars, as Moffat profiles sampled at pixel centres.

    Parameters
    ----------
    x, y : float arrays, shape (n,)
        Reference coordinates in px.
    flux : float array, shape (n,)
        In e-.
    shape : (height, width)
        Of the sensor.
    conditions : Conditions
        Of the exposure.

    Returns
    -------
    float64 array, shape `shape`, e-/px.
    """
    border = 2 * STAMPS[-1] + 1
    canvas = np.zeros((shape[0] + 2 * border, shape[1] + 2 * border))
    x, y = to_frame(x, y, shape, conditions)
    offsets = track_offsets(conditions)
    alpha = conditions.fwhm / 2 / np.sqrt(2 ** (1 / BETA) - 1)
    central = (BETA - 1) / (np.pi * alpha**2) * flux
    reach = alpha * np.sqrt(np.maximum((central / EDGE) ** (1 / BETA) - 1, 0))
    size = np.minimum(np.searchsorted(STAMPS, reach), len(STAMPS) - 1)
    for which, half in enumerate(STAMPS):
        grid = np.arange(-half, half + 1)
        for ox, oy in offsets:
            sx, sy = x + ox, y + oy
            near = (sx > -half) & (sx < shape[1] + half) & (sy > -half) & (sy < shape[0] + half)
            chosen = (size == which) & near
            column, row = np.rint(sx[chosen]).astype(int), np.rint(sy[chosen]).astype(int)
            du = grid - (sx[chosen] - column)[:, None]
            dv = grid - (sy[chosen] - row)[:, None]
            stamps = moffat(du[:, None, :] ** 2 + dv[:, :, None] ** 2, conditions.fwhm)
            stamps *= flux[chosen, None, None] / len(offsets)
            rows = row[:, None, None] + border + grid[:, None]
            columns = column[:, None, None] + border + grid
            np.add.at(canvas.reshape(-1), (rows * canvas.shape[1] + columns).reshape(-1), stamps.reshape(-1))
    return canvas[border:-border, border:-border]


def render_diffuse(diffuse: NDArray[np.float32], shape: tuple[int, int], conditions: Conditions) -> NDArray[np.float64]:
    """Blur the canvas by the frame's PSF and resample it onto the frame.

    Parameters
    ----------
    diffuse : float32 array, shape (height + 2 MARGIN, width + 2 MARGIN)
        Of the scene.
    shape : (height, width)
        Of the sensor.
    conditions : Conditions
        Of the exposure.

    Returns
    -------
    float64 array, shape `shape`, e-/px.
    """
    padded = tuple(fft.next_fast_len(n, real=True) for n in diffuse.shape)
    kernel = np.zeros(padded)
    half = min(STAMPS[-1], (min(padded) - 1) // 2)
    grid = np.arange(-half, half + 1)
    for ox, oy in track_offsets(conditions):
        profile = moffat((grid - ox)[None, :] ** 2 + (grid - oy)[:, None] ** 2, conditions.fwhm)
        kernel[np.ix_(grid, grid)] += profile
    kernel /= kernel.sum()
    blurred = fft.irfft2(fft.rfft2(diffuse, s=padded) * fft.rfft2(kernel), s=padded)
    blurred = blurred[: diffuse.shape[0], : diffuse.shape[1]]

    # affine_transform asks where in the input an output pixel comes from: the inverse of to_frame.
    angle = np.radians(conditions.rotation)
    back = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    centre = np.array([(shape[0] - 1) / 2, (shape[1] - 1) / 2])
    shift = np.array([conditions.dy, conditions.dx])
    offset = centre + MARGIN - back @ (centre + shift)
    return ndimage.affine_transform(blurred, back, offset, output_shape=shape, order=3, mode="nearest")


def light_of(scene: Scene, shape: tuple[int, int], conditions: Conditions) -> NDArray[np.float64]:
    """Stars and diffuse light of a scene on the sensor through clear air, without the sky; e-/px.

    Parameters
    ----------
    scene : Scene
        Stars and diffuse light.
    shape : (int, int)
        Height and width of the detector, px.
    conditions : Conditions
        Weather and pointing.
    """
    light = render_diffuse(scene.diffuse, shape, conditions)
    light += render_stars(scene.x, scene.y, scene.flux, shape, conditions)
    return light


def render(scene: Scene, shape: tuple[int, int], conditions: Conditions) -> NDArray[np.float32]:
    """Noiseless expectation of one exposure, in e-/px, sky included, before the flat field.

    Parameters
    ----------
    scene : Scene
        Stars and diffuse light.
    shape : (int, int)
        Height and width of the detector, px.
    conditions : Conditions
        Weather and pointing.

    Returns
    -------
    float32 array, shape `shape`.
    """
    light = light_of(scene, shape, conditions)
    return (conditions.transparency * light + conditions.sky).astype(np.float32)
