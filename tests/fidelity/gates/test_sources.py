import numpy as np
import pytest
from observed import FWHM, PLACES, SETTINGS, SHAPE, Sky, flux_of, light_of, scattered
from scipy import ndimage

from n2n.fidelity.filtered import filtered
from n2n.fidelity.gates.gate import FAIL, INFO, PASS
from n2n.fidelity.gates.sources import erased, invented, lost

SEEDS = range(4)


def light(sky, denoised):
    return filtered(sky.images(denoised), FWHM)


def at(places):
    rows, columns = np.rint(places[:, ::-1]).astype(int).T
    return np.minimum(rows, SHAPE[0] - 1), np.minimum(columns, SHAPE[1] - 1)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("left", [0.0, 0.3, 1.0])
def test_a_good_image_passes(seed, left):
    sky = Sky(seed)
    found = light(sky, sky.good(left))
    gates = [
        invented(found, SETTINGS),
        invented(found, SETTINGS, -1),
        lost(found, SETTINGS),
        erased(found, SETTINGS),
    ]
    # How many of those that are gone were stars, so few tell to 1 % only: about the limit.
    gone = gates.pop(2)
    assert gone.verdict == PASS or (gone.verdict == INFO and gone.uncertainty >= gone.limit)
    assert [gate.verdict for gate in gates] == [PASS] * 3
    assert gates[0].value == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_invented_stars_are_found(seed):
    sky = Sky(seed)
    fake = light_of(scattered(10, 50 + seed), np.full(10, flux_of(10.0)))
    gate = invented(light(sky, sky.good() + fake), SETTINGS)
    assert gate.verdict == FAIL and "not in the exposures" in gate.explanation
    hole = invented(light(sky, sky.good() - fake), SETTINGS, -1)
    assert hole.verdict == FAIL and hole.title == "Invented dark spots"


def test_invented_stars_are_found_where_stars_stand_shoulder_to_shoulder():
    """There seeing allows held-out exposures much, and a star more makes few maxima more."""
    rng = np.random.default_rng(4)
    places = rng.uniform(0, SHAPE[::-1], (SHAPE[0] * SHAPE[1] // 40, 2))
    crowd = np.zeros(SHAPE)
    np.add.at(crowd, at(places), flux_of(np.exp(rng.uniform(1, 5, len(places)))))
    crowd = ndimage.gaussian_filter(crowd, FWHM / 2.3548)
    sky = Sky(1, crowd)
    assert invented(light(sky, sky.good()), SETTINGS).value == 0
    fake = light_of(scattered(30, 60), np.full(30, flux_of(10.0)))
    gate = invented(light(sky, sky.good() + fake), SETTINGS)
    assert gate.verdict == FAIL
    assert invented(light(sky, sky.good() - fake), SETTINGS, -1).verdict == FAIL


def test_a_noise_peak_made_a_star_is_invented():
    sky = Sky(3)
    peak = ndimage.gaussian_filter(sky.stack - sky.truth, 1.3)
    found = np.argsort(peak[30:-30, 30:-30].ravel())[-3:]
    places = np.column_stack(np.unravel_index(found, (SHAPE[0] - 60, SHAPE[1] - 60)))[:, ::-1] + 30.0
    fake = light_of(places, np.full(3, flux_of(16.0)))
    assert invented(light(sky, sky.good() + fake), SETTINGS).verdict == FAIL


@pytest.mark.parametrize("seed", SEEDS)
def test_erased_stars_are_missed_and_erased_noise_is_not(seed):
    sky = Sky(seed)
    faint = light_of(PLACES[:12], flux_of(np.geomspace(7, 60, len(PLACES)))[:12])
    gate = lost(light(sky, sky.truth - faint), SETTINGS)
    assert gate.verdict == FAIL and 5 < gate.value < 35
    assert "real" in gate.explanation
    clean = lost(light(sky, sky.truth), SETTINGS)
    assert abs(clean.value) < 3 * max(clean.uncertainty, 0.3)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_few_erased_of_many_are_counted(seed):
    """Stars of S/N 7 to 10; what is removed as noise is not counted."""
    sky = Sky(seed)
    faint = light_of(PLACES[:12], flux_of(np.geomspace(7, 60, len(PLACES)))[:12])
    gate = erased(light(sky, sky.truth - faint), SETTINGS)
    assert gate.verdict == FAIL and 3 <= gate.value * len(PLACES) / 100 <= 12
    assert erased(light(sky, sky.truth), SETTINGS).value == 0


def test_a_small_part_of_a_bright_star_is_not_erased():
    """Seeing makes as much of it; G6 and G9 judge the light of bright stars."""
    sky = Sky(7, light_of(PLACES, flux_of(np.geomspace(300, 3000, len(PLACES)))))
    assert erased(light(sky, 0.99 * sky.truth), SETTINGS).value == 0


def test_no_star_no_verdict():
    sky = Sky(0, np.zeros(SHAPE), off=False)
    found = light(sky, np.zeros(SHAPE))
    assert lost(found, SETTINGS).verdict == INFO and invented(found, SETTINGS).verdict == PASS


def test_nothing_usable_is_no_error():
    sky = Sky(0)
    found = filtered(sky.images(sky.good(), np.zeros(SHAPE, bool)), FWHM)
    gates = invented(found, SETTINGS), invented(found, SETTINGS, -1), lost(found, SETTINGS)
    for gate in (*gates, erased(found, SETTINGS)):
        assert gate.verdict == INFO and gate.value is None


def test_what_touches_the_border_or_a_gap_is_not_judged():
    sky = Sky(2)
    usable = np.ones(SHAPE, bool)
    usable[:, 200:] = False
    fake = light_of([(2, 100), (197, 60), (100, 253), (260, 100)], np.full(4, flux_of(20.0)))
    found = filtered(sky.images(sky.good() + fake, usable), FWHM)
    assert invented(found, SETTINGS).value == 0
