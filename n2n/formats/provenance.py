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
from n2n.recipes import PIXELS, RECIPE


def stack_cards(frames: list[dict], meta: dict) -> dict:
    """Cards that turn a raw header into a stack's; ``{keyword: (value, comment)}``."""
    row, n = meta["row"], len(frames)
    exposures = [float(entry["exptime_s"]) for entry in frames if entry["exptime_s"]]
    times = sorted(entry["date_obs"] for entry in frames if entry["date_obs"])
    electrons = meta["unit"] == "electron"
    effective = float(np.sum([entry["weight"] for entry in frames]))
    return {
        "BUNIT": ("electron" if electrons else "adu", "linear; mean of exposures"),
        "FILTCAN": (row["filter"] or None, "canonical filter"),
        "FILTBW": (float(row["filter_bw_nm"]) if row["filter_bw_nm"] else None, "[nm] bandwidth of the filter"),
        "NCOMBINE": (n, "exposures combined"),
        "STACKCNT": (n, "exposures combined"),
        "TOTEXP": (sum(exposures) if exposures else None, "[s] sum of the exposures"),
        "LIVETIME": (sum(exposures) if exposures else None, "[s] sum of the exposures"),
        "DATE-BEG": (times[0] if times else None, "start of the first exposure, UTC"),
        "DATE-END": (_end(times[-1], exposures) if times else None, "end of the last exposure, UTC"),
        "DATE": (_now(), "when this file was written, UTC"),
        "XPOSURE": (sum(exposures) if exposures else None, "[s] sum of the exposures"),
        "EGAIN": (1.0 if electrons else None, "[e-/unit] of one exposure"),
        "EGAINRAW": (meta["gain"] if electrons else None, "[e-/adu] of the raw frames"),
        "EFFGAIN": (effective if electrons else None, "[e-/unit] of this mean"),
        "NEFF": (effective, "standard exposures this is worth"),
        "SKYLEVEL": (float(meta["sky"]), "level of the sky in this image"),
        "SKYNOISE": (float(np.sqrt(meta["variance_background"] / max(effective, 1e-9))), "noise of the sky a pixel"),
        "PEDESTAL": (0, "applied"),
        "PROGRAM": ("n2n", "program that made this image"),
        "ORIGIN": ("n2n", "program that made this image"),
        "PIPECMIT": (_commit(), "git commit of n2n"),
        "PIPEVER": (__version__, "version of n2n"),
        "RECIPE": (RECIPE, "raised when n2n's pixels change"),
        "REFFRAME": (Path(meta["reference"]).name, "exposure that defines the grid"),
    }


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _end(start: str, exposures: list[float]) -> str | None:
    """End of an exposure that began at `start`; None when that is no ISO time."""
    try:
        begun = datetime.datetime.fromisoformat(start)
    except ValueError:
        return None
    seconds = datetime.timedelta(seconds=exposures[-1] if exposures else 0)
    return (begun + seconds).isoformat(timespec="milliseconds")


