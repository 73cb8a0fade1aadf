"""Make the frames of a night, one job each, in any order and in any process."""

import dataclasses
import datetime
import functools
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from n2n.formats.atomic import atomic_path
from n2n.simulate import recipe, strange_sensor, strange_sky
from n2n.simulate.camera import (
    DARK_CURRENT,
    Detector,
    cosmic_rays,
    expose,
    flat_field,
    make_detector,
    telegraph_pixels,
)
from n2n.simulate.dialects import DIALECTS, Facts, header
from n2n.simulate.rawfile import write_raw
from n2n.simulate.recipe import CADENCE_S, Preset, Target, generator
from n2n.simulate.scene import Scene
from n2n.simulate.trails import KINDS, Trail, draw_trail, trail_light

COSMIC_RAYS_PER_MPX = 8.0
TRUNCATED_SHARE = 0.6
SET_TEMPERATURE = -10.0
OFFSET_SETTING = 50
MISHAPS = ("cloudy", "elongated", "truncated", *KINDS)
FOLDERS = {"light": "LIGHT", "bias": "BIAS", "dark": "DARK", "flat": "FLAT"}


@dataclasses.dataclass(frozen=True)
class Sky:
    """Everything the frames of a night have in common.

    Attributes
    ----------
    seed : int
        Noise, dithers and weather, together with `night`.
    scene_seed : int
        Sky and camera.
    shape : (height, width)
    night : str
        Name of the night's folder; where it is a date, the headers carry it.
    dialect : str
    telegraph : float
        Telegraph pixels per million pixels.
    faults : tuple of str
        Names of `n2n.simulate.strange.FAULTS`.
    """

    seed: int
    scene_seed: int
    shape: tuple[int, int]
    night: str
    dialect: str
    telegraph: float = 0.0
    faults: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Job:
    """One frame to make.

    Attributes
    ----------
    kind : str
        ``light``, ``bias``, ``dark`` or ``flat``.
    target : Target
        For calibration frames: whose gain setting (and filter) they are for.
    number : int
        From 1, within its series.
    start_s : float
        Start in s after 17:00 UTC.
    mishap : str
        ``''`` or one of `MISHAPS`.
    """

    kind: str
    target: Target
    number: int
    start_s: float
    mishap: str = ""

    @property
    def exptime(self) -> float:
        """Exposure time in s."""
        return {"bias": 0.0, "flat": self.target.flat_exptime}.get(self.kind, self.target.exptime)

    @property
    def stem(self) -> str:
        """File name without its extension."""
        target, tail = self.target, f"{self.exptime:.2f}s_{self.number:04d}"
        if self.kind == "light":
            return f"{target.group}_{tail}"
        label = f"FLAT_{target.filter}" if self.kind == "flat" else self.kind.upper()
        return f"{label}_gain{target.gain.setting}_{tail}"


# Two scenes and one detector are all a night needs; a worker process draws each of them once.
@functools.lru_cache(maxsize=4)
def scene_of(target: Target, shape: tuple[int, int], scene_seed: int) -> Scene:
    """Scene of a group, kept for the frames to come.

    Parameters
    ----------
    target : Target
        What is observed, and through which filter.
    shape : (int, int)
        Height and width of the detector, px.
    scene_seed : int
        Seed of sky and camera.
    """
    return recipe.make_scene(target, shape, scene_seed)


@functools.lru_cache(maxsize=2)
def detector_of(shape: tuple[int, int], scene_seed: int) -> Detector:
    """Camera of a night, kept for the frames to come."""
    return make_detector(shape, generator(scene_seed, "detector"))


@functools.lru_cache(maxsize=4)
def flat_of(filter_name: str, shape: tuple[int, int], scene_seed: int) -> NDArray[np.float64]:
    """Flat field of a filter, kept for the frames to come.

    Parameters
    ----------
    filter_name : str
        The filter.
    shape : (int, int)
        Height and width of the detector, px.
    scene_seed : int
        Seed of sky and camera.
    """
    return flat_field(detector_of(shape, scene_seed), generator(scene_seed, "dust", filter_name))


