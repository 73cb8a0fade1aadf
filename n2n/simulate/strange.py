"""A stranger's night: what real cameras and skies do and the plain simulation does not, each fault by its name.

Faults of the sky (`n2n.simulate.strange_sky`) are part of the truth: the telescope saw them. Faults of the camera and
of its calibration frames (`n2n.simulate.strange_sensor`) are not: the truth is what a perfect calibration would give.
Without faults the night is to the byte what the plain simulation makes of the same preset.
"""

import dataclasses
from collections.abc import Iterable

from n2n.errors import UserError
from n2n.simulate.recipe import Preset

# Presets that know faults, and those a night has where none are named: a crowded field is hard enough by itself.
PRESETS = {"strange": "all", "crowded": "none"}

# Magnitudes are those of cameras and skies as they are; the reason stands beside each.
FAULTS = {
    # Three flats are what a hurried dusk leaves; 1 / (half of full scale) / 3 of variance goes into every light alike.
    "few-flats": "3 flats a filter instead of 24",
    # Five darks are usual for long exposures; their noise is in every light at the same pixel.
    "few-darks": "5 darks and 10 bias frames a gain setting instead of 24",
    # CMOS: every pixel has an amplifier of its own. Read noise scatters by a fifth, has a tail, and some pixels jump.
    "cmos-noise": "read noise and dark current that differ from pixel to pixel, jumping pixels",
    # A rotator or a camera put on again: dust moves by some pixels. The pixels' response depends on colour: 0.3 %.
    "moved-dust": "dust, vignette and response of the lights are not quite those of the flats",
    # Panels and twilight light a telescope unevenly and in another colour: illumination corrections are 1 to 5 %.
    "coloured-flats": "flats with a gradient of 3 % from side to side and 2 % from the middle to the corners",
    # The amplifiers of several CMOS sensors glow by tens of e- a minute, more when they have been warm for longer.
    "amp-glow": "glow at an edge, steeper than the exposure time, that changes by a third over the night",
    # Some ADU with the temperature of the electronics, which overscan would show and small cameras have not.
    "drifting-bias": "an offset that drifts by some ADU over the night, and tilts",
    # Seen by the eye from about a tenth of the read noise on (EMVA 1288); some cameras have twice that.
    "banding": "rows and columns with offsets of their own, new in every frame, and a fixed part",
    # Light of a town and the Moon: a user measured 29 to 47 % from end to end. It turns by the parallactic angle, fast
    # near the zenith.
    "turning-gradient": "a curved gradient of the sky that turns by 40 degrees an hour",
    # Tubes shrink as they cool: a focus set at dusk is off by a third of the width an hour later.
    "drifting-focus": "stars that widen by a third until the focus is set again",
    # Without a flattener made for the telescope: a quarter wider and elongated in the corners.
    "field-curvature": "stars that are wider and longer towards the corners",
    # Guiding without dithers: flexure moves the field by about half a pixel in an exposure, always the same way.
    "slow-drift": "a slow drift in place of dithers",
    # Two per cent of non-linearity is what makers of such cameras allow.
    "bent-response": "a response that is 2 % low at full scale",
    # Full wells without anti-blooming.
    "bleeding": "charge of saturated stars that runs along the columns",
    # Two reflections between filter and sensor; good coatings leave 0.1 %, cheap ones one.
    "halos": "discs of light around bright stars",
}
NUMBERS = {"few-flats": {"flat": 3}, "few-darks": {"dark": 5, "bias": 10}}


def faults_named(text: str | Iterable[str] | None, preset: str) -> tuple[str, ...]:
    """The faults of a night, in the order of `FAULTS`.

    Parameters
    ----------
    text : str, iterable of str or None
        Names, separated by commas when in one text; ``all`` and ``none`` are names, too. None is what `PRESETS` says:
        all of them for the preset that is made for them, and none for the others.
    preset : str
        The night's preset.

    Raises
    ------
    UserError
        When a name is unknown, or the preset knows no faults.
    """
    if text is None:
        return tuple(FAULTS) if PRESETS.get(preset) == "all" else ()
    names = [name.strip() for name in text.split(",")] if isinstance(text, str) else list(text)
    names = [name for name in names if name]
    if preset not in PRESETS:
        known = " and ".join(PRESETS)
        raise UserError(f"only the presets {known} have faults; add --preset strange, or leave --faults out")
    if wrong := [name for name in names if name not in FAULTS and name not in ("all", "none")]:
        raise UserError(f"no fault {wrong[0]!r}; choose from all, none, {', '.join(FAULTS)}")
    if "none" in names and len(names) > 1:
        raise UserError("--faults none goes with no other fault; leave `none` out, or the others")
    return tuple(name for name in FAULTS if name in names or "all" in names)


def numbered(plan: Preset, faults: tuple[str, ...]) -> Preset:
    """The preset with as few calibration frames as the faults leave of them."""
    for fault, numbers in NUMBERS.items():
        if fault in faults:
            plan = dataclasses.replace(plan, **numbers)
    return plan
