"""Which exposures are good enough for a group, and which of them the others are brought to."""

import numpy as np

from n2n.formats.flags import DEFECT, NO_DATA, SATURATED
from n2n.group.exposure import Exposure, Measured
from n2n.sky.match import NoMatch, match_stars
from n2n.sky.stars import measure_stars

MAX_MATCHED = 12
FEW_STARS = 5  # fewer come and go with the noise and tell nothing of clouds
# Stars are the same in two exposures where so many match; of a few, nearly all must, or they are knots of a nebula.
MANY, NEARLY_ALL = 10, 0.8
SAME_SKY = 0.4  # of the exposures with enough stars must show the same ones: a group may hold two panels


def measure(pixels: np.ndarray, flags: np.ndarray, nsigma: float) -> Measured:
    """Find the stars of a calibrated exposure and grade it.

    Parameters
    ----------
    pixels : float32 ndarray, shape (h, w)
        Calibrated exposure.
    flags : uint8 ndarray, shape (h, w)
        Bits of `n2n.formats.flags`.
    nsigma : float
        How far a star must stand out of the noise.
    """
    found = measure_stars(pixels, (flags & (NO_DATA | DEFECT)) > 0, (flags & SATURATED) > 0, nsigma)
    fwhm, ellipticity = (value if np.isfinite(value) else None for value in (found.fwhm_px, found.ellipticity))
    return Measured(found.n_stars, fwhm, ellipticity, found.background, found.background_rms, found.stars.round(3))


def stars_are_real(exposures: list[Exposure]) -> bool:
    """Whether exposures show the same stars: blobs of noise, of a nebula or on a planet's limb are new in each."""
    starry = [one for one in ranked(exposures) if one.measured.n_stars >= FEW_STARS]
    if len(exposures) < 3 or len(starry) < 2:
        return len(exposures) < 3  # nothing is judged then
    others = starry[:: -(-len(starry) // MAX_MATCHED)]
    for best in starry[:3]:
        rest = [one for one in others if one is not best]
        if sum(_same_stars(best.measured.stars, one.measured.stars) for one in rest) >= max(SAME_SKY * len(rest), 1):
            return True
    return False


def _same_stars(one: np.ndarray, other: np.ndarray) -> bool:
    try:
        common = match_stars(one, other).n
    except NoMatch:
        return False
    return common >= MANY or (common >= FEW_STARS and common >= NEARLY_ALL * min(len(one), len(other)))


def quality_limits(exposures: list[Exposure], settings, stars: bool = True) -> dict:
    """Robust limits relative to the night: median plus `nsigma` of the spread, but never petty.

    A good night has so little spread that an ordinary frame would fail; a limit is therefore at
    least a stated factor away from the median. Sharpness rests on exposures with enough stars. Without `stars` only
    noise is judged, and only under a brighter sky: else it may be the structure of a bright field.

    Parameters
    ----------
    exposures : list of Exposure
        Measured.
    settings : object
        Settings of the section `reference`.
    stars : bool
        Whether the exposures show the same stars; without any, sharpness and number of stars are not judged.

    Returns
    -------
    dict
        Limit by what is measured; None where too little is known for one.
    """
    measured = [exposure.measured for exposure in exposures]
    starry = [one for one in measured if one.n_stars >= FEW_STARS]

    def column(key, among=measured):
        return np.array([value for one in among if (value := getattr(one, key)) is not None], float)

    def upper(key, factor, extra=0.0):
        values = column(key, starry if key in ("fwhm_px", "ellipticity") else measured)
        if values.size < 3:
            return None
        centre = np.median(values)
        spread = 1.4826 * np.median(np.abs(values - centre))
        return float(max(centre + settings.nsigma * spread, centre * factor + extra))

    noise = upper("background_rms", settings.noise_factor)
    if not stars:
        limits = dict.fromkeys(("fwhm_px", "ellipticity", "n_stars"))
        return limits | {"background_rms": noise, "background": upper("background", 1.0)}
    number = column("n_stars")
    return {
        "fwhm_px": upper("fwhm_px", settings.fwhm_factor),
        "ellipticity": upper("ellipticity", 1.0, settings.ellipticity_margin),
        "background_rms": noise,
        "n_stars": float(np.median(number) * settings.stars_factor)
        if number.size >= 3 and np.median(number) >= FEW_STARS
        else None,
    }


def reasons(exposure: Exposure, limits: dict) -> tuple[str, ...]:
    """Why a measured exposure is left out, in words; empty when it is not."""
    if exposure.rejected:
        return exposure.rejected
    found, measured = [], exposure.measured
    words = {
        "fwhm_px": "blurred: FWHM {:.2f} px, limit {:.2f}",
        "ellipticity": "trailed: ellipticity {:.2f}, limit {:.2f}",
        "background_rms": "noisy or bright sky: noise {:.2f}, limit {:.2f}",
    }
    for key, text in words.items():
        if key != "background_rms" and measured.n_stars < FEW_STARS:
            continue  # the width of a few blobs tells nothing
        if key == "background_rms" and "background" in limits and measured.background <= (limits["background"] or 0):
            continue
        value = getattr(measured, key)
        if limits.get(key) is not None and value is not None and value > limits[key]:
            found.append(text.format(value, limits[key]))
    if limits.get("n_stars") is not None and measured.n_stars < limits["n_stars"]:
        found.append(f"few stars (clouds, dew): {measured.n_stars}, limit {limits['n_stars']:.1f}")
    return tuple(found)


def ranked(exposures: list[Exposure]) -> list[Exposure]:
    """Exposures by stars / (FWHM^2 noise), the best first."""

    def quality(one):
        fwhm = one.fwhm_px or np.inf
        return (one.measured.n_stars + 1) / (fwhm**2 * max(one.measured.background_rms, 1e-9))

    return sorted(exposures, key=lambda one: (-quality(one), one.path))


def typical(exposures: list[Exposure]) -> Exposure:
    """The exposure of middle noise, where there are no stars to judge by."""
    return sorted(exposures, key=lambda one: (one.measured.background_rms, one.path))[(len(exposures) - 1) // 2]


def choose(exposures: list[Exposure]) -> Exposure:
    """Choose a sharp exposure near the middle of the group's pointings.

    Pointing is found by matching against the best one. The winner has the best quality among the half nearest the
    median pointing.
    """
    by_quality = ranked(exposures)
    best = by_quality[0]
    step = -(-len(exposures) // MAX_MATCHED)
    stars = best.measured.stars
    centre = np.median(stars[:, :2], axis=0) if len(stars) else np.zeros(2)
    offsets = []
    for one in by_quality[::step]:
        try:
            match = match_stars(stars, one.measured.stars)
        except NoMatch:
            continue
        offsets.append((one, match.matrix[:, :2] @ centre + match.matrix[:, 2] - centre))
    if len(offsets) < 3:
        return best
    shifts = np.array([shift for _, shift in offsets])
    distance = np.hypot(*(shifts - np.median(shifts, axis=0)).T)
    near = [one for (one, _), d in zip(offsets, distance, strict=True) if d <= max(np.median(distance), 3.0)]
    return near[0] if near else best
