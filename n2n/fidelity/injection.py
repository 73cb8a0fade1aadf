"""Made-up stars, blobs and filaments, as every single exposure of the night would have recorded them.

They are painted into the grid of the raw frame with that exposure's own seeing and transparency, get the photon noise
of their light there, and are resampled with that exposure's own matrix. Resampling is linear, ``warp(frame + light) =
warp(frame) + warp(light)``, so that this, added to the registered exposure, is the injection before registration.
Calibration is linear, too, and needs not be repeated.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from n2n.sky.warp import warp

KINDS = ("star", "blob", "filament")
CELL = 7.5  # FWHM; one star in a square of that side: with a disc of radius FWHM each, 5 % of the area in all
BLOCK = 4  # cells; side of the squares, every fourth of which holds a blob or a filament instead of stars
FAINT, LIMIT, BRIGHT = 2.0, 12.0, 80.0  # S/N of stars: most around the limit of detection, some to measure
AROUND_LIMIT = 0.75  # share of stars between FAINT and LIMIT, evenly in magnitudes
SURFACE = (0.3, 2.0)  # sigma a pixel: peak of blobs and filaments
BLOB = (3.0, 8.0)  # FWHM of stars: that of blobs
FILAMENT, LENGTH = (2.0, 5.0), 3.0  # px: width (FWHM) of filaments; length (FWHM) in FWHM of stars, less than a square
STAMP = 4.0  # FWHM; stars are painted out to here: with wings as steep as the usual (beta = 3), 0.03 % are beyond
TO_SIGMA = 1 / 2.3548


@dataclass(frozen=True)
class Objects:
    """What is injected; arrays of shape (n,).

    Attributes
    ----------
    kind : int ndarray
        Index into `KINDS`.
    x, y : ndarray
        Place in the window, pixels, 0-based.
    flux : ndarray
        All its light, in the unit of the reference exposure.
    level : ndarray
        S/N of stars; peak of blobs and filaments, sigma a pixel (before the seeing).
    across, along, angle : ndarray
        Standard deviations of elliptical Gaussians [px] (0 for stars), and the direction of the long one [rad].
    """

    kind: np.ndarray
    x: np.ndarray
    y: np.ndarray
    flux: np.ndarray
    level: np.ndarray
    across: np.ndarray
    along: np.ndarray
    angle: np.ndarray

    def only(self, chosen: np.ndarray) -> "Objects":
        """Some of them."""
        return Objects(**{name: values[chosen] for name, values in vars(self).items()})

    def of(self, name: str) -> np.ndarray:
        """Which objects are of a kind; ndarray of bool, shape (n,)."""
        return self.kind == KINDS.index(name)


@dataclass(frozen=True)
class Seen:
    """How one exposure sees the window.

    Attributes
    ----------
    matrix : ndarray, shape (2, 3)
        Affine from (x, y) of the window to (x, y) of the frame.
    displace : callable or None
        See `n2n.sky.warp.warp`, at places of the window.
    transparency : float
        Light that arrives, as a share of the reference's.
    half_light : float
        Radius that holds half of a star's light, frame pixels.
    beta : float
        Exponent of the Moffat profile, which says how bright the wings of stars are.
    electrons : bool
        Whether the frame is in electrons, so that photon noise is known.
    """

    matrix: np.ndarray
    displace: Callable | None
    transparency: float
    half_light: float
    beta: float
    electrons: bool


def lay_out(allowed: np.ndarray, fwhm: float, rng: np.random.Generator) -> Objects:
    """Draw kinds, places, brightness and shapes; `flux` is 1 until `scaled`.

    Parameters
    ----------
    allowed : ndarray of bool, shape (h, w)
        Where the middle of an object may be.
    fwhm : float
        Of stars, pixels.
    rng : numpy.random.Generator
        The source of chance.
    """
    cell = CELL * fwhm
    rows, columns = (int(side // cell) for side in allowed.shape)
    row, column = (index.ravel() for index in np.mgrid[:rows, :columns])
    block_row, block_column = row // BLOCK, column // BLOCK
    # Every fourth block, in a pattern without rows or columns of them; blobs and filaments take turns.
    turn = (block_column + 2 * block_row) % 4
    extended = turn == 0
    first = extended & (row % BLOCK == 0) & (column % BLOCK == 0)
    whole = (row + BLOCK <= rows) & (column + BLOCK <= columns)
    star = ~extended
    kind = np.where(star, 0, 1 + (block_row + block_column // 4) % 2)
    side = np.where(star, 1, BLOCK)
    chosen = star | (first & whole)
    kind, side, row, column = kind[chosen], side[chosen], row[chosen], column[chosen]
    # Kept off the border of the square by a quarter of a star's, so that neighbours do not touch.
    within = rng.uniform(0.25, 0.75, (2, len(kind)))
    within = np.where(kind == 0, within, 0.5 + (within - 0.5) / BLOCK)
    y, x = (cell * (index + side * place) for index, place in zip((row, column), within, strict=True))
    level = np.where(kind == 0, _star_levels(len(kind), rng), np.exp(rng.uniform(*np.log(SURFACE), len(kind))))
    blob, filament = rng.uniform(*BLOB, len(kind)) * fwhm, rng.uniform(*FILAMENT, len(kind))
    across = np.select([kind == 1, kind == 2], [blob, filament], 0.0) * TO_SIGMA
    along = np.select([kind == 1, kind == 2], [blob, LENGTH * fwhm + filament], 0.0) * TO_SIGMA
    angle = rng.uniform(0, np.pi, len(kind))
    inside = allowed[np.rint(y).astype(int), np.rint(x).astype(int)]
    return Objects(*(values[inside] for values in (kind, x, y, np.ones(len(kind)), level, across, along, angle)))


def _star_levels(count: int, rng: np.random.Generator) -> np.ndarray:
    edges = np.log([FAINT, LIMIT, BRIGHT])
    place = np.interp(rng.uniform(0, 1, count), [0, AROUND_LIMIT, 1], edges)
    return np.exp(place)


def scaled(objects: Objects, sigma: np.ndarray, star_sigma: np.ndarray) -> Objects:
    """Give objects the flux that makes their `level` true.

    Parameters
    ----------
    objects : Objects
        What is injected.
    sigma, star_sigma : ndarray, shape (n,)
        At every object: noise of the stack a pixel, and of the flux of a star in it.
    """
    surface = 2 * np.pi * objects.across * objects.along * sigma
    flux = objects.level * np.where(objects.of("star"), star_sigma, surface)
    return Objects(**(vars(objects) | {"flux": flux}))


def observe(objects: Objects, exposure: Seen, shape: tuple[int, int], rng=None) -> np.ndarray:
    """Light of the objects in one registered exposure.

    Parameters
    ----------
    objects : Objects
        What is injected.
    exposure : Seen
        How it sees the sky.
    shape : (int, int)
        Of the window.
    rng : numpy.random.Generator, optional
        Without it there is no photon noise.

    Returns
    -------
    float32 ndarray, shape `shape`
    """
    matrix = np.array(exposure.matrix, float)
    corners = np.array([[x, y, 1.0] for x in (0, shape[1]) for y in (0, shape[0])])
    seen = corners @ matrix.T
    if exposure.displace is not None:
        seen += np.stack(exposure.displace(*corners.T[:2]), axis=1)
    margin = int(np.ceil(STAMP * 2 * exposure.half_light)) + 8
    # Only the part of the frame that shows the window is painted.
    start = np.floor(seen.min(axis=0)).astype(int) - margin
    stop = np.ceil(seen.max(axis=0)).astype(int) + margin
    matrix[:, 2] -= start
    canvas = np.zeros((stop - start)[::-1], np.float32)
    paint(canvas, objects, exposure, matrix)
    canvas *= np.float32(exposure.transparency)
    if rng is not None and exposure.electrons:
        lit = canvas > 0
        canvas[lit] = rng.poisson(canvas[lit])
    light, _ = warp(canvas, np.zeros(canvas.shape, np.uint8), matrix, shape, exposure.displace)
    return light / np.float32(exposure.transparency)


def paint(canvas: np.ndarray, objects: Objects, exposure: Seen, matrix: np.ndarray) -> None:
    """Add the objects' light to a frame whose pixels `matrix` leads to; flux is conserved.

    Parameters
    ----------
    canvas : ndarray, shape (h, w)
        Changed in place.
    objects : Objects
        What is injected.
    exposure : Seen
        How it sees the sky.
    matrix : ndarray, shape (2, 3)
        From (x, y) of the window to (x, y) of the canvas.
    """
    place = matrix[:, :2] @ [objects.x, objects.y] + matrix[:, 2:]
    if exposure.displace is not None:
        place = place + np.stack(exposure.displace(objects.x, objects.y))
    alpha2 = exposure.half_light**2 / (2 ** (1 / (exposure.beta - 1)) - 1)
    # Seeing widens what is extended already: there its profile matters little, and a Gaussian will do.
    seeing = np.eye(2) * (2 * exposure.half_light * TO_SIGMA) ** 2
    for index, (x, y) in enumerate(place.T):
        star = objects.along[index] == 0
        reach = 2 * STAMP * exposure.half_light if star else 4 * np.hypot(objects.along[index], 2 * exposure.half_light)
        rows, columns = _around(y, reach, canvas.shape[0]), _around(x, reach, canvas.shape[1])
        v, u = np.ogrid[rows, columns]
        u, v = u - x, v - y
        if star:
            profile = (exposure.beta - 1) / (np.pi * alpha2) * (1 + (u**2 + v**2) / alpha2) ** -exposure.beta
        else:
            cosine, sine = np.cos(objects.angle[index]), np.sin(objects.angle[index])
            turned = np.array([[cosine, -sine], [sine, cosine]]) * [objects.along[index], objects.across[index]]
            axes = matrix[:, :2] @ turned
            covariance = axes @ axes.T + seeing
            a, b, c = np.linalg.inv(covariance)[[0, 0, 1], [0, 1, 1]]
            profile = np.exp(-0.5 * (a * u**2 + 2 * b * u * v + c * v**2))
            profile /= 2 * np.pi * np.sqrt(np.linalg.det(covariance))
        canvas[rows, columns] += objects.flux[index] * profile


def _around(middle: float, reach: float, length: int) -> slice:
    return slice(max(0, round(middle - reach)), max(0, min(length, round(middle + reach) + 1)))
