"""What a product says of its group: the cards of a stack, its HDUs, and the table of its exposures.

The header scheme is documented in docs/headers.md.
"""

import datetime
from pathlib import Path

import numpy as np
from astropy.io import fits

from n2n import __version__
from n2n.formats.provenance import ascii_path, commit, mask_plane, now
from n2n.group.exposure import Exposure, total_exposure
from n2n.group.group import Group
from n2n.recipes import RECIPE


def stack_cards(group: Group) -> dict:
    """Cards that turn the camera's header into a stack's; ``{keyword: (value, comment)}``."""
    facts, n, seconds = group.facts, len(group.exposures), total_exposure(group.exposures)
    times = sorted(exposure.date_obs for exposure in group.exposures if exposure.date_obs)
    lasted = [exposure.exptime_s for exposure in group.exposures if exposure.exptime_s is not None]
    electrons, effective = facts.unit == "electron", float(np.sum(group.weights))
    return {
        "BUNIT": ("electron" if electrons else "adu", "linear; mean of exposures"),
        "FILTCAN": (facts.filter or None, "canonical filter"),
        "FILTBW": (facts.filter_bw_nm, "[nm] bandwidth of the filter"),
        "NCOMBINE": (n, "exposures combined"),
        "STACKCNT": (n, "exposures combined"),
        "TOTEXP": (seconds, "[s] sum of the exposures"),
        "LIVETIME": (seconds, "[s] sum of the exposures"),
        "DATE-BEG": (times[0] if times else None, "start of the first exposure, UTC"),
        "DATE-END": (_end(times[-1], lasted[-1] if lasted else 0) if times else None, "end of the last exposure, UTC"),
        "DATE": (now(), "when this file was written, UTC"),
        "XPOSURE": (seconds, "[s] sum of the exposures"),
        "EGAIN": (1.0 if electrons else None, "[e-/unit] of one exposure"),
        "EGAINRAW": (facts.gain if electrons else None, "[e-/adu] of the raw frames"),
        "EFFGAIN": (effective if electrons else None, "[e-/unit] of this mean"),
        "NEFF": (effective, "standard exposures this is worth"),
        "SKYLEVEL": (facts.sky, "level of the sky in this image"),
        "SKYNOISE": (float(np.sqrt(facts.sky_variance / max(effective, 1e-9))), "noise of the sky a pixel"),
        "DETPATT": (facts.pattern.get("rms_sigma"), "[sigma of an exposure] detector's pattern taken off"),
        "PEDESTAL": (0, "applied"),
        "PROGRAM": ("n2n", "program that made this image"),
        "ORIGIN": ("n2n", "program that made this image"),
        "PIPECMIT": (commit(), "git commit of n2n"),
        "PIPEVER": (__version__, "version of n2n"),
        "RECIPE": (RECIPE, "raised when n2n's pixels change"),
        "REFFRAME": (Path(facts.reference).name, "exposure that defines the grid"),
    }


def _end(start: str, lasted: float) -> str | None:
    """End of an exposure that began at `start`; None when that is no ISO time."""
    try:
        begun = datetime.datetime.fromisoformat(start)
    except ValueError:
        return None
    return (begun + datetime.timedelta(seconds=lasted)).isoformat(timespec="milliseconds")


def product_hdus(image, header, variance, mask, coverage, exposures, extra=()) -> list:
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
    exposures : list of Exposure
        Those used and those left out.
    extra : sequence of HDU
        More units, before PROVENANCE.
    """
    variance_hdu = fits.ImageHDU(variance, name="VAR")
    variance_hdu.header["BUNIT"] = (f"{header['BUNIT']}2", "variance of the primary image, a pixel")
    used = sorted((one for one in exposures if not one.rejected), key=lambda one: one.path)
    for index, exposure in enumerate(used[:999], 1):
        name = exposure.name.encode("ascii", "replace").decode()
        header[f"IMCMB{index:03d}"] = name[-60:]
    return [
        fits.PrimaryHDU(image, header),
        mask_plane(mask),
        variance_hdu,
        fits.ImageHDU(coverage, name="COVERAGE"),
        *extra,
        provenance_table(exposures),
    ]


def provenance_table(exposures: list[Exposure]) -> fits.BinTableHDU:
    """One row an exposure, used or not."""
    exposures = sorted(exposures, key=lambda one: one.path)

    def text(values):
        values = [str(value).encode("ascii", "replace").decode() for value in values]
        return fits.Column(format=f"{max([1, *map(len, values)])}A", array=np.array(values), name="x")

    columns = []
    for name, values in (
        ("FILENAME", [ascii_path(one.path) for one in exposures]),
        ("SHA256", [one.sha256 for one in exposures]),
        ("BLOCK", [one.weighed.block if one.weighed else "" for one in exposures]),
        ("REASON", ["; ".join(one.rejected) for one in exposures]),
        ("STAGE", [one.stage for one in exposures]),
        ("EVIDENCE", [one.evidence for one in exposures]),
    ):
        column = text(values)
        column.name = name
        columns.append(column)
    columns[3:3] = [
        fits.Column("EXPTIME", "D", unit="s", array=np.array([one.exptime_s for one in exposures], float)),
        fits.Column("WEIGHT", "D", array=np.array([one.weighed.weight if one.weighed else 0.0 for one in exposures])),
        fits.Column("USED", "L", array=np.array([not one.rejected for one in exposures])),
    ]
    table = fits.BinTableHDU(name="PROVENANCE")
    # BinTableHDU.from_columns would load astropy's tables and times for nothing.
    table.data = fits.FITS_rec.from_columns(columns)
    return table
