"""Read and calibrate exposures in memory: shared by `measure`, `register` and `vet`.

Calibrated frames never hit the disk; the raw frame is read again instead. Every row of a chunk names its own masters.
What `vet` found about a set of masters is obeyed here, so that all stages treat an exposure alike.
"""

import re
from pathlib import Path

import numpy as np

from n2n.errors import BadFrame
from n2n.formats import sealed
from n2n.formats.pixels import read_planes
from n2n.formats.rawframe import read_frame
from n2n.formats.tables import number
from n2n.formats.treatment import MASTER_KINDS, set_of
from n2n.group.exposure import Exposure
from n2n.log import logger
from n2n.sky.calibrate import Calibration, calibrate, fill_flagged
from n2n.sky.gain import Measured, settle

_KEY = re.compile("[0-9a-f]{10}")  # how the names of masters in the results end


class Masters:
    """Masters in the folder of the results, each read when it is first wanted and kept while one set is in use."""

    def __init__(self, results: Path):
        self.folder = results / "masters"
        self.headers: dict[str, dict] = {}
        self.planes: dict[str, dict[str, np.ndarray]] = {}

    def header(self, key: str) -> dict:
        """Cards of a master; empty without a key."""
        if key and key not in self.headers:
            self.headers[key], _ = read_master(self.folder / f"{key}.fits")
        return self.headers.get(key, {})

    def void(self, key: str) -> str:
        """Why a master could not be made of its frames; empty where it was."""
        return str(self.header(key).get("VOID") or "").strip()

    def image(self, key: str, plane: str = "IMAGE") -> np.ndarray:
        """A plane of a master."""
        if key not in self.planes:
            self.headers[key], self.planes[key] = read_master(self.folder / f"{key}.fits", "IMAGE", "DEFECTS")
        return self.planes[key][plane]

    def forget(self, but: set[str]) -> None:
        """Free the memory of all masters but some."""
        self.planes = {key: planes for key, planes in self.planes.items() if key in but}


def read_master(path: Path, *planes: str) -> tuple[dict, dict]:
    """Cards and planes of a master; UserError where the file is damaged, or not the one that its name says."""
    header, images = read_planes(path, *planes)
    key = path.stem[-10:]
    # Masters of before have no card; a copy that a person gave a name of their own says nothing by it.
    if header.get("MASTERID", key) != key and _KEY.fullmatch(key):
        raise sealed.damaged(path, f"it is the master {header['MASTERID']}")
    if "PROCTYPE" in header:
        raise sealed.damaged(path, "it is no master")
    return header, images


