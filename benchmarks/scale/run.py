"""Two hundred exposures of 16 million pixels within the memory cap: one command, a line out.

    python benchmarks/scale/run.py FRAMES [--copies 10] [--memory-gb 4] [--work DIR]

FRAMES is the folder of raw nights that `benchmarks/stack/run.py` made (its --work, then raw). Its 20 lights are
written ten times, rolled by whole pixels and with a little noise of their own, so that every file is another one;
calibration frames are linked. Then the workflow runs to stack.fits. Writes README.md beside this file.

Question: How much memory and time do 200 exposures of 16 Mpx take?
Asked: memory below the cap of 4 GB.
"""

import argparse
import os
import shutil
import sys
from pathlib import Path

import numpy as np
from astropy.io import fits

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import _bench

NIGHT, GROUP = "2026-10-03", "M31_L"


def multiply(frames: Path, night: Path, copies: int) -> int:
    """Make the large night; return the number of its lights."""
    count = 0
    for path in sorted((frames / NIGHT).rglob("*.fits")):
        target = night / path.relative_to(frames / NIGHT)
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.parent.name != "LIGHT":
            target.symlink_to(path.resolve())
            continue
        header = fits.getheader(path)
        if path.stat().st_size < 2 * header["NAXIS1"] * header["NAXIS2"]:
            continue  # the night's truncated frame
        with fits.open(path) as file:
            pixels, header = file[0].data, file[0].header
        for copy in range(copies):
            rng = np.random.default_rng([count, 1])
            moved = np.roll(pixels, (3 * copy, -5 * copy), axis=(0, 1)).astype(np.int32)
            moved += rng.integers(-2, 3, moved.shape, dtype=np.int32)
            moved = np.clip(moved, 0, 65535).astype(np.uint16)
            fits.writeto(target.with_name(f"{target.stem}_{copy}.fits"), moved, header, overwrite=True)
            os.utime(target.with_name(f"{target.stem}_{copy}.fits"), (1, 1))
            count += 1
        print(f"{count} lights", flush=True)
    return count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("frames", type=Path)
    parser.add_argument("--copies", type=int, default=10)
    parser.add_argument("--memory-gb", type=float, default=4.0)
    parser.add_argument("--work", type=Path, default=Path("results/benchmark-scale"))
    args = parser.parse_args()
    work = args.work.resolve()
    lights = multiply(args.frames, work / "raw" / NIGHT, args.copies)
    shutil.rmtree(work / "run", ignore_errors=True)
    (work / "run").mkdir(parents=True)
    command = _bench.snakemake(f"results/{NIGHT}/{GROUP}/stack.fits")
    command += ["--config", f"raw={work / 'raw'}", f"memory_gb={args.memory_gb}"]
    found = _bench.timed(command, work / "log", cwd=work / "run")
    with fits.open(work / "run" / "results" / NIGHT / GROUP / "stack.fits") as file:
        used = file[0].header["NCOMBINE"]
    jobs = (work / "log").read_text().count("localrule ")
    text = [
        f"{lights} lights of 4096 x 4096 pixels, {used} of them in the stack, cap {args.memory_gb:g} GB: peak",
        f"{found['peak']:.2f} GB of all processes together, {found['wall']:.0f} s wall, {found['cpu']:.0f} s CPU,",
        f"{found['wall'] / lights:.2f} s an exposure, {jobs} jobs.",
    ]
    reached = f"{found['peak']:.2f} GB, {found['wall']:.0f} s for {lights} lights"
    print(_bench.write_page(__file__, "Many large exposures", text, reached))


if __name__ == "__main__":
    main()
