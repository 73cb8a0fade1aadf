"""Fields with and without stars, and exposures of them as `n2n measure` sees them."""

from dataclasses import replace

import numpy as np
from scipy import ndimage

from n2n.group.exposure import Exposure
from n2n.group.quality import measure


def looked_at(light, n=12, seed=0):
    """Exposures of a scene [e-], shifted and blurred each in its own way, as `n2n measure` sees them."""
    random, frames = np.random.default_rng(seed), []
    for index in range(n):
        moved = np.roll(light, random.integers(-8, 9, 2), (0, 1))
        seen = random.poisson(ndimage.gaussian_filter(moved, random.uniform(1.0, 1.8)) + 100)
        seen = (seen + random.normal(0, 5, seen.shape)).astype(np.float32)
        found = measure(seen, np.zeros(seen.shape, np.uint8), 5.0)
        frames.append(replace(Exposure.from_row({"path": f"{index}.fits"}), measured=found))
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
