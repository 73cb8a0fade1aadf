from dataclasses import replace

import pytest
import torch

from n2n.nets import loop
from n2n.nets.training import Recipe, orient, restore, train

RECIPE = Recipe(width=8, steps=30, batch=4, crop=32, seed=3)
SHORT = replace(RECIPE, steps=12, batch=1)


@pytest.fixture(autouse=True)
def often(monkeypatch):
    monkeypatch.setattr(loop, "VALIDATE_EVERY", 5)


def run(field, recipe=SHORT, fingerprint="one", state_path=None, report=None):
    texts = []
    model, curves = train(
        [field.region], recipe, fingerprint=fingerprint, state_path=state_path, report=report or texts.append
    )
    return model, curves, texts


def same(one, other):
    a, b = one.state_dict(), other.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.fixture(scope="module")
def undisturbed(field):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "VALIDATE_EVERY", 5)
        return run(field)


class Killed(Exception):
    pass


def killed(field, path, after, recipe=SHORT):
    """Train and die when step `after` is reported."""

    def report(text):
        if text.startswith(f"step {after}/"):
            raise Killed

    with pytest.raises(Killed):
        run(field, recipe, state_path=path, report=report)


@pytest.mark.parametrize("activation", ["leaky_relu", "elu"])
def test_thirty_steps_lower_the_loss_of_the_validation(field, activation):
    recipe = replace(RECIPE, activation=activation)
    _, before, _ = run(field, replace(recipe, steps=1, learning_rate=1e-12))
    model, curves, _ = run(field, recipe)
    assert not model.training
    assert curves.rows[-1][2] < 0.995 * before.rows[-1][2]


def test_the_curves_have_a_row_for_every_validation(undisturbed):
    _, curves, texts = undisturbed
    assert [row[0] for row in curves.rows] == [5, 10, 12]
    assert all(loss > 0 for row in curves.rows for loss in row[1:3])
    seconds = [row[4] for row in curves.rows]
    assert seconds == sorted(seconds) and seconds[0] > 0
    assert len(texts) == 3 and "s left" in texts[0]


def test_the_same_seed_gives_the_same_network(field, undisturbed):
    assert same(run(field)[0], undisturbed[0])
    assert not same(run(field, replace(SHORT, seed=4))[0], undisturbed[0])


@pytest.mark.parametrize(("after", "kept"), [(5, 0), (10, 5), (12, 10)])
def test_a_killed_training_goes_on_to_the_same_network(field, undisturbed, tmp_path, after, kept):
    path = tmp_path / "state.pt"
    killed(field, path, after)
    model, curves, texts = run(field, state_path=path)
    assert texts[0].startswith(f"resuming at step {kept} of 12" if kept else "step 5/12")
    assert same(model, undisturbed[0])
    assert [row[:4] for row in curves.rows] == [row[:4] for row in undisturbed[1].rows]


def test_a_finished_training_is_not_done_again(field, undisturbed, tmp_path):
    path = tmp_path / "state.pt"
    run(field, state_path=path)
    model, curves, texts = run(field, state_path=path)
    assert texts == ["resuming at step 12 of 12"]
    assert same(model, undisturbed[0]) and len(curves.rows) == 3


def test_the_state_of_another_training_is_not_resumed(field, undisturbed, tmp_path):
    path = tmp_path / "state.pt"
    killed(field, path, 10, replace(SHORT, seed=9))
    model, _, texts = run(field, fingerprint="other", state_path=path)
    assert not any("resuming" in text for text in texts)
    assert same(model, undisturbed[0])


@pytest.mark.parametrize("rest", [b"", b"not a state at all", None])
def test_a_damaged_state_is_not_resumed(field, undisturbed, tmp_path, rest):
    path = tmp_path / "state.pt"
    if rest is None:
        killed(field, path, 10)
        rest = path.read_bytes()[: path.stat().st_size // 2]
    path.write_bytes(rest)
    model, _, texts = run(field, state_path=path)
    assert not any("resuming" in text for text in texts)
    assert same(model, undisturbed[0])


def test_several_groups_train_one_network(field):
    texts = []
    model, curves = train([field.region, field.region], SHORT, fingerprint="two", report=texts.append)
    assert len(curves.rows) == 3 and not same(model, train([field.region], replace(SHORT, steps=1), fingerprint="1")[0])


@pytest.mark.parametrize("turn", range(8))
def test_every_orientation_can_be_undone(turn):
    image = torch.arange(2 * 3 * 4 * 4.0).view(2, 3, 4, 4)
    turned = orient(image, turn)
    assert torch.equal(restore(turned, turn), image)
    assert not any(torch.equal(turned, orient(image, other)) for other in range(8) if other != turn)
