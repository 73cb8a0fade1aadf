"""Where the artefacts of a simulated light are: what masks and rejection have to find."""

import numpy as np
from numpy.typing import NDArray

from n2n.simulate.frames import flat_of
from n2n.simulate.trails import KINDS, Trail, trail_light

ARTEFACTS = ("cosmic", "hot", "cold", "telegraph", "telegraph_high", *KINDS, "saturated")


def planted(
    truth: dict, entry: dict, light: NDArray[np.float32], nsigma: float = 5.0, trail_nsigma: float = 1.0
) -> dict[str, NDArray[np.bool_]]:
    """Mask the planted artefacts of one light, in detector coordinates.

    Parameters
    ----------
    truth : dict
        From `n2n.simulate.load_truth`.
    entry : dict
        One of ``truth["lights"]``.
    light : float32 array, shape (height, width)
        The light's `n2n.simulate.noiseless`.
    nsigma : float
        Charge from which a cosmic ray counts, over the noise at its place, and excess from which a hot pixel
        counts, over the noise of the sky.
    trail_nsigma : float
        Light in a pixel from which it belongs to a trail, over the noise of the sky. The gaps of a blinking
        aircraft count as if they were lit: they are to be masked with it.

    Returns
    -------
    dict of bool arrays, shape (height, width)
        By the names of `ARTEFACTS`. ``cold`` are dead columns and pixels. ``telegraph`` holds both levels of those
        pixels, since the master dark is the mean of the two and right for neither; ``telegraph_high``
        those at their upper level in this light. ``saturated`` are the pixels
        that reach full scale without noise.
    """
    shape, group = light.shape, truth["groups"][entry["group"]]
    dark = truth["camera"]["dark_current"] * group["exptime"]
    flat = flat_of(group["filter"], shape, truth["night"]["scene_seed"])
    expected = light * flat + dark
    noise = np.sqrt(expected + group["read_noise"] ** 2)
    sky_noise = np.sqrt(entry["sky"] + dark + group["read_noise"] ** 2)
    charge = _image(entry["cosmic_rays"], shape)
    excess = _image(group["hot_pixels"], shape)
    jumps = _image(entry.get("telegraph", []), shape)
    masks = {
        "cosmic": charge > nsigma * noise,
        "hot": excess > nsigma * sky_noise,
        "cold": _image([(*place, 1) for place in truth["camera"]["dead_pixels"]], shape) > 0,
        "telegraph": _image(group["telegraph_pixels"], shape) > 0,
        "telegraph_high": jumps > 0,
    }
    masks["cold"][:, truth["camera"]["dead_columns"]] = True
    masks |= {kind: np.zeros(shape, bool) for kind in KINDS}
    total = expected + charge + excess + jumps
    for trail in (Trail(**found) for found in entry["trails"]):
        masks[trail.kind] |= trail_light(trail, shape, steady=True) > trail_nsigma * sky_noise
        total += trail_light(trail, shape) * flat
    masks["saturated"] = total >= group["saturation"]
    return masks


def _image(rows: list, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Rows of column, row, e- as an image of `shape`."""
    image = np.zeros(shape)
    columns, lines, values = np.array(rows, float).reshape(-1, 3).T
    np.add.at(image, (lines.astype(int), columns.astype(int)), values)
    return image