class Calibrations:
    """Calibrations of a group's exposures.

    Parameters
    ----------
    group : dict
        Content of calibration.json: the masters of most exposures, and what is known of the gain.
    results : Path
    vetted : list of dict
        What `vet` found, a set of masters each; a set that is not among them is used as planned.
    """

    def __init__(self, group: dict, results: Path, vetted: list[dict] = ()):
        self.group, self.masters = group, Masters(results)
        self.vetted = {found["set"]: found for found in vetted}
        usual = self._accepted(group)
        self.kinds = bool(usual["dark"] or usual["bias"]), bool(usual["flat"])
        self.gain, self.note = self._settle()
        self._last: tuple = ()

    @property
    def unit(self) -> str:
        """``"electron"`` or ``"adu"``, the same for all exposures of a group."""
        return "electron" if self.gain else "adu"

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know about the choice of the gain."""
        return (self.note,) if self.note else ()

    @property
    def noise(self) -> dict[str, float]:
        """Noise of the masters of most exposures: ``zero`` in `unit`, ``flat`` relative; without those unknown."""
        usual = self._accepted(self.group)
        of_zero = usual["dark"] or usual["bias"]
        told = {"zero": self.masters.header(of_zero or ""), "flat": self.masters.header(usual["flat"] or "")}
        scale = {"zero": (self.gain or 1.0) * (usual["scale"] if usual["dark"] else 1.0), "flat": 1.0}
        found = {kind: number(cards.get("MASTNOIS")) for kind, cards in told.items()}
        return {kind: value * scale[kind] for kind, value in found.items() if value is not None}

    def of(self, row: dict) -> Calibration:
        """Calibration of an exposure by the masters its row names.

        Raises
        ------
        BadFrame
            When it cannot be treated as most of its group are.
        """
        if row.get("left_out"):
            raise BadFrame("calibration", row["left_out"])
        zero, flat = self.kinds
        used = self._accepted(row)
        for wanted, kinds, words in ((zero, ("dark", "bias"), "dark or bias"), (flat, ("flat",), "flat")):
            if wanted and not any(used[kind] for kind in kinds):
                why = "; ".join(used["refused"]) or "there is none"
                raise BadFrame(
                    "calibration", f"its {words} cannot be used, that of most exposures of its group can ({why})"
                )
        if not zero:
            used |= {"dark": None, "bias": None}
        if not flat:
            used["flat"] = None
        key = tuple(sorted((name, str(value)) for name, value in used.items()))
        if not self._last or self._last[0] != key:
            self._last = ()  # before another one is read
            self.masters.forget({used[kind] for kind in MASTER_KINDS if used[kind]})
            self._last = (key, self._build(used))
        return self._last[1]

    def _accepted(self, row: dict) -> dict:
        """Masters of an exposure, or of calibration.json, that may be used; what was refused, in words."""
        used = {kind: row.get(kind) or None for kind in MASTER_KINDS} | {"refused": []}
        used["scale"] = number(row.get("dark_scale"), 1.0)
        found = self.vetted.get(set_of(row))
        if found:
            used |= {kind: used[kind] if found["accepted"].get(kind) else None for kind in ("dark", "bias", "flat")}
            used["refused"] = list(found["refused"])
        else:
            for kind in ("dark", "bias", "flat"):
                if used[kind] and (why := self.masters.void(used[kind])):
                    used["refused"].append(f"{kind}: refused: {why}")
                    used[kind] = None
        if used["dark"] and used["scale"] != 1 and not used["bias"]:
            used["dark"] = None  # it was to be scaled above the bias
        # The detector's bad pixels stay where they are, whatever is wrong with the level of a dark.
        used["map"] = row.get("dark") if not self.masters.void(row.get("dark") or "") else None
        return used

    def _build(self, used: dict) -> Calibration:
        merged = None
        for key in (used["map"], used["flat"], used["defects"]):
            if key:
                plane = self.masters.image(key, "DEFECTS") > 0
                merged = plane if merged is None else merged | plane
        return Calibration(
            zero=zero_of(self.masters, used["dark"], used["bias"], used["scale"]),
            flat=self.masters.image(used["flat"]) if used["flat"] else None,
            defects=merged,
            gain=self.gain or 1.0,
            unit=self.unit,
            notes=self.notes,
        )

    def _settle(self) -> tuple[float | None, str]:
        """The group's gain, and what to say of it."""
        chosen = self.group
        vetted = self.vetted.get(set_of(chosen), {})
        flats = _measured(self.masters.header(chosen.get("flat"))) if vetted.get("gain_of_flat", True) else None
        lights = _measured(self.masters.header(chosen.get("defects")))
        gain, note = settle(chosen.get("e_per_adu"), flats, lights, binding=chosen.get("e_per_adu_by_user") or False)
        if note:
            logger.warning(note)
        return gain, note


def zero_of(masters: Masters, dark: str | None, bias: str | None, scale: float = 1.0) -> np.ndarray | None:
    """What is subtracted: of dark and bias only one, since the dark contains the bias, or the dark scaled above it.

    Parameters
    ----------
    masters : Masters
        Gives the images, ADU.
    dark, bias : str or None
        Keys of the masters.
    scale : float
        Exposure time of the light over that of the dark.

    Returns
    -------
    float32 ndarray, shape (h, w), or None
        ADU.
    """
    if not dark:
        return masters.image(bias) if bias else None
    if scale == 1:
        return masters.image(dark)
    return masters.image(bias) + np.float32(scale) * (masters.image(dark) - masters.image(bias))


def _measured(header) -> Measured | None:
    """Gain by photon transfer that a master's header holds; an error of 0 means that none was written."""
    value = number(header.get("EGAINPT")) if header else None
    return Measured(value, number(header.get("EGAINPTE"), 0.0)) if value else None


def load_exposure(exposure: Exposure, raw: Path, calibration: Calibration):
    """Read, calibrate and patch one exposure.

    Parameters
    ----------
    exposure : Exposure
        Says which file, and how it is to be read.
    raw : Path
        Folder of the raw nights.
    calibration : Calibration
        What is applied to it.

    Returns
    -------
    pixels : float32 ndarray, shape (h, w)
        Flagged pixels hold the median of their neighbours.
    flags : uint8 ndarray, shape (h, w)

    Raises
    ------
    BadFrame
        When the file has become unreadable or does not fit its calibration.
    """
    pixels, invalid = read_frame(exposure.row, raw)
    for name in ("zero", "flat", "defects"):
        image = getattr(calibration, name)
        if image is not None and image.shape != pixels.shape:
            raise BadFrame("geometry", f"{pixels.shape} pixels, its master {name} has {image.shape}")
    pixels, flags = calibrate(pixels, invalid, calibration, exposure.saturate_adu, exposure.pedestal_adu)
    return fill_flagged(pixels, flags), flags
