"""Whether masters did to lights what they should: told by a look at the result, whatever the headers say.

Nothing here knows what is right; each function asks whether what came out can be explained by light at all. A right
master must never be refused: nebulae, gradients, stars and a sky too dark to tell are no evidence.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from n2n.sky.calibrate import median5, robust_sigma

BELOW = 1.0  # the sky may lie this many times a pixel's noise below zero, as far as a bias drifts; more refuses
REMARKED = 0.2  # and this many without a word
HOT = 10.0  # a dark's hot pixels count from so many times the noise of a pixel on
FEW_HOT = 30  # fewer tell nothing
HOT_RANGE = (0.3, 3.0)  # what of them lights may show; other temperatures within the limits change 20 %
BLOCKS = 40  # across the shorter side
LEAST_BLOCK = 8
ENOUGH = 24  # pixels a side of a block that its median rests on
BORDER = 3  # blocks
LEAST_SHADOW = 0.008  # of the light around it
SURE = 5.0  # standard deviations
EDGE = 0.15  # of either side, where the glow of amplifiers is strongest
LEAK = 0.03  # of the lights above the bias; a dark's light of less harms little
SHOWN = 0.25  # of a dark's unevenness that lights show, at most, where light fell on it


@dataclass(frozen=True)
class Finding:
    """What was seen: a reason to refuse a master, or a remark, each empty where there is none."""

    refused: str = ""
    note: str = ""


def noise_of(image: np.ndarray) -> float:
    """Noise of one pixel by differences of neighbours; at least 1 ADU, because whole numbers hide smaller noise."""
    thin = np.asarray(image[:: max(1, len(image) // 1000)], np.float32)
    return max(robust_sigma(np.diff(thin, axis=1)) / np.sqrt(2), 1.0)


def scale_of_numbers(lights: list[np.ndarray], zero: np.ndarray) -> Finding:
    """Whether lights and zero can be numbers of one kind: not fractions of full scale against ADU.

    Parameters
    ----------
    lights : list of ndarray, shape (h, w)
        Raw exposures free of their pedestal.
    zero : ndarray, shape (h, w)
        Master dark or bias that would be subtracted, ADU.
    """
    thin = np.s_[::7, ::7]
    level, top = float(np.median(zero[thin])), float(np.max([light[thin].max() for light in lights]))
    if top <= 1.5 and level > 2:
        return Finding(f"the lights hold numbers up to {top:.3g}, it has {level:.4g}: they are not of one scale")
    typical = float(np.median([np.median(light[thin]) for light in lights]))
    if zero[thin].min() >= 0 and 0 < zero[thin].max() <= 1 and typical > 50:
        return Finding(f"it holds numbers up to {zero[thin].max():.3g}, the lights {typical:.4g}: not of one scale")
    return Finding()


def sky_below_zero(lights: list[np.ndarray], zero: np.ndarray) -> Finding:
    """Whether more is subtracted than the lights hold.

    Light is never negative. A bias drifts by a fraction of the noise of a pixel; a sky further below zero was taken
    with another offset, setting or camera. Parameters as of `scale_of_numbers`.
    """
    thin = np.s_[::3, ::3]
    level = float(np.median([np.median(light[thin] - zero[thin]) for light in lights]))
    noise = float(np.median([noise_of(light) for light in lights]))
    if level >= -REMARKED * noise:
        return Finding()
    said = f"the sky lies {-level:.4g} ADU below zero ({-level / noise:.1f} times the noise of a pixel)"
    if level < -BELOW * noise:
        return Finding(f"{said}: the lights are darker than it, as frames of another offset or setting are")
    return Finding(note=f"{said}, as far as a bias drifts")


def hot_pixels_agree(lights: list[np.ndarray], zero: np.ndarray) -> Finding:
    """Whether the lights show the hot pixels of their dark, as bright as there. Parameters as of `scale_of_numbers`."""
    hot = zero - median5(zero)
    limit = max(HOT * float(np.median([noise_of(light) for light in lights])), 8 * robust_sigma(hot))
    rows, columns = np.nonzero(hot > limit)
    if len(rows) < FEW_HOT:
        return Finding()
    shown = np.mean([light[rows, columns] - median5(light)[rows, columns] for light in lights], axis=0)
    share = float(np.median(shown / hot[rows, columns]))
    if HOT_RANGE[0] <= share <= HOT_RANGE[1]:
        return Finding()
    return Finding(
        f"of the light of its {len(rows)} brightest hot pixels the lights show {share:.2g} times: "
        "it was read otherwise, turned, or is another camera's"
    )


def light_in_dark(lights: list[np.ndarray], dark: np.ndarray, bias: np.ndarray, flat=None) -> Finding:
    """Whether light fell on the darks.

    The glow of an amplifier and a sensor's warm side are in the lights as they are in their dark. Two things are
    looked at: unevenness of the dark above the bias that the lights lack, in the inner field; and whether the dark
    has the vignetting and dust of the flat, which no current has.

    Parameters
    ----------
    lights : list of ndarray, shape (h, w)
        Raw exposures free of their pedestal.
    dark, bias : ndarray, shape (h, w)
        Masters, the dark of the lights' exposure.
    flat : ndarray, shape (h, w), optional
        Median 1.
    """
    flat = np.ones(dark.shape, np.float32) if flat is None else np.maximum(flat, np.float32(0.05))
    size = max(LEAST_BLOCK, min(dark.shape) // BLOCKS)
    above, shape = in_blocks(dark - bias, size), in_blocks(flat, size)
    if min(above.shape) < 8:
        return Finding()
    error = 1.25 * np.array([noise_of(dark - bias), *map(noise_of, lights)]) / min(size, ENOUGH)
    maps = [in_blocks(light - bias, size) / shape for light in lights]
    level = float(np.median([np.median(one) for one in maps]))
    inside = np.s_[tuple(slice(int(EDGE * n), n - int(EDGE * n)) for n in above.shape)]
    field = np.median([one - np.median(one) for one in maps], axis=0)
    ours, theirs = _spread(field[inside]), _spread((above / shape)[inside])
    least = max(SURE * float(error[0]), LEAK * abs(level))
    if theirs > least and ours < SHOWN * theirs and theirs > 2 * float(np.median(error[1:])):
        return Finding(
            f"above the bias it is uneven by {theirs:.3g} ADU, while the lights are by {ours:.3g}: light fell on the "
            "darks, or they are of another setting"
        )
    # Light that came through the optics has their shape; a level of a tenth of the lights' does harm.
    middle = float(np.median(above))
    before, after = (_spread(one) / max(middle, 1e-9) for one in (above, above / shape))
    sure = middle > max(0.1 * abs(level), SURE * error[0]) and before > max(0.05, SURE * error[0] / middle)
    if sure and after < SHOWN * before:
        return Finding(
            f"above the bias it has the shape of the flat ({before:.1%} uneven, divided by it {after:.1%}): "
            "light fell on the darks"
        )
    return Finding()


def flat_agrees(lights: list[np.ndarray], flat: np.ndarray) -> Finding:
    """Whether a flat makes lights more even.

    Three things are looked at: shadows of dust, which nothing on the sky has at the same places; the noise of single
    pixels; and the whole field, where only a field that was even before is evidence, because a nebula may have any
    shape.

    Parameters
    ----------
    lights : list of ndarray, shape (h, w)
        Exposures minus zero, or minus their pedestal where there is no zero.
    flat : ndarray, shape (h, w)
        Median 1.
    """
    flat = np.maximum(flat, np.float32(0.05))
    if said := _noisier(lights, flat):
        return Finding(said)
    size = max(LEAST_BLOCK, min(flat.shape) // BLOCKS)
    shape = in_blocks(flat, size)
    shape /= np.median(shape)
    maps = [in_blocks(light, size) for light in lights]
    levels = [float(np.median(one)) for one in maps]
    noise = [noise_of(light) for light in lights]
    # Error of a block's median; a sky that is not known much better than the flat is uneven tells nothing.
    error = [1.25 * n / min(size, ENOUGH) / max(level, 1e-9) for n, level in zip(noise, levels, strict=True)]
    bright = [one / level for one, level, e in zip(maps, levels, error, strict=True) if level > 0 and e < 0.1]
    if not bright or min(shape.shape) < 8:
        return Finding()
    field = np.median(bright, axis=0)
    error = min(e for e in error if e < 0.1) / np.sqrt(len(bright))
    if said := _shadows(field, shape):
        return Finding(said)
    before, after = uneven(field), uneven(field / shape)
    said = f"the field is uneven by {after:.1%} with it, by {before:.1%} without"
    if after > 3 * before and after > 0.05 and after > SURE * error:
        return Finding(f"{said}: these lights do not have the shape it takes away")
    return Finding(note=f"{said}" if after > 1.3 * before and after > 0.02 + SURE * error else "")


def in_blocks(image: np.ndarray, size: int) -> np.ndarray:
    """Medians of whole blocks of `size` x `size` pixels, of a part of their pixels where blocks are large."""
    height, width = (side // size * size for side in image.shape)
    step = max(1, size // ENOUGH)
    blocks = image[:height, :width].reshape(height // size, size, width // size, size)[:, ::step, :, ::step]
    return np.median(blocks.swapaxes(1, 2).reshape(height // size, width // size, -1), axis=2).astype(np.float32)


def uneven(field: np.ndarray) -> float:
    """Robust scatter of blocks about a plane (a gradient of the sky), relative to their median."""
    y, x = np.mgrid[-1 : 1 : 1j * field.shape[0], -1 : 1 : 1j * field.shape[1]]
    design = np.stack([np.ones(field.size), y.ravel(), x.ravel()], axis=1)
    values = cv2.GaussianBlur(np.asarray(field, np.float32), (0, 0), 1.0).ravel().astype(float)
    residual = values
    for _ in range(3):  # what stands out far is no sky
        keep = np.abs(residual - np.median(residual)) <= 4 * max(robust_sigma(residual), 1e-9)
        residual = values - design @ np.linalg.lstsq(design[keep], values[keep], rcond=None)[0]
    low, high = np.percentile(residual, (10, 90))
    return float((high - low) / 2.56 / abs(np.median(values)))


def _spread(field: np.ndarray) -> float:
    """Robust standard deviation of blocks, gradients included."""
    smooth = cv2.GaussianBlur(np.asarray(field, np.float32), (0, 0), 1.0)
    low, high = np.percentile(smooth, (10, 90))
    return float((high - low) / 2.56)


def _noisier(lights: list[np.ndarray], flat: np.ndarray) -> str:
    """A flat of little light has more noise than what it divides."""
    thin = np.s_[:: max(1, len(flat) // 500)]
    ratios = []
    for light in lights:
        shape = cv2.medianBlur(np.ascontiguousarray(flat[thin], np.float32), 5)
        before = robust_sigma(np.diff(light[thin], axis=1))
        after = robust_sigma(np.diff(light[thin] / flat[thin] * shape, axis=1))
        ratios.append(after / max(before, 1e-9) if before > 0 else 1.0)
    ratio = float(np.median(ratios))
    return f"dividing by it makes the lights {ratio:.2g} times as noisy" if ratio > 1.5 else ""


def _shadows(field: np.ndarray, shape: np.ndarray) -> str:
    """Whether the flat's small shadows are missing in the lights.

    The depth of the shadows in the lights is 1 where the flat is right. How far nebulae and noise can change it is
    found by moving the flat to all other places, where its shadows belong to nothing in the lights.
    """
    ours, theirs = _fine(field), _fine(shape)
    # Only what is a shadow, or a bright grain, for sure; how it looks in between does not matter.
    theirs[np.abs(theirs) < max(LEAST_SHADOW, 4 * robust_sigma(theirs))] = 0
    if np.count_nonzero(theirs) < 3:
        return ""
    ours = np.clip(ours, *(1.5 * np.abs(theirs).max() * np.array([-1, 1])))  # more is a star
    # A bright nebula tells little where it lies, and as much as any sky elsewhere.
    weight = np.zeros(ours.shape)
    inside = np.s_[BORDER:-BORDER, BORDER:-BORDER]
    weight[inside] = 1 / (cv2.GaussianBlur(ours**2, (0, 0), 4.0) + 1e-8)[inside]
    found, certainty = _correlation(weight * ours, theirs), _correlation(weight, theirs**2)
    score = found / np.sqrt(np.maximum(certainty, 1e-9 * certainty.max()))
    depth = float(found[0, 0] / certainty[0, 0])
    y, x = (np.minimum(np.arange(n), n - np.arange(n)) for n in ours.shape)
    elsewhere = score[(np.hypot(y[:, None], x[None, :]) > 4) & (certainty > 0.3 * certainty[0, 0])]
    if elsewhere.size < 60:
        return ""
    scatter, root = robust_sigma(elsewhere), float(np.sqrt(certainty[0, 0]))
    lowest = float(-elsewhere.min())
    feigned = max(SURE * scatter, 1.5 * lowest)
    # Where the sky is bright instead, a nebula lies over the shadow: that its depth is small tells nothing.
    covered = depth < -min(0.3, max(3 * scatter, lowest / 2) / root)
    if depth > 0.5 or covered or (1 - depth) * root < feigned:
        return ""
    return f"the lights show {max(depth, 0):.0%} of the depth of its shadows: dust lies elsewhere in them, or nowhere"


def _correlation(image: np.ndarray, pattern: np.ndarray) -> np.ndarray:
    """Sum of image times pattern for every place the pattern is moved to, around the edges."""
    return np.fft.irfft2(np.fft.rfft2(image) * np.conj(np.fft.rfft2(pattern)), s=image.shape)


def _fine(field: np.ndarray) -> np.ndarray:
    """Relative structure of a few blocks; 0 at the borders, where smoothing knows one side only."""
    smooth = cv2.GaussianBlur(field, (0, 0), 2.5)
    fine = np.zeros(field.shape)
    inside = np.s_[BORDER:-BORDER, BORDER:-BORDER]
    fine[inside] = (field / np.maximum(smooth, 0.1) - 1)[inside]
    return fine
