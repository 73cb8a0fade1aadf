"""G12: does the image show where tiles meet?"""

import numpy as np
from scipy import ndimage

from n2n.fidelity.evidence import Evidence
from n2n.fidelity.gates.gate import Check, Gate, Limit, Verdict, judged, says, worst
from n2n.fidelity.images import HELD_OUT, TILES, Images
from n2n.fidelity.zones import ZONES

# Pixels on either side that are compared: next to a seam, where it is sharp and where it is faint (the wider, where the
# frame has room for it), and across a feathered overlap.
SHARP, FAINT, WIDE = 4, (32, 48), 16
ROOM = 16  # times that; with less, the other lines are too few to tell the standard error


STEP = Check(
    "G12", "Seams", Limit("max_seam"), "sigma", "within",
    "The image went through the network in overlapping tiles. Largest step of the sky across the {lines} lines where "
    "tiles meet, in units of the stack's noise a pixel.",
    says("Tiles show a step: {size}"), "D or D - S",
)  # fmt: skip


def judge(images: Images, settings) -> list[Verdict]:
    """All lines where tiles meet."""
    return [seam_verdict(images.evidence, images.zones == ZONES.index("background"), images.tiles, settings)]


def seam_verdict(images: Evidence, calm: np.ndarray, overlaps: tuple[list[slice], list[slice]], settings) -> Verdict:
    """Step across the lines where tiles meet.

    Mean of so many pixels on one side less that on the other, along the whole line: next to each other at the edges
    and the middle of an overlap, and to both sides of it. The same step at all other lines of the image tells the
    standard error: a seam must stand out. Of D and of D - S that is taken which has the smaller error; in D - S, which
    holds no scene, everything usable counts. From the steps next to each other their median over six times that width
    is subtracted, which is the slope of the scene.

    Parameters
    ----------
    images : Evidence
        Images in units of the stack's noise.
    calm : ndarray of bool, shape (h, w)
        Empty sky, which alone counts in D.
    overlaps : two lists of slice
        Rows, and columns, that two tiles share.
    settings : namespace
        Those of the section `gates`.
    """
    found, residual = [], images.denoised - images.stack
    for axis, shared in enumerate(overlaps):
        edges = [place for part in shared for place in (part.start, (part.start + part.stop) // 2, part.stop)]
        wide = {part.stop - part.start: (part.start + part.stop) // 2 for part in shared}
        compared = [(width, 0, edges) for width in (SHARP, *FAINT)]
        compared += [(WIDE, gap, [line]) for gap, line in wide.items()]
        for width, gap, lines in compared:
            pairs = (images.denoised, calm), (residual, images.usable)
            both = [steps(image, chosen, axis, np.array(lines, int), width, gap) for image, chosen in pairs]
            found += [min(one, key=lambda step: np.nan_to_num(step[1], nan=np.inf)) for one in zip(*both, strict=True)]
    value = error = slack = float("nan")
    if found:
        values, errors = np.array(found).T
        index, slack = worst(np.abs(values), errors, STEP.allowed(settings))
        if index >= 0:
            value, error = values[index], errors[index]
    return judged(STEP, value, error, settings, slack, lines=sum(map(len, overlaps)))


def steps(image, calm, axis: int, lines, width: int, gap: int) -> list[tuple[float, float]]:
    """Step and standard error at every line; NaN where too little of the line counts.

    Parameters
    ----------
    image : ndarray, shape (h, w)
        In sigma of the stack.
    calm : ndarray of bool, shape (h, w)
        Pixels that count.
    axis : int
        Across which the steps are.
    lines : int ndarray, shape (n,)
        Places along `axis`.
    width : int
        Pixels on either side.
    gap : int
        Pixels between both sides.
    """
    if len(lines) == 0:
        return []
    image, calm = (np.moveaxis(array, axis, 0) for array in (image, calm))
    filled = np.where(calm, image, 0).astype(np.float32)
    sums, counts = (ndimage.uniform_filter1d(array, width, axis=0) for array in (filled, calm.astype(np.float32)))
    # Place p of the filtered image is the mean of p - width // 2 ... p + width - width // 2 - 1.
    before, after = -(gap // 2) - width + width // 2, gap - gap // 2 + width // 2
    size = len(image)
    places = np.arange(max(-before, 0) + width, size - after - width)
    if size < ROOM * width or len(places) < 4 * width:
        return [(np.nan, np.nan)] * len(lines)
    both = (counts[places + before] > 0.99) & (counts[places + after] > 0.99)
    number = both.sum(axis=1)
    step = ((sums[places + after] - sums[places + before]) * both).sum(axis=1) / np.maximum(number, 1)
    if gap == 0:  # slopes of the scene are wider than a seam
        step -= ndimage.median_filter(step, 6 * width + 1, mode="nearest")
    enough = number > 0.2 * number.max()
    far = np.min(np.abs(places[:, None] - lines[None]), axis=1) > gap // 2 + width
    null = enough & far
    if null.sum() < 4 * width or number.max() < 40:
        return [(np.nan, np.nan)] * len(lines)
    # Fewer pixels scatter more.
    unit = np.sqrt(np.mean(step[null] ** 2 * number[null]))
    result = []
    for line in lines:
        index = np.searchsorted(places, line)
        known = index < len(places) and places[index] == line and enough[index]
        result.append((float(step[index]), float(unit / np.sqrt(number[index]))) if known else (np.nan, np.nan))
    return result


SEAMS = Gate(
    "Does the image show where tiles meet?", (STEP,), judge,
    "A step of 0.05 sigma of a pixel is not seen; one of 0.1 is found in all frames of 1024 px (benchmarks/gates). "
    "Steps are looked for 4, 32 and 48 pixels wide, and across a feathered overlap; that of the same width at all "
    "other lines is the error, and the worst line may be as high as chance takes it.",
    needs=(HELD_OUT, TILES), looks_at=("evidence",),
)  # fmt: skip