@functools.cache
def _commit() -> str | None:
    """Commit of the checkout n2n runs from; None for an installed copy."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short=12", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def product_hdus(image, header, variance, mask, coverage, frames, left_out, extra=()) -> list:
    """Assemble the HDUs every product has: image, MASK, VAR, COVERAGE, (extra), PROVENANCE.

    MASK comes first: where a second image has the type of the first one Siril takes the file for a sequence of
    exposures, and does not open it as an image.

    Parameters
    ----------
    image : float32 ndarray, shape (h, w)
        Linear, in the unit of ``header["BUNIT"]``.
    header : Header
        Of the primary HDU; gets the names of the exposures.
    variance : float32 ndarray, shape (h, w)
        Of `image`, in its unit squared.
    mask : uint8 ndarray, shape (h, w)
        Bits of `n2n.formats.flags`.
    coverage : ndarray of int, shape (h, w)
        Exposures a pixel.
    frames, left_out : list of dict
        Exposures used and left out, as in ``pairs.h5``.
    extra : sequence of HDU
        More units, before PROVENANCE.
    """
    variance_hdu = fits.ImageHDU(variance, name="VAR")
    variance_hdu.header["BUNIT"] = (f"{header['BUNIT']}2", "variance of the primary image, a pixel")
    for index, entry in enumerate(sorted(frames, key=lambda entry: entry["path"])[:999], 1):
        name = Path(entry["path"]).name.encode("ascii", "replace").decode()
        header[f"IMCMB{index:03d}"] = name[-60:]
    return [
        fits.PrimaryHDU(image, header),
        mask_plane(mask),
        variance_hdu,
        fits.ImageHDU(coverage, name="COVERAGE"),
        *extra,
        provenance_table(frames, left_out),
    ]


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


def provenance_table(frames: list[dict], left_out: list[dict]) -> fits.BinTableHDU:
    """One row an exposure, used or not."""
    entries = sorted([*frames, *left_out], key=lambda entry: entry["path"])

    def text(values):
        values = [str(value).encode("ascii", "replace").decode() for value in values]
        return fits.Column(format=f"{max([1, *map(len, values)])}A", array=np.array(values), name="x")

    columns = []
    for name, values in (
        ("FILENAME", [ascii_path(entry["path"]) for entry in entries]),
        ("SHA256", [entry["sha256"] for entry in entries]),
        ("BLOCK", [entry.get("block", "") for entry in entries]),
        ("REASON", ["; ".join(entry["rejected"]) for entry in entries]),
        ("STAGE", [entry.get("stage") or "raw" for entry in entries]),
        ("EVIDENCE", [entry.get("evidence", "") for entry in entries]),
    ):
        column = text(values)
        column.name = name
        columns.append(column)
    exposure = [float(entry["exptime_s"]) if entry["exptime_s"] else np.nan for entry in entries]
    columns[3:3] = [
        fits.Column("EXPTIME", "D", unit="s", array=np.array(exposure)),
        fits.Column("WEIGHT", "D", array=np.array([entry.get("weight", 0.0) for entry in entries])),
        fits.Column("USED", "L", array=np.array([not entry["rejected"] for entry in entries])),
    ]
    table = fits.BinTableHDU(name="PROVENANCE")
    # BinTableHDU.from_columns would load astropy's tables and times for nothing.
    table.data = fits.FITS_rec.from_columns(columns)
    return table


def history_line(verb: str, text: str) -> str:
    """One HISTORY line of at most 72 characters, with the time in UTC."""
    return f"{_now()} n2n {__version__} {verb} {text}"[:72]


def versions() -> dict[str, str]:
    """Versions of everything that shapes the pixels."""
    from importlib.metadata import version

    packages = ("numpy", "scipy", "astropy", "sep", "opencv-python-headless", "torch", "h5py")
    return {"n2n": __version__, "python": platform.python_version()} | {name: version(name) for name in packages}


def denoise_cards(model: dict, settings: dict, facts: dict) -> dict:
    """Cards that name the network and how it was applied.

    Parameters
    ----------
    model : dict
        ``model.json``, and its ``path``.
    settings : dict
        How the network was applied: device, tile, overlap, orientations.
    facts : dict
        Of the assessment: night, group, product.
    """
    recipe, prior = model["recipe"], model.get("prior_sha256")
    own = any(group == f"{facts['night']}/{facts['group']}" for group in model["groups"])
    return {
        "DNMETHOD": ("N2N-UNET", "Noise2Noise, trained on repeated exposures"),
        "DNARCH": (model["architecture"], "network"),
        "DNTRAIN": (
            ("finetuned" if prior else "self") if own else "pretrained",
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
        "DNBLEND": (1.0 if facts["product"] == "DENOISED" else 0.0, "weight of the denoised image"),
    }


def provenance_id(facts: dict, frames: list[dict]) -> str:
    """Name of how a product came about: the same exposures, network, calibration, verdict and n2n give the same one.

    Other settings of the stages in between are not told apart; the crate names settings.json beside it. Another n2n
    is one whose version or whose numbers in `n2n.recipes`, of the stages that make pixels, are others.
    """
    exposures = sorted((entry["sha256"], not entry["rejected"]) for entry in frames)
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
