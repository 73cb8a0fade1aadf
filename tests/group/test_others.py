from types import SimpleNamespace

import numpy as np
import pytest

from n2n.errors import UserError
from n2n.group.others import Parts, apart, moved
from n2n.sky.match import Match


def series(name, count, date=""):
    exposures = [
        SimpleNamespace(name=f"{name}{i}.fits", sha256=f"{name}{i}", date_obs=date and f"{date}{i}", filter="L")
        for i in range(count)
    ]
    return SimpleNamespace(exposures=exposures, path=f"{name}/pairs.h5")


def test_exposures_that_had_a_part_are_named():
    own, deep = series("few", 3), series("deep", 6)
    apart(own, deep)
    deep.exposures[2].sha256 = own.exposures[0].sha256
    with pytest.raises(UserError, match=r"deep2\.fits; what had a part"):
        apart(own, deep)


def test_so_are_other_copies_of_them_by_when_they_began():
    with pytest.raises(UserError, match=r"deep0\.fits, deep1\.fits, deep2\.fits and 1 more"):
        apart(series("few", 4, "2026-10-03T22:0"), series("deep", 6, "2026-10-03T22:0"))
    apart(series("few", 4, "2026-10-03T22:0"), series("deep", 6, "2026-10-03T23:0"))


def test_too_few_cannot_judge():
    with pytest.raises(UserError, match="3 exposures"):
        apart(series("few", 4), series("deep", 3))


def test_what_is_shallow_or_saturated_is_told():
    shape = (60, 60)
    depth, full = np.full(shape, 8.0), np.zeros(shape, bool)
    depth[:, 40:], full[10, 10] = 3.0, True
    match = Match(np.array([[1.0, 0, 2], [0, 1, 0]]), 0.0, 9, 1.0, 0.0)
    image, lacking, saturated = moved(np.indices(shape)[1].astype(float), depth, full, match, shape)
    assert lacking[30, 38:].all() and not lacking[5:55, 5:35].any() and lacking[30, 58:].all()
    assert saturated[10, 8] and not saturated[30, 30]
    np.testing.assert_allclose(image[30, 5:35], np.arange(5, 35) + 2, atol=1e-3)


def test_products_of_different_parts_hold_no_noise_of_their_own():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(200, 200))
    parts = Parts(np.zeros(truth.shape))
    given = [(truth + rng.normal(size=truth.shape), depth) for depth in (1.0, 2.0, 3.0)]
    for part, depth in given:
        parts.add(part, np.full(truth.shape, depth))
    assert parts.enough().all() and abs(parts.error(truth).mean()) < 0.01
    assert parts.error(truth + 1).mean() == pytest.approx(1, abs=0.02)
    pairs = [(i, j) for i in range(3) for j in range(3) if i != j]
    weights = [given[i][1] * given[j][1] for i, j in pairs]
    plain = np.average([(truth - given[i][0]) * (truth - given[j][0]) for i, j in pairs], axis=0, weights=weights)
    np.testing.assert_allclose(parts.error(truth), plain, atol=1e-4)
