import pytest
import torch
from torch import nn

from n2n.nets.loop import _share, fit, generator_of


def fitted(steps=40, state_path=None, fingerprint="one", report=None, every=10):
    """Fit a line to noisy points; the points of a step depend on the step alone."""
    torch.manual_seed(0)
    model = nn.Linear(1, 1)

    def loss_of_step(step):
        generator = generator_of(5, step)
        x = torch.rand((64, 1), generator=generator)
        return (model(x) - (2 * x + 1 + 0.1 * torch.randn(x.shape, generator=generator))).square().mean()

    curves = fit(
        model,
        loss_of_step,
        lambda: (float((model.weight.detach() - 2).abs()), 7.0),
        steps=steps,
        learning_rate=0.1,
        weight_decay=0,
        fingerprint=fingerprint,
        state_path=state_path,
        validate_every=every,
        report=report or (lambda text: None),
    )
    return model, curves


def test_the_line_is_found_and_the_curves_have_every_column():
    model, curves = fitted(steps=200)
    assert float(model.weight.detach()) == pytest.approx(2, abs=0.1) and float(model.bias.detach()) == pytest.approx(
        1, abs=0.1
    )
    assert [row[0] for row in curves.rows] == list(range(10, 201, 10))
    _, loss, validation, other, rate, seconds = curves.rows[-1]
    assert loss < curves.rows[0][1] and validation < curves.rows[0][2] and other == 7.0
    assert 0 < rate < 1e-3 and seconds > 0


def test_the_rate_rises_and_then_falls_to_nothing():
    rates = [_share(step, 100) for step in range(100)]
    assert rates.index(max(rates)) in (4, 5) and max(rates) == 1
    assert rates[0] < 0.3 and rates[-1] < 1e-3
    assert rates[5:] == sorted(rates[5:], reverse=True)


class Killed(Exception):
    pass


@pytest.mark.parametrize("after", [10, 30])
def test_a_killed_training_ends_with_the_same_network_and_curves(tmp_path, after):
    def report(text):
        if text.startswith(f"step {after}/"):
            raise Killed

    state = tmp_path / "state.pt"
    with pytest.raises(Killed):
        fitted(state_path=state, report=report)
    texts = []
    model, curves = fitted(state_path=state, report=texts.append)
    whole, expected = fitted()
    assert torch.equal(model.weight, whole.weight) and torch.equal(model.bias, whole.bias)
    assert [row[:-1] for row in curves.rows] == [row[:-1] for row in expected.rows]
    assert after == 10 or texts[0].startswith("resuming at step 20")


def test_a_state_of_something_else_or_a_broken_one_is_not_resumed(tmp_path):
    state = tmp_path / "state.pt"
    fitted(state_path=state)
    for spoil in (lambda: None, lambda: state.write_bytes(state.read_bytes()[:100])):
        spoil()
        texts = []
        model, _ = fitted(state_path=state, fingerprint="two", report=texts.append)
        assert not any("resuming" in text for text in texts)
        assert torch.equal(model.weight, fitted()[0].weight)
