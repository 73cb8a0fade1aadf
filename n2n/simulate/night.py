"""Compose a whole night and write it as the capture program would: `n2n simulate`."""

import argparse
import dataclasses
import json
import multiprocessing
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from n2n.errors import UserError
from n2n.formats.atomic import write_text
from n2n.simulate import recipe, strange
from n2n.simulate.camera import DARK_CURRENT, OFFSET_ADU
from n2n.simulate.dialects import DIALECTS
from n2n.simulate.frames import Job, Sky, detector_of, make_frame, plan_jobs, relative_path, scene_of, telegraph_of
from n2n.simulate.recipe import CADENCE_S, PRESETS, Target
from n2n.simulate.truth import load_truth

NOTES = "Clear after 20 UT, thin cloud around midnight, a satellite. Simulated by n2n.\n"
SAY_EVERY_S = 2.0


def simulate_night(
    out: str | Path,
    *,
    seed: int = 0,
    preset: str = "demo",
    dialect: str = "nina",
    frames: int | None = None,
    size: tuple[int, int] | None = None,
    night: str = "2026-10-03",
    truth: str | Path | None = None,
    scene_seed: int | None = None,
    start_index: int = 1,
    only_lights: bool = False,
    faults: str | Iterable[str] | None = None,
    processes: int = 2,
    report: Callable[[str], None] = print,
) -> Path:
    """Write a night of raw frames with known truth.

    The same arguments give the same bytes, whatever `processes` is.

    Parameters
    ----------
    out : path
        Folder of nights, e.g. ``data/raw``; the night's folder is made in it.
    seed : int
        Noise, dithers and weather, together with `night`: another night is another sample.
    preset : str
        A key of `n2n.simulate.recipe.PRESETS`.
    dialect : str
        Capture program, a key of `n2n.simulate.dialects.DIALECTS`.
    frames : int, optional
        Lights per target instead of the preset's number; the truncated one comes on top.
    size : (int, int), optional
        Width and height in px.
    night : str
        Name of the night; a date YYYY-MM-DD also dates the headers.
    truth : path, optional
        Where the truth goes; ``<out>/../truth/<night>`` by default.
    scene_seed : int, optional
        Sky and camera; `seed` by default. Nights with one scene seed show the same sky.
    start_index : int
        Number of the first light.
    only_lights : bool
        Leave out the calibration frames and the truncated light.
    faults : str or iterable of str, optional
        What is strange about the night: names of `n2n.simulate.strange.FAULTS`, ``all`` or ``none``; by default all
        for the preset ``strange`` and none for ``crowded``; the other presets have no faults.
    processes : int
        1 works in this process.
    report : callable
        Takes a line of text about every two seconds.

    Returns
    -------
    Path
        The night's folder.
    """
    names = strange.faults_named(faults, preset)
    plan = strange.numbered(recipe.preset_named(preset), names)
    if dialect not in DIALECTS:
        raise UserError(f"no dialect {dialect!r}; choose one of {', '.join(DIALECTS)}")
    width, height = size or plan.size
    if min(width, height) < 64:
        raise UserError(f"size {width}x{height} is too small; use at least 64x64")
    raw = Path(out) / night
    truth = Path(out).parent / "truth" / night if truth is None else Path(truth)
    scene_seed = seed if scene_seed is None else scene_seed
    sky = Sky(seed, scene_seed, (height, width), night, dialect, plan.telegraph, names)
    jobs = plan_jobs(plan, frames, start_index, only_lights)
    account = {
        "night": {
            **dataclasses.asdict(sky),
            "preset": preset,
            "size": [width, height],
            "lights": sum(job.kind == "light" for job in jobs),
            "start_index": start_index,
            "only_lights": only_lights,
        },
    }
    del account["night"]["shape"], account["night"]["telegraph"], account["night"]["faults"]
    if names:
        account["night"]["faults"] = list(names)
    if _is_there(raw, truth, jobs, account["night"]):
        report(f"simulate: {raw} is there already, nothing to do")
        return raw

    began = time.monotonic()
    entries = list(_make_all(jobs, sky, raw, truth, processes, report))
    account["groups"] = {target.group: _group_truth(target, sky) for target in plan.targets}
    account["camera"] = _camera_truth(sky)
    account["lights"] = [e for job, e in zip(jobs, entries, strict=True) if job.kind == "light"]
    account["calibration"] = [e for job, e in zip(jobs, entries, strict=True) if job.kind != "light"]
    write_text(raw / "notes.txt", NOTES)
    write_text(truth / "truth.json", json.dumps(account))
    report(f"simulate: {len(jobs)} frames in {raw}, truth in {truth} ({time.monotonic() - began:.0f} s)")
    return raw


