"""Products in other programs: one command, a table out.

    python benchmarks/programs/run.py FOLDER

FOLDER is one that snakemake ran in. astropy opens every denoised.fits and stack.fits and checks its sums; fitsverify
(package fitsverify) judges the format; Siril (package siril) opens the files, and stacks what `n2n export` makes of
all denoised.fits, of which it must get the mean. A program that is not installed is left out, and README.md says so.

Question: Do other programs open the products?
Asked: astropy and fitsverify without error or warning, Siril opens and stacks them.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
from astropy.io import fits

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import _bench

COPIES = 3  # of a product: Siril stacks no fewer images well


def by_astropy(path: Path) -> str:
    """What astropy finds."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        with fits.open(path, checksum=True) as hdus:
            hdus.verify("exception")
            names = [hdu.name or "image" for hdu in hdus if hdu.data is not None]
    return f"{len(names)} HDUs, {len(said)} warnings"


def by_fitsverify(path: Path) -> str:
    """The last line of fitsverify."""
    done = subprocess.run(["fitsverify", "-q", str(path)], capture_output=True, text=True)
    verdict, _, rest = done.stdout.strip().partition(": ")
    return verdict + "".join(rest.partition(",")[1:])


def siril(folder: Path, *lines: str) -> subprocess.CompletedProcess:
    """Run a script of Siril in `folder`."""
    (folder / "script.ssf").write_text("\n".join(["requires 1.0.0", *lines, "close", ""]))
    command = ["siril-cli", "-d", str(folder), "-s", str(folder / "script.ssf")]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def by_siril(path: Path) -> tuple[str, str]:
    """Does Siril open the file, and what does it make of `COPIES` exported ones, each a little brighter?"""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        shutil.copy(path, folder / "image.fits")
        # Siril's exit code says nothing of an image that it could not open.
        opened = "yes" if "Reading FITS: file image.fits" in siril(folder, "setext fits", "load image").stdout else "no"
        alone = folder / "alone.fits"
        subprocess.run([sys.executable, "-m", "n2n", "export", str(path), "-o", str(alone)], check=True)
        image, header = fits.getdata(alone).astype(np.float32), fits.getheader(alone)
        for number in range(COPIES):
            fits.writeto(folder / f"one_{number + 1:05d}.fits", image + np.float32(number) / 2**16, header)
        done = siril(folder, "setext fits", "stack one_ mean 3 3 -nonorm -out=stacked")
        if done.returncode != 0 or not (folder / "stacked.fits").exists():
            return opened, "failed: " + (done.stdout.strip().splitlines() or ["?"])[-1]
        found = np.squeeze(fits.getdata(folder / "stacked.fits")).astype(np.float64)
    right = image + (COPIES - 1) / 2 / 2**16
    return opened, f"mean of {COPIES}, off by {np.abs(found - right).max() / np.median(image):.1e} of the sky"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder that snakemake ran in")
    folder = parser.parse_args().folder
    have = {name: shutil.which(name) is not None for name in ("fitsverify", "siril-cli")}
    rows, fine = [], 0
    for path in sorted([*folder.glob("results/*/*/denoised.fits"), *folder.glob("results/*/*/stack.fits")]):
        verified = by_fitsverify(path) if have["fitsverify"] else "not installed"
        opened, stacked = by_siril(path) if have["siril-cli"] else ("not installed", "")
        cells = [f"{path.parent.name}/{path.name}", by_astropy(path), verified, opened, stacked]
        fine += cells[1].endswith(" 0 warnings") and verified == "verification OK" and opened == "yes"
        rows.append(_bench.row(cells))
        print(rows[-1], flush=True)
    version = "not installed"
    if have["siril-cli"]:
        version = subprocess.run(["siril-cli", "--version"], capture_output=True, text=True).stdout.strip()
    text = [
        f"Siril: {version}.",
        "",
        "| product | astropy | fitsverify | Siril opens it | Siril stacks the exported image |",
        "|---" * 5 + "|", *rows, "",
        "Siril 1.0 stacks images whose full scale is 1, and clips what is above: `n2n export denoised.fits -o",
        "image.fits` writes one.",
    ]  # fmt: skip
    reached = f"{fine} of {len(rows)} products: no warning, verified, opened by Siril"
    _bench.write_page(__file__, "Products in other programs", text, reached)


if __name__ == "__main__":
    main()
