"""Read and calibrate one exposure in memory: shared by `measure` and `register`.

Calibrated frames never hit the disk; the raw frame is read again instead.
"""

from pathlib import Path

import numpy as np

from n2n.errors import BadFrame
from n2n.formats.pixels import read_pixels, read_planes
from n2n.formats.tables import number, read_json
from n2n.log import logger
from n2n.sky.calibrate import Calibration, calibrate, fill_flagged
from n2n.sky.gain import Measured, settle


def add_arguments(parser) -> None:
    """Declare the arguments that say where an exposure and its calibration lie."""
    parser.add_argument("frames", type=Path, help="CSV of the exposures of one chunk")
    parser.add_argument("--raw", type=Path, default=Path("data/raw"), help="folder of the raw nights")
    parser.add_argument("--calibration", type=Path, required=True, help="calibration.json of the group")
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of the results")


def load_calibration(path: Path, results: Path) -> Calibration:
    """Read the masters that `calibration.json` names, and settle gain and read noise."""
    chosen = read_json(path)
    scale = chosen.get("dark_scale", 1.0)
    headers, images, merged = {}, {}, None
    for kind in ("dark", "bias", "flat", "defects"):
        if not chosen.get(kind):
            continue
        path = results / "masters" / f"{chosen[kind]}.fits"
        if kind == "bias" and "dark" in images and scale == 1:
            headers[kind], _ = read_planes(path)  # the dark contains the bias
            continue
        headers[kind], arrays = read_planes(path, "IMAGE", "DEFECTS")
        images[kind] = arrays["IMAGE"]
        if kind != "bias":
            plane = arrays["DEFECTS"] > 0
            merged = plane if merged is None else merged | plane
    # Of dark and bias only one is subtracted, or the dark scaled above the bias.
    zero = images.get("dark", images.get("bias"))
    if scale != 1 and "dark" in images:
        zero = images["bias"] + np.float32(scale) * (zero - images["bias"])
    flats, lights = _measured(headers.get("flat")), _measured(headers.get("defects"))
    gain, note = settle(chosen.get("e_per_adu"), flats, lights, binding=bool(chosen.get("e_per_adu_by_user")))
    if note:
        logger.warning(note)
    noise = number(headers["bias"].get("NOISEADU")) if "bias" in headers else None
    return Calibration(
        zero=zero,
        flat=images.get("flat"),
        defects=merged,
        gain=gain or 1.0,
        unit="electron" if gain else "adu",
        notes=(note,) if note else (),
        read_noise_e=noise * gain if noise and gain else chosen.get("read_noise_e"),
    )


def _measured(header) -> Measured | None:
    """Gain by photon transfer that a master's header holds; an error of 0 means that none was written."""
    value = number(header.get("EGAINPT")) if header else None
    return Measured(value, number(header.get("EGAINPTE"), 0.0)) if value else None


def load_exposure(row: dict, raw: Path, calibration: Calibration):
    """Read, calibrate and patch one exposure.

    Returns
    -------
    pixels : float32 ndarray, shape (h, w)
        Flagged pixels hold the median of their neighbours.
    flags : uint8 ndarray, shape (h, w)

    Raises
    ------
    BadFrame
        When the file has become unreadable or does not fit its calibration.
    """
    pixels, invalid = read_pixels(raw / row["path"], counts=True)
    for name in ("zero", "flat", "defects"):
        image = getattr(calibration, name)
        if image is not None and image.shape != pixels.shape:
            raise BadFrame("geometry", f"{pixels.shape} pixels, its master {name} has {image.shape}")
    pixels, flags = calibrate(
        pixels, invalid, calibration, number(row["saturate_adu"]), number(row["pedestal_adu"], 0.0)
    )
    return fill_flagged(pixels, flags), flags
