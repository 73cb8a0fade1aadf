"""Stars of known flux on a grid, as one exposure sees them."""

import numpy as np

from n2n.fidelity.injection import Objects, Seen
from n2n.sky.psf import moffat_fwhm

SHAPE, HALF_LIGHT, BETA, STEP = (480, 480), 2.0, 3.0, 24
FWHM = moffat_fwhm(HALF_LIGHT, BETA)
EXPOSURE = Seen(np.eye(2, 3), None, 1.0, HALF_LIGHT, BETA, False)


def stars(ratio, unit=20.0, seed=0):
    """Objects of one S/N; `unit` is the noise of a star's flux in an image of noise 1."""
    rng = np.random.default_rng(seed)
    y, x = (index.ravel() + rng.uniform(-0.5, 0.5, index.size) for index in np.mgrid[24:457:STEP, 24:457:STEP])
    none = np.zeros(len(x))
    return Objects(none.astype(int), x, y, none + ratio * unit, none + ratio, none, none, none)
