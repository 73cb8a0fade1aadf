"""Whether a stored network suits a group: it knows the stars and the noise of the exposures it was trained on.

The network works in units of noise, so that brightness, depth and sky may differ. The shape of stars and how far noise
is correlated between pixels it has learned by heart, as those of its night.
"""

from pathlib import Path

import numpy as np

from n2n.formats.tables import read_json
from n2n.group.group import Group
from n2n.log import logger

NETWORK = ("recipe", "weights_sha256", "frames", "groups")  # what model.json says of a network
# Beyond these the network that comes with n2n, which was trained on stars of many widths, is used instead: stars that
# are narrower than those it knows a network widens, and loses more by it. docs/decisions/0011-other-nights.md.
NARROWER, WIDER = 0.05, 0.15  # change of the width of stars, as a share
NOISE = 0.15  # change of the finest band's noise for a given noise of pixels, which tells its correlation, as a share


def measured_band_noise(group: Group, exposures: int = 8, rows: int = 512):
    """Noise of the network's bands in a group, from a few exposures of A and B; tensor, shape (5,).

    Parameters
    ----------
    group : Group
        The group.
    exposures, rows : int
        So many exposures at most, and rows in the middle of the image.
    """
    from n2n.nets.sampling import band_noise_of

    training = np.flatnonzero(group.blocks != "C")[:exposures]
    top = max(0, (group.shape[0] - rows) // 2)
    values, valid = group.load(training, (slice(top, top + rows), slice(None)))
    return band_noise_of(values, valid, group.weights[training], group.facts.sky_variance)


def likeness(group: Group, band_noise) -> dict:
    """What a network takes for granted of a group, for model.json.

    Parameters
    ----------
    group : Group
        The group.
    band_noise : sequence of float
        From `measured_band_noise`.

    Returns
    -------
    dict
        fwhm_px: median over the exposures, None where no star tells it; band_noise.
    """
    widths = [exposure.fwhm_px for exposure in group.exposures if exposure.fwhm_px]
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


def described(path: Path) -> dict:
    """What model.json says of a network, or why none was trained; UserError where the file is damaged, or no such."""
    told = read_json(path, unsealed=True)
    return told if "refused" in told and "groups" in told else read_json(path, *NETWORK, unsealed=True)


def network_for(group: Group, band_noise, told: dict, path: Path | None):
    """The network to denoise a group with: that of model.json, or the one that comes with n2n.

    Parameters
    ----------
    group : Group
        The group to be denoised.
    band_noise : sequence of float
        From `measured_band_noise`.
    told : dict
        What model.json says; its ``refused`` says why no network was trained for the group.
    path : Path or None
        Of model.json; None only where none was trained.

    Returns
    -------
    facts : dict
        What the candidate says about the network.
    model : n2n.nets.unet.Denoiser
        Still in main memory.
    """
    from n2n.nets import prior
    from n2n.nets.model import load_model

    if untrained := told.get("refused"):
        logger.info("%s: not trained on, denoised by the network that comes with n2n", untrained)
        return prior.description() | {"untrained": untrained}, prior.network()
    unsuited = unlikeness(told.get("likeness", []), likeness(group, band_noise))
    if unsuited and told["recipe"]["start"] == "prior":
        logger.warning("%s: denoised by the network that comes with n2n; model.mode: retrain trains anew", unsuited)
        return prior.description() | {"unsuited": unsuited}, prior.network()
    if unsuited:
        logger.warning("%s; model.mode: retrain trains anew", unsuited)
    facts = {name: value for name, value in told.items() if name != "model"} | {"path": path.as_posix()}
    return facts, load_model(path.parent, facts)
