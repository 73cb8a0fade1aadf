import numpy as np
import pytest
import torch

from n2n.study.sources import NoisyPairs, Synthetic

CPU = torch.device("cpu")


def named(count, noise=0.0, seed=0, side=128):
    """Photographs that hold their own number, and noise."""
    rng = np.random.default_rng(seed)
    images = [np.full((side, side, 3), 20 * k + 10) + noise * rng.normal(size=(side, side, 3)) for k in range(count)]
    return [(f"{k}.png", np.clip(image, 0, 255).astype(np.uint8)) for k, image in enumerate(images)]


def synthetic(noise="gaussian", clean=False, crop=32):
    return Synthetic.of(named(3), named(2), noise, clean_targets=clean, batch=4, crop=crop, device=CPU)


def seeded(seed):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    ("noise", "clean", "loss"),
    [("bernoulli", False, "masked_l2"), ("bernoulli", True, "l2"), ("text", True, "l1"), ("gaussian", False, "l2")],
)
def test_the_loss_fits_noise_and_targets(noise, clean, loss):
    """A clean target has no dropped pixels that a mask would have to leave out."""
    assert synthetic(noise, clean).loss == loss


def test_a_step_draws_the_same_batch_again():
    source = synthetic()
    one, two, other = (source.draw(seeded(seed))["source"] for seed in (5, 5, 6))
    assert one.shape == (4, 3, 32, 32) and torch.equal(one, two) and not torch.equal(one, other)


def test_the_validation_is_the_same_for_every_recipe():
    one, other = synthetic(crop=32), synthetic(clean=True, crop=64)
    for a, b in zip(one.validation, other.validation, strict=True):
        assert all(torch.equal(a[key], b[key]) for key in ("source", "target", "clean"))
    assert not torch.equal(one.validation[0]["source"], one.validation[0]["target"])
    assert sum(len(batch["source"]) for batch in one.validation) == 32


def test_what_the_result_depends_on_is_in_the_facts():
    facts = [synthetic().facts, synthetic(clean=True).facts, synthetic("text").facts]
    assert len({str(one) for one in facts}) == 3
    assert facts[0]["training_images"] == 3 and facts[0]["validation_images"] == 2


def pairs(count):
    return NoisyPairs.of(named(count, 3, 1), named(count, 3, 2), batch=8, crop=32, device=CPU)


def test_both_sides_show_the_same_place_and_other_noise():
    batch = pairs(6).draw(seeded(3))
    difference = (batch["source"] - batch["target"]).mean(dim=(1, 2, 3)).abs()
    assert difference.max() < 0.005 and not torch.equal(batch["source"], batch["target"])
    assert batch["target_mask"] is None


def test_each_side_is_the_target_in_turn():
    source = pairs(6)
    first = source.sides[0].crops(8, 32, seeded(4)), source.sides[0].crops(8, 32, seeded(5))
    assert torch.equal(source.draw(seeded(4))["target"], first[0])
    assert torch.equal(source.draw(seeded(5))["source"], first[1])


@pytest.mark.parametrize(("count", "held"), [(2, 1), (3, 2), (6, 3), (12, 4)])
def test_pairs_that_are_judged_by_are_not_trained_on(count, held):
    source = pairs(count)
    judged = torch.cat([batch["source"].mean(dim=(1, 2, 3)) for batch in source.validation])
    seen = {round(float(255 * (value + 0.5))) for value in judged}
    trained = {round(float(p[:, :128, :128].float().mean())) for p in source.sides[0].pixels}
    assert len(source.sides[0].pixels) == source.facts["training_images"] == count - held
    assert not seen & trained