@functools.lru_cache(maxsize=2)
def telegraph_of(
    shape: tuple[int, int], scene_seed: int, per_mpx: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Telegraph pixels of a night's camera, kept for the frames to come.

    Parameters
    ----------
    shape : (int, int)
        Height and width of the detector, px.
    scene_seed : int
        Seed of sky and camera.
    per_mpx : float
        Such pixels in a million.
    """
    return telegraph_pixels(shape, generator(scene_seed, "telegraph"), per_mpx)


def relative_path(job: Job, dialect: str) -> str:
    """Path of a frame below the night's folder."""
    return f"{FOLDERS[job.kind]}/{job.stem}.{DIALECTS[dialect].extension}"


def plan_jobs(plan: Preset, frames: int | None, start_index: int, only_lights: bool) -> list[Job]:
    """List every frame of a night in the order of the clock: flats, lights, darks, bias.

    The first target's last light is the truncated one, over and above the planned number.

    Parameters
    ----------
    plan : Preset
        Targets, and numbers of frames.
    frames : int or None
        Lights a target; None for those of the preset.
    start_index : int
        Number of the first light.
    only_lights : bool
        Whether to leave out flats, darks, bias and the truncated light.
    """
    clock = 0.0
    jobs = []

    def series(kind: str, target: Target, number: int, mishaps: dict[int, str], first: int = 1) -> None:
        nonlocal clock
        for i in range(number):
            job = Job(kind, target, first + i, clock, mishaps.get(i, ""))
            jobs.append(job)
            clock += job.exptime + CADENCE_S - 60

    if not only_lights:
        for target in plan.targets:
            series("flat", target, plan.flat, {})
    clock = 3 * 3600.0
    for i, target in enumerate(plan.targets):
        number = plan.lights[i] if frames is None else frames
        mishaps = recipe.plan_mishaps(number, plan.mishaps)
        if i == 0 and not only_lights:
            mishaps[number] = "truncated"
        series("light", target, number + (number in mishaps), mishaps, start_index)
    if not only_lights:
        for gain in {target.gain: target for target in plan.targets}.values():
            series("dark", gain, plan.dark, {})
            series("bias", gain, plan.bias, {})
    return jobs


def light_of_sky(job: Job, sky: Sky) -> tuple[NDArray[np.float32], dict]:
    """Noiseless light frame and its entry in the truth (neither holds trails or charge that is no light)."""
    night = job.target, sky.seed, sky.night
    now = strange_sky.weather(recipe.conditions(*night, job.number, job.mishap), *night, job.number, sky.faults)
    scene = scene_of(job.target, sky.shape, sky.scene_seed)
    noiseless = strange_sky.seen(scene, sky.shape, now, strange_sky.direction(*night, job.start_s), sky.faults)
    entry = {
        "file": f"{job.stem}.{DIALECTS[sky.dialect].extension}",
        "group": job.target.group,
        "number": job.number,
        **dataclasses.asdict(now),
        **{flag: job.mishap == flag for flag in MISHAPS},
    }
    return noiseless, entry


def make_frame(job: Job, sky: Sky, raw: Path, truth: Path) -> dict:
    """Expose one frame, write it below `raw` (and its truth below `truth`), return its truth entry.

    Parameters
    ----------
    job : Job
        Which frame.
    sky : Sky
        The night it belongs to.
    raw, truth : Path
        Folders for the frame, and for the light without noise.
    """
    target, shape = job.target, sky.shape
    detector = detector_of(shape, sky.scene_seed)
    rng = generator(sky.seed, sky.night, job.stem)
    entry = {"file": Path(relative_path(job, sky.dialect)).name, "kind": job.kind}
    light, flat, hits = 0.0, 1.0, None
    if job.kind == "light":
        noiseless, entry = light_of_sky(job, sky)
        with atomic_path(truth / f"{job.stem}.npy") as temporary, open(temporary, "wb") as file:
            np.save(file, noiseless)
        light, flat = noiseless, flat_of(target.filter, shape, sky.scene_seed)
        trails = [_trail(job, sky, entry["sky"], rng)] if job.mishap in KINDS else []
        light = sum((trail_light(trail, shape) for trail in trails), start=light)
        entry["trails"] = [dataclasses.asdict(trail) for trail in trails]
    elif job.kind == "flat":
        light = 0.5 * target.gain.saturation * rng.uniform(0.97, 1.03)
        flat = flat_of(target.filter, shape, sky.scene_seed)
        flat = strange_sensor.seen_by_flats(flat, detector, sky.scene_seed, target.filter, sky.faults)
    if job.exptime >= 1 and job.kind != "flat":
        # A small frame would hardly ever be hit; tests need at least a few.
        rate = max(3.0, COSMIC_RAYS_PER_MPX * shape[0] * shape[1] / 983_040 * job.exptime / 60)
        hits = cosmic_rays(shape, rng, rate)
        entry["cosmic_rays"] = np.column_stack([*hits[0].T, hits[1]]).tolist()
    if sky.telegraph:
        high = _telegraph_charge(job, sky)
        entry["telegraph"] = np.column_stack([*high[0].T, high[1]]).tolist()
        hits = high if hits is None else tuple(map(np.concatenate, zip(hits, high, strict=True)))
    name = sky.scene_seed, sky.seed, sky.night, job.stem
    if jumped := strange_sensor.jumped(name, detector, target.gain, sky.faults):
        hits = jumped if hits is None else tuple(map(np.concatenate, zip(hits, jumped, strict=True)))
    odd = strange_sensor.oddities(name, detector, target.gain, job.exptime, job.start_s, sky.faults)
    pixels = expose(light, flat, job.exptime, detector, target.gain, rng, hits, odd)
    share = TRUNCATED_SHARE if job.mishap == "truncated" else 1.0
    facts = _facts(job, sky, rng)
    write_raw(raw / relative_path(job, sky.dialect), pixels, header(facts, sky.dialect, shape), share)
    return entry


def _trail(job: Job, sky: Sky, level: float, rng: np.random.Generator) -> Trail:
    """Trail of a light whose sky has `level` e-/px."""
    target = job.target
    noise = np.sqrt(level + DARK_CURRENT * target.exptime + target.gain.read_noise**2)
    if job.mishap != "trail":
        rng = generator(sky.seed, sky.night, job.stem, job.mishap)
    return draw_trail(job.mishap, sky.shape, rng, target.trail_peak, float(noise))


def _telegraph_charge(job: Job, sky: Sky) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Telegraph pixels that are at their upper level in this frame, and by how many e-."""
    places, jump = telegraph_of(sky.shape, sky.scene_seed, sky.telegraph)
    high = generator(sky.seed, sky.night, job.stem, "telegraph").random(len(places)) < 0.5
    return places[high], np.round(jump[high] * job.target.gain.read_noise, 3)


def _facts(job: Job, sky: Sky, rng: np.random.Generator) -> Facts:
    try:
        evening = datetime.datetime.fromisoformat(sky.night[:10]).replace(hour=17, tzinfo=None)
    except ValueError:
        evening = datetime.datetime(2026, 10, 3, 17)
    start = evening + datetime.timedelta(seconds=job.start_s, microseconds=int(rng.integers(0, 999_999)))
    return Facts(
        kind=job.kind,
        target=job.target.name if job.kind == "light" else "",
        filter=job.target.filter,
        exptime=job.exptime,
        start=start,
        gain_setting=job.target.gain.setting,
        offset_setting=OFFSET_SETTING,
        e_per_adu=job.target.gain.e_per_adu,
        temperature=round(SET_TEMPERATURE + float(rng.uniform(-0.3, 0.3)), 1),
        set_temperature=SET_TEMPERATURE,
        ra=job.target.ra,
        dec=job.target.dec,
        name=f"{job.stem}.{DIALECTS[sky.dialect].extension}",
    )
