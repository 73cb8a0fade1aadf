"""The training loop, whatever is trained on: night or photographs. Can be killed and resumed at any step."""

import io
import math
import pickle
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn

from n2n.errors import UserError
from n2n.formats import sealed

VALIDATE_EVERY = 50  # steps; the state is saved as often, so no more than that is lost by a kill
WARM_UP = 0.05  # share of the steps
SEED_STRIDE = 1_000_003  # between the streams of random numbers of neighbouring seeds


@dataclass
class Curves:
    """Rows of training.csv: step, training loss since the last row, what `validate` gave, rate, seconds."""

    rows: list[tuple] = field(default_factory=list)


def fit(
    model: nn.Module,
    loss_of_step: Callable[[int], torch.Tensor],
    validate: Callable[[], tuple[float, ...]],
    *,
    steps: int,
    learning_rate: float,
    fingerprint: str,
    state_path: Path | None = None,
    memory: nn.Module | None = None,
    weight_decay: float = 1e-4,
    validate_every: int | None = None,
    report: Callable[[str], None] = print,
) -> Curves:
    """Train `model` in place.

    Parameters
    ----------
    model : Module
        Trained in place.
    loss_of_step : callable
        Loss of a step (0, 1, ...). What it draws may depend on the step alone, so that a resumed training draws
        the same; see `generator_of`.
    validate : callable
        Figures of merit, the loss first.
    steps : int
        In all, those of a resumed state among them.
    learning_rate : float
        At its highest, after the warm-up.
    fingerprint : str
        Identifies recipe and data; a saved state with another fingerprint is not resumed.
    state_path : Path, optional
        Where the state is saved, and resumed from.
    memory : Module, optional
        What the loss remembers from step to step, in its buffers: saved and resumed as well.
    weight_decay : float
        Of AdamW.
    validate_every : int, optional
        Steps between validations and between saved states.
    report : callable
        Gets a line of text at every validation.

    Returns
    -------
    Curves
    """
    every = validate_every or VALIDATE_EVERY
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=learning_rate, betas=(0.9, 0.99), weight_decay=weight_decay, fused=True
    )
    device = next(model.parameters()).device
    curves, start = Curves(), 0
    if state_path is not None and state_path.exists():
        state = _load_state(state_path, fingerprint, device)
        if state is not None:
            model.load_state_dict(state["model"])
            optimiser.load_state_dict(state["optimiser"])
            if memory is not None:
                memory.load_state_dict(state["memory"])
            start = state["step"]
            curves.rows = [tuple(row) for row in state["rows"]]
            report(f"resuming at step {start} of {steps}")
        else:
            report(f"{state_path} is damaged, or of another training: all steps are trained")
    began = time.monotonic()
    elapsed_before = curves.rows[-1][-1] if curves.rows else 0.0
    # Summed on the device: reading a loss at every step would make the GPU wait.
    running, since = torch.zeros((), device=device), 0
    for step in range(start, steps):
        rate = learning_rate * _share(step, steps)
        for group in optimiser.param_groups:
            group["lr"] = rate
        loss = loss_of_step(step)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        running += loss.detach()
        since += 1
        done = step + 1
        if done % every == 0 or done == steps:
            found = validate()
            seconds = elapsed_before + time.monotonic() - began
            curves.rows.append((done, float(running) / since, *found, rate, seconds))
            running.zero_()
            since = 0
            left = (time.monotonic() - began) / (done - start) * (steps - done)
            row = curves.rows[-1]
            report(f"step {done}/{steps}  training {row[1]:.4f}  validation {row[2]:.4f}  {left:.0f} s left")
            if state_path is not None:
                _save_state(state_path, fingerprint, model, optimiser, memory, done, curves)
    return curves


def generator_of(seed: int, step: int, device: torch.device | str = "cpu") -> torch.Generator:
    """Random numbers that depend on seed and step alone.

    Parameters
    ----------
    seed : int
        Of the training.
    step : int
        Number of the step.
    device : device
        Where the numbers are drawn.
    """
    return torch.Generator(device).manual_seed(seed * SEED_STRIDE + step)


def _share(step: int, steps: int) -> float:
    """Share of the peak learning rate: linear warm-up, then a cosine to zero."""
    warm_up = max(1, int(WARM_UP * steps))
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, steps - warm_up)))


def _save_state(path: Path, fingerprint, model, optimiser, memory, step, curves) -> None:
    state = {
        "fingerprint": fingerprint,
        "model": model.state_dict(),
        "optimiser": optimiser.state_dict(),
        "memory": memory.state_dict() if memory is not None else {},
        "step": step,
        "rows": [list(row) for row in curves.rows],
    }
    buffer = io.BytesIO()
    torch.save(state, buffer)
    sealed.write_bytes(path, buffer.getbuffer())


def _load_state(path: Path, fingerprint: str, device) -> dict | None:
    """None where the state is damaged, or of another training: then all steps are trained, to the same network."""
    try:
        # torch does not look at the checksums within its own files.
        state = torch.load(io.BytesIO(sealed.read_bytes(path)), map_location=device, weights_only=True)
    except (UserError, OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError):
        return None
    return state if state.get("fingerprint") == fingerprint else None