def simulate_late_frame(raw_night_dir: str | Path, truth_dir: str | Path, group: str, index: int) -> Path:
    """Add one more good light to a simulated night, as if the telescope had gone on.

    Parameters
    ----------
    raw_night_dir, truth_dir : path
        As made by `simulate_night`.
    group : str
        E.g. ``NGC7000_Ha``.
    index : int
        Number of the light, from 1; one that exists already is refused.

    Returns
    -------
    Path
        The new file.
    """
    account = load_truth(truth_dir)
    how = account["night"]
    plan = recipe.preset_named(how["preset"])
    targets = {target.group: target for target in plan.targets}
    if group not in targets:
        raise UserError(f"no group {group!r} in {truth_dir}; there are {', '.join(targets)}")
    own = how["seed"], how["scene_seed"], tuple(how["size"][::-1]), how["night"], how["dialect"]
    sky = Sky(*own, plan.telegraph, tuple(how.get("faults", ())))
    last = max(entry["number"] for entry in account["lights"] if entry["group"] == group)
    start_s = 3600 * 11 + CADENCE_S * (index - last)
    job = Job("light", targets[group], index, start_s)
    path = Path(raw_night_dir) / relative_path(job, sky.dialect)
    if path.exists():
        raise UserError(f"{path} exists already; the next free number is {last + 1}")
    account["lights"].append(make_frame(job, sky, Path(raw_night_dir), Path(truth_dir)))
    write_text(Path(truth_dir) / "truth.json", json.dumps(account))
    return path


def _make_all(
    jobs: list[Job], sky: Sky, raw: Path, truth: Path, processes: int, report: Callable[[str], None]
) -> Iterable[dict]:
    began = said = time.monotonic()

    def progress(done: int) -> None:
        nonlocal said
        now = time.monotonic()
        if now - said >= SAY_EVERY_S:
            said = now
            report(f"simulate: {done} of {len(jobs)} frames, {now - began:.0f} s")

    if processes <= 1:
        for done, job in enumerate(jobs):
            progress(done)
            yield make_frame(job, sky, raw, truth)
        return
    # Spawned, not forked: the caller may have started threads (torch does).
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=spawn) as pool:
        futures = [pool.submit(make_frame, job, sky, raw, truth) for job in jobs]
        for done, future in enumerate(as_completed(futures), start=1):
            if future.exception():
                pool.shutdown(cancel_futures=True)
                raise future.exception()
            progress(done)
        yield from (future.result() for future in futures)


def _is_there(raw: Path, truth: Path, jobs: list[Job], how: dict) -> bool:
    if not (truth / "truth.json").is_file():
        return False
    if load_truth(truth)["night"] != how:
        raise UserError(
            f"{truth} describes a night made with other settings; "
            f"choose another night name, or remove that folder and {raw}"
        )
    return all((raw / relative_path(job, how["dialect"])).is_file() for job in jobs)


def _group_truth(target: Target, sky: Sky) -> dict:
    scene = scene_of(target, sky.shape, sky.scene_seed)
    detector = detector_of(sky.shape, sky.scene_seed)
    places, jump = telegraph_of(sky.shape, sky.scene_seed, sky.telegraph)
    excess = detector.heat * target.gain.hot_mean * target.exptime / 60
    return {
        "target": target.name,
        "filter": target.filter,
        "exptime": target.exptime,
        "sky": target.sky,
        "gain_setting": target.gain.setting,
        "e_per_adu": target.gain.e_per_adu,
        "read_noise": target.gain.read_noise,
        "saturation": target.gain.saturation,
        "stars": [
            [round(v, 3) for v in row]
            for row in zip(scene.x.tolist(), scene.y.tolist(), scene.flux.tolist(), strict=True)
        ],
        "hot_pixels": [
            [*place, round(heat, 3)] for place, heat in zip(detector.hot.tolist(), excess.tolist(), strict=True)
        ],
        "telegraph_pixels": [
            [*place, round(height, 3)]
            for place, height in zip(places.tolist(), (jump * target.gain.read_noise).tolist(), strict=True)
        ],
    }


