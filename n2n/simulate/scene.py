"""What is on the sky: nebula, galaxies and stars, before any telescope looks at them.

A scene lives on a canvas that is `MARGIN` pixels wider than the detector on every side, so that a
dithered and rotated frame still finds light at its edges. Reference coordinates count from the centre
of the undithered detector's first pixel; the canvas's first pixel is at (-MARGIN, -MARGIN).
"""

import dataclasses

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

MARGIN = 40


@dataclasses.dataclass(frozen=True)
class Scene:
    """Light of one group at transparency 1, above the atmosphere.

    Attributes
    ----------
    diffuse : float32 array, shape (height + 2 MARGIN, width + 2 MARGIN)
        Nebula or galaxies in e-/px per exposure, not yet blurred by the atmosphere.
    x, y : float64 arrays, shape (n,)
        Star positions in px, reference coordinates.
    flux : float64 array, shape (n,)
        Star fluxes in e- per exposure.
    """

    diffuse: NDArray[np.float32]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    flux: NDArray[np.float64]


def canvas_shape(shape: tuple[int, int]) -> tuple[int, int]:
    """Shape of the canvas behind a detector of `shape` (height, width)."""
    return shape[0] + 2 * MARGIN, shape[1] + 2 * MARGIN


def gaussian_field(
    shape: tuple[int, int], rng: np.random.Generator, slope: float, outer: float, inner: float
) -> NDArray[np.float64]:
    """Gaussian random field with zero mean and unit variance.

    Parameters
    ----------
    shape : (height, width)
        Of the canvas.
    rng : numpy Generator
        Source of all randomness.
    slope : float
        The power spectrum falls as k**-slope between the two scales.
    outer, inner : float
        Largest and smallest structure in px.
    """
    padded = tuple(fft.next_fast_len(n, real=True) for n in shape)
    ky = fft.fftfreq(padded[0])[:, None]
    kx = fft.rfftfreq(padded[1])[None, :]
    k2 = kx**2 + ky**2
    amplitude = (k2 + outer**-2.0) ** (-slope / 4) * np.exp(-k2 * inner**2)
    amplitude[0, 0] = 0
    field = fft.irfft2(fft.rfft2(rng.standard_normal(padded)) * amplitude, s=padded)
    field = field[: shape[0], : shape[1]]
    return (field - field.mean()) / field.std()


def nebula(
    shape: tuple[int, int], rng: np.random.Generator, ceiling: float = 7.0, peak: float = 9.0
) -> NDArray[np.float32]:
    """Emission nebula: shock-like filaments on a log-normal glow, cut by dust lanes.

    The thin bright lines are the zero crossings of warped Gaussian fields (the eye reads exp(-|g|) as
    sheets seen edge on); where they shine is decided by a wide log-normal field.

    Parameters
    ----------
    shape : (height, width)
        Of the canvas.
    rng : numpy Generator
        Source of all randomness.
    ceiling : float
        99.7 % of the pixels lie below this, in e-/px per exposure.
    peak : float
        No pixel exceeds this.
    """
    span = min(shape)
    warp = [0.035 * span * gaussian_field(shape, rng, 4.0, span / 4, 8) for _ in range(2)]
    rows, columns = np.indices(shape, dtype=np.float64)
    where = [rows + warp[0], columns + warp[1]]

    def warped(field):
        return ndimage.map_coordinates(field, where, order=1, mode="mirror")

    glow = np.exp(1.0 * gaussian_field(shape, rng, 3.6, span / 1.5, 5))
    web = np.zeros(shape)
    for outer, width, weight in ((span / 2.5, 0.05, 1.0), (span / 5, 0.09, 0.7), (span / 10, 0.14, 0.4)):
        sheet = warped(gaussian_field(shape, rng, 3.4, outer, 2.5))
        patches = np.exp(0.8 * gaussian_field(shape, rng, 3.5, span / 3, 6))
        web += weight * patches * np.exp(-np.abs(sheet) / width)
    lanes = np.exp(-1.6 * np.maximum(warped(gaussian_field(shape, rng, 3.3, span / 3, 3)) - 0.4, 0))
    light = lanes * glow * (0.22 + web)
    light = np.maximum(light - np.quantile(light, 0.08), 0)
    # The limit holds for what a telescope shows: the finest threads are blurred by about this much.
    light *= ceiling / np.quantile(ndimage.gaussian_filter(light, 2.0), 0.997)
    over = light > ceiling
    light[over] = ceiling + (peak - ceiling) * np.tanh((light[over] - ceiling) / (peak - ceiling))
    return light.astype(np.float32)


