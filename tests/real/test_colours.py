"""A colour composite of real frames: two narrow bands of a planetary nebula, one of them shifted."""

import numpy as np
import pytest
from astropy.io import fits
from scipy import ndimage

from n2n.report.composite import Channel, align, stars_of

pytestmark = pytest.mark.real
SHIFT = (5.3, -7.6)


def channel(path, shift=(0, 0)):
    with fits.open(path) as file:
        image = next(hdu.data for hdu in file if hdu.data is not None and hdu.data.ndim == 2)
    image = ndimage.shift(np.nan_to_num(image).astype(np.float32), shift, mode="nearest")
    return Channel(image, image, np.zeros(image.shape, np.uint8))


def test_narrow_bands_of_a_nebula_come_together(real_data):
    folder = real_data / "halpha" / "ou5-not"
    sky = {name: folder / f"nordic-ou5-{name.lower()}-coadd-regrid.fits.gz" for name in ("Ha", "OIII")}
    aligned, reference = align({"Ha": channel(sky["Ha"]), "OIII": channel(sky["OIII"], SHIFT)})
    stars = {}
    for name, part in aligned.items():
        image = np.nan_to_num(part.image)
        stars[name] = stars_of(Channel(image, image, part.flags))
    ours, theirs = stars.pop(reference), *stars.values()
    distance = np.hypot(*(ours[:, None, :2] - theirs[None, :, :2]).transpose(2, 0, 1)).min(axis=0)
    pairs = distance[distance < 2]
    assert len(pairs) >= 10 and np.median(pairs) < 0.3
