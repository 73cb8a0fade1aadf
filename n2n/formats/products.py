"""FITS files n2n writes: headers that travel, checksums in every HDU, atomic names."""

import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning

from n2n.formats import checksum, sealed
from n2n.formats.atomic import atomic_path
from n2n.formats.fits import merge

# Cards that describe the raw file's bytes, not the sky, and must not survive a change of pixels.
STRUCTURAL = {
    "SIMPLE", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "EXTEND", "XTENSION", "PCOUNT", "GCOUNT", "GROUPS",
    "BZERO", "BSCALE", "BLANK", "CHECKSUM", "DATASUM", "DATAMIN", "DATAMAX", "ZIMAGE", "ZTENSION",
    "ZBITPIX", "ZNAXIS", "ZNAXIS1", "ZNAXIS2", "ZCMPTYPE", "ZTILE1", "ZTILE2", "ZSIMPLE", "ZEXTEND",
    "ZQUANTIZ", "ZDITHER0", "ZHECKSUM", "ZDATASUM", "TFIELDS", "EXTNAME", "EXTVER", "END", "CONTINUE",
    "CBLACK", "CWHITE", "PEDESTAL",
}  # fmt: skip


def clean_header(header: fits.Header) -> fits.Header:
    """Copy the cards of a raw header that still hold for a calibrated image."""
    result = fits.Header()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyWarning)
        for card in header.cards:
            keyword = card.keyword
            if keyword in STRUCTURAL or keyword.startswith(("IMCMB", "NAXIS")):
                continue
            try:
                card.verify("silentfix")
                if keyword in ("COMMENT", "HISTORY", ""):
                    if str(card.value).strip():
                        result.add_history(card.value) if keyword == "HISTORY" else result.add_comment(card.value)
                else:
                    result.append((keyword, card.value, card.comment), end=True)
            except (ValueError, fits.VerifyError):
                continue  # a card too broken to be written again
    return result


def reference_header(texts: Iterable[str]) -> fits.Header:
    """Header of the group's reference exposure, without what no longer holds."""
    return clean_header(merge(list(texts)))


def set_cards(header: fits.Header, cards: dict) -> None:
    """Set ``{keyword: (value, comment)}``; None and non-finite numbers are left out."""
    for keyword, (value, comment) in cards.items():
        if value is None or (isinstance(value, float) and not np.isfinite(value)):
            header.pop(keyword, None)
            continue
        if isinstance(value, str):
            value = value.encode("ascii", "replace").decode("ascii")
        elif isinstance(value, np.generic):
            value = value.item()
        header[keyword] = (value, comment)


def write_fits(path: Path, hdus: list) -> None:
    """Write HDUs atomically, with CHECKSUM and DATASUM in every one, and the number of extensions in the first."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyWarning)
        for hdu in hdus:
            # A string longer than a card; fitsverify wants the convention named.
            if any(len(card.image) > 80 and card.keyword not in ("HISTORY", "COMMENT") for card in hdu.header.cards):
                hdu.header["LONGSTRN"] = ("OGIP 1.0", "long strings are continued in CONTINUE cards")
        # A file that ends behind one of its HDUs is whole to every checksum.
        hdus[0].header["NEXTEND"] = (len(hdus) - 1, "number of extensions")
        with atomic_path(path) as temporary:
            fits.HDUList(hdus).writeto(temporary, overwrite=True, checksum=True, output_verify="silentfix")


def read_product(path: Path, *extensions: str, edited: bool = False) -> tuple[fits.Header, dict[str, np.ndarray]]:
    """Read the primary image and named extensions of a file n2n wrote.

    Parameters
    ----------
    path : Path
        The FITS file.
    extensions : str
        Those that the file lacks are left out.
    edited : bool
        Whether another program may have changed cards, as one that adds a WCS does; pixels are always checked.

    Returns
    -------
    header : Header
        Of the primary HDU.
    arrays : dict
        ``"IMAGE"`` and each extension found, in native byte order.

    Raises
    ------
    UserError
        When the file is missing or damaged.
    """
    checksum.check(path, edited=edited)
    try:
        with fits.open(path, memmap=False) as file:
            arrays = {"IMAGE": _native(file[0].data)}
            for name in extensions:
                if name in file:
                    arrays[name] = _native(file[name].data)
            header = file[0].header.copy()
            for keyword in ("CHECKSUM", "DATASUM"):
                header.remove(keyword, ignore_missing=True)
            return header, arrays
    except (OSError, TypeError, ValueError, KeyError) as error:
        raise sealed.damaged(path, str(error)) from error


def read_product_header(path: Path) -> fits.Header:
    """Read the primary header of a product, which others may have added cards to; raises as `read_product`."""
    checksum.check(path, edited=True)
    return fits.getheader(path)


def _native(data):
    if data is None or data.dtype.fields or data.dtype.isnative:
        return data
    if not (data.flags.writeable and data.flags.c_contiguous):
        data = data.copy()
    return data.byteswap(inplace=True).view(data.dtype.newbyteorder())
