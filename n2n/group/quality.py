"""Which exposures are good enough for a group, and which of them the others are brought to."""

import numpy as np

from n2n.sky.match import NoMatch, match_stars

MAX_MATCHED = 12
FEW_STARS = 5  # fewer come and go with the noise and tell nothing of clouds
# Stars are the same in two exposures where so many match; of a few, nearly all must, or they are knots of a nebula.
MANY, NEARLY_ALL = 10, 0.8
SAME_SKY = 0.4  # of the exposures with enough stars must show the same ones: a group may hold two panels


def stars_are_real(frames: list[dict]) -> bool:
    """Whether exposures show the same stars: blobs of noise, of a nebula or on a planet's limb are new in each."""
    starry = [frame for frame in ranked(frames) if frame["n_stars"] >= FEW_STARS]
    if len(frames) < 3 or len(starry) < 2:
        return len(frames) < 3  # nothing is judged then
    others = starry[:: -(-len(starry) // MAX_MATCHED)]
    for best in starry[:3]:
        rest = [frame for frame in others if frame is not best]
        if sum(_same_stars(best["stars"], frame["stars"]) for frame in rest) >= max(SAME_SKY * len(rest), 1):
            return True
    return False


def _same_stars(one: list, other: list) -> bool:
    try:
        common = match_stars(one, other).n
    except NoMatch:
        return False
    return common >= MANY or (common >= FEW_STARS and common >= NEARLY_ALL * min(len(one), len(other)))


def quality_limits(frames: list[dict], settings: dict, stars: bool = True) -> dict:
    """Robust limits relative to the night: median plus `nsigma` of the spread, but never petty.

    A good night has so little spread that an ordinary frame would fail; a limit is therefore at
    least a stated factor away from the median. Sharpness rests on exposures with enough stars. Without `stars` only
    noise is judged, and only under a brighter sky: else it may be the structure of a bright field.
    """
    starry = [frame for frame in frames if frame["n_stars"] >= FEW_STARS]

    def column(key, frames=frames):
        return np.array([f[key] for f in frames if f.get(key) is not None], float)

    def upper(key, factor, extra=0.0):
        values = column(key, starry if key in ("fwhm_px", "ellipticity") else frames)
        if values.size < 3:
            return None
        centre = np.median(values)
        spread = 1.4826 * np.median(np.abs(values - centre))
        return float(max(centre + settings["nsigma"] * spread, centre * factor + extra))

    noise = upper("background_rms", settings["noise_factor"])
    if not stars:
        limits = dict.fromkeys(("fwhm_px", "ellipticity", "n_stars"))
        return limits | {"background_rms": noise, "background": upper("background", 1.0)}
    number = column("n_stars")
    return {
        "fwhm_px": upper("fwhm_px", settings["fwhm_factor"]),
        "ellipticity": upper("ellipticity", 1.0, settings["ellipticity_margin"]),
        "background_rms": noise,
        "n_stars": float(np.median(number) * settings["stars_factor"])
        if number.size >= 3 and np.median(number) >= FEW_STARS
        else None,
    }


def reasons(frame: dict, limits: dict) -> list[str]:
    """Why a measured exposure is left out, in words; empty when it is not."""
    found = list(frame["rejected"])
    if found:
        return found
    words = {
        "fwhm_px": "blurred: FWHM {:.2f} px, limit {:.2f}",
        "ellipticity": "trailed: ellipticity {:.2f}, limit {:.2f}",
        "background_rms": "noisy or bright sky: noise {:.2f}, limit {:.2f}",
    }
    for key, text in words.items():
        if key != "background_rms" and frame["n_stars"] < FEW_STARS:
            continue  # the width of a few blobs tells nothing
        if key == "background_rms" and "background" in limits and frame["background"] <= (limits["background"] or 0):
            continue
        if limits.get(key) is not None and frame.get(key) is not None and frame[key] > limits[key]:
            found.append(text.format(frame[key], limits[key]))
    if limits.get("n_stars") is not None and frame["n_stars"] < limits["n_stars"]:
        found.append(f"few stars (clouds, dew): {frame['n_stars']}, limit {limits['n_stars']:.1f}")
    return found


def ranked(frames: list[dict]) -> list[dict]:
    """Exposures by stars / (FWHM^2 noise), the best first."""

    def quality(frame):
        fwhm = frame["fwhm_px"] or np.inf
        return (frame["n_stars"] + 1) / (fwhm**2 * max(frame["background_rms"], 1e-9))

    return sorted(frames, key=lambda f: (-quality(f), f["path"]))


def typical(frames: list[dict]) -> dict:
    """The exposure of middle noise, where there are no stars to judge by."""
    return sorted(frames, key=lambda f: (f["background_rms"], f["path"]))[(len(frames) - 1) // 2]


def choose(frames: list[dict]) -> dict:
    """Choose a sharp exposure near the middle of the group's pointings.

    Pointing is found by matching against the best frame. The winner has the best quality among the half nearest the
    median pointing.
    """
    by_quality = ranked(frames)
    best = by_quality[0]
    step = -(-len(frames) // MAX_MATCHED)
    centre = np.median(np.array(best["stars"])[:, :2], axis=0) if len(best["stars"]) else np.zeros(2)
    offsets = []
    for frame in by_quality[::step]:
        try:
            match = match_stars(best["stars"], frame["stars"])
        except NoMatch:
            continue
        offsets.append((frame, match.matrix[:, :2] @ centre + match.matrix[:, 2] - centre))
    if len(offsets) < 3:
        return best
    shifts = np.array([shift for _, shift in offsets])
    distance = np.hypot(*(shifts - np.median(shifts, axis=0)).T)
    near = [frame for (frame, _), d in zip(offsets, distance, strict=True) if d <= max(np.median(distance), 3.0)]
    return near[0] if near else best
