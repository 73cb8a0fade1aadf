"""The check list of changed sources: a table, and pictures of those changed most."""

from pathlib import Path

import numpy as np
from astropy.wcs import WCS
from PIL import Image

from n2n.fidelity.changed import COLUMNS, Changed, changed_sources
from n2n.fidelity.evidence import Evidence
from n2n.fidelity.ground import Ground
from n2n.fidelity.sources import filtered
from n2n.formats.atomic import write_text
from n2n.formats.tables import csv_text
from n2n.report.images import save_png, stretch, stretch_limits

TABLE, PICTURES = "changed_sources.csv", "changed_sources.png"
SHOWN, SIDE, ZOOM, GAP = 12, 25, 4, 6  # sources, pixels of the sky a side, pixels of the picture each, and between
DIGITS = {"x": 2, "y": 2, "ra_deg": 6, "dec_deg": 6, "change_sigma": 2}


def write_changed(folder: Path, on: Ground, denoised: np.ndarray, images: Evidence, fwhm: float, header) -> dict:
    """Write table and pictures; returns how many sources there are by the word of the held-out exposures.

    Parameters
    ----------
    denoised : ndarray, shape (h, w)
        What was made of A and B.
    images : Evidence
        The same in units of noise.
    fwhm : float
        As `measure` has it: twice the radius of half the light, pixels.
    header : astropy.io.fits.Header
        Its WCS gives the coordinates.
    """
    pairs = on.pairs
    with np.errstate(divide="ignore", invalid="ignore"):
        variances = [np.where(depth > 0, pairs.variance / depth, np.nan) for depth in (on.depth, on.judge_depth)]
    shown = on.mean, denoised, on.judge_mean
    found = changed_sources(filtered(images, fwhm), shown, variances, fwhm / 2, ~on.usable)
    verdicts = found.verdicts()
    write_text(folder / TABLE, csv_text(rows_of(found, verdicts, header), list(COLUMNS)))
    save_png(folder / PICTURES, contact_sheet(shown, found.places[:SHOWN]))
    return {"n": len(verdicts)} | {word: verdicts.count(word) for word in ("denoised", "stack", "undecided")}


def write_nothing(folder: Path) -> None:
    """Table and pictures where nothing was denoised."""
    write_text(folder / TABLE, csv_text([], list(COLUMNS)))
    save_png(folder / PICTURES, contact_sheet((), np.empty((0, 2))))


def rows_of(found: Changed, verdicts: list[str], header) -> list[dict]:
    """Rows of the table; x and y count from 1, as FITS and its viewers do, and coordinates are empty without a WCS."""
    sky = WCS(header, fix=False)
    coordinates = np.full(found.places.shape, np.nan)
    if sky.has_celestial and len(found.places):
        coordinates = np.column_stack(sky.celestial.wcs_pix2world(*found.places.T, 0))
    columns = (*(found.places + 1).T, *coordinates.T, found.stack, found.denoised, found.error, found.change,
               found.held_out, found.held_out_error)  # fmt: skip
    rows = []
    for *values, verdict in zip(*columns, verdicts, strict=True):
        row = {name: _rounded(name, value) for name, value in zip(COLUMNS, values, strict=False)}
        rows.append(row | {"agrees_with": verdict})
    return rows


def _rounded(name: str, value: float) -> str:
    if not np.isfinite(value):
        return ""
    return f"{value:.{DIGITS[name]}f}" if name in DIGITS else f"{value:.5g}"


def contact_sheet(images, places: np.ndarray) -> Image.Image:
    """A row of cut-outs for each image, a column a source, one stretch for each source: that of the first image."""
    step = SIDE * ZOOM + GAP
    canvas = Image.new("L", (max(1, len(places) * step - GAP), max(1, len(images) * step - GAP)), 16)
    for column, (x, y) in enumerate(places):
        limits = None
        for row, image in enumerate(images):
            cut = _cut(image, x, y)
            limits = limits or stretch_limits(cut)
            picture = Image.fromarray(stretch(cut, limits)).resize((SIDE * ZOOM,) * 2, Image.Resampling.NEAREST)
            canvas.paste(picture, (column * step, row * step))
    return canvas


def _cut(image: np.ndarray, x: float, y: float) -> np.ndarray:
    """Pixels around a place; beyond the border the nearest ones are repeated."""
    rows, columns = (np.arange(SIDE) - SIDE // 2 + round(place) for place in (y, x))
    return image[np.ix_(np.clip(rows, 0, image.shape[0] - 1), np.clip(columns, 0, image.shape[1] - 1))]
