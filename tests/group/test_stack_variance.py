from types import SimpleNamespace

import numpy as np
import pytest
from scipy import ndimage

from n2n.group import variance as stage
from n2n.sky.combine import weighted_mean
from n2n.sky.variance import sample_variance

SHAPE, SKY = (192, 224), 30.0


class InMemory:
    """What the stage asks of `Group`."""

    def __init__(self, values, saturated=None):
        self.values, self.valid = values, np.ones(values.shape, bool)
        self.weights, self.blocks = np.ones(len(values)), np.array(list("ABACBABC" * 9))[: len(values)]
        self.pointings, self.sky_sigma = np.arange(len(values)), np.full(len(values), np.sqrt(SKY))
        self.facts, self.shape = SimpleNamespace(sky_variance=SKY), SHAPE
        self.saturated = np.zeros(SHAPE, bool) if saturated is None else saturated
        self.variance = np.full(SHAPE, SKY, np.float32)

    def load(self, chosen, region=(slice(None), slice(None))):
        return self.values[chosen][:, region[0], region[1]].copy(), self.valid[chosen][:, region[0], region[1]]

    def mean(self, chosen=slice(None)):
        mean, depth = weighted_mean(self.values[chosen], self.valid[chosen], self.weights[chosen])
        return mean, depth, self.valid[chosen].sum(axis=0)

    def depth(self):
        return self.mean()[1]


def stars(seed=0):
    rng = np.random.default_rng(seed)
    impulses = np.zeros(SHAPE)
    impulses[tuple(rng.integers(8, 184, (2, 120)))] = 10 ** rng.uniform(2.5, 4.5, 120)
    return ndimage.gaussian_filter(impulses, 1.4)


def exposures(light, n, seed=1):
    """Poisson noise of sky and light in air that changes: seeing, place and transparency."""
    rng = np.random.default_rng(seed)
    values = np.empty((n, *SHAPE), np.float32)
    for value in values:
        seen = ndimage.gaussian_filter(light, rng.uniform(0, 0.6)) * rng.uniform(0.97, 1.03)
        seen = ndimage.shift(seen, rng.uniform(-0.05, 0.05, 2), order=3)
        value[:] = rng.poisson(np.maximum(seen, 0) + SKY) - SKY
    return values


@pytest.mark.parametrize("n", [12, 40])
def test_without_a_gain_the_variance_of_stars_is_their_noise_and_not_their_seeing(n):
    light = stars()
    group = InMemory(exposures(light, n))
    found = stage.variance_from_scatter(group) * n
    judging = group.blocks != "C"
    mean = group.values[judging].mean(axis=0)
    plain = sample_variance(group.values[judging], group.valid[judging], group.weights[judging], mean)
    level = light / np.sqrt(SKY / n)
    zones = {"sky": level < 1, "faint": (level > 3) & (level < 10), "bright": (level > 10) & (level < 30)}
    zones["cores"] = level > 30
    truth = light + SKY
    ratio = {name: np.mean((truth / found)[zone]) for name, zone in zones.items()}
    assert ratio == pytest.approx(dict.fromkeys(zones, 1.0), abs=0.1)
    assert plain[zones["cores"]].sum() > 2 * truth[zones["cores"]].sum()


def test_held_out_exposures_may_have_less_noise_than_their_weight_says():
    """A and B tell the variance; seeing took half the weight of C."""
    group = InMemory(exposures(np.zeros(SHAPE), 40))
    group.weights[group.blocks == "C"] = 0.5
    truth = SKY * np.sum(group.weights**2) / np.sum(group.weights) ** 2
    assert stage.variance_from_scatter(group).mean() == pytest.approx(truth, rel=0.03)


def test_it_follows_the_vignette_and_a_saturated_star_does_no_harm():
    y, x = np.indices(SHAPE)
    vignette = 1 + 0.5 * ((x - 112) ** 2 + (y - 96) ** 2) / (112**2 + 96**2)
    light = stars() + 4e5 * np.exp(-((x - 60) ** 2 + (y - 50) ** 2) / (2 * 1.4**2))
    values = np.minimum(exposures(light, 24), 6e4) * np.sqrt(vignette).astype(np.float32)
    saturated = (values > 5e4).any(axis=0)
    assert saturated.sum() > 9
    found = stage.variance_from_scatter(InMemory(values, saturated)) * 24
    assert np.isfinite(found).all() and (found > 0).all()
    truth = (light + SKY) * vignette
    for part in (vignette < 1.1, vignette > 1.3):
        sky = part & (light < 1)
        assert np.mean((truth / found)[sky]) == pytest.approx(1, abs=0.04)


def test_a_few_exposures_are_left_to_pairs():
    assert stage.variance_from_scatter(InMemory(exposures(stars(), 5))) is None
