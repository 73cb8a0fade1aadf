"""Where an image came from, written so that the file itself can answer.

The header scheme is documented in docs/headers.md.
"""

import datetime
import functools
import json
import platform
import subprocess
import uuid
from pathlib import Path
from urllib.parse import quote

import numpy as np
from astropy.io import fits

from n2n import __version__
from n2n.formats import flags as bits
from n2n.recipes import PIXELS


def now() -> str:
    """The time in UTC, ISO 8601."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S")


@functools.cache
def commit() -> str | None:
    """Commit of the checkout n2n runs from; None for an installed copy."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short=12", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def mask_plane(mask: np.ndarray) -> fits.ImageHDU:
    """The HDU of a mask, its bits explained."""
    hdu = fits.ImageHDU(mask, name="MASK")
    for bit, text in bits.NAMES.items():
        hdu.header[f"BIT{bit.bit_length() - 1}"] = (bit, text)
    return hdu


def ascii_path(path: str) -> str:
    """A path in letters that FITS tables can hold; others, and ``%``, become their UTF-8 bytes as in URLs."""
    plain = path.isascii() and "%" not in path
    return path if plain else quote(path, safe="".join(map(chr, range(32, 127))).replace("%", ""))


def history_line(verb: str, text: str) -> str:
    """One HISTORY line of at most 72 characters, with the time in UTC."""
    return f"{now()} n2n {__version__} {verb} {text}"[:72]


def versions() -> dict[str, str]:
    """Versions of everything that shapes the pixels."""
    from importlib.metadata import version

    packages = ("numpy", "scipy", "astropy", "sep", "opencv-python-headless", "torch", "h5py")
    return {"n2n": __version__, "python": platform.python_version()} | {name: version(name) for name in packages}


def denoise_cards(model: dict, settings: dict, group: str, product: str) -> dict:
    """Cards that name the network and how it was applied.

    Parameters
    ----------
    model : dict
        ``model.json``, and its ``path``.
    settings : dict
        How the network was applied: device, tile, overlap, orientations.
    group : str
        Identity of the group, ``night/group``.
    product : {"DENOISED", "STACK"}
        What is shipped.
    """
    recipe, prior = model["recipe"], model.get("prior_sha256")
    return {
        "DNMETHOD": ("N2N-UNET", "Noise2Noise, trained on repeated exposures"),
        "DNARCH": (model["architecture"], "network"),
        "DNTRAIN": (
            ("finetuned" if prior else "self") if group in model["groups"] else "pretrained",
            "on its own exposures (finetuned from DNPRIOR), or others",
        ),
        "DNPRIOR": (f"sha256:{prior}" if prior else None, "digest of the weights training started from"),
        "DNGROUP": (", ".join(model["groups"]), "group(s) the network was trained on"),
        "DNMODEL": (f"sha256:{model['weights_sha256']}", "digest of the weights"),
        "DNMFILE": ("/".join(Path(model["path"]).parts[-3:]), "what describes it"),
        "DNPAIRS": ("random-split", "input and target share no exposure"),
        "DNSEED": (recipe["seed"], "seed of the training"),
        "DNSTEPS": (recipe["steps"], "training steps"),
        "DNLOSS": ("huber-chi2", "linear, weighted by a smooth variance"),
        "DNVST": ("none", "transform of the target"),
        "DNDEVICE": (settings["device"], "where the network was applied"),
        "DNTILE": (settings["tile"], "[pix] side of a tile"),
        "DNOVLP": (settings["overlap"], "[pix] overlap of tiles"),
        "DNTTA": (settings["orientations"], "orientations averaged"),
        "DNBLEND": (1.0 if product == "DENOISED" else 0.0, "weight of the denoised image"),
    }


def provenance_id(facts: dict, used: dict[str, bool]) -> str:
    """Name of how a product came about: the same exposures, network, calibration, verdict and n2n give the same one.

    Other settings of the stages in between are not told apart; the crate names settings.json beside it. Another n2n
    is one whose version or whose numbers in `n2n.recipes`, of the stages that make pixels, are others.
    """
    exposures = sorted(used.items())
    model = facts.get("model") or {}
    story = [facts["night"], facts["group"], facts["product"], __version__, PIXELS, exposures]
    story += [model.get("weights_sha256"), facts["calibration"], facts["reference"], facts["reason"]]
    return uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(["n2n", *story])).urn


def identity_cards(facts: dict) -> dict:
    """Cards that lead to the crate of the night."""
    return {
        "PROV_ID": (facts["prov_id"], "how this came about, in PROVFILE"),
        "PROVFILE": ("ro-crate-metadata.json", "RO-Crate in the folder of the night"),
    }


def quality_cards(facts: dict) -> dict:
    """Cards that carry the verdict."""
    cards: dict = {"QASTAT": (facts["qastat"], "PASS, WARN or FAIL (stack shipped)")}
    cards["QAREASON"] = (facts["reason"] or None, "why")
    if "exposure_gain" in facts:
        gain = facts["exposure_gain"]
        bias = facts["star_flux"].get("S/N above 50", {}).get("bias")
        # A gain that is no measurement is not claimed.
        told = not any(gate.get("title") == "Gain" and gate["verdict"] == "INFO" for gate in facts["gates"])
        cards |= {
            "QAGAIN": (gain["value"] if told else None, "worth this many times the exposures"),
            "QAGAINER": (gain["standard_error"] if told else None, "standard error of QAGAIN"),
            "QARISK": (1 / gain["value"] if told else None, "error over variance of the stack; raw = 1"),
            "QASLOPE": (facts["slope"], "held-out exposures on denoised image"),
            "QACHI2": (facts["residual_chi2"], "residual; target 1 - QARISK"),
        }
        if bias is not None and np.isfinite(bias):
            cards["QAFBIAS"] = (-2500 * float(np.log10(1 + bias)), "[mmag] stars of S/N > 50, to the stack")
        width, deeper = (next((g["value"] for g in facts["gates"] if g["name"] == name), None) for name in ("G8", "G4"))
        cards["QADMAG"] = (deeper, "[mag] stars so much fainter are found than in STACK")
        cards["QAFWHM"] = (width, "[%] change of the width of stars")
    return cards
