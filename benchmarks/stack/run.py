"""Masters to stack beside Siril, and ccdproc + astroalign: the same frames, the same machine, in turn.

    apt-get install siril
    python -m venv peer && peer/bin/pip install ccdproc astroalign
    python benchmarks/stack/run.py [--rounds 3] [--work DIR] [--peer peer/bin/python] [--ccdproc-rounds 1]

Simulates 20 lights and 24 calibration frames of 4096 x 4096 pixels once, then runs, round by round, n2n (`snakemake`
up to stack.fits), Siril's command line and ccdproc with astroalign, and compares wall and CPU seconds, peak memory, and
each result's noise and FWHM. Writes README.md beside this file.

Question: How long do masters to stack take beside Siril, and ccdproc with astroalign, and is the result as good?
Asked: wall time at most 0.8 of Siril's and 0.2 of ccdproc's, noise and FWHM at most 1.02 of Siril's, peak at most 2 GB.
"""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import _bench

HERE = Path(__file__).parent
NIGHT, GROUP = "2026-10-03", "M31_L"
APERTURE = 4.0  # px, about the FWHM

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


def n2n(frames: Path, work: Path) -> tuple[dict, Path]:
    """Masters to stack with n2n, in a folder that knows nothing yet."""
    work.mkdir(parents=True)
    result = f"results/{NIGHT}/{GROUP}/stack.fits"
    found = _bench.timed([*_bench.snakemake(result), "--config", f"raw={frames}"], work / "log", cwd=work)
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
    found = _bench.timed([program, "-s", str(script)], work / "log", cwd=work)
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
    found = _bench.timed([python, str(HERE / "peer_ccdproc.py"), str(work)], work / "log", cwd=work)
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


def into_cache(frames: Path) -> None:
    """Read all files once: none of the programs is to pay for the disk, and the first not for all."""
    for path in (frames / NIGHT).rglob("*.fits"):
        with open(path, "rb") as file:
            while file.read(2**24):
                pass


