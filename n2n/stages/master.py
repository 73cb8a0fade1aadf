"""Stage `master`: combine bias, dark or flat frames, or find the detector's defects.

Reads a list of frames (CSV, made by `n2n ingest`), writes one FITS file: the master in ADU, its
DEFECTS, and in the header what the frames say about gain and read noise (photon transfer).
"""

import itertools
from pathlib import Path

import numpy as np
from astropy.io import fits

from n2n.errors import BadFrame, UserError
from n2n.formats.fits import read_pixels
from n2n.formats.products import read_product, set_cards, write_fits
from n2n.formats.tables import read_csv
from n2n.sky.calibrate import agreed_pattern, hot_pixels, persistent_defects, robust_sigma, saturation_level
from n2n.sky.combine import clipped_mean

MAX_DEFECT_FRAMES = 24


def add_arguments(parser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("frames", type=Path, help="CSV of the calibration frames, one master's worth")
    parser.add_argument("--raw", type=Path, default=Path("data/raw"), help="folder of the raw nights")
    parser.add_argument("--zero", type=Path, help="master bias or dark to subtract from flats")
    parser.add_argument("-o", "--output", type=Path, required=True, help="master FITS file to write")


def run(args) -> None:
    """Execute the stage."""
    rows = read_csv(args.frames)
    kind = rows[0]["kind"] if rows else ""
    if kind == "light":
        rows = [rows[i] for i in np.unique(np.linspace(0, len(rows) - 1, MAX_DEFECT_FRAMES).astype(int))]
    frames, used = read_frames(rows, args.raw)
    cards = {"MASTER": (kind if kind != "light" else "defects", "kind of master")}
    if kind == "flat":
        zero = read_product(args.zero)[1]["IMAGE"] if args.zero else None
        image, defects, facts = master_flat(frames, zero)
    elif kind == "light":
        image, defects, facts = np.zeros(frames.shape[1:], np.float32), persistent_defects(frames), {}
    else:
        image, facts = clipped_mean(frames), noise_facts(frames)
        defects = hot_pixels(image)
        image = agreed_pattern(frames, image)
    cards |= facts
    cards["NCOMBINE"] = (len(used), "frames combined")
    cards["NDEFECT"] = (int(defects.sum()), "defective pixels")
    header = fits.Header()
    set_cards(header, cards)
    for index, row in enumerate(used[:999], 1):
        header[f"IMCMB{index:03d}"] = Path(row["path"]).name[:60].encode("ascii", "replace").decode()
    write_fits(
        args.output,
        [fits.PrimaryHDU(image, header), fits.ImageHDU(defects.astype(np.uint8), name="DEFECTS")],
    )
    print(f"{cards['MASTER'][0]} from {len(used)} frames, {defects.sum()} defective pixels")


def read_frames(rows: list[dict], raw: Path) -> tuple[np.ndarray, list[dict]]:
    """Read frames of one size, in ADU; unreadable ones are left out with a message.

    Returns
    -------
    frames : float32 ndarray, shape (n, h, w)
    used : list of dict
        The rows behind them.
    """
    frames, used = [], []
    for row in rows:
        try:
            pixels, invalid = read_pixels(raw / row["path"])
        except BadFrame as error:
            print(f"left out {row['path']}: {error}")
            continue
        if frames and pixels.shape != frames[0].shape:
            print(f"left out {row['path']}: {pixels.shape} pixels, the others have {frames[0].shape}")
            continue
        pixels[invalid] = np.median(pixels)
        frames.append(pixels)
        used.append(row)
    if not frames:
        raise UserError(f"none of the {len(rows)} frames of this master can be read; first: {rows[0]['path']}")
    return np.stack(frames), used


def master_flat(frames: np.ndarray, zero: np.ndarray | None):
    """Combine flats: each is set to median 1 first, so that dusk does not matter.

    Parameters
    ----------
    frames : ndarray, shape (n, h, w)
    zero : ndarray, shape (h, w), or None
        Master bias (or dark of the flats), ADU.

    Returns
    -------
    flat, defects, facts
    """
    saturated = np.array([np.mean(frame >= saturation_level(frame)) for frame in frames]) > 0.01
    if saturated.all():
        raise UserError("every flat of this set is saturated; take new ones at half of full scale")
    frames = frames[~saturated] - (0 if zero is None else zero)
    facts = gain_from_flats(frames) if zero is not None else {}
    levels = np.median(frames.reshape(len(frames), -1), axis=1)
    if (levels <= 0).any():
        raise UserError("a flat of this set is not brighter than its bias; remove it or take new ones")
    flat = clipped_mean(frames / levels[:, None, None].astype(np.float32))
    flat /= np.median(flat)
    facts["FLATLEVL"] = (float(np.median(levels)), "[adu] typical level of the flats")
    return flat, hot_pixels(flat, nsigma=20.0), facts


def noise_facts(frames: np.ndarray) -> dict:
    """Read noise (ADU) from differences of consecutive bias or dark frames."""
    if len(frames) < 2:
        return {}
    sigma = [_clipped_sigma(b - a) / np.sqrt(2) for a, b in itertools.pairwise(frames)]
    return {"NOISEADU": (float(np.median(sigma)), "[adu] noise of one frame, from differences")}


def _clipped_sigma(steps: np.ndarray) -> float:
    """Standard deviation without cosmic rays; a median of whole numbers would be a whole number."""
    limit = 5 * max(robust_sigma(steps), 1.0)
    return float(np.std(steps[np.abs(steps - np.median(steps)) <= limit]))


def gain_from_flats(frames: np.ndarray) -> dict:
    """e-/ADU by photon transfer: twice the level over the variance of the difference of two flats.

    The read noise is small against the light of a flat and left out; the frames must be
    bias-subtracted.
    """
    gains = []
    for a, b in zip(frames[::2], frames[1::2], strict=False):
        low, high = np.percentile(a, [25, 95])
        fair = (a > low) & (a < high)
        ratio = a[fair].mean() / b[fair].mean()
        variance = robust_sigma(a[fair] - ratio * b[fair]) ** 2
        if variance > 0:
            gains.append(a[fair].mean() * (1 + ratio) / variance)
    return {"EGAINPT": (float(np.median(gains)), "[e-/adu] by photon transfer")} if gains else {}
