"""Stage `master`: combine bias, dark or flat frames, or find the detector's defects.

Reads a list of frames (CSV, made by `n2n ingest`), writes one FITS file: the master in ADU, its
DEFECTS, and in the header what the frames say about gain and read noise (photon transfer).
"""

import tempfile
from pathlib import Path

import cv2
import numpy as np
from astropy.io import fits

from n2n.errors import BadFrame, UserError
from n2n.formats.pixels import read_pixels, read_planes
from n2n.formats.products import set_cards, write_fits
from n2n.formats.tables import read_csv
from n2n.log import Progress
from n2n.parallel import in_order, shared
from n2n.sky.calibrate import hot_pixels, persistent_defects, saturation_level, unstable_pixels
from n2n.sky.combine import clipped_mean
from n2n.sky.gain import gain_from_flats, gain_from_lights, read_noise_from_differences
from n2n.sky.pattern import agreed_pattern, noise_of_mean

MAX_DEFECT_FRAMES = 24
MAX_GAIN_SIDE = 1200  # pixels; gain and read noise are known well enough from the middle of a large frame


def add_arguments(parser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("frames", type=Path, help="CSV of the calibration frames, one master's worth")
    parser.add_argument("--raw", type=Path, default=Path("data/raw"), help="folder of the raw nights")
    parser.add_argument("--zero", type=Path, help="master bias or dark to subtract from flats")
    parser.add_argument("--threads", type=int, default=1, help="processes side by side (default: 1)")
    parser.add_argument("--memory-mb", type=int, default=4000, help="memory to stay within [MB] (default: 4000)")
    parser.add_argument("-o", "--output", type=Path, required=True, help="master FITS file to write")


def run(args) -> None:
    """Execute the stage."""
    cv2.setNumThreads(args.threads)
    rows = read_csv(args.frames)
    kind = rows[0]["kind"] if rows else ""
    if kind == "light":
        rows = [rows[i] for i in np.unique(np.linspace(0, len(rows) - 1, MAX_DEFECT_FRAMES).astype(int))]
    with tempfile.TemporaryFile(dir=args.output.parent) as spool:
        frames, used = read_frames(rows, args.raw, args.memory_mb * 2**20, spool)
        name, image, defects, cards = combine(kind, frames, args.zero, args.threads)
        noise = noise_of_mean(frames) if kind not in ("flat", "light") else None
        del frames  # what follows takes as much memory again
    image = agreed_pattern(image, noise)
    cards = {"MASTER": (name, "kind of master")} | cards
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


def combine(kind: str, frames: np.ndarray, zero_file: Path | None, processes: int = 1):
    """Make the master of a set of frames.

    Returns
    -------
    name : str
        Kind of master.
    image : float32 ndarray, shape (h, w)
    defects : ndarray of bool, shape (h, w)
    cards : dict
    """
    if kind == "flat":
        zero = read_planes(zero_file, "IMAGE")[1]["IMAGE"] if zero_file else None
        return kind, *master_flat(frames, zero, processes)
    if kind == "light":
        cards = measured("EGAINPT", "[e-/adu] by photon transfer from lights", gain_from_lights(middle(frames)))
        return "defects", np.zeros(frames.shape[1:], np.float32), persistent_defects(frames), cards
    image, _ = mean_of(frames, processes=processes)
    # Nobody looks for defects in a bias: what is wrong there is wrong in the darks, too.
    defects = hot_pixels(image) | unstable_pixels(frames) if kind != "bias" else np.zeros(image.shape, bool)
    cards = measured(
        "NOISEADU", "[adu] noise of one frame, by differences", read_noise_from_differences(middle(frames))
    )
    return kind, image, defects, cards


def read_frames(rows: list[dict], raw: Path, memory: int, spool) -> tuple[np.ndarray, list[dict]]:
    """Read frames of one size, in ADU; unreadable ones are left out with a message.

    Parameters
    ----------
    memory : int
        Bytes the job may take; frames that would fill more than half of it are kept in a file.
    spool : file
        An open, nameless file for that.

    Returns
    -------
    frames : ndarray, shape (n, h, w)
        uint16 where the numbers allow it, else float32.
    used : list of dict
        The rows behind them.
    """
    frames, used = None, []
    for row in Progress(rows, "read"):
        try:
            pixels, invalid = read_pixels(raw / row["path"], counts=True)
        except BadFrame as error:
            print(f"left out {row['path']}: {error}")
            continue
        if frames is not None and pixels.shape != frames.shape[1:]:
            print(f"left out {row['path']}: {pixels.shape} pixels, the others have {frames.shape[1:]}")
            continue
        if invalid.any():
            pixels[invalid] = np.rint(np.median(pixels))
        counts = _as_counts(pixels)
        if frames is None:
            shape = (len(rows), *pixels.shape)
            small = counts.itemsize * np.prod(shape) <= memory // 2
            frames = np.empty(shape, counts.dtype) if small else np.memmap(spool, counts.dtype, "w+", shape=shape)
        elif frames.dtype != np.float32 and counts.dtype == np.float32:
            frames = frames.astype(np.float32)
        frames[len(used)] = counts
        used.append(row)
    if frames is None:
        raise UserError(f"none of the {len(rows)} frames of this master can be read; first: {rows[0]['path']}")
    return frames[: len(used)], used


def _as_counts(pixels: np.ndarray) -> np.ndarray:
    """The same numbers in half the memory, where they are whole and fit; uint16 or float32 ndarray."""
    if pixels.dtype == np.uint16:
        return pixels
    if pixels.min() >= 0 and pixels.max() <= 65535:
        counts = pixels.astype(np.uint16)
        if np.array_equal(counts, pixels):
            return counts
    return pixels


def middle(frames: np.ndarray) -> np.ndarray:
    """The middle of large frames, at most six of them, float32."""
    top, left = (max(0, (side - MAX_GAIN_SIDE) // 2) for side in frames.shape[1:])
    return np.asarray(frames[:6, top : top + MAX_GAIN_SIDE, left : left + MAX_GAIN_SIDE], np.float32)


def measured(keyword: str, comment: str, found) -> dict:
    """Cards of a measured number and its standard error; none where nothing was found."""
    if found is None:
        return {}
    return {keyword: (found.value, comment), f"{keyword[:7]}E": (found.error, f"standard error of {keyword}")}


def mean_of(frames, zero=None, scales=None, processes: int = 1, rows: int = 256, beside=None):
    """`clipped_mean`, pieces of the image side by side, and with them what the function `beside` returns.

    Returns
    -------
    mean : float32 ndarray, shape (h, w)
    found : object
        None without `beside`.
    """
    parts = [slice(top, top + rows) for top in range(0, frames.shape[1], rows)]
    result = shared(frames.shape[1:], np.float32)

    def work(part):
        if part is None:
            return beside()
        result[part] = clipped_mean(frames[:, part], None if zero is None else zero[part], scales)

    found, *_ = in_order(work, [None, *parts] if beside else [*parts], processes)
    return result, found


def master_flat(frames: np.ndarray, zero: np.ndarray | None, processes: int = 1):
    """Combine flats: each is set to median 1 first, so that dusk does not matter.

    Parameters
    ----------
    frames : ndarray, shape (n, h, w)
    zero : ndarray, shape (h, w), or None
        Master bias (or dark of the flats), ADU.

    Returns
    -------
    flat, defects, cards
    """
    fair = [i for i, frame in enumerate(frames) if np.mean(frame >= saturation_level(frame)) <= 0.01]
    if not fair:
        raise UserError("every flat of this set is saturated; take new ones at half of full scale")
    frames = frames if len(fair) == len(frames) else frames[fair]
    dark = np.zeros((1, 1), np.float32) if zero is None else zero
    thin = np.s_[::3, ::3]
    levels = np.array([np.median(frame[thin] - dark[thin]) for frame in frames])
    if (levels <= 0).any():
        raise UserError("a flat of this set is not brighter than its bias; remove it or take new ones")
    photon_transfer = None if zero is None else lambda: gain_from_flats(middle(frames), middle(zero[None])[0])
    flat, found = mean_of(frames, zero, levels, processes, beside=photon_transfer)
    cards = measured("EGAINPT", "[e-/adu] by photon transfer", found)
    step = max(1, min(flat.shape) // 1000)
    flat /= np.median(flat[::step, ::step])
    cards["FLATLEVL"] = (float(np.median(levels)), "[adu] typical level of the flats")
    return flat, hot_pixels(flat, nsigma=20.0), cards
