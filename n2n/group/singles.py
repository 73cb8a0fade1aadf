"""Every exposure of a group by itself: the image and mask of its file, its name and its cards."""

import re
from pathlib import Path

import numpy as np

from n2n.formats import flags as bits
from n2n.group.exposure import Exposure

UNPROVED = "a single exposure: nothing about it is proved"


def assemble(mean: np.ndarray, result: np.ndarray, flags: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The denoised exposure and its mask.

    Saturated pixels pass through untouched; rejected ones are filled by the network, and marked.

    Parameters
    ----------
    mean, result : float32 ndarray, shape (h, w)
        The exposure, NaN where it has no valid pixel, and what the network made of it.
    flags : uint8 ndarray, shape (h, w)
        Bits of `n2n.formats.flags`.

    Returns
    -------
    image : float32 ndarray, shape (h, w)
        NaN where the exposure does not reach.
    mask : uint8 ndarray, shape (h, w)
    """
    seen, saturated = (flags & bits.NO_DATA) == 0, (flags & bits.SATURATED) > 0
    untouched = saturated & np.isfinite(mean)
    image = np.where(untouched, mean, np.where(seen, result, np.nan)).astype(np.float32)
    mask = flags.copy()
    mask[seen & ~np.isfinite(mean)] |= bits.OUTLIER
    mask[untouched] |= bits.BYPASS
    return image, mask


def file_names(paths: list[str]) -> list[str]:
    """Names of the exposures' files, made different where only their folders differ."""
    stems = [re.sub(r"\.(fits?|fts)(\.(gz|fz))?$", "", Path(path).name, flags=re.I) for path in paths]
    return [
        f"{stem}.fits" if stems.count(stem) == 1 else f"{stem}-{number:03d}.fits" for number, stem in enumerate(stems)
    ]


def single_cards(exposure: Exposure) -> dict:
    """Cards of one exposure in place of the reference's."""
    return {
        "DATE-OBS": (exposure.date_obs or None, "start of the exposure"),
        "EXPTIME": (exposure.exptime_s, "[s] exposure time"),
        "IMCMB001": (exposure.name.encode("ascii", "replace").decode()[-60:], "the exposure"),
        "PROCTYPE": ("DENOISED", "denoised exposure, not a measured image"),
        "QASTAT": ("WARN", "PASS, WARN or FAIL"),
        "QAREASON": (UNPROVED, "why"),
    }
