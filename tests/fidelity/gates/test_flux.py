import numpy as np
import pytest
from observed import SETTINGS, SHAPE, Sky, flux_of, light_of, scattered

from n2n.fidelity.gates.flux import FLUX, star_flux
from n2n.fidelity.gates.gate import FAIL, INFO, PASS

PLACES = scattered(60, 5, margin=24)
# Noise is shared between neighbours, so that apertures know these fluxes to S/N 30 to 300.
STARS = light_of(PLACES, flux_of(np.geomspace(80, 600, len(PLACES))))


def verdicts(seed, share=0.0, truth=STARS):
    sky = Sky(seed, truth)
    return FLUX.judge(sky.seen(sky.good() + share * truth), SETTINGS)


@pytest.mark.parametrize("seed", range(4))
def test_stars_that_keep_their_light_pass(seed):
    bright, faint = verdicts(seed)
    assert bright.verdict == PASS and faint.verdict in (PASS, INFO)


@pytest.mark.parametrize("share", [-0.05, 0.05])
def test_a_change_of_flux_is_measured(share):
    bright, faint = verdicts(1, share)
    assert bright.verdict == FAIL and bright.value == pytest.approx(100 * share, abs=1)
    assert faint.limit == 3 * bright.limit


def test_an_empty_sky_tells_nothing():
    assert [one.verdict for one in verdicts(0, truth=np.zeros(SHAPE))] == [INFO, INFO]


def test_fluxes_are_told_by_the_names_of_their_classes():
    sky = Sky(2, STARS)
    found = star_flux(sky.seen(sky.good()).stars)
    assert list(found) == ["S/N above 50", "S/N 20 to 50"] and sum(one["n"] for one in found.values()) > 20
