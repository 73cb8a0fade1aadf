"""One exposure on its whole way: what its row says, what was measured on it, how it was placed, what it counts.

A stage adds a part and hands on a new `Exposure`; nothing is filled in. Between stages it travels as one flat JSON
object (`Exposure.to_json`), with the names that the report and the products show.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from pathlib import Path, PurePosixPath

import numpy as np

from n2n.formats.frametable import pedestal_of
from n2n.formats.tables import number


@dataclass(frozen=True, eq=False)
class Measured:
    """What `n2n measure` found on an exposure, in the unit of its group.

    Attributes
    ----------
    n_stars : int
    fwhm_px, ellipticity : float or None
        Median of the stars; None where no star tells it.
    background, background_rms : float
        Level of the sky, and its noise a pixel.
    stars : ndarray, shape (n, 3), or None
        x, y and flux of the stars (`n2n.sky.stars`). None where they are not kept any more: behind `register`.
    """

    n_stars: int
    fwhm_px: float | None
    ellipticity: float | None
    background: float
    background_rms: float
    stars: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Placement:
    """How `n2n register` brought an exposure to the reference's grid, scale and sky.

    An exposure that was left out on the way has what had been found until then; the rest is None.

    Attributes
    ----------
    matrix : ndarray, shape (2, 3)
        Affine from (x, y) of the reference to (x, y) of the frame.
    rms_px : float
        How well the two fit.
    n_matched : int
        Stars, or patches of the image, that fit.
    aligned_by : {"stars", "pixels"} or None
        None of the reference itself.
    distortion : ndarray, shape (2, 10), or None
        Parameters of `n2n.sky.distortion.distort`; None where none was needed.
    transparency : float
        Light that arrived, as a share of the reference's.
    noise_kept, noise_beside : float
        Share of the noise variance that resampling left in a pixel, and the correlation of noise of next pixels.
    overlap : float
        Share of the reference's pixels that the exposure covers.
    sky : ndarray, shape (3,)
        Plane that was subtracted (`n2n.sky.background.plane`).
    """

    matrix: np.ndarray
    rms_px: float
    n_matched: int
    aligned_by: str | None = None
    distortion: np.ndarray | None = None
    transparency: float | None = None
    noise_kept: float | None = None
    noise_beside: float | None = None
    overlap: float | None = None
    sky: np.ndarray | None = None

    @classmethod
    def of_reference(cls, stars: int) -> "Placement":
        """The reference is where it is by definition."""
        return cls(np.eye(2, 3), 0.0, stars, None, None, 1.0, 1.0, 0.0, 1.0, np.zeros(3))


@dataclass(frozen=True)
class Weight:
    """What an exposure counts in its group, found by `n2n pairs`.

    Attributes
    ----------
    weight : float
        Inverse variance before resampling over that of a typical exposure, times what seeing takes off.
    sky_sigma : float
        Noise of a registered pixel where there is only sky.
    blur : float
        Variance of the star images, less that of the typical exposure's [px^2].
    pointing : int
        Exposures with the same number were taken within a pixel of each other.
    block : {"A", "B", "C"}
        A and B train, C is held out.
    """

    weight: float
    sky_sigma: float
    blur: float
    pointing: int
    block: str


@dataclass(frozen=True, eq=False)
class Exposure:
    """One exposure. What its row in a chunk's table says is turned into numbers once, in `from_row`.

    Attributes
    ----------
    row : dict of str to str
        Row of the chunk's table: a row of frames.csv and the masters the exposure is treated with, as text.
    path, sha256, date_obs, filter, stage, evidence : str
        `path` is relative to the folder of the raw nights.
    night, group : str
        The night it was taken in, and the name of its group there.
    batch : int
        Number of the run of `n2n ingest` that found it.
    exptime_s, saturate_adu : float or None
    pedestal_adu : float
    width, height : int or None
    rejected : tuple of str
        Why it is left out, in words; empty while it is not.
    measured : Measured or None
    placement : Placement or None
    weighed : Weight or None
    """

    row: dict
    path: str
    sha256: str
    night: str
    group: str
    batch: int
    date_obs: str
    filter: str
    exptime_s: float | None
    saturate_adu: float | None
    pedestal_adu: float
    width: int | None
    height: int | None
    stage: str
    evidence: str
    rejected: tuple[str, ...] = ()
    measured: Measured | None = None
    placement: Placement | None = None
    weighed: Weight | None = None

    @property
    def of_group(self) -> str:
        """``night/group``."""
        return f"{self.night}/{self.group}"

    @classmethod
    def from_row(cls, row: dict) -> "Exposure":
        """An exposure of which only its row is known."""
        sides = (number(row.get(side)) for side in ("width", "height"))
        width, height = (None if side is None else int(side) for side in sides)
        return cls(
            row=row,
            path=row["path"],
            sha256=row.get("sha256") or "",
            night=PurePosixPath(row["path"]).parts[0],
            group=row.get("group") or "",
            batch=int(number(row.get("batch"), 0)),
            date_obs=row.get("date_obs") or "",
            filter=row.get("filter") or "",
            exptime_s=number(row.get("exptime_s")),
            saturate_adu=number(row.get("saturate_adu")),
            pedestal_adu=pedestal_of(row),
            width=width,
            height=height,
            stage=row.get("stage") or "raw",
            evidence=row.get("evidence") or "",
        )

    @classmethod
    def from_json(cls, content: dict) -> "Exposure":
        """An exposure as `to_json` wrote it."""
        parts = {kind: _part(kind, content) for kind in (Measured, Placement, Weight)}
        own = {field.name for kind in parts for field in fields(kind)} | {"rejected"}
        row = {key: value for key, value in content.items() if key not in own}
        return replace(
            cls.from_row(row),
            rejected=tuple(content["rejected"]),
            measured=parts[Measured],
            placement=parts[Placement],
            weighed=parts[Weight],
        )

    def to_json(self, stars: bool = False) -> dict:
        """One flat object of text and numbers; the list of stars only if it is wanted."""
        content = {**self.row, "rejected": list(self.rejected)} | ({"stars": []} if stars else {})
        for part in (self.measured, self.placement, self.weighed):
            for field in fields(part) if part else ():
                value = getattr(part, field.name)
                if field.name == "stars" and not stars:
                    continue
                # What was measured and not found is told; what was never reached is left out.
                if value is not None or part is self.measured:
                    content[field.name] = value.tolist() if isinstance(value, np.ndarray) else value
        return content

    @property
    def name(self) -> str:
        """Name of the file without its folders."""
        return Path(self.path).name

    @property
    def fwhm_px(self) -> float | None:
        """Width of its stars; None where none tells it."""
        return self.measured.fwhm_px if self.measured else None

    def left_out(self, *reasons: str) -> "Exposure":
        """The exposure with the reasons why it is not used."""
        return replace(self, rejected=reasons)


def total_exposure(exposures: Iterable[Exposure]) -> float | None:
    """Seconds of all exposures together; None where no row tells any."""
    return sum(known) if (known := [one.exptime_s for one in exposures if one.exptime_s is not None]) else None


def _part(kind, content: dict):
    """A part of an exposure out of its JSON object; None where it has not been reached."""
    names = [field.name for field in fields(kind)]
    if names[0] not in content:
        return None
    values = {name: content[name] for name in names if name in content}
    values = {key: np.array(value, float) if isinstance(value, list) else value for key, value in values.items()}
    if "stars" in values:
        values["stars"] = values["stars"].reshape(-1, 3)
    return kind(**values)