def galaxies(
    shape: tuple[int, int],
    rng: np.random.Generator,
    number: int,
    flux_range: tuple[float, float] = (400.0, 20_000.0),
    scale_range: tuple[float, float] = (3.0, 10.0),
) -> NDArray[np.float32]:
    """Inclined exponential discs at random places.

    Parameters
    ----------
    shape : (height, width)
        Of the canvas.
    rng : numpy Generator
        Source of all randomness.
    number : int
        Of discs.
    flux_range : (float, float)
        Total light of a disc in e- per exposure, evenly spread in its logarithm.
    scale_range : (float, float)
        Exponential scale length along the major axis in px.

    Returns
    -------
    float32 array, shape `shape`, e-/px per exposure.
    """
    light = np.zeros(shape)
    for _ in range(number):
        x, y = rng.uniform(0, shape[1]), rng.uniform(0, shape[0])
        flux = np.exp(rng.uniform(*np.log(flux_range)))
        scale = rng.uniform(*scale_range)
        axis_ratio = rng.uniform(0.3, 1.0)
        angle = rng.uniform(0, np.pi)
        reach = int(9 * scale)
        y0, y1 = max(0, int(y) - reach), min(shape[0], int(y) + reach + 1)
        x0, x1 = max(0, int(x) - reach), min(shape[1], int(x) + reach + 1)
        dy, dx = np.mgrid[y0:y1, x0:x1] - np.array([y, x])[:, None, None]
        major = dx * np.cos(angle) + dy * np.sin(angle)
        minor = (dy * np.cos(angle) - dx * np.sin(angle)) / axis_ratio
        # Softened by half a pixel: the exact cusp would depend on where it falls within its pixel.
        radius = np.sqrt(major**2 + minor**2 + 0.25)
        central = flux / (2 * np.pi * scale**2 * axis_ratio)
        light[y0:y1, x0:x1] += central * np.exp(-radius / scale)
    return light.astype(np.float32)


def power_law(
    rng: np.random.Generator, number: int, flux_range: tuple[float, float], exponent: float = 0.6
) -> NDArray[np.float64]:
    """Fluxes whose cumulative number falls as flux**-exponent between the two ends of `flux_range`.

    Parameters
    ----------
    rng : Generator
        Random numbers.
    number : int
        How many fluxes.
    flux_range : (float, float)
        Least and largest flux, e-.
    exponent : float
        Of the cumulative number.
    """
    low, high = (f**-exponent for f in flux_range)
    return (low - rng.random(number) * (low - high)) ** (-1 / exponent)


def stars(
    shape: tuple[int, int],
    rng: np.random.Generator,
    density: float,
    flux_range: tuple[float, float],
    bright: int,
    bright_range: tuple[float, float],
    slope: float = 0.6,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Star field over the canvas of a detector.

    Parameters
    ----------
    shape : (height, width)
        Of the detector.
    rng : numpy Generator
        Source of all randomness.
    density : float
        Stars per 512 x 512 px with fluxes from the power law.
    flux_range : (float, float)
        In e- per exposure.
    bright, bright_range : int, (float, float)
        Extra stars well inside the detector, meant to saturate, evenly spread in log flux.
    slope : float
        Of the power law, see `power_law`.

    Returns
    -------
    x, y, flux : float64 arrays, brightest first.
    """
    height, width = canvas_shape(shape)
    number = round(density * height * width / 512**2)
    x = rng.uniform(0, width, number) - MARGIN - 0.5
    y = rng.uniform(0, height, number) - MARGIN - 0.5
    flux = power_law(rng, number, flux_range, slope)
    x = np.append(x, rng.uniform(0.15, 0.85, bright) * shape[1])
    y = np.append(y, rng.uniform(0.15, 0.85, bright) * shape[0])
    flux = np.append(flux, np.exp(rng.uniform(*np.log(bright_range), bright)))
    order = np.argsort(-flux, kind="stable")
    return x[order], y[order], flux[order]
