"""What resampling kernels do to noise, stars and flux, and what they and filters cost: one command, tables out.

    python benchmarks/kernels/run.py

Noise: 40 random shifts, 256 x 256 pixels of white noise. Stars: Moffat profiles (beta 3), turned by 0.2 degrees and
shifted by three fractions of a pixel; error of the image in % of its root mean square, flux in apertures of 6 px.
Time: CPU seconds of one thread for 4096 x 4096 pixels, the second of two calls. Writes README.md beside this file.

Question: What do resampling kernels do to noise, stars and flux, and what do they cost?
Asked: flux kept to 0.1 %.
"""

import argparse
import sys
import time
from pathlib import Path

import cv2
import numpy as np
from scipy import ndimage

from n2n.sky.warp import warp

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import _bench

SIDE = 512
SHIFTS = ((5.37, -3.21), (2.5, 1.5), (0.25, 0.75))


def ours(image, matrix):
    return warp(image, np.zeros(image.shape, np.uint8), matrix, image.shape)[0]


def opencv(kernel):
    def sample(image, matrix):
        flags = kernel | cv2.WARP_INVERSE_MAP
        return cv2.warpAffine(image, matrix, image.shape[::-1], flags=flags, borderMode=cv2.BORDER_REFLECT_101)

    return sample


def spline(image, matrix):
    return ndimage.affine_transform(image, matrix[::-1, 1::-1], matrix[::-1, 2], order=3, mode="mirror")


KERNELS = {
    "n2n: Lanczos-4, rows then columns": ours,
    "opencv Lanczos-4": opencv(cv2.INTER_LANCZOS4),
    "opencv cubic": opencv(cv2.INTER_CUBIC),
    "opencv linear": opencv(cv2.INTER_LINEAR),
    "scipy cubic spline": spline,
}


FILTERS = {
    "median over 5 x 5 px": (lambda image: ndimage.median_filter(image, 5), lambda image: cv2.medianBlur(image, 5)),
    "Gaussian of 2 px": (
        lambda image: ndimage.gaussian_filter(image, 2.0, truncate=3.0),
        lambda image: cv2.GaussianBlur(image, (13, 13), 2.0),
    ),
}


def noise(kernel) -> tuple[float, float]:
    """Variance kept of white noise, and its correlation with the next pixel."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(40):
        image = rng.standard_normal((256, 256)).astype(np.float32)
        moved = kernel(image, np.array([[1, 0, rng.uniform()], [0, 1, rng.uniform()]]))[16:-16, 16:-16]
        found.append((moved.var(), (moved[:, 1:] * moved[:, :-1]).mean() / moved.var()))
    return tuple(np.mean(found, axis=0))


def paint(x, y, fwhm):
    rows, columns = np.mgrid[:SIDE, :SIDE]
    image = np.zeros((SIDE, SIDE))
    for u, v in zip(x, y, strict=True):
        near = np.s_[max(0, int(v) - 19) : int(v) + 20, max(0, int(u) - 19) : int(u) + 20]
        distance = (columns[near] - u) ** 2 + (rows[near] - v) ** 2
        image[near] += (1 + distance / ((fwhm / 2) ** 2 / (2 ** (1 / 3) - 1))) ** -3
    return image.astype(np.float32)


def stars(kernel, fwhm: float) -> tuple[float, float]:
    """Error of an image of stars over its root mean square, and scatter of their flux; both in %."""
    x, y = np.random.default_rng(1).uniform(30, SIDE - 30, (2, 150))
    truth = paint(x, y, fwhm)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    apertures = [np.hypot(columns - u, rows - v) < 6 for u, v in zip(x, y, strict=True)]
    inner = np.s_[12:-12, 12:-12]
    turn = np.radians(0.2)
    found = []
    for shift in SHIFTS:
        matrix = np.array([[np.cos(turn), -np.sin(turn), shift[0]], [np.sin(turn), np.cos(turn), shift[1]]])
        frame = paint(*(matrix[:, :2] @ [x, y] + matrix[:, 2:]), fwhm)
        moved = kernel(frame, matrix)
        error = np.sqrt(np.mean((moved - truth)[inner] ** 2) / np.mean(truth[inner] ** 2))
        flux = np.array([moved[part].sum() / truth[part].sum() for part in apertures])
        found.append((100 * error, 100 * flux.std()))
    return tuple(np.mean(found, axis=0))


def seconds(work, *arguments) -> float:
    """CPU seconds for 16 million pixels."""
    cv2.setNumThreads(1)
    image = np.random.default_rng(0).standard_normal((4096, 4096)).astype(np.float32)
    for _ in range(2):
        started = time.process_time()
        work(image, *arguments)
        spent = time.process_time() - started
    return spent


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    text = [
        "Error and flux at FWHM 2 / 3 / 4 px, in %.",
        "",
        "| kernel | variance kept | correlation | error of stars | scatter of flux | CPU s for 16 Mpx |",
        "|---|---|---|---|---|---|",
    ]
    turn = np.radians(0.05)
    turned = np.array([[np.cos(turn), -np.sin(turn), 5.3], [np.sin(turn), np.cos(turn), -2.2]])
    times = {}
    for name, kernel in KERNELS.items():
        kept, beside = noise(kernel)
        errors, fluxes = zip(*(stars(kernel, fwhm) for fwhm in (2.0, 3.0, 4.0)), strict=True)
        cells = [f"{kept:.2f}", f"{beside:.2f}"]
        cells += [" / ".join(f"{value:.2f}" for value in values) for values in (errors, fluxes)]
        times[name] = kept, seconds(kernel, turned)
        text.append(f"| {name} | {' | '.join(cells)} | {times[name][1]:.2f} |")
        print(text[-1], flush=True)
    text += ["", "| filter, CPU s for 16 Mpx | scipy | opencv |", "|---|---|---|"]
    for name, filters in FILTERS.items():
        text.append(f"| {name} | {' | '.join(f'{seconds(work):.2f}' for work in filters)} |")
        print(text[-1], flush=True)
    (kept, mine), (other, theirs) = times["n2n: Lanczos-4, rows then columns"], times["opencv Lanczos-4"]
    reached = f"variance kept {kept:.2f} (OpenCV {other:.2f}), {mine:.2f} CPU s for 16 Mpx (OpenCV {theirs:.2f})"
    _bench.write_page(__file__, "Resampling kernels", text, reached)


if __name__ == "__main__":
    main()