def quality(path: Path, truth: dict) -> dict:
    """What a result is worth: noise over flux, FWHM, neither of them a matter of scale or grid; flux against truth."""
    import sep
    from astropy.io import fits
    from scipy.spatial import KDTree

    from n2n.sky.match import match_stars

    image = np.asarray(fits.getdata(path), np.float32)
    image = np.nan_to_num(image if image.ndim == 2 else image[0])
    mesh = sep.Background(image, bw=64, bh=64)
    clean = image - mesh.back()
    stars = sep.extract(clean, 20, err=mesh.globalrms)
    inside = np.minimum.reduce([stars["x"], stars["y"], image.shape[1] - stars["x"], image.shape[0] - stars["y"]]) > 200
    stars = stars[inside & (stars["flag"] == 0) & (stars["npix"] > 9) & (stars["peak"] < 0.3 * stars["peak"].max())]
    x, y, _ = sep.winpos(clean, stars["x"], stars["y"], np.full(len(stars), 1.6))
    flux, _, _ = sep.sum_circle(clean, x, y, 8.0)
    radius, _ = sep.flux_radius(clean, x, y, np.full(len(stars), 10.0), 0.5)
    order = np.argsort(-flux)
    found, known = np.column_stack([x, y, flux])[order], np.array(truth["stars"])
    known = known[np.argsort(-known[:, 2])]
    known = known[known[:, 2] < 0.25 * truth["saturation"] * 12]
    # Where stars of the truth lie in the result; pairs nearer than 2 px are the same star.
    match = match_stars(known[:600], found[:600])
    place = known[:, :2] @ match.matrix[:, :2].T + match.matrix[:, 2]
    distance, partner = KDTree(found[:, :2]).query(place, distance_upper_bound=1.0)
    alone = np.array([len(near) == 1 for near in KDTree(place).query_ball_point(place, 16.0)])
    same = np.isfinite(distance) & alone & (known[:, 2] > 3000)
    ratio = found[partner[same], 2] / known[same, 2]
    ratio /= np.median(ratio)
    faint = known[same, 2] < np.median(known[same, 2])
    scale = np.median(found[partner[same], 2] / known[same, 2])
    # Sky in apertures far from stars: a kernel that blurs lowers the noise of a pixel, but not this one.
    places = np.random.default_rng(0).uniform(300, min(image.shape) - 300, (40_000, 2))
    places = places[KDTree(known[known[:, 2] > 200, :2]).query(places)[0] > 14]
    places = places @ match.matrix[:, :2].T + match.matrix[:, 2]
    sky, _, _ = sep.sum_circle(clean, *places.T, APERTURE)
    middle = clean[300:-300, 300:-300]
    return {
        "noise": float(1.4826 * np.median(np.abs(sky - np.median(sky))) / scale),
        "pixel": float(1.4826 * np.median(np.abs(middle - np.median(middle))) / scale),
        "fwhm": float(2 * np.median(radius[order][np.unique(partner[same])])),
        "stars": int(same.sum()),
        "scatter": float(1.4826 * np.median(np.abs(ratio - 1))),
        "faint": float(np.median(ratio[faint]) / np.median(ratio[~faint]) - 1),
    }


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
        _bench.n2n("simulate", frames, "--preset", "stack", "--night", NIGHT)
    truth = json.loads((work / "truth" / NIGHT / "truth.json").read_text())["groups"][GROUP]
    programs = {"n2n": n2n}
    if shutil.which("siril-cli") or shutil.which("siril"):
        programs["siril"] = siril
    if args.peer:
        programs["ccdproc + astroalign"] = lambda frames, work: ccdproc(frames, work, args.peer)
    rows, walls, qualities, peaks = [], {name: [] for name in programs}, {}, []
    for number in range(1, args.rounds + 1):
        for name, program in programs.items():
            if name.startswith("ccdproc") and number > args.ccdproc_rounds:
                continue
            folder = work / "run"
            shutil.rmtree(folder, ignore_errors=True)
            into_cache(frames)
            found, result = program(frames, folder)
            walls[name].append(found["wall"])
            peaks += [found["peak"]] if name == "n2n" else []
            if name not in qualities:
                qualities[name] = quality(result, truth)
            rows.append(f"| {number} | {name} | {found['wall']:.1f} | {found['cpu']:.1f} | {found['peak']:.2f} |")
            print(rows[-1], flush=True)
    shutil.rmtree(work / "run", ignore_errors=True)
    lines = [
        "20 lights, 8 bias, 8 dark and 8 flat frames of 4096 x 4096 pixels, 16 bits, to one stack; in turn.",
        "Peak: memory of all processes together.",
        "",
        "| round | program | wall s | CPU s | peak GB |",
        "|---|---|---|---|---|",
        *rows,
        "",
        f"Noise of the sky in apertures of radius {APERTURE:.0f} px, and of single pixels, in electrons of the truth;",
        "a kernel that blurs lowers the latter and widens stars. Flux: of isolated stars in a radius of 8 px against",
        "the truth, their scatter in %, and the fainter half against the brighter in %.",
        "",
        "| program | noise | over Siril's | pixel | FWHM px | over Siril's | flux scatter | faint - bright | stars |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    peer = qualities.get("siril", qualities["n2n"])
    for name, q in qualities.items():
        lines.append(
            f"| {name} | {q['noise']:.2f} | {q['noise'] / peer['noise']:.4f} | {q['pixel']:.3f} | {q['fwhm']:.3f} |"
            f" {q['fwhm'] / peer['fwhm']:.3f} | {100 * q['scatter']:.2f} | {100 * q['faint']:+.2f} | {q['stars']} |"
        )
    said = []
    for name in programs:
        if name != "n2n":
            ratios = [mine / theirs for mine, theirs in zip(walls["n2n"], walls[name], strict=False)]
            lines += ["", f"n2n's wall time over that of {name}, median of paired rounds: {np.median(ratios):.2f}."]
            said.append(f"wall time {np.median(ratios):.2f} of {name}")
    if "siril" in qualities:
        mine = qualities["n2n"]
        said.append(f"noise {mine['noise'] / peer['noise']:.3f} and FWHM {mine['fwhm'] / peer['fwhm']:.3f} of siril")
    reached = "; ".join([*said, f"peak {max(peaks):.2f} GB"])
    print(_bench.write_page(__file__, "Masters to stack", lines, reached))


if __name__ == "__main__":
    main()
