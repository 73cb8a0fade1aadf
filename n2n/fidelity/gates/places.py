"""G7: are the stars where they were?"""

from scipy import stats

from n2n.fidelity.astrometry import centroids
from n2n.fidelity.gates.gate import CHANCE, Check, Gate, Limit, Verdict, judged, says
from n2n.fidelity.images import Images
from n2n.sky.photometry import BORROWED, robust_mean

FEWEST = 3  # stars that tell a mean
SHIFT = Check(
    "G7", "Place of stars", Limit("max_shift_px"), "px", "within",
    "Mean shift of {n} isolated stars against the plain stack.", says("Stars were moved: {size}"), "S",
)  # fmt: skip


def judge(images: Images, settings) -> list[Verdict]:
    """The shift of bright stars."""
    stars = images.stars
    points, expected = stars.points[stars.bright], stars.expected[stars.bright]
    return [place_verdict((images.denoised, images.stack), points, expected, images.fwhm, settings)]


def place_verdict(images, points, expected, fwhm: float, settings) -> Verdict:
    """Shift of isolated stars, and whether it is more than chance.

    Parameters
    ----------
    images : two ndarray, shape (h, w)
        D and S, sky subtracted.
    points : ndarray, shape (n, 2)
        x, y of bright stars.
    expected : ndarray, shape (n,)
        Inverse squares of their signal-to-noise ratios.
    fwhm : float
        Of stars, pixels.
    settings : namespace
        Those of the section `gates`.
    """
    value, error, count = shift(*(centroids(image, points, fwhm) for image in images), expected, fwhm)
    # Two sides of two directions are looked at.
    slack = stats.t.isf(CHANCE / 4, max(count - 1 + BORROWED, 1)) if count else float("nan")
    return judged(SHIFT, value, error, settings, slack, n=count)


def shift(denoised, stack, expected, fwhm: float) -> tuple[float, float, int]:
    """Mean of the places in D less those in S, the larger of both directions; its error, and how many stars count.

    Parameters
    ----------
    denoised, stack : ndarray, shape (n, 2)
        Centroids.
    expected : ndarray, shape (n,)
        Inverse squares of the stars' signal-to-noise ratios.
    fwhm : float
        Of stars, pixels.
    """
    if len(expected) < FEWEST:
        return float("nan"), float("nan"), 0
    moved = denoised - stack
    both = [robust_mean(moved[:, axis], expected * (fwhm / 2.3548) ** 2) for axis in (0, 1)]
    return max(both, key=lambda found: abs(found[0]))


PLACES = Gate(
    "Are the stars where they were?", (SHIFT,), judge,
    "About as well as a star of FWHM 3 px and S/N 100 can be placed at all: what is less, nobody's astrometry notices.",
)  # fmt: skip
