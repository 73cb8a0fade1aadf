"""Colour from aligned images of one target through several filters."""

from dataclasses import dataclass

import numpy as np

from n2n.formats.flags import NO_DATA, SATURATED
from n2n.formats.palettes import Palette
from n2n.report.images import UNKNOWN, brightness, stretch_limits, without_holes
from n2n.sky.correlate import match_images
from n2n.sky.distortion import distort
from n2n.sky.match import NoMatch, match_stars
from n2n.sky.stars import measure_stars
from n2n.sky.warp import warp

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
FEW_STARS = 25  # with more of them in both images, stars that do not match are a reason, not a lack
SAMPLES = 500_000  # pixels a channel from which a common stretch is found


@dataclass(frozen=True)
class Channel:
    """One filter's image, sky subtracted.

    Attributes
    ----------
    image, stack : float32 ndarray, shape (h, w)
        What is shown, and the plain stack by whose noise it is stretched; NaN where unknown.
    flags : uint8 ndarray, shape (h, w)
    """

    image: np.ndarray
    stack: np.ndarray
    flags: np.ndarray


def align(channels: dict[str, Channel]) -> tuple[dict[str, Channel], str]:
    """Bring all channels onto the grid and the star brightness of the one that shows most stars.

    Returns
    -------
    channels : dict of str to Channel
        On one grid; every channel divided by the brightness of its stars relative to the reference. Of `stack` there
        are only samples, for its statistics.
    reference : str

    Raises
    ------
    NoMatch
        Names the channel that cannot be brought onto the others.
    """
    stars = {name: stars_of(channel) for name, channel in channels.items()}
    reference = max(channels, key=lambda name: len(stars[name]))
    target = channels[reference]
    aligned = {}
    for name, channel in channels.items():
        if name == reference:
            aligned[name] = Channel(channel.image, samples(channel.stack), channel.flags)
            continue
        try:
            match = matched(target, channel, stars[reference], stars[name])
        except NoMatch as error:
            raise NoMatch(f"{name} cannot be aligned with {reference}: {error}") from error
        bend = match.distortion
        displace = None if bend is None else lambda x, y, bend=bend: distort(x, y, bend)
        unknown = ~np.isfinite(channel.image)
        flags = channel.flags | np.where(unknown, NO_DATA, 0).astype(np.uint8)
        # A hole in a star would leave rings around it, in one colour.
        pixels, wide = without_holes(channel.image)
        image, flags = warp(np.where(wide, 0, pixels), flags, match.matrix, target.image.shape, displace)
        image[(flags & NO_DATA) > 0] = np.nan
        known = match.flux_ratio_error < 0.2 * match.flux_ratio
        ratio = np.float32(match.flux_ratio if known else 1.0)
        image /= ratio
        aligned[name] = Channel(image, samples(channel.stack) / ratio, flags)
    return aligned, reference


def stars_of(channel: Channel) -> np.ndarray:
    """Stars of the plain stack, whose noise is what it seems; shape (n, 3)."""
    bad = ~np.isfinite(channel.stack) | ((channel.flags & NO_DATA) > 0)
    pixels = np.where(bad, 0, channel.stack).astype(np.float32)
    return measure_stars(pixels, bad, (channel.flags & SATURATED) > 0).stars


def matched(reference: Channel, channel: Channel, ours: np.ndarray, theirs: np.ndarray):
    """Match by stars; where they are few, by the nebula itself."""
    try:
        return match_stars(ours, theirs)
    except NoMatch as too_few:
        if min(len(ours), len(theirs)) > FEW_STARS:
            raise
        bad = NO_DATA | SATURATED
        try:
            usable = [(one.flags & bad) == 0 for one in (reference, channel)]
            return match_images(reference.stack, channel.stack, *usable)
        except NoMatch as error:
            raise NoMatch(f"{too_few}; {error}") from error


def compose(channels: dict[str, Channel], palette: Palette, ha_share: float, saturation: float) -> np.ndarray:
    """The composite, 0 to 1; float32 ndarray, shape (h, w, 3), cut to what all channels cover.

    Parameters
    ----------
    channels : dict of str to Channel
        Aligned, by filter.
    palette : Palette
        Which filter becomes which colour.
    ha_share : float
        Share of `palette.blend` in red. Its stars are as bright as those in red, so that only what shines in the
        line alone is added.
    saturation : float
        Factor on the difference from grey.
    """
    images = {name: channel.image for name, channel in channels.items()}
    known = np.isfinite(sum(images.values()))
    cut = common(known)
    known = known[cut]
    gaps = {name: without_holes(image[cut]) for name, image in images.items()}
    images, unknown = {name: image for name, (image, _) in gaps.items()}, np.any([wide for _, wide in gaps.values()], 0)
    red, green, blue = (images[name] for name in (palette.red, palette.green, palette.blue))
    if palette.blend:
        red = (1 - ha_share) * red + ha_share * images[palette.blend]
    names = (palette.red, palette.green, palette.blue)
    own = {name: stretch_limits(channels[name].stack) for name in channels}
    shared = stretch_limits(np.concatenate([channels[name].stack for name in dict.fromkeys(names)]))
    limits = [shared if palette.linked else own[name] for name in names]
    colour = np.empty((*known.shape, 3), np.float32)
    for index, (plane, limit) in enumerate(zip((red, green, blue), limits, strict=True)):
        colour[..., index] = brightness(plane, limit)
    full = np.any([(channels[name].flags[cut] & SATURATED) > 0 for name in channels], axis=0)
    colour[full] = colour[full].max(axis=-1, keepdims=True)  # a saturated core has no colour
    grey = colour @ LUMA
    lightness = grey
    if palette.lightness:
        lightness = brightness(images[palette.lightness], own[palette.lightness]).astype(np.float32)
    colour -= grey[..., None]
    if not known.all():
        # Where one channel has no data its neighbours' light would stand beside the others' own: a coloured dot.
        colour[~known] = np.nan
        for index in range(3):
            colour[..., index] = np.nan_to_num(without_holes(colour[..., index])[0])
    colour *= np.float32(saturation)
    colour += lightness[..., None]
    colour[unknown] = np.float32(UNKNOWN) / 255
    return np.clip(colour, 0, 1, out=colour)


def samples(image: np.ndarray) -> np.ndarray:
    """Known pixels, at most `SAMPLES`, evenly spread."""
    values = image[np.isfinite(image)]
    return values[:: max(1, -(-values.size // SAMPLES))]


def common(known: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns of which at least half is known; everything where there are none."""
    parts = []
    for axis in (1, 0):
        inside = np.flatnonzero(known.mean(axis=axis) >= 0.5)
        parts.append(slice(inside[0], inside[-1] + 1) if inside.size else slice(None))
    return tuple(parts)
