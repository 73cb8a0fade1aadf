"""Masters to stack beside Siril, and ccdproc + astroalign: the same frames, the same machine, in turn.

    apt-get install siril
    python -m venv peer && peer/bin/pip install ccdproc astroalign
    python benchmarks/stack/run.py [--rounds 3] [--work DIR] [--peer peer/bin/python] [--ccdproc-rounds 1]

Simulates 20 lights and 24 calibration frames of 4096 x 4096 pixels once, then runs, round by round, n2n (`snakemake`
up to stack.fits), Siril's command line and ccdproc with astroalign, and compares wall and CPU seconds, peak memory, and
each result's noise and FWHM. Writes README.md beside this file.
"""

import argparse
import datetime
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
NIGHT, GROUP = "2026-10-03", "M31_L"

SIRIL = """\
requires 1.0.0
set32bits
cd {work}/bias
convert bias -out={work}/process
cd {work}/process
stack bias rej 3 3 -nonorm -out=master_bias
cd {work}/flat
convert flat -out={work}/process
cd {work}/process
{calibrate} flat -bias=master_bias
stack pp_flat rej 3 3 -norm=mul -out=master_flat
cd {work}/dark
convert dark -out={work}/process
cd {work}/process
stack dark rej 3 3 -nonorm -out=master_dark
cd {work}/light
convert light -out={work}/process
cd {work}/process
{calibrate} light -dark=master_dark -flat=master_flat -cc=dark
register pp_light
stack r_pp_light rej 3 3 -norm=addscale -out={work}/result
close
"""


def timed(command: list[str], log: Path, **options) -> dict:
    """Run a command; wall and CPU seconds, and the peak memory of its largest process in GB."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    with open(log, "w") as file:
        done = subprocess.run(
            ["/usr/bin/time", "-f", "peak %M", *command], stdout=file, stderr=subprocess.STDOUT, **options
        )
    wall = time.monotonic() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    text = log.read_text()
    if done.returncode:
        raise SystemExit(f"{command[0]} failed; the end of {log}:\n{text[-2000:]}")
    peak = float(text.rsplit("peak ", 1)[1].split()[0]) / 2**20
    return {"wall": wall, "cpu": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, "peak": peak}


def n2n(frames: Path, work: Path) -> tuple[dict, Path]:
    """Masters to stack with n2n, in a folder that knows nothing yet."""
    work.mkdir(parents=True)
    result = f"results/{NIGHT}/{GROUP}/stack.fits"
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(REPOSITORY / "Snakefile"), result]
    command += ["--cores", str(len(os.sched_getaffinity(0))), "--resources", "gpu=0"]
    found = timed([*command, "--config", f"raw={frames}"], work / "log", cwd=work)
    return found, work / result


def siril(frames: Path, work: Path) -> tuple[dict, Path]:
    """The same with Siril's script for a mono camera."""
    (work / "process").mkdir(parents=True)
    for kind in ("bias", "dark", "flat", "light"):
        (work / kind).mkdir()
        for path in of_kind(frames, kind):
            (work / kind / path.name).symlink_to(path)
    script = work / "script.ssf"
    program = shutil.which("siril-cli") or shutil.which("siril")
    script.write_text(SIRIL.format(work=work, calibrate="calibrate" if siril_version() >= (1, 2) else "preprocess"))
    found = timed([program, "-s", str(script)], work / "log", cwd=work)
    return found, next(work.glob("result.fit*"))


def siril_version() -> tuple[int, ...]:
    """Version of the installed Siril; the command to calibrate has another name before 1.2."""
    program = shutil.which("siril-cli") or shutil.which("siril")
    words = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.split()
    return tuple(int(part) for part in words[1].split("-")[0].split("."))


def ccdproc(frames: Path, work: Path, python: str) -> tuple[dict, Path]:
    """The same with ccdproc and astroalign, as their documentation does it."""
    work.mkdir(parents=True)
    lists = {kind: [str(path) for path in of_kind(frames, kind)] for kind in ("bias", "dark", "flat", "light")}
    (work / "frames.json").write_text(json.dumps(lists))
    found = timed([python, str(HERE / "peer_ccdproc.py"), str(work)], work / "log", cwd=work)
    return found, work / "result.fits"


def of_kind(frames: Path, kind: str) -> list[Path]:
    """Whole raw frames of a kind."""
    from astropy.io import fits

    words = {"bias": "BIAS", "dark": "DARK", "flat": "FLAT", "light": "LIGHT"}
    paths = []
    for path in sorted((frames / NIGHT).rglob("*.fits")):
        header = fits.getheader(path)
        whole = path.stat().st_size >= 2 * header["NAXIS1"] * header["NAXIS2"]
        if header.get("IMAGETYP", "").upper().startswith(words[kind]) and whole:
            paths.append(path.resolve())
    return paths


