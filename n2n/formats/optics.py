"""How large the field of a frame is, by its header: a hint only."""

from n2n.formats.profiles import Cards

_SCALES = ("PIXSCALE", "SCALE", "IM_SCALE", "SECPIX", "SECPIX1", "PIXSCAL1")


def field_deg(cards: Cards) -> float | None:
    """The shorter side of the field in degrees, from the pixel scale or from focal length and pixel size."""
    width, height = cards.number("NAXIS1"), cards.number("NAXIS2")
    scale = next((value for key in _SCALES if (value := cards.number(key)) and 0.01 < value < 200), None)  # arcsec
    focal, size = cards.number("FOCALLEN"), cards.number("XPIXSZ") or cards.number("PIXSIZE1")
    if scale is None and focal and size and focal > 10:
        scale = 206.265 * size / focal
    if scale is None and "PC1_1" not in cards.values and cards.number("CDELT1"):
        scale = 3600 * abs(cards.number("CDELT1"))
    if scale is None and cards.number("CD1_1") is not None:
        scale = 3600 * ((cards.number("CD1_1") or 0) ** 2 + (cards.number("CD2_1") or 0) ** 2) ** 0.5
    if not scale or not width or not height:
        return None
    return round(scale * min(width, height) / 3600, 4)
