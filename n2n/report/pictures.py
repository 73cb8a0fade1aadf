"""The report's pictures: stack, product and residual of a group, and the night's colour composites."""

import os
from pathlib import Path
from urllib.parse import quote

import numpy as np
from PIL import Image

from n2n.errors import UserError
from n2n.formats.products import read_product
from n2n.log import logger
from n2n.report import images as pictures

CROP = 600  # pixels; shown one to one
FIELD, FIELD_RESIDUAL, THUMBNAIL = 1200, 640, 104  # pixels of the longer side
COLOUR = 1200  # pixels of the longer side


def composite_of(path: Path, start: Path) -> dict:
    """A colour composite, what it is made of, and a link to it from a page in `start`."""
    with Image.open(path) as picture:
        said = picture.info.get("Description", "")
        small = picture.convert("RGB")
    small.thumbnail((COLOUR, COLOUR), Image.Resampling.LANCZOS)
    width, height = small.size
    relative = Path(os.path.relpath(path, start)).as_posix()
    name = path.stem.replace("_", " ")
    facts = {"name": name, "text": relative, "href": quote(relative), "said": said}
    return facts | {"width": width, "height": height, "uri": pictures.data_uri(small, quality=88)}


def pictures_of(folder: Path, denoised: bool) -> dict:
    """The pictures of a group; under ``error`` why there are none."""
    try:
        _, arrays = read_product(folder / "denoised.fits", "STACK", edited=True)
        stack = arrays.get("STACK")
        stack = arrays["IMAGE"] if stack is None else stack
        noise = read_product(folder / "stack.fits", "VAR", edited=True)[1].get("VAR") if denoised else None
    except UserError as error:
        if all((folder / name).is_file() for name in ("denoised.fits", "stack.fits")):
            raise  # a damaged product must not go unseen
        logger.warning("no pictures: %s", error)
        return {"error": str(error)}
    limits = pictures.stretch_limits(stack)
    crop = pictures.busiest_crop(stack, CROP)
    shown = {"stack": stack} | ({"denoised": arrays["IMAGE"]} if denoised else {})
    result = {"error": "", "crop": {}, "field": {}}
    for name, image in shown.items():
        pixels = pictures.stretch(image, limits)
        result["crop"][name] = pictures.data_uri(pictures.fitted(pictures.stretch(image[crop], limits), CROP))
        result["field"][name] = pictures.data_uri(pictures.fitted(pixels, FIELD), quality=85)
    result["thumbnail"] = pictures.data_uri(pictures.fitted(pixels, 2 * THUMBNAIL), quality=75)
    height, width = stack.shape
    if denoised:
        residual = in_sigma(stack - arrays["IMAGE"], noise)
        result["crop"]["residual"] = pictures.data_uri(pictures.residual_picture(residual[crop]))
        coarse = in_sigma(pictures.binned(residual, -(-max(height, width) // FIELD_RESIDUAL)), None)
        result["field"]["residual"] = pictures.data_uri(pictures.residual_picture(coarse))
    field = min(1.0, CROP / max(height, width))
    rows, columns = crop
    result["crop"] |= {"width": columns.stop - columns.start, "height": rows.stop - rows.start}
    result["field"] |= {"width": round(width * field), "height": round(height * field)}
    return result


def changed_of(folder: Path, facts: dict, start: Path) -> dict | None:
    """Cut-outs and figures of the sources that denoising changed; None where it changed none."""
    counts, path = facts.get("changed_sources") or {}, folder / "changed_sources.png"
    if not counts.get("n") or not path.is_file():
        return None
    table = Path(os.path.relpath(folder / "changed_sources.csv", start)).as_posix()
    with Image.open(path) as picture:
        width, height = picture.size
        uri = pictures.data_uri(picture)
    return counts | {"href": quote(table), "uri": uri, "width": width, "height": height}


def in_sigma(residual: np.ndarray, variance: np.ndarray | None) -> np.ndarray:
    """A residual in units of its noise: that of the variance map, else its own robust one."""
    if variance is not None and variance.shape == residual.shape:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(residual == 0, 0, residual / np.sqrt(variance))
    known = residual[np.isfinite(residual)]
    return residual / pictures.robust_level(known)[1] if known.size else residual