def quality(path: Path) -> dict:
    """Noise of the sky over the flux of a common star, and FWHM: figures that do not depend on scale or grid."""
    import sep
    from astropy.io import fits

    image = np.ascontiguousarray(fits.getdata(path), np.float32)
    image = np.nan_to_num(image if image.ndim == 2 else image[0])[200:-200, 200:-200].copy()
    mesh = sep.Background(image, bw=64, bh=64)
    clean = image - mesh.back()
    stars = sep.extract(clean, 20, err=mesh.globalrms)
    fair = (stars["flag"] == 0) & (stars["peak"] < 0.3 * stars["peak"].max()) & (stars["npix"] > 9)
    stars = stars[fair]
    flux, _, _ = sep.sum_circle(clean, stars["x"], stars["y"], 8.0)
    radius, _ = sep.flux_radius(clean, stars["x"], stars["y"], np.full(len(stars), 10.0), 0.5)
    # The noise of what the eye and an aperture see: in boxes of 4 px, where resampling does not hide it.
    boxes = clean[: clean.shape[0] // 4 * 4, : clean.shape[1] // 4 * 4]
    boxes = boxes.reshape(boxes.shape[0] // 4, 4, -1, 4).mean(axis=(1, 3))
    sigma = 1.4826 * np.median(np.abs(boxes - np.median(boxes)))
    bright = np.sort(flux)[::-1][50:350]
    return {"noise": float(sigma / np.median(bright)), "fwhm": float(2 * np.median(radius)), "stars": int(fair.sum())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ccdproc-rounds", type=int, default=1)
    parser.add_argument("--peer", help="python with ccdproc and astroalign")
    parser.add_argument("--work", type=Path, default=Path("results/benchmark-stack"))
    args = parser.parse_args()
    work = args.work.resolve()
    frames = work / "raw"
    if not (frames / NIGHT).exists():
        command = [sys.executable, "-m", "n2n", "simulate", str(frames), "--preset", "stack", "--night", NIGHT]
        subprocess.run(command, check=True)
    programs = {"n2n": n2n}
    if shutil.which("siril-cli") or shutil.which("siril"):
        programs["siril"] = siril
    if args.peer:
        programs["ccdproc + astroalign"] = lambda frames, work: ccdproc(frames, work, args.peer)
    rows, walls, qualities = [], {name: [] for name in programs}, {}
    for number in range(1, args.rounds + 1):
        for name, program in programs.items():
            if name.startswith("ccdproc") and number > args.ccdproc_rounds:
                continue
            folder = work / "run"
            shutil.rmtree(folder, ignore_errors=True)
            found, result = program(frames, folder)
            walls[name].append(found["wall"])
            qualities.setdefault(name, quality(result))
            rows.append(f"| {number} | {name} | {found['wall']:.1f} | {found['cpu']:.1f} | {found['peak']:.2f} |")
            print(rows[-1], flush=True)
    shutil.rmtree(work / "run", ignore_errors=True)
    commit = subprocess.run(["git", "-C", str(HERE), "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    machine = f"{len(os.sched_getaffinity(0))} cores {platform.machine()}"
    lines = [
        "# Masters to stack",
        "",
        f"`python benchmarks/stack/run.py`, {datetime.date.today()}, commit {commit.stdout.strip()}, {machine},",
        "no GPU.",
        "20 lights, 8 bias, 8 dark and 8 flat frames of 4096 x 4096 pixels, 16 bits. Peak: of the largest process.",
        "",
        "| round | program | wall s | CPU s | peak GB |",
        "|---|---|---|---|---|",
        *rows,
        "",
        "| program | noise over a star's flux (4 px boxes), n2n = 1 | FWHM px | stars |",
        "|---|---|---|---|",
    ]
    for name, q in qualities.items():
        relative = q["noise"] / qualities["n2n"]["noise"]
        lines.append(f"| {name} | {relative:.3f} | {q['fwhm']:.3f} | {q['stars']} |")
    for name in programs:
        if name != "n2n":
            ratios = [mine / theirs for mine, theirs in zip(walls["n2n"], walls[name], strict=False)]
            lines += ["", f"n2n's wall time over that of {name}, median of paired rounds: {np.median(ratios):.2f}."]
    (HERE / "README.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
