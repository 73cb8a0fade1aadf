"""Which calibration frames are no members of their set: light in a dark, a flat before the panel was lit.

Frames are judged against the majority of their set, and never for what is usual: twilight flats that fade to a fifth,
a bias that drifts by a few ADU.
"""

from typing import NamedTuple

import cv2
import numpy as np

from n2n.sky.calibrate import saturation_level
from n2n.sky.numbers import step_of

SATURATED_SHARE = 0.01  # of a flat's pixels
LOWEST_CEILING = 1000.0  # ADU
LEAST_LIGHT = 10.0  # flat's level above its bias over its noise: a hundred electrons
OFFSET_ONLY = 0.05  # of the level is light at most, by the noise: the rest is the offset
HARDLY_LIT = 0.12  # of the upper quartile of the flats: twilight ends above it
STEP, STEP_SIGMA = 8.0, 1.5  # ADU, and noise of a pixel: darks farther apart have another offset, or light in them
NOISIER = 1.5  # times the typical noise, or less than its inverse
UNEVEN_FLAT, UNEVEN_DARK = 0.08, 0.5  # of the level; of the noise of a pixel
BLOCKS = 16  # a side: shape is judged by their means
MAJORITY_OF = 3  # frames, at least: two cannot outvote each other


class Summary(NamedTuple):
    """What is kept of one frame."""

    level: float  # ADU above the zero
    noise: float  # of a pixel, ADU
    saturated: float  # share of pixels
    blocks: np.ndarray  # means above the zero, shape (16, 16)
    step: float = 1.0  # of the numbers, ADU: 16 of 12 bits shifted to 16
    gain: float | None = None  # e-/ADU


def summary(
    frame: np.ndarray, zero: np.ndarray | None = None, full: float | None = None, gain: float | None = None
) -> Summary:
    """Summarise one frame.

    Parameters
    ----------
    frame : ndarray, shape (h, w)
        ADU, uint16 or float32.
    zero : ndarray, shape (h, w), optional
        What is subtracted from it.
    full : float, optional
        ADU from which pixels are saturated, where the header says so.
    gain : float, optional
        e-/ADU, where the header says so.
    """
    thin = np.s_[::3, ::3]
    small = frame[thin].astype(np.float32)
    # At full scale, or at a ceiling of any height, which noise alone would let one pixel reach.
    saturated = float(np.mean(frame >= min(saturation_level(frame, full), max(float(frame.max()), LOWEST_CEILING))))
    blocks = _blocks(frame)
    if zero is not None:
        small -= zero[thin]
        blocks = blocks - _blocks(zero)
    step = float(step_of(frame) or 1)
    return Summary(float(np.median(small)), _noise(frame, step), saturated, blocks, step, gain)


def odd_ones(kind: str, frames: list[Summary], with_zero: bool = False) -> dict[int, str]:
    """Frames that cannot be members of their set, and why.

    Parameters
    ----------
    kind : str
        ``"flat"``, ``"bias"``, ``"dark"`` or ``"darkflat"``.
    frames : list of Summary
        What was measured on the frames of one set.
    with_zero : bool
        Whether levels are those above a bias.

    Returns
    -------
    dict of int to str
        Index of a frame: the reason in words.
    """
    odd = {}
    flats, darks = (_saturated, _equal, _unlit, _uneven_flats), (_equal, _other_level, _other_noise, _uneven)
    for test in flats if kind == "flat" else darks:
        rest = {i: frame for i, frame in enumerate(frames) if i not in odd}
        if rest:
            odd |= test(rest, with_zero)
    return dict(sorted(odd.items()))


def _blocks(image: np.ndarray) -> np.ndarray:
    image = image if image.dtype in (np.uint16, np.float32) else image.astype(np.float32)
    return cv2.resize(image, (BLOCKS, BLOCKS), interpolation=cv2.INTER_AREA).astype(np.float32)


