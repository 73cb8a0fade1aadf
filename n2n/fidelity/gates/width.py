"""G8: did isolated stars become wider or narrower?"""

import numpy as np

from n2n.fidelity.gates.gate import Check, Gate, Limit, Verdict, judged, says, two_errors
from n2n.fidelity.images import Images
from n2n.sky.photometry import BORROWED, moment_width, robust_mean

WIDTH_OF_STARS = Check(
    "G8", "Width of stars", Limit("max_fwhm_change"), "%", "within",
    "Mean change of the width of {n} bright stars: above zero the image was blurred.",
    says("Stars became {size} wider", "Stars became {size} narrower"), "S",
)  # fmt: skip


def judge(images: Images, settings) -> list[Verdict]:
    """Bright stars, in the image that is to be used and in its stack."""
    stars = images.stars
    before, _, after = images.product
    widths = [moment_width(np.nan_to_num(image), stars.points[stars.bright], stars.radius) for image in (after, before)]
    change, error, n = robust_mean(widths[0] / widths[1] - 1, stars.expected[stars.bright])
    return [judged(WIDTH_OF_STARS, 100 * change, 100 * error, settings, two_errors(n + BORROWED), n=n)]


WIDTH = Gate(
    "Did isolated stars become wider or narrower?", (WIDTH_OF_STARS,), judge,
    "1 % of the width: a Gaussian blur of 0.18 px adds 1 % to stars of FWHM 3 px. Measured by second moments in both "
    "images alike, of stars above S/N 50.",
)  # fmt: skip
