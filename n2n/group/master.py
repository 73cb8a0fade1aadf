"""The master of a set of calibration frames, and what these say of gain, read noise and defects."""

import numpy as np

from n2n.log import logger
from n2n.parallel import in_order, shared
from n2n.sky.calibrate import hot_pixels, robust_sigma, unstable_pixels
from n2n.sky.combine import clipped_mean
from n2n.sky.defects import persistent_defects
from n2n.sky.gain import gain_from_flats, gain_from_lights, read_noise_from_differences
from n2n.sky.numbers import step_of
from n2n.sky.warm import noisy_hot_pixels

MAX_GAIN_SIDE = 1200  # pixels; gain and read noise are known well enough from the middle of a large frame


def combine(kind: str, frames: np.ndarray, zero: np.ndarray | None, processes: int = 1, measure_gain: bool = False):
    """Make the master of a set of frames.

    Parameters
    ----------
    kind : {"bias", "dark", "darkflat", "flat", "light"}
        Of the frames; lights tell defects.
    frames : ndarray, shape (n, h, w)
        ADU, with their pedestal.
    zero : ndarray, shape (h, w), or None
        What is subtracted from flats, ADU.
    processes : int
        Most processes at a time.
    measure_gain : bool
        Whether `zero` holds the flats' bias, so that their signal is known.

    Returns
    -------
    name : str
        Kind of master.
    image : float32 ndarray, shape (h, w)
    defects : ndarray of bool, shape (h, w)
    cards : dict
    """
    step = float(step_of(frames[0]) or 0)  # 0 of numbers that are not whole
    if kind == "flat":
        return kind, *master_flat(frames, zero, processes, measure_gain, step)
    if kind == "light":
        cards = measured("EGAINPT", "[e-/adu] by photon transfer from lights", gain_from_lights(middle(frames)))
        defects, doubtful = persistent_defects(frames, step=step)
        if doubtful:
            logger.info(
                "nothing moves in this series: %d pixels may be hot or stars' cores; they are kept. Darks would tell, "
                "and dithering would take them out",
                doubtful,
            )
        return "defects", np.zeros(frames.shape[1:], np.float32), defects, cards
    image, _ = mean_of(frames, processes=processes, step=step)
    # Nobody looks for defects in a bias: what is wrong there is wrong in the darks, too.
    if kind == "bias":
        defects = np.zeros(image.shape, bool)
    else:
        defects = noisy_hot_pixels(image, frames, step=step) | unstable_pixels(frames, step=step)
    cards = measured(
        "NOISEADU", "[adu] noise of one frame, by differences", read_noise_from_differences(middle(frames), step)
    )
    return kind, image, defects, cards


def middle(frames: np.ndarray) -> np.ndarray:
    """The middle of large frames, at most six of them, float32."""
    top, left = (max(0, (side - MAX_GAIN_SIDE) // 2) for side in frames.shape[1:])
    return np.asarray(frames[:6, top : top + MAX_GAIN_SIDE, left : left + MAX_GAIN_SIDE], np.float32)


def measured(keyword: str, comment: str, found) -> dict:
    """Cards of a measured number and its standard error; none where nothing was found.

    Parameters
    ----------
    keyword, comment : str
        Of the number's card.
    found : n2n.sky.gain.Measured or None
        The number and its standard error.
    """
    if found is None:
        return {}
    return {keyword: (found.value, comment), f"{keyword[:7]}E": (found.error, f"standard error of {keyword}")}


def mean_of(frames, zero=None, scales=None, processes: int = 1, rows: int = 256, beside=None, step=0.0):
    """`clipped_mean`, pieces of the image side by side, and with them what the function `beside` returns.

    Parameters
    ----------
    frames : ndarray, shape (n, h, w)
        As of `clipped_mean`.
    zero : ndarray, shape (h, w), optional
        As of `clipped_mean`.
    scales : ndarray, shape (n,), or None
        As of `n2n.sky.combine.clipped_mean`.
    processes : int
        Most processes at a time.
    rows : int
        Of a piece.
    beside : callable, optional
        Called without arguments in a process of its own.
    step : float
        Of the frames' numbers, ADU.

    Returns
    -------
    mean : float32 ndarray, shape (h, w)
    found : object
        None without `beside`.
    """
    parts = [slice(top, top + rows) for top in range(0, frames.shape[1], rows)]
    result = shared(frames.shape[1:], np.float32)

    def work(part):
        if part is None:
            return beside()
        result[part] = clipped_mean(frames[:, part], None if zero is None else zero[part], scales, step=step)

    found, *_ = in_order(work, [None, *parts] if beside else [*parts], processes)
    return result, found


def master_flat(frames: np.ndarray, zero: np.ndarray | None, processes: int = 1, measure_gain=False, step=0.0):
    """Combine flats: each is set to median 1 first, so that dusk does not matter.

    Parameters
    ----------
    frames : ndarray, shape (n, h, w)
        Flats of one set, ADU.
    zero : ndarray, shape (h, w), or None
        Master bias (or dark of the flats) with the flats' pedestal, ADU.
    processes : int
        Most processes at a time.
    measure_gain : bool
        Whether to measure the gain by photon transfer.
    step : float
        Of the frames' numbers, ADU.

    Returns
    -------
    flat, defects, cards
    """
    dark = np.zeros((1, 1), np.float32) if zero is None else zero
    thin = np.s_[::3, ::3]
    levels = np.array([np.median(frame[thin] - dark[thin]) for frame in frames])
    photon_transfer = (lambda: gain_from_flats(middle(frames), middle(zero[None])[0])) if measure_gain else None
    flat, found = mean_of(frames, zero, levels, processes, beside=photon_transfer, step=step)
    cards = measured("EGAINPT", "[e-/adu] by photon transfer", found)
    step = max(1, min(flat.shape) // 1000)
    flat /= np.median(flat[::step, ::step])
    cards["FLATLEVL"] = (float(np.median(levels)), "[adu] typical level of the flats")
    if len(frames) > 1:
        cards["MASTNOIS"] = (noise_of_flat(frames, dark, levels), "noise of the master flat, rms of a pixel")
    return flat, hot_pixels(flat, nsigma=20.0), cards


def noise_of_flat(frames: np.ndarray, zero: np.ndarray, levels: np.ndarray) -> float:
    """Noise of the mean of flats, relative to their level, from the difference of two of them; dust is in both.

    Parameters
    ----------
    frames : ndarray, shape (n, h, w)
        Flats of one set, ADU; two at least.
    zero : ndarray, shape (h, w) or (1, 1)
        What is subtracted from them, ADU.
    levels : ndarray, shape (n,)
        Of the flats, ADU.
    """
    one, other = ((frame - zero) / level for frame, level in zip(frames[:2], levels[:2], strict=True))
    # Flats get brighter or darker from side to side as dusk goes on; neighbours change alike.
    difference = one - other
    difference = (difference[:, 1:] - difference[:, :-1]) / 2
    return robust_sigma(difference) / np.sqrt(len(frames))