def _noise(frame: np.ndarray, step: float) -> float:
    """Standard deviation of a pixel's noise from neighbours' differences, without what lies far out.

    Where most neighbours are equal, as with noise below half a `step`, the next numbers still belong to the noise.
    """
    top, left = (max(0, (side - 1000) // 2) for side in frame.shape)
    middle = frame[top : top + 1000, left : left + 1000].astype(np.float32)
    steps = np.diff(middle, axis=1)
    reach = max(5 * 1.4826 * float(np.median(np.abs(steps))), 5.0, 2.5 * step)
    inside = steps[np.abs(steps) <= reach]
    return float(inside.std() / np.sqrt(2)) if inside.size else 0.0


def _equal(frames: dict[int, Summary], _) -> dict[int, str]:
    return {i: "all its pixels are equal" for i, frame in frames.items() if frame.noise == 0}


def _saturated(frames: dict[int, Summary], _) -> dict[int, str]:
    return {
        i: f"saturated: {frame.saturated:.0%} of its pixels"
        for i, frame in frames.items()
        if frame.saturated > SATURATED_SHARE
    }


def _unlit(frames: dict[int, Summary], with_zero: bool) -> dict[int, str]:
    found = {}
    if with_zero:
        for i, frame in frames.items():
            if frame.level < LEAST_LIGHT * frame.noise:
                found[i] = f"not lit: {round(frame.level):,} ADU above its bias, noise {frame.noise:.0f}"
    else:
        for i, frame in frames.items():
            electrons = (frame.noise * frame.gain) ** 2 if frame.gain else np.inf
            # Light brings its noise along; an offset brings none. A gain that is wrong by ten misleads but one of both.
            if electrons < LEAST_LIGHT**2 and electrons < OFFSET_ONLY * frame.level * frame.gain:
                found[i] = (
                    f"not lit: its level is {round(frame.level):,} ADU, its noise that of {electrons:.0f} electrons"
                )
    lit = [frame.level for i, frame in frames.items() if i not in found]
    typical = float(np.percentile(lit, 75)) if lit else 0.0
    for i, frame in frames.items():
        if i not in found and frame.level < HARDLY_LIT * typical:
            found[i] = f"hardly lit: level {frame.level:,.0f} ADU, that of the others {typical:,.0f}"
    return found


def _uneven_flats(frames: dict[int, Summary], _) -> dict[int, str]:
    scaled = {i: frame.blocks / max(frame.level, 1e-6) for i, frame in frames.items()}
    if len(scaled) < MAJORITY_OF:
        return {}
    typical = np.median(list(scaled.values()), axis=0)
    lit = typical > 0.05
    if not lit.any():
        return {}
    off = {i: _departure(blocks[lit] / typical[lit] - 1) for i, blocks in scaled.items()}
    limit = max(UNEVEN_FLAT, 6 * float(np.median(list(off.values()))))
    return {
        i: f"lit otherwise than the others: parts of the field differ by {value:.0%}"
        for i, value in off.items()
        if value > limit
    }


def _other_level(frames: dict[int, Summary], _) -> dict[int, str]:
    """All but the largest set of levels without a gap; all frames where none is the majority."""
    if len(frames) < 2:
        return {}
    noise = float(np.median([frame.noise for frame in frames.values()]))
    order = sorted(frames, key=lambda i: frames[i].level)
    levels = np.array([frames[i].level for i in order])
    step = float(np.median([frame.step for frame in frames.values()]))
    gap = max(STEP, 1.5 * step, STEP_SIGMA * noise, 0.01 * abs(float(np.median(levels))))
    parts = np.split(np.arange(len(order)), np.flatnonzero(np.diff(levels) > gap) + 1)
    largest = max(parts, key=len)
    if len(largest) == len(order):
        return {}
    usual = float(np.median(levels[largest]))
    if 2 * len(largest) <= len(order):
        words = ", ".join(f"{np.median(levels[part]):,.0f}" for part in parts[:4])
        return dict.fromkeys(frames, f"levels of {words} ADU in one set, and none is the majority's")
    why = {True: "light in it, or another offset", False: "another offset"}
    return {
        order[k]: f"level {levels[k]:,.0f} ADU, that of the others {usual:,.0f}: {why[bool(levels[k] > usual)]}"
        for k in range(len(order))
        if k not in largest
    }


def _other_noise(frames: dict[int, Summary], _) -> dict[int, str]:
    if len(frames) < MAJORITY_OF:
        return {}
    # Noise below half a step comes and goes with the place of the level between two numbers.
    noises = {i: max(frame.noise, 0.5 * frame.step) for i, frame in frames.items()}
    typical = float(np.median(list(noises.values())))
    return {
        i: f"noise {noise:.1f} ADU, that of the others {typical:.1f}"
        for i, noise in noises.items()
        if not typical / NOISIER <= noise <= typical * NOISIER
    }


def _uneven(frames: dict[int, Summary], _) -> dict[int, str]:
    if len(frames) < MAJORITY_OF:
        return {}
    shapes = {i: frame.blocks - np.median(frame.blocks) for i, frame in frames.items()}
    typical = np.median(list(shapes.values()), axis=0)
    noise = float(np.median([frame.noise for frame in frames.values()]))
    off = {i: _departure(shape - typical) for i, shape in shapes.items()}
    limit = max(STEP / 2, UNEVEN_DARK * noise, 6 * float(np.median(list(off.values()))))
    return {
        i: f"uneven: parts of the field differ by {value:.0f} ADU from those of the others, as light would make them"
        for i, value in off.items()
        if value > limit
    }


def _departure(values: np.ndarray) -> float:
    """What one block in twenty exceeds: a cosmic ray or a star moves fewer."""
    return float(np.percentile(np.abs(values), 95))
