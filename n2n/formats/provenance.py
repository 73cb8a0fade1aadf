"""Where an image came from, written so that the file itself can answer.

The header scheme is documented in docs/headers.md.
"""

import datetime
import platform
from pathlib import Path

import numpy as np
from astropy.io import fits

from n2n import __version__
from n2n.formats import flags as bits

# Raised when the pixels of a product change for the same input; a new recipe makes new products.
RECIPE = 1


def stack_cards(frames: list[dict], meta: dict) -> dict:
    """Cards that turn a raw header into a stack's; ``{keyword: (value, comment)}``."""
    row, n = meta["row"], len(frames)
    exposures = [float(entry["exptime_s"]) for entry in frames if entry["exptime_s"]]
    times = sorted(entry["date_obs"] for entry in frames if entry["date_obs"])
    electrons = meta["unit"] == "electron"
    effective = float(np.sum([entry["weight"] for entry in frames]))
    return {
        "BUNIT": ("electron" if electrons else "adu", "linear; of one exposure (a mean, not a sum)"),
        "FILTCAN": (row["filter"] or None, "canonical filter"),
        "FILTBW": (float(row["filter_bw_nm"]) if row["filter_bw_nm"] else None, "[nm] bandwidth of the filter"),
        "NCOMBINE": (n, "exposures combined"),
        "STACKCNT": (n, "exposures combined"),
        "TOTEXP": (sum(exposures) if exposures else None, "[s] sum of the exposures"),
        "LIVETIME": (sum(exposures) if exposures else None, "[s] sum of the exposures"),
        "DATE-BEG": (times[0] if times else None, "start of the first exposure, UTC"),
        "DATE-LST": (times[-1] if times else None, "start of the last exposure, UTC"),
        "EGAIN": (1.0 if electrons else None, "[e-/unit] of one exposure"),
        "EGAINRAW": (meta["gain"] if electrons else None, "[e-/adu] of the raw frames"),
        "NEFF": (effective, "standard exposures this is worth, by weight"),
        "SKYLEVEL": (float(meta["sky"]), "level of the sky in this image"),
        "SKYNOISE": (
            float(np.sqrt(meta["variance_background"] / max(effective, 1e-9))), "noise of the sky a pixel"
        ),
        "PEDESTAL": (0, "applied"),
        "PROGRAM": ("n2n", "program that made this image"),
        "PIPEVER": (__version__, "version of n2n"),
        "RECIPE": (RECIPE, "raised when n2n's pixels change"),
        "REFFRAME": (Path(meta["reference"]).name, "exposure that defines the grid"),
    }


def product_hdus(image, header, variance, mask, coverage, frames, left_out, extra=()) -> list:
    """Assemble the HDUs every product has: image, VAR, MASK, COVERAGE, (extra), PROVENANCE."""
    mask_hdu = fits.ImageHDU(mask, name="MASK")
    for bit, text in bits.NAMES.items():
        mask_hdu.header[f"BIT{bit.bit_length() - 1}"] = (bit, text)
    variance_hdu = fits.ImageHDU(variance, name="VAR")
    variance_hdu.header["BUNIT"] = (f"{header['BUNIT']}2", "variance of the primary image, a pixel")
    return [
        fits.PrimaryHDU(image, header),
        variance_hdu,
        mask_hdu,
        fits.ImageHDU(coverage, name="COVERAGE"),
        *extra,
        provenance_table(frames, left_out),
    ]


def provenance_table(frames: list[dict], left_out: list[dict]) -> fits.BinTableHDU:
    """One row an exposure, used or not."""
    entries = sorted([*frames, *left_out], key=lambda entry: entry["path"])

    def text(values):
        values = [str(value).encode("ascii", "replace").decode() for value in values]
        return fits.Column(format=f"{max([1, *map(len, values)])}A", array=np.array(values), name="x")

    columns = []
    for name, values in (
        ("FILENAME", [entry["path"] for entry in entries]),
        ("SHA256", [entry["sha256"] for entry in entries]),
        ("BLOCK", [entry.get("block", "") for entry in entries]),
        ("REASON", ["; ".join(entry["rejected"]) for entry in entries]),
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
    return fits.BinTableHDU.from_columns(columns, name="PROVENANCE")


def history_line(verb: str, text: str) -> str:
    """One HISTORY line of at most 72 characters, with the time in UTC."""
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{now} n2n {__version__} {verb} {text}"[:72]


def versions() -> dict[str, str]:
    """Versions of everything that shapes the pixels."""
    from importlib.metadata import version

    packages = ("numpy", "scipy", "astropy", "sep", "astroalign", "torch", "h5py")
    return {"n2n": __version__, "python": platform.python_version()} | {name: version(name) for name in packages}
