"""The check list of changed sources: a table, and pictures of those changed most."""

from pathlib import Path

import numpy as np
from astropy.wcs import WCS
from PIL import Image

from n2n.fidelity.changed import COLUMNS, SIDE, Changed
from n2n.formats.atomic import write_text
from n2n.formats.tables import csv_text
from n2n.report.images import save_png, stretch, stretch_limits

TABLE, PICTURES = "changed_sources.csv", "changed_sources.png"
ZOOM, GAP = 4, 6  # pixels of the picture for each of the sky, and between cut-outs
DIGITS = {"x": 2, "y": 2, "ra_deg": 6, "dec_deg": 6, "change_sigma": 2}


def write_changed(folder: Path, found: Changed, cuts: np.ndarray, header) -> None:
    """Write table and pictures.

    Parameters
    ----------
    folder : Path
        To write to.
    found : Changed
        The sources.
    cuts : ndarray, shape (images, n, side, side)
        Their `n2n.fidelity.changed.cut_outs`.
    header : astropy.io.fits.Header
        Its WCS gives the coordinates.
    """
    write_text(folder / TABLE, csv_text(rows_of(found, found.verdicts(), header), list(COLUMNS)))
    save_png(folder / PICTURES, contact_sheet(cuts))


def write_nothing(folder: Path) -> None:
    """Table and pictures where nothing was denoised."""
    write_text(folder / TABLE, csv_text([], list(COLUMNS)))
    save_png(folder / PICTURES, contact_sheet(np.empty((0, 0, SIDE, SIDE))))


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


def contact_sheet(cuts: np.ndarray) -> Image.Image:
    """A row of cut-outs for each image, a column a source, one stretch for each source: that of the first image."""
    step = SIDE * ZOOM + GAP
    images, places = cuts.shape[:2]
    canvas = Image.new("L", (max(1, places * step - GAP), max(1, images * step - GAP)), 16)
    for column in range(places):
        limits = None
        for row, cut in enumerate(cuts[:, column]):
            limits = limits or stretch_limits(cut)
            picture = Image.fromarray(stretch(cut, limits)).resize((SIDE * ZOOM,) * 2, Image.Resampling.NEAREST)
            canvas.paste(picture, (column * step, row * step))
    return canvas