def _camera_truth(sky: Sky) -> dict:
    detector = detector_of(sky.shape, sky.scene_seed)
    return {
        "dead_columns": list(detector.dead_columns),
        "dead_pixels": detector.dead_pixels.tolist(),
        "offset_adu": OFFSET_ADU,
        "dark_current": DARK_CURRENT,
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `n2n simulate`."""
    parser.description = (
        "Write a night of raw frames whose noiseless truth is known: lights, bias, darks and flats with "
        "hot pixels, cosmic rays, a satellite, a cloud and a truncated file. Try the pipeline on it, or "
        "measure how far a result is from the truth. The same seed gives the same bytes."
    )
    parser.add_argument("out", type=Path, help="folder of nights, usually data/raw; OUT/NIGHT is made in it")
    parser.add_argument(
        "--preset",
        default="demo",
        choices=PRESETS,
        help="demo: two targets, 1536x1440 px, about a gigabyte with its truth; "
        "tiny: one target, 256x240; pair: two targets, 256x240; artefacts: two targets, 768x720, with every artefact "
        "that has to be masked; strange: two targets, 1024x960 px, imperfect as real nights are (see --faults); "
        "crowded: one target, 1024x960 px, a field full of blended stars, which takes --faults, too; "
        "stack: 16 Mpx (default: demo)",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        help="sky, camera and, with the night's name, noise, dithers and weather (default: 0)",
    )
    parser.add_argument(
        "--scene-seed",
        type=int,
        help="sky and camera apart from the seed: nights with one scene seed show the same sky (default: the seed)",
    )
    parser.add_argument("--frames", type=int, help="lights per target (default: as the preset says)")
    parser.add_argument("--size", type=_size, metavar="WxH", help="size of the detector, e.g. 512x480")
    parser.add_argument(
        "--dialect", default="nina", choices=DIALECTS, help="capture program to imitate (default: nina)"
    )
    parser.add_argument(
        "--night",
        default="2026-10-03",
        help="name of the night; a date also goes into the headers (default: 2026-10-03)",
    )
    parser.add_argument("--truth", type=Path, help="where the truth goes (default: OUT/../truth/NIGHT)")
    parser.add_argument(
        "--only-lights", action="store_true", help="no calibration frames, for a night that borrows them"
    )
    parser.add_argument(
        "--late-frames",
        type=int,
        default=0,
        metavar="N",
        help="make no new night: add N more lights to each target of a night made before",
    )
    parser.add_argument(
        "--faults",
        metavar="NAME,...",
        help="what is strange about a night of the preset strange (without this option: all) or crowded (none): "
        "all, none, or some of "
        + "; ".join(f"{name}: {text}" for name, text in strange.FAULTS.items()).replace("%", "%%"),
    )
    parser.add_argument("--processes", type=int, default=2, help="frames made at once (default: 2)")


def run(args: argparse.Namespace) -> None:
    """Run `n2n simulate`."""
    if args.late_frames:
        truth = args.truth or args.out.parent / "truth" / args.night
        for group in load_truth(truth)["groups"]:
            for _ in range(args.late_frames):
                lights = load_truth(truth)["lights"]
                number = 1 + max(entry["number"] for entry in lights if entry["group"] == group)
                print(simulate_late_frame(args.out / args.night, truth, group, number))
        return
    simulate_night(
        args.out,
        seed=args.seed,
        preset=args.preset,
        dialect=args.dialect,
        frames=args.frames,
        size=args.size,
        night=args.night,
        truth=args.truth,
        scene_seed=args.scene_seed,
        only_lights=args.only_lights,
        faults=args.faults,
        processes=args.processes,
    )


def _size(text: str) -> tuple[int, int]:
    width, x, height = text.lower().partition("x")
    if not x or not width.isdigit() or not height.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not a size; write it like 512x480")
    return int(width), int(height)
