"""The noise of the masters is told where no scatter shows it, and nowhere else."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import ndimage

from n2n.group.exposure import Exposure, Placement
from n2n.group.mastered import hidden_share, hidden_variance
from n2n.group.split import pointings

SHAPE, ZERO, FLAT, SKY = (96, 128), 0.8, 0.01, 60.0


def group_of(shifts):
    placements = [
        replace(Placement.of_reference(9), matrix=np.array([[1, 0, x], [0, 1, y]], float), noise_kept=1.0)
        for x, y in shifts
    ]
    exposures = [
        replace(Exposure.from_row({"path": f"{index}.fits"}), placement=placement)
        for index, placement in enumerate(placements)
    ]
    facts = SimpleNamespace(masters={"zero": ZERO, "flat": FLAT}, sky=SKY, pattern={})
    units = pointings([placement.matrix for placement in placements])
    return SimpleNamespace(exposures=exposures, facts=facts, weights=np.ones(len(shifts)), pointings=units, shape=SHAPE)


def test_where_the_telescope_stood_still_all_of_it_is_hidden():
    rng = np.random.default_rng(0)
    group = group_of(np.zeros((12, 2)))
    assert hidden_share(group) == pytest.approx(1 - 1 / 12)
    light = np.where(np.arange(128) > 64, 40.0, 0.0) * np.ones(SHAPE)
    errors = [rng.normal(0, np.hypot(ZERO, FLAT * (SKY + light))) for _ in range(200)]
    told = hidden_variance(group, light) / (1 - 1 / 12)
    for half in (np.s_[:, :64], np.s_[:, 65:]):
        assert told[half].mean() == pytest.approx(np.mean(np.square(errors)[:, half[0], half[1]]), rel=0.03)


def test_a_slow_drift_hides_what_pairs_of_exposures_share():
    shifts = np.column_stack([0.3 * np.arange(20), 0.1 * np.arange(20)])
    rng, own = np.random.default_rng(1), []
    for _ in range(40):
        master = rng.normal(0, 1, SHAPE)
        moved = [ndimage.shift(master, (y, x), order=1, mode="wrap") for x, y in shifts]
        own.append(np.var(np.mean(moved, axis=0)) - np.mean([np.var(image) for image in moved]) / 20)
    # Linear interpolation takes some of the noise and spreads it: two neighbours share 2/3 + 1/6 instead of 1.
    assert hidden_share(group_of(shifts)) == pytest.approx(np.mean(own), rel=0.35)


def test_dithers_hide_nothing():
    shifts = np.random.default_rng(2).uniform(-12, 12, (24, 2))
    assert hidden_share(group_of(shifts)) < 0.01
    assert hidden_variance(group_of([(3 * i, -2 * i) for i in range(24)]), np.zeros(SHAPE)) is None


def test_what_pairs_took_off_is_not_counted():
    group, light = group_of(np.zeros((12, 2))), np.zeros(SHAPE)
    whole = hidden_variance(group, light)
    group.facts.pattern = {"share": 0.04, "left": 0.01}
    np.testing.assert_allclose(hidden_variance(group, light), whole / 4, rtol=1e-5)


def test_unknown_masters_add_nothing():
    group = group_of(np.zeros((12, 2)))
    group.facts.masters = {}
    assert hidden_variance(group, np.zeros(SHAPE)) is None
