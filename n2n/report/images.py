"""Pictures for people: the field's automatic stretch, previews, before/after pairs, residuals."""

import base64
import io
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from n2n.formats.atomic import atomic_path

SHADOWS = -2.8  # where black is set, in sigma below the median
TARGET = 0.2  # brightness the sky is brought to
RANGE = 3.0  # sigma at which a residual's colour is full
LEVELS = 15  # steps of a residual's colour on either side of zero
# Colours of a residual at -RANGE, 0 and +RANGE (sky blue and orange of Okabe and Ito), and of the unknown.
BELOW, ZERO, ABOVE, UNKNOWN = (86, 180, 233), (22, 24, 29), (230, 159, 0), (90, 90, 90)
HOLE = 7  # px: a narrower gap is filled from around it, in pictures only
GAP, BAR = 6, 36  # pixels between and above the two halves of a before/after picture


def robust_level(values: np.ndarray) -> tuple[float, float]:
    """Median and robust standard deviation of finite values; the latter is never zero."""
    median = float(np.median(values))
    sigma = 1.4826 * float(np.median(np.abs(values - median)))
    return median, sigma or float(np.std(values)) or 1.0


def stretch_limits(image: np.ndarray) -> tuple[float, float, float]:
    """Black point, white point and midtone of the automatic stretch.

    The midtone transfer function of the field's tools (median brought to 0.2, black 2.8 sigma below it),
    from robust statistics. Two images that are to be compared share the limits of one of them.
    """
    values = image[np.isfinite(image)]
    if values.size == 0:
        return 0.0, 1.0, 0.5
    values = values[:: max(1, values.size // 1_000_000)]
    median, sigma = robust_level(values)
    black = median + SHADOWS * sigma
    white = max(float(np.percentile(values, 99.95)), median + 30 * sigma)
    level = (median - black) / (white - black)
    return black, white, float(level * (TARGET - 1) / ((2 * TARGET - 1) * level - TARGET))


def without_holes(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fill what is unknown from its neighbours, for a picture: black would say that there is no light.

    Parameters
    ----------
    image : float ndarray, shape (h, w)
        NaN where unknown.

    Returns
    -------
    filled : float32 ndarray, shape (h, w)
        Gaps narrower than `HOLE` hold the mean of the nearest pixels; wider ones, as at the border, stay NaN.
    wide : ndarray of bool, shape (h, w)
        Where it is still unknown.
    """
    known = np.isfinite(image)
    if known.all() or not known.any():
        return image, ~known
    import cv2  # only pictures with gaps should pay

    wide = cv2.morphologyEx(
        (~known).view(np.uint8), cv2.MORPH_OPEN, np.ones((HOLE, HOLE), np.uint8),
        borderType=cv2.BORDER_CONSTANT, borderValue=0,
    ).astype(bool)  # fmt: skip
    filled = np.where(known, image, 0).astype(np.float32)
    near = (3, 3)
    for _ in range(HOLE):
        left = ~known & ~wide
        if not left.any():
            break
        share = cv2.blur(known.astype(np.float32), near, borderType=cv2.BORDER_CONSTANT)
        total = cv2.blur(filled, near, borderType=cv2.BORDER_CONSTANT)
        left &= share > 0.05
        filled[left] = total[left] / share[left]
        known |= left
    filled[~known] = np.nan
    return filled, ~known


def brightness(image: np.ndarray, limits: tuple[float, float, float]) -> np.ndarray:
    """Brightness on the screen, 0 to 1, of every pixel; unknown pixels are 0."""
    black, white, midtone = limits
    x = np.clip((np.nan_to_num(image, nan=black, posinf=white, neginf=black) - black) / (white - black), 0, 1)
    return np.clip((midtone - 1) * x / ((2 * midtone - 1) * x - midtone), 0, 1)


def stretch(image: np.ndarray, limits: tuple[float, float, float]) -> np.ndarray:
    """Apply a stretch; uint8 ndarray, first row at the bottom as in the field's viewers.

    Small gaps are filled from around them; what is unknown otherwise is grey, never black.
    """
    filled, unknown = without_holes(image)
    pixels = np.rint(255 * brightness(filled, limits)).astype(np.uint8)
    pixels[unknown] = UNKNOWN[0]
    return pixels[::-1]


def save_png(path: Path, picture: Image.Image) -> None:
    """Write a PNG atomically."""
    with atomic_path(path) as temporary:
        picture.save(temporary, format="PNG", optimize=True)


def data_uri(picture: Image.Image, quality: int | None = None) -> str:
    """The picture as text for a page: a JPEG of the given quality, or a PNG."""
    buffer = io.BytesIO()
    if quality is None:
        picture.save(buffer, format="PNG", optimize=True)
    else:
        picture.save(buffer, format="JPEG", quality=quality, optimize=True)
    kind = "png" if quality is None else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def fitted(pixels: np.ndarray, side: int) -> Image.Image:
    """A stretched image as a picture at most `side` pixels wide and high."""
    picture = Image.fromarray(pixels)
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    return picture


def preview_png(path: Path, image: np.ndarray, side: int = 1600, like: np.ndarray | None = None) -> None:
    """The whole field, stretched, at most `side` pixels wide or high.

    `like` is the image whose stretch is used, by default its own. A denoised image stretched by its own, tiny
    noise shows what lies far below the noise of the stack; stretched like the stack, what there is to see.
    """
    save_png(path, fitted(stretch(image, stretch_limits(image if like is None else like)), side))


def binned(image: np.ndarray, factor: int) -> np.ndarray:
    """Mean of blocks of `factor` x `factor` pixels, unknown ones left out; partial blocks are cut off."""
    if factor == 1:
        return image
    height, width = (size // factor for size in image.shape)
    blocks = image[: height * factor, : width * factor].reshape(height, factor, width, factor)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # blocks without any known pixel
        return np.nanmean(blocks, axis=(1, 3))


def busiest_crop(image: np.ndarray, side: int) -> tuple[slice, slice]:
    """The crop where a look is worth most: diffuse light with structure, not a saturated star.

    Judged as it is seen, on the stretched image; an opening takes the stars away, and unknown pixels count
    against a crop.
    """
    height, width = image.shape
    side = min(side, height, width)
    factor = max(1, min(4, side // 16))
    small = binned(image, factor)
    known = binned(np.isfinite(image), factor) > 0.99
    sky = float(np.median(small[known])) if known.any() else 0.0
    seen = brightness(np.where(known, small, sky), stretch_limits(small))
    diffuse = np.clip(ndimage.grey_opening(seen, size=(5, 5), mode="nearest"), 0, 0.7)
    box = side // factor
    step = max(1, box // 16)
    tops = np.unique([*range(0, small.shape[0] - box + 1, step), small.shape[0] - box])
    lefts = np.unique([*range(0, small.shape[1] - box + 1, step), small.shape[1] - box])
    mean, square, share = (box_means(part, tops, lefts, box) for part in (diffuse, diffuse**2, known))
    score = np.sqrt(np.maximum(square - mean**2, 0)) + 0.5 * mean - 2 * (1 - share)
    row, column = np.unravel_index(np.argmax(score), score.shape)
    top, left = int(tops[row]) * factor, int(lefts[column]) * factor
    return slice(top, top + side), slice(left, left + side)


def box_means(values: np.ndarray, tops: np.ndarray, lefts: np.ndarray, side: int) -> np.ndarray:
    """Mean of square boxes with the given corners; shape (tops, lefts)."""
    total = np.pad(values.astype(np.float64).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    sums = (
        total[np.ix_(tops + side, lefts + side)]
        - total[np.ix_(tops, lefts + side)]
        - total[np.ix_(tops + side, lefts)]
        + total[np.ix_(tops, lefts)]
    )
    return sums / side**2


def residual_picture(residual: np.ndarray) -> Image.Image:
    """A residual in units of its sigma as a picture: blue below zero, dark at zero, orange above."""
    steps = np.rint(np.clip(np.nan_to_num(residual), -RANGE, RANGE) / RANGE * LEVELS).astype(int) + LEVELS
    index = np.where(np.isfinite(residual), steps, 2 * LEVELS + 1).astype(np.uint8)[::-1]
    picture = Image.fromarray(np.ascontiguousarray(index)).copy()
    picture.putpalette([channel for colour in residual_colours() for channel in colour])
    return picture


def residual_colours() -> list[tuple[int, int, int]]:
    """The palette of `residual_picture`, from -RANGE to +RANGE, and the colour of the unknown."""
    colours = []
    for step in range(-LEVELS, LEVELS + 1):
        share = abs(step) / LEVELS
        end = BELOW if step < 0 else ABOVE
        colours.append(tuple(round(z + share * (e - z)) for z, e in zip(ZERO, end, strict=True)))
    return [*colours, UNKNOWN]


def before_after_png(path: Path, before: np.ndarray, after: np.ndarray, facts: dict, side: int = 480) -> None:
    """Stack and product side by side at full resolution, one stretch for both, with captions.

    Where the plain stack was shipped there is nothing to compare: it is shown alone.
    """
    limits = stretch_limits(before)
    rows, columns = busiest_crop(before, side)
    n = facts["exposures"]["used"]
    stacked = f"plain stack of {n} exposures"
    if facts["product"] == "DENOISED":
        halves = [(stretch(before[rows, columns], limits), stacked)]
        halves.append((stretch(after[rows, columns], limits), denoised_caption(facts)))
    else:
        width = min(2 * (columns.stop - columns.start) + GAP, before.shape[1])
        left = min(columns.start, before.shape[1] - width)
        verdict = "denoising refused" if facts["qastat"] == "FAIL" else "not denoised"
        halves = [(stretch(before[rows, left : left + width], limits), f"{stacked}   ({verdict})")]
    width = sum(pixels.shape[1] + GAP for pixels, _ in halves) - GAP
    canvas = Image.new("L", (width, halves[0][0].shape[0] + BAR), 16)
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(size=16)
    left = 0
    for pixels, caption in halves:
        canvas.paste(Image.fromarray(pixels), (left, BAR))
        draw.text((left + 10, BAR / 2), caption, fill=225, font=font, anchor="lm")
        left += pixels.shape[1] + GAP
    save_png(path, canvas)


def denoised_caption(facts: dict) -> str:
    """What stands above the denoised half."""
    gain = facts.get("exposure_gain") or {}
    value, error = gain.get("value"), gain.get("standard_error")
    if value is None or error is None:
        return "the same, denoised by n2n"
    digits = 0 if value >= 10 else 1
    return f"denoised by n2n: worth {value:.{digits}f} ± {error:.{digits}f} times the exposures"
