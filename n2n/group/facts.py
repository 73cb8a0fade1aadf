"""What all exposures of a group have in common."""

from dataclasses import dataclass, field, fields

import numpy as np

from n2n.formats.tables import number
from n2n.group.exposure import Exposure


@dataclass(frozen=True)
class Facts:
    """What all exposures of a group have in common.

    Attributes
    ----------
    night, group : str
        The group's identity.
    target, filter : str
    filter_bw_nm : float or None
        Width of the filter's band [nm].
    unit : {"electron", "adu"}
    gain : float or None
        [e-/ADU] of the raw frames; None where it is unknown and the unit is "adu".
    notes : tuple of str
        What a person should know about the choice of the gain.
    reference : str
        Path of the exposure whose grid the others were brought to.
    header : tuple of str
        Its header, as `n2n.formats.pixels.header_texts` gives it.
    fwhm_px : float or None
        Width of its stars.
    limits : dict
        Of quality, by `n2n.group.quality.quality_limits`.
    masters : dict
        Noise of the masters, rms of a pixel: ``zero`` in `unit`, ``flat`` relative to its level. What is not in it
        is unknown, or there is no such master.
    sky : float
        Level of the sky in all registered exposures.
    sky_variance : float
        Variance of one standard exposure (weight 1) where there is only sky.
    pattern : dict
        What `n2n.group.detector.find_pattern` found of the detector's pattern; empty before `pairs`.
    """

    night: str
    group: str
    target: str
    filter: str
    filter_bw_nm: float | None
    unit: str
    gain: float | None
    notes: tuple[str, ...]
    reference: str
    header: tuple[str, ...]
    fwhm_px: float | None
    limits: dict
    masters: dict = field(default_factory=dict)
    sky: float = np.nan
    sky_variance: float = np.nan
    pattern: dict = field(default_factory=dict)

    @classmethod
    def of_chunk(cls, first: Exposure, reference: Exposure, header, calibrations, limits: dict) -> "Facts":
        """Facts that are known once a chunk is registered; its sky is not.

        Parameters
        ----------
        first, reference : Exposure
            The first one of the chunk, whose row says which group it is of, and the reference.
        header : list of str
            Of the reference, as `n2n.formats.pixels.header_texts` gives it.
        calibrations : n2n.group.calibrated.Calibrations
            Tell unit and gain.
        limits : dict
            Of quality, by `n2n.group.quality.quality_limits`.
        """
        return cls(
            night=first.night,
            group=first.group,
            target=first.row.get("target") or "",
            filter=first.filter,
            filter_bw_nm=number(first.row.get("filter_bw_nm")),
            unit=calibrations.unit,
            gain=calibrations.gain or None,
            notes=calibrations.notes,
            reference=reference.path,
            header=tuple(header),
            fwhm_px=reference.fwhm_px,
            limits=limits,
            masters=calibrations.noise,
        )

    @property
    def identity(self) -> str:
        """``night/group``."""
        return f"{self.night}/{self.group}"

    def shared(self) -> dict:
        """What all chunks of a group must agree on, by what it is called."""
        return {
            "group": self.identity, "grid": self.reference, "limits of quality": self.limits,
            "unit": self.unit, "gain": self.gain,
        }  # fmt: skip

    @classmethod
    def from_json(cls, content: dict) -> "Facts":
        """Facts as `to_json` wrote them."""
        return cls(**content | {name: tuple(content[name]) for name in ("notes", "header")})

    def to_json(self) -> dict:
        """One object of text and numbers."""
        return {one.name: getattr(self, one.name) for one in fields(self)}


def pattern_told(pattern: dict) -> str:
    """What was found of the detector's pattern, in words; empty where there is none that matters."""
    if note := pattern.get("note"):
        return f"a pattern of the detector was not looked for: {note}"
    if "rms_sigma" not in pattern:
        return ""
    return (
        f"a pattern of the detector was taken off: {pattern['rms_sigma']:.2f} sigma of an exposure, "
        f"{pattern['drop']:.1%} of the stack's variance; {pattern['left']:.1%} could not be told from the sky"
    )
