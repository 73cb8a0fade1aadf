"""Stage `master`: combine bias, dark or flat frames, or find the detector's defects.

Reads a list of frames (CSV, made by `n2n ingest`), writes one FITS file: the master in ADU without pedestal, its
DEFECTS, and in the header what the frames say about gain and read noise (photon transfer). Frames that cannot be
members of the set are left out by name; where too few remain the master is void: its card VOID says why, and no
exposure is calibrated with it.
"""

import tempfile
from pathlib import Path

import cv2
import numpy as np
from astropy.io import fits

from n2n.formats.frametable import pedestal_of
from n2n.formats.products import set_cards, write_fits
from n2n.formats.tables import number, read_csv
from n2n.group.calibrated import read_master
from n2n.group.master import combine
from n2n.group.members import members, read_frames
from n2n.log import logger
from n2n.sky.pattern import agreed_pattern, noise_of_mean
from n2n.stages.args import add_resources

FEWEST = 3  # frames of a master: fewer cannot outvote a cosmic ray
MAX_DEFECT_FRAMES = 24


def add_arguments(parser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("frames", type=Path, help="CSV of the calibration frames, one master's worth")
    parser.add_argument("--raw", type=Path, default=Path("data/raw"), help="folder of the raw nights")
    parser.add_argument("--zero", type=Path, help="master bias or dark to subtract from flats")
    add_resources(parser, 1)
    parser.add_argument("-o", "--output", type=Path, required=True, help="master FITS file to write")


def run(args) -> None:
    """Execute the stage."""
    cv2.setNumThreads(args.threads)
    rows = read_csv(args.frames, "path", "kind")
    kind = rows[0]["kind"] if rows else ""
    if kind == "light":
        rows = [rows[i] for i in np.unique(np.linspace(0, len(rows) - 1, MAX_DEFECT_FRAMES).astype(int))]
    pedestal = pedestal_of(rows[0]) if rows else 0.0
    with tempfile.TemporaryFile(dir=args.output.parent) as spool:
        frames, used, lost = read_frames(rows, args.raw, args.memory_mb * 2**20, spool)
        zero, known = zero_of(args.zero, pedestal, frames.shape[1:]) if kind == "flat" else (None, False)
        if kind != "light":
            frames, used, odd = members(kind, frames, used, zero, known)
            lost |= odd
        for path, why in lost.items():
            logger.warning("left out %s: %s", path, why)
        if len(used) < (1 if kind == "light" else FEWEST):
            write_void(args.output, kind, rows, used, lost)
            return
        name, image, defects, cards = combine(kind, frames, zero, args.threads, known)
        noise = noise_of_mean(frames) if kind not in ("flat", "light") else None
        del frames  # what follows takes as much memory again
    image, left = agreed_pattern(image, noise)
    if left is None and "NOISEADU" in cards:
        left = cards["NOISEADU"][0] / np.sqrt(len(used))
    if pedestal and kind not in ("flat", "light"):
        image -= np.float32(pedestal)
    cards = {"MASTER": (name, "kind of master")} | cards
    if left is not None:
        cards["MASTNOIS"] = (float(left), "[adu] noise of the master, rms of a pixel")
    cards["NCOMBINE"] = (len(used), "frames combined")
    cards["NDEFECT"] = (int(defects.sum()), "defective pixels")
    if lost:
        cards["NLEFTOUT"] = (len(lost), "frames left out")
    header = fits.Header()
    set_cards(header, cards)
    for index, row in enumerate(used[:999], 1):
        header[f"IMCMB{index:03d}"] = _ascii(Path(row["path"]).name[:60])
    _write(args.output, header, image, defects, lost)
    logger.info("%s from %d frames, %d defective pixels", name, len(used), defects.sum())


def write_void(path: Path, kind: str, rows: list[dict], used: list[dict], lost: dict[str, str]) -> None:
    """Write a master of nothing whose card VOID says why there is none; the night goes on without it."""
    first = next(iter(lost.values()), "")
    why = _ascii(f"{len(used)} of {len(rows)} frames usable" + (f": {first}" if first else ""))
    logger.warning("no master %s: %s", "defects" if kind == "light" else kind, why)
    header = fits.Header()
    cards = {"MASTER": ("defects" if kind == "light" else kind, "kind of master")}
    # One card holds 68 letters; the rest stands in HISTORY.
    cards |= {"VOID": (why if len(why) <= 68 else why[:65] + "...", None), "NCOMBINE": (0, "frames combined")}
    set_cards(header, cards | {"NLEFTOUT": (len(lost), "frames left out")})
    row = rows[0] if rows else {}
    shape = tuple(max(1, int(number(row.get(side), 64))) for side in ("height", "width"))
    _write(path, header, np.zeros(shape, np.float32), np.zeros(shape, bool), lost)


def _write(path: Path, header: fits.Header, image: np.ndarray, defects: np.ndarray, lost: dict[str, str]) -> None:
    header["MASTERID"] = (_ascii(path.stem[-10:]), "end of its name: another file in its place is found")
    for frame, why in lost.items():
        header.add_history(_ascii(f"left out {Path(frame).name}: {why}"))
    write_fits(path, [fits.PrimaryHDU(image, header), fits.ImageHDU(defects.astype(np.uint8), name="DEFECTS")])


def _ascii(text: str) -> str:
    return " ".join(text.split()).encode("ascii", "replace").decode()


def zero_of(path: Path | None, pedestal: float, shape: tuple[int, int]) -> tuple[np.ndarray | None, bool]:
    """What is subtracted from flats, their bias or dark and their own pedestal; whether there is such a master."""
    zero = None
    if path:
        header, planes = read_master(path, "IMAGE")
        if void := str(header.get("VOID") or "").strip():
            logger.warning("flats are combined without a bias: %s", void)
        elif planes["IMAGE"].shape != shape:
            logger.warning("flats are combined without a bias: it has %s pixels, they %s", planes["IMAGE"].shape, shape)
        else:
            zero = planes["IMAGE"]
    if not pedestal:
        return zero, zero is not None
    whole = np.full(shape, pedestal, np.float32) if zero is None else zero + np.float32(pedestal)
    return whole, zero is not None
