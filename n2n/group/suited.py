"""Whether a stored network suits a group: it knows the stars and the noise of the exposures it was trained on.

The network works in units of noise, so that brightness, depth and sky may differ. The shape of stars and how far noise
is correlated between pixels it has learned by heart, as those of its night.
"""

import numpy as np

from n2n.group.group import Pairs

# Beyond these the network that comes with n2n, which was trained on stars of many widths, is used instead: stars that
# are narrower than those it knows a network widens, and loses more by it. docs/decisions/0011-other-nights.md.
NARROWER, WIDER = 0.05, 0.15  # change of the width of stars, as a share
NOISE = 0.15  # change of the finest band's noise for a given noise of pixels, which tells its correlation, as a share


def measured_band_noise(pairs: Pairs, exposures: int = 8, rows: int = 512):
    """Noise of the network's bands in a group, from a few exposures of A and B; tensor, shape (5,)."""
    from n2n.nets.sampling import band_noise_of

    training = np.flatnonzero(pairs.blocks != "C")[:exposures]
    top = max(0, (pairs.shape[0] - rows) // 2)
    values, valid = pairs.load(training, (slice(top, top + rows), slice(None)))
    return band_noise_of(values, valid, pairs.weights[training], pairs.meta["variance_background"])


def likeness(pairs: Pairs, band_noise) -> dict:
    """What a network takes for granted of a group, for model.json.

    Parameters
    ----------
    pairs : Pairs
    band_noise : sequence of float
        From `measured_band_noise`.

    Returns
    -------
    dict
        fwhm_px: median over the exposures, None where no star tells it; band_noise.
    """
    widths = [frame["fwhm_px"] for frame in pairs.frames if frame.get("fwhm_px")]
    return {"fwhm_px": float(np.median(widths)) if widths else None, "band_noise": [float(v) for v in band_noise]}


def unlikeness(trained: list[dict], own: dict) -> str:
    """Why a network does not suit a group; empty when it does, or when nothing is known.

    Parameters
    ----------
    trained : list of dict
        `likeness` of the groups it was trained on; one like this group is enough.
    own : dict
        `likeness` of the group.
    """
    reasons = [_difference(one, own) for one in trained]
    return "" if not reasons or "" in reasons else reasons[0]


def _difference(trained: dict, own: dict) -> str:
    there, here = trained["fwhm_px"], own["fwhm_px"]
    if there and here and not 1 - NARROWER <= here / there <= 1 + WIDER:
        return f"its network was trained on stars {there:.1f} px wide, here they are {here:.1f} px"
    there, here = trained["band_noise"][0], own["band_noise"][0]
    if abs(here / there - 1) > NOISE:
        return "its network was trained on noise that is correlated otherwise between pixels"
    return ""
